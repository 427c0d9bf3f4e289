//! A path in the Nix store, as Nix spells it: always below `/nix/store`, wherever the files really are.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// `/nix/store/<32 characters>-<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(String);

const STORE: &str = "/nix/store/";
const HASH: usize = 32;

impl StorePath {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part behind the hash: `elodin-db-0.15.0`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0[STORE.len() + HASH + 1..]
    }

    /// Name and version; see [`name_and_version`].
    #[must_use]
    pub fn package(&self) -> (&str, &str) {
        name_and_version(self.name())
    }

    /// The first characters of the hash, enough to tell files of ours apart.
    #[must_use]
    pub fn short_hash(&self) -> &str {
        &self.0[STORE.len()..STORE.len() + 8]
    }

    #[must_use]
    pub fn is_derivation(&self) -> bool {
        self.0.ends_with(".drv")
    }
}

/// A derivation's name taken apart as `builtins.parseDrvName` does it: the version begins behind the first `-` that no
/// letter follows, and is empty where there is none.
#[must_use]
pub fn name_and_version(name: &str) -> (&str, &str) {
    let follows = |at: &usize| name[at + 1..].chars().next().is_some_and(|it| !it.is_ascii_alphabetic());
    match name.match_indices('-').map(|it| it.0).find(follows) {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (name, ""),
    }
}

impl FromStr for StorePath {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<StorePath> {
        let base = text.strip_prefix(STORE).with_context(|| format!("`{text}` is not in {STORE}"))?;
        let (hash, name) = base.split_once('-').with_context(|| format!("`{text}` has no name"))?;
        let hash_ok =
            hash.len() == HASH && hash.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
        ensure!(hash_ok, "`{text}` has no valid hash");
        let name_ok = |it: u8| it.is_ascii_alphanumeric() || b"+-._?=".contains(&it);
        ensure!(!name.is_empty() && name.bytes().all(name_ok), "`{text}` is not the top of a store path");
        Ok(StorePath(text.to_owned()))
    }
}

impl TryFrom<String> for StorePath {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<StorePath> {
        text.parse()
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> String {
        path.0
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let path: StorePath = "/nix/store/54c9ci5dav84llayb50gz50pwn6fi0gr-a-b.drv".parse().unwrap();
        assert_eq!((path.name(), path.short_hash(), path.is_derivation()), ("a-b.drv", "54c9ci5d", true));
        let output: StorePath = "/nix/store/54c9ci5dav84llayb50gz50pwn6fi0gr-a".parse().unwrap();
        assert!(!output.is_derivation());
        assert_eq!(output.to_string().parse::<StorePath>().unwrap(), output);
    }

    #[test]
    fn names_and_versions() {
        for (text, want) in [
            ("glibc-2.40-66", ("glibc", "2.40-66")),
            ("nixos-system-default-25.05.offline-1", ("nixos-system-default", "25.05.offline-1")),
            ("python3.12-numpy-2.1.2", ("python3.12-numpy", "2.1.2")),
            ("gcc-13.2.0-lib", ("gcc", "13.2.0-lib")),
            ("unit-sshd.service", ("unit-sshd.service", "")),
            ("source", ("source", "")),
            ("a-b-", ("a-b-", "")),
            ("0-0", ("0", "0")),
        ] {
            assert_eq!(name_and_version(text), want);
        }
    }

    #[test]
    fn refusals() {
        for bad in [
            "",
            "/nix/store/",
            "/nix/store/short-a",
            "/usr/bin/nix",
            "/nix/store/54c9ci5dav84llayb50gz50pwn6fi0gr",
            "/nix/store/54c9ci5dav84llayb50gz50pwn6fi0gr-",
            "/nix/store/54c9ci5dav84llayb50gz50pwn6fi0gr-a/bin/a",
            "/nix/store/54C9CI5DAV84LLAYB50GZ50PWN6FI0GR-a",
        ] {
            assert!(bad.parse::<StorePath>().is_err(), "{bad}");
        }
    }
}
