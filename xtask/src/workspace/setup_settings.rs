//! `[setup]` of the manifest.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How machines are set up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetupSettings {
    /// The installer of Nix that `setup nix` runs; without it, `setup nix` says what to write here.
    pub installer: Option<InstallerSettings>,
}

/// A program that installs Nix. It runs as root, so it is pinned by its hash.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InstallerSettings {
    /// Its version, such as `v3.11.3`.
    pub version: String,
    /// Where it is; `{version}` and `{system}` are replaced. Determinate's own place by default.
    #[serde(default = "place")]
    pub url: String,
    /// The SHA-256 of the program, in hexadecimal, by system: `x86_64-linux`, `aarch64-darwin`.
    pub sha256: BTreeMap<String, String>,
}

fn place() -> String {
    "https://install.determinate.systems/nix/tag/{version}/nix-installer-{system}".to_owned()
}

impl InstallerSettings {
    /// Where the program for a system is.
    #[must_use]
    pub fn url_for(&self, system: &str) -> String {
        self.url.replace("{version}", &self.version).replace("{system}", system)
    }
}
