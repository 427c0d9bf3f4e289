//! Versions of Nix, as `nix --version` prints them and as `xtask.toml` asks for them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::nix::Flavour;

/// `2.26.3`, `2.26` or a pre-release such as `2.31.0pre20250712_ed1c0f6`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
    /// What follows the numbers; empty for a release.
    pub pre: String,
}

impl Version {
    #[must_use]
    pub fn new(major: u32, minor: u32, patch: u32) -> Version {
        Version { major, minor, patch, pre: String::new() }
    }

    /// What `nix --version` prints: `nix (Determinate Nix 3.8.6) 2.30.2`.
    #[must_use]
    pub fn from_banner(text: &str) -> Option<(Flavour, Version)> {
        text.lines().find_map(|line| {
            let (who, version) = line.trim().strip_prefix("nix (")?.rsplit_once(") ")?;
            let flavour = match who {
                it if it.starts_with("Determinate") => Flavour::Determinate,
                it if it.starts_with("Lix") => Flavour::Lix,
                _ => Flavour::Upstream,
            };
            Some((flavour, version.trim().parse().ok()?))
        })
    }
}

impl FromStr for Version {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Version> {
        parse(text).with_context(|| format!("`{text}` is not a version of Nix: write `2.26` or `2.26.3`"))
    }
}

fn parse(text: &str) -> Option<Version> {
    let (major, rest) = number(text)?;
    let (minor, rest) = number(rest.strip_prefix('.')?)?;
    let (patch, pre) = match rest.strip_prefix('.') {
        Some(rest) => number(rest)?,
        None => (0, rest),
    };
    let sane = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    // `2.26.` and `2.26.3.1` are typing errors, `2.26pre1`, `2.94.0-dev` and `2.26+1` are not.
    let pre_starts_well = !pre.starts_with(['.', '_']);
    (pre_starts_well && pre.chars().all(sane)).then(|| Version { major, minor, patch, pre: pre.to_owned() })
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        let key = |it: &Version| (it.major, it.minor, it.patch, it.pre.is_empty());
        key(self).cmp(&key(other)).then_with(|| self.pre.cmp(&other.pre))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}{}", self.major, self.minor, self.patch, self.pre)
    }
}

impl TryFrom<String> for Version {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Version> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn every_flavour_of_banner_is_understood() {
        let check = |banner: &str, flavour, expect: &str| {
            assert_eq!(Version::from_banner(banner), Some((flavour, version(expect))), "{banner}");
        };
        check("nix (Nix) 2.26.3\n", Flavour::Upstream, "2.26.3");
        check("nix (Nix) 2.8.0", Flavour::Upstream, "2.8.0");
        check("nix (Nix) 2.34.8", Flavour::Upstream, "2.34.8");
        check("nix (Nix) 2.31.0pre20250712_ed1c0f6", Flavour::Upstream, "2.31.0pre20250712_ed1c0f6");
        check("nix (Determinate Nix 3.8.6) 2.30.2", Flavour::Determinate, "2.30.2");
        check("nix (Lix, like Nix) 2.91.1\nSystem type: x86_64-linux\n", Flavour::Lix, "2.91.1");
        check(
            "nix (Lix, like Nix) 2.94.0-dev-pre20250704-a1b2c3d",
            Flavour::Lix,
            "2.94.0-dev-pre20250704-a1b2c3d",
        );
        check("warning: something\nnix (Nix) 2.26.3", Flavour::Upstream, "2.26.3");
        for other in ["", "nix", "nix (Nix)", "nix (Nix) two", "hello (GNU Hello) 2.10"] {
            assert_eq!(Version::from_banner(other), None, "{other}");
        }
    }

    #[test]
    fn versions_are_ordered_and_a_pre_release_comes_before_its_release() {
        let sorted = ["2.8.0", "2.26", "2.26.3", "2.31.0pre2025", "2.31.0pre2026", "2.31.0", "2.91.1", "3.0"];
        assert!(sorted.map(version).is_sorted());
        assert_eq!(version("2.26"), version("2.26.0"));
    }

    #[test]
    fn display_and_parse_are_inverse() {
        for text in ["2.26.3", "2.31.0pre20250712_ed1c0f6", "2.94.0-dev"] {
            assert_eq!(version(text).to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["", "2", "2.", "2.26.", "2.26.3.1", "two", "2.x", "v2.26", "2.26 ", "99999999999.1"] {
            let err = text.parse::<Version>().unwrap_err().to_string();
            assert_eq!(err, format!("`{text}` is not a version of Nix: write `2.26` or `2.26.3`"));
        }
    }

    #[test]
    fn a_version_is_a_string_in_files() {
        assert_eq!(serde_json::to_string(&version("2.26.3")).unwrap(), r#""2.26.3""#);
        assert_eq!(serde_json::from_str::<Version>(r#""2.26""#).unwrap(), Version::new(2, 26, 0));
        assert!(serde_json::from_str::<Version>("2.26").is_err());
    }
}
