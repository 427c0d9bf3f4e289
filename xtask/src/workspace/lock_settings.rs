//! The `[lock]` section of `xtask.toml`: what the locks of this workspace must be like.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::checked_text::globs;

/// What the locks of this workspace must be like. `cargo xtask lock check` holds it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockSettings {
    /// Days after which an input that follows a branch is too old. Absent: never.
    pub max_age: Option<u32>,
    /// Globs of the branches and tags that inputs may name, such as `nixos-*`. Empty: any.
    pub allowed_refs: Vec<String>,
    /// The owners (GitHub, GitLab, SourceHut) whose repositories may be locked, by us or by an input. Empty: any.
    pub allowed_owners: Vec<String>,
    /// Inputs that may have another revision in each flake, each with the reason.
    pub differ: BTreeMap<String, String>,
    /// Globs, relative to the root, of the directories of flakes that have no lock on purpose, as templates do.
    #[serde(deserialize_with = "globs")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub without_lock: Vec<String>,
    /// An input has its own copy of what could follow one of ours.
    pub duplicates: Severity,
    /// The NixOS release of an input gets no security updates any more.
    pub end_of_life: Severity,
    /// Globs, relative to the root, of the documents whose mentions of the NixOS release `cargo xtask bump` rewrites.
    #[serde(deserialize_with = "globs")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub bump_docs: Vec<String>,
}

/// What a finding does to the result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The check fails.
    Fail,
    /// It is told, and the check is still good.
    Warn,
    /// It is not told.
    Ignore,
}

impl Default for LockSettings {
    fn default() -> LockSettings {
        let templates = ["template", "templates/**", "**/template", "**/templates/**"];
        LockSettings {
            max_age: None,
            allowed_refs: Vec::new(),
            allowed_owners: Vec::new(),
            differ: BTreeMap::new(),
            without_lock: templates.map(str::to_owned).to_vec(),
            duplicates: Severity::Fail,
            end_of_life: Severity::Warn,
            bump_docs: Vec::new(),
        }
    }
}
