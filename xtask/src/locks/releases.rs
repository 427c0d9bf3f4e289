//! The releases of NixOS: how branches are named after them, and when each one ends.

use std::fmt;
use std::str::FromStr;

use anyhow::anyhow;

/// Releases and the last day of their security updates. Source: the release schedule of nixos.org
/// (<https://nixos.org/manual/nixos/stable/release-notes>, <https://github.com/NixOS/release-schedule>): a release
/// ends one month after the next one, on the last day of June or December.
const ENDS: [(&str, &str); 12] = [
    ("21.05", "2021-12-31"),
    ("21.11", "2022-06-30"),
    ("22.05", "2022-12-31"),
    ("22.11", "2023-06-30"),
    ("23.05", "2023-12-31"),
    ("23.11", "2024-06-30"),
    ("24.05", "2024-12-31"),
    ("24.11", "2025-06-30"),
    ("25.05", "2025-12-31"),
    ("25.11", "2026-06-30"),
    ("26.05", "2026-12-31"),
    ("26.11", "2027-06-30"),
];

/// What branches of NixOS and of nixpkgs begin with.
const BRANCHES: [&str; 3] = ["nixos-", "nixpkgs-", "release-"];

/// A release of NixOS, such as `25.05`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(String);

impl Release {
    /// The release that a branch is of: `nixos-25.05`, `nixos-25.05-small`, `nixpkgs-25.05-darwin`, `release-25.05`.
    #[must_use]
    pub fn of_branch(branch: &str) -> Option<Release> {
        let rest = BRANCHES.iter().find_map(|it| branch.strip_prefix(it))?;
        let number = rest.split('-').next().unwrap_or_default();
        number.parse().ok()
    }

    /// The last day of its updates, where we know it.
    #[must_use]
    pub fn end(&self) -> Option<&'static str> {
        ENDS.iter().find(|it| it.0 == self.0).map(|it| it.1)
    }

    /// The newest release that still gets updates on a day and is out already.
    #[must_use]
    pub fn newest(today: &str) -> Option<&'static str> {
        // A release is there from the end of the month before the one that it is named after.
        let out = |release: &str| format!("20{}-30", release.replace('.', "-")).as_str() <= today;
        ENDS.iter().rev().find(|it| out(it.0)).map(|it| it.0)
    }
}

/// All mentions of a release's branches in a text, as byte ranges of the number alone.
#[must_use]
pub fn mentions(text: &str) -> Vec<(std::ops::Range<usize>, Release)> {
    let mut found = Vec::new();
    for branch in BRANCHES {
        for (at, _) in text.match_indices(branch) {
            let start = at + branch.len();
            let fresh = !text[..at].ends_with(|it: char| it.is_ascii_alphanumeric() || it == '_');
            let number = text.get(start..start + 5).and_then(|it| Release::from_str(it).ok());
            let ends = !text[(start + 5).min(text.len())..].starts_with(|it: char| it.is_ascii_digit());
            if let (Some(release), true, true) = (number, fresh, ends) {
                found.push((start..start + 5, release));
            }
        }
    }
    found.sort_by_key(|it| it.0.start);
    found
}

impl FromStr for Release {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Release> {
        let digits = |it: &str| it.len() == 2 && it.bytes().all(|it| it.is_ascii_digit());
        match text.split_once('.') {
            Some((year, month)) if digits(year) && matches!(month, "03" | "05" | "09" | "11") => {
                Ok(Release(text.to_owned()))
            }
            _ => Err(anyhow!("`{text}` is no release of NixOS; write it like 25.11")),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_and_ends() {
        let release = |branch: &str| Release::of_branch(branch).map(|it| it.to_string());
        assert_eq!(release("nixos-25.05").as_deref(), Some("25.05"));
        assert_eq!(release("nixos-25.05-small").as_deref(), Some("25.05"));
        assert_eq!(release("nixpkgs-24.11-darwin").as_deref(), Some("24.11"));
        for branch in ["nixos-unstable", "v25.05", "nixos-25.5", "nixos-2x.05"] {
            assert_eq!(release(branch), None, "{branch}");
        }
        assert_eq!(Release("25.05".into()).end(), Some("2025-12-31"));
        assert_eq!(Release::newest("2026-11-22"), Some("26.05"));
        assert_eq!(Release::newest("2026-12-01"), Some("26.11"));
    }

    #[test]
    fn mentions_in_a_text() {
        let text =
            "github:NixOS/nixpkgs/nixos-25.05-small, xnixos-25.05, release-24.11, nixos-25.051, nixos-2é.05";
        let found: Vec<(&str, String)> =
            mentions(text).into_iter().map(|(range, it)| (&text[range], it.to_string())).collect();
        assert_eq!(found, [("25.05", "25.05".to_owned()), ("24.11", "24.11".to_owned())]);
    }
}
