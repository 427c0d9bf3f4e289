//! The names of packages and configurations that Nix has told of last, for whoever needs them at once: a shell that
//! completes a word waits for no evaluation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use crate::files::write_atomic;

const FORMAT: u32 = 1;

/// By flake, as a user names it; the root is `.`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownNames {
    version: u32,
    packages: BTreeMap<String, BTreeSet<String>>,
    configurations: BTreeMap<String, BTreeSet<String>>,
}

impl KnownNames {
    /// What is remembered in the directory of our own files; a damaged file is as good as none.
    #[must_use]
    pub fn read(state: &Utf8Path) -> KnownNames {
        let known = fs::read(state.join("names.json")).ok().and_then(|it| serde_json::from_slice(&it).ok());
        known.filter(|it: &KnownNames| it.version == FORMAT).unwrap_or_default()
    }

    /// Remembers the packages of a flake, where they have changed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember_packages(state: &Utf8Path, flake: &str, names: &[String]) -> anyhow::Result<()> {
        KnownNames::change(state, |it| drop(it.packages.insert(flake.to_owned(), set(names))))
    }

    /// Remembers the NixOS configurations of a flake, where they have changed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember_configurations(state: &Utf8Path, flake: &str, names: &[String]) -> anyhow::Result<()> {
        KnownNames::change(state, |it| drop(it.configurations.insert(flake.to_owned(), set(names))))
    }

    fn change(state: &Utf8Path, change: impl FnOnce(&mut KnownNames)) -> anyhow::Result<()> {
        let old = KnownNames::read(state);
        let mut new = KnownNames::read(state);
        new.version = FORMAT;
        change(&mut new);
        if new == old {
            return Ok(());
        }
        write_atomic(&state.join("names.json"), &serde_json::to_vec(&new)?)
    }

    /// All packages, as they are typed.
    #[must_use]
    pub fn packages(&self) -> Vec<String> {
        let typed = |flake: &str, name: &String| match flake {
            "." => name.clone(),
            flake => format!("{flake}#{name}"),
        };
        let names =
            self.packages.iter().flat_map(|(flake, names)| names.iter().map(move |it| typed(flake, it)));
        names.collect()
    }

    /// All configurations.
    #[must_use]
    pub fn configurations(&self) -> Vec<String> {
        let all: BTreeSet<String> = self.configurations.values().flatten().cloned().collect();
        all.into_iter().collect()
    }
}

fn set(names: &[String]) -> BTreeSet<String> {
    names.iter().cloned().collect()
}
