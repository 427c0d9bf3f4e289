//! What differs between two closures, in packages and versions as people know them.

use std::collections::{BTreeMap, BTreeSet};

use crate::nix::store_path::StorePath;

/// A package whose versions are not the same; either side may have none or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub name: String,
    pub old: Vec<String>,
    pub new: Vec<String>,
}

/// The packages that differ, by name.
#[must_use]
pub fn changes<'a>(
    old: impl Iterator<Item = &'a StorePath>,
    new: impl Iterator<Item = &'a StorePath>,
) -> Vec<Change> {
    let (old, new) = (versions(old), versions(new));
    let names: BTreeSet<&&str> = old.keys().chain(new.keys()).collect();
    let none = BTreeSet::new();
    let mut res = Vec::new();
    for name in names {
        let (old, new) = (old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
        if old != new {
            let text = |it: &BTreeSet<&str>| it.iter().map(|it| (*it).to_owned()).collect();
            res.push(Change { name: (**name).to_owned(), old: text(old), new: text(new) });
        }
    }
    res
}

fn versions<'a>(paths: impl Iterator<Item = &'a StorePath>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut res: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for path in paths {
        let (name, version) = path.package();
        res.entry(name).or_default().insert(version);
    }
    res
}

/// `elodin-db: 0.14.0 → 0.15.0`, `+ mekf 1.0`, `- gdb 15.2`.
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |it: &[String]| {
            let versions: Vec<&str> = it.iter().map(|it| if it.is_empty() { "ε" } else { it }).collect();
            versions.join(", ")
        };
        match (self.old.as_slice(), self.new.as_slice()) {
            ([], [version]) if version.is_empty() => write!(f, "+ {}", self.name),
            ([version], []) if version.is_empty() => write!(f, "- {}", self.name),
            ([], new) => write!(f, "+ {} {}", self.name, text(new)),
            (old, []) => write!(f, "- {} {}", self.name, text(old)),
            (old, new) => write!(f, "{}: {} → {}", self.name, text(old), text(new)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences() {
        let paths = |names: &[&str]| {
            let path = |it: &&str| format!("/nix/store/{}-{it}", "a".repeat(32)).parse().unwrap();
            names.iter().map(path).collect::<Vec<StorePath>>()
        };
        let old = paths(&["db-1.0", "gdb-15", "same-1", "lib-1", "lib-2", "etc"]);
        let new = paths(&["db-1.1", "mekf-1", "same-1", "lib-2", "etc"]);
        let found: Vec<String> = changes(old.iter(), new.iter()).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["db: 1.0 → 1.1", "- gdb 15", "lib: 1, 2 → 2", "+ mekf 1"]);
    }
}
