//! `xtask.toml`: what no flake can say about this repository. Parsed strictly, every key optional.

use anyhow::bail;
use camino::Utf8Path;
use glob::Pattern;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::nearest::{did_you_mean, nearest};
use super::position::Position;

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
    /// The Nix that is used, and how.
    pub nix: NixSettings,
    /// The binary caches that this workspace trusts.
    pub cache: CacheSettings,
    /// The dev shell.
    pub shell: ShellSettings,
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

/// The binary caches that this workspace trusts. A flake's own `nixConfig` is accepted only when it names the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheSettings {
    /// URLs of the caches.
    pub substituters: Vec<String>,
    /// The public keys that the caches sign with, as `name:base64`.
    #[serde(deserialize_with = "public_keys")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub public_keys: Vec<String>,
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
            nix: NixSettings::default(),
            cache: CacheSettings::default(),
            shell: ShellSettings::default(),
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
                let at = err.span().map_or(0, |it| it.start);
                bail!("{file}:{}: {}", Position::of(text, at), explain(err.message()))
            }
        }
    }
}

/// serde's words for an unknown key, in ours and with what may have been meant. All else stays as it is.
fn explain(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return message.trim().replace('\n', ", ");
    };
    let Some((bad, expected)) = rest.split_once("`, expected") else {
        return message.replace("unknown field", "unknown key");
    };
    let valid: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let near = did_you_mean(&nearest(bad, valid.iter().copied()));
    format!("unknown key `{bad}`{near} (valid here: {})", valid.join(", "))
}

fn globs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<Glob>::deserialize(deserializer)?.into_iter().map(|it| it.0).collect())
}

fn public_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<PublicKey>::deserialize(deserializer)?.into_iter().map(|it| it.0).collect())
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.split('.').all(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit())) {
        return Ok(text);
    }
    Err(D::Error::custom(format!("`{text}` is not a version of Nix; write it like \"2.26\"")))
}

/// A glob that is known to be good. Checked one by one, so that the error points at the bad one.
struct Glob(String);

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Glob, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text.starts_with('/') || text.split('/').any(|it| it == "." || it == "..") {
            return Err(D::Error::custom(format!(
                "bad glob `{text}`: write it relative to the root, without `./` or `..`"
            )));
        }
        match Pattern::new(text.trim_end_matches('/')) {
            Ok(_) => Ok(Glob(text.trim_end_matches('/').to_owned())),
            Err(err) => Err(D::Error::custom(format!(
                "bad glob `{text}`: {} (at character {})",
                err.msg,
                err.pos + 1
            ))),
        }
    }
}

/// A public key as Nix writes it.
struct PublicKey(String);

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.split_once(':') {
            Some((name, key)) if !name.is_empty() && !key.is_empty() => Ok(PublicKey(text)),
            _ => {
                Err(D::Error::custom(format!("`{text}` is not a public key; write it like \"name:base64\"")))
            }
        }
    }
}
