//! `[aleph]` of the manifest.

use serde::Deserialize;

/// The flight computer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AlephSettings {
    /// The directory of the flake that has the NixOS configurations; `None`: the only flake that has any.
    pub flake: Option<String>,
    /// The configuration in `nixosConfigurations` that is built and deployed where none is named.
    pub config: String,
    /// The device that is deployed to where none is named, such as `root@fde1:2240:a1ef::1`.
    pub target: Option<String>,
}

impl Default for AlephSettings {
    fn default() -> AlephSettings {
        AlephSettings { flake: None, config: "default".to_owned(), target: None }
    }
}
