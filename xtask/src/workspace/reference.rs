//! A flake reference as a lock spells it, attribute by attribute.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The attributes of a flake reference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Reference {
    #[serde(rename = "type")]
    pub kind: String,
    pub url: Option<String>,
    pub path: Option<String>,
    pub id: Option<String>,
    pub host: Option<String>,
    pub owner: Option<String>,
    pub repo: Option<String>,
    pub dir: Option<String>,
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    pub rev: Option<String>,
    pub dirty_rev: Option<String>,
    pub nar_hash: Option<String>,
    /// Seconds since 1970.
    pub last_modified: Option<i64>,
    /// All else: `submodules`, `shallow`, `revCount`, …
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Reference {
    /// What a node is locked to, with what version 5 kept apart.
    pub(super) fn locked(mut locked: Value, info: Option<Value>) -> serde_json::Result<Reference> {
        if let (Some(locked), Some(Value::Object(info))) = (locked.as_object_mut(), info) {
            for (name, value) in info {
                locked.entry(name).or_insert(value);
            }
        }
        serde_json::from_value(locked)
    }
}
