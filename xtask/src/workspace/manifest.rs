//! `xtask.toml`: what no flake can say about this repository. Parsed strictly, every key optional.

use anyhow::bail;
use camino::Utf8Path;
use serde::Deserialize;

use super::aleph_settings::AlephSettings;
use super::cache_settings::CacheSettings;
use super::checked_text::{globs, version};
use super::ci_settings::CiSettings;
use super::image_settings::ImageSettings;
use super::lock_settings::LockSettings;
use super::nearest::{did_you_mean, nearest};
use super::position::Position;
use super::setup_settings::SetupSettings;
use flake_lock::first_conflict;

/// The workspace manifest. An empty file beside a `flake.nix` is a valid one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Globs, relative to the root, of the flakes of this workspace: `flake.nix` files or the directories that have one.
    #[serde(deserialize_with = "globs")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub flakes: Vec<String>,
    /// Globs, relative to the root, of directories and files that are left out.
    #[serde(deserialize_with = "globs")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub ignore: Vec<String>,
    /// The flake input that holds the source of what is built here; `--src DIR` replaces it by a local checkout.
    pub source: Option<String>,
    /// The Nix that is used, and how.
    pub nix: NixSettings,
    /// The binary caches that this workspace trusts, and the one that it fills.
    pub cache: CacheSettings,
    /// The dev shell.
    pub shell: ShellSettings,
    /// What the locks of this workspace must be like.
    pub lock: LockSettings,
    /// Container images.
    pub image: ImageSettings,
    /// The flight computer.
    pub aleph: AlephSettings,
    /// The jobs that CI runs, and where.
    pub ci: CiSettings,
    /// How machines are set up.
    pub setup: SetupSettings,
}

/// The Nix that is used, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NixSettings {
    /// The oldest Nix that will do, such as `2.26`.
    #[serde(deserialize_with = "version")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub minimum: String,
    /// Whether builds are isolated. Turn it off only where the kernel forbids user namespaces.
    pub sandbox: bool,
    /// Seconds to wait for a binary cache before going on without it.
    pub connect_timeout: u32,
}

/// The dev shell.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ShellSettings {
    /// Globs, relative to the root, of the files that the dev shell is made from: when one changes, it is made anew.
    #[serde(deserialize_with = "globs")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub watch: Vec<String>,
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest {
            flakes: vec!["**/flake.nix".to_owned()],
            ignore: Vec::new(),
            source: None,
            nix: NixSettings::default(),
            cache: CacheSettings::default(),
            shell: ShellSettings::default(),
            lock: LockSettings::default(),
            image: ImageSettings::default(),
            aleph: AlephSettings::default(),
            ci: CiSettings::default(),
            setup: SetupSettings::default(),
        }
    }
}

impl Default for NixSettings {
    fn default() -> NixSettings {
        NixSettings { minimum: "2.26".to_owned(), sandbox: true, connect_timeout: 5 }
    }
}

impl Default for ShellSettings {
    fn default() -> ShellSettings {
        let watch = ["flake.nix", "flake.lock", "nix/**/*.nix", "rust-toolchain.toml"];
        ShellSettings { watch: watch.map(str::to_owned).to_vec() }
    }
}

impl Manifest {
    /// Reads a manifest from its text; `file` is what messages call it.
    pub fn parse(text: &str, file: &Utf8Path) -> anyhow::Result<Manifest> {
        match toml::from_str(text) {
            Ok(manifest) => Ok(manifest),
            Err(err) => {
                if let Some((line, marker)) = first_conflict(text) {
                    bail!("{file}:{line}: merge conflict (`{marker}`); edit the file to resolve it");
                }
                let at = err.span().map_or(0, |it| it.start);
                bail!("{file}:{}: {}", Position::of(text, at), explain(err.message()))
            }
        }
    }
}

/// serde's words in ours; for an unknown key with what may have been meant.
fn explain(message: &str) -> String {
    let unknown = message.strip_prefix("unknown field `").and_then(|it| it.split_once("`, expected"));
    if let Some((bad, expected)) = unknown {
        let valid: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let near = did_you_mean(&nearest(bad, valid.iter().copied()));
        return format!("unknown key `{bad}`{near} (valid here: {})", valid.join(", "));
    }
    let message = message.trim().replace('\n', ", ");
    let message =
        message.replace("a sequence", "an array").replace("expected u32", "expected a whole number from 0");
    match message.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected a table"),
        None => message,
    }
}

#[cfg(test)]
mod tests;
