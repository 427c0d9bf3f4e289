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
    /// With what version 5 kept apart.
    pub(crate) fn with_info(mut self, info: Option<Reference>) -> Reference {
        if let Some(info) = info {
            self.nar_hash = self.nar_hash.or(info.nar_hash);
            self.last_modified = self.last_modified.or(info.last_modified);
            for (name, value) in info.other {
                self.other.entry(name).or_insert(value);
            }
        }
        self
    }
}
