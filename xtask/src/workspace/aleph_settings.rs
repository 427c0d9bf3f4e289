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
    /// The file with the secret key that `deploy` signs with, relative to the root; `~/` is the user's home. Keep it out
    /// of the repository. The device trusts its public half: `aleph.deploy.trustedKeys`.
    pub sign_key: Option<String>,
    /// Seconds after which a device that was not told to keep a new system goes back to the old one.
    pub confirm_timeout: u32,
    /// What must be true of a device before a new system is kept.
    pub probes: Vec<Probe>,
}

/// One thing that must be true of a device, as `{tcp = 2240}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Something listens on this TCP port.
    Tcp(u16),
    /// This unit of systemd is active.
    Unit(String),
    /// This command of the device's shell, run as root, succeeds within ten seconds.
    Command(String),
}

impl Default for AlephSettings {
    fn default() -> AlephSettings {
        AlephSettings {
            flake: None,
            config: "default".to_owned(),
            target: None,
            sign_key: None,
            confirm_timeout: 120,
            probes: Vec::new(),
        }
    }
}
