//! An output of a flake that can be built, and what its evaluation gave.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::nix::store_path::StorePath;
use crate::plan::question::attr_name;

/// The kinds of outputs that have a system in their path, in the order in which they are told.
pub const KINDS: [&str; 3] = ["packages", "checks", "devShells"];
pub const SYSTEMS: &str = "nixosConfigurations";
/// Where the derivation of a NixOS configuration is.
pub const TOPLEVEL: [&str; 4] = ["config", "system", "build", "toplevel"];

/// Where something to build is: a flake and an attribute path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Output {
    /// The directory of its flake, relative to the root.
    pub flake: Utf8PathBuf,
    pub path: Vec<String>,
}

/// What became of the evaluation of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Derivation(Derivation),
    /// Why it cannot be evaluated.
    Broken(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derivation {
    pub drv: StorePath,
    pub system: String,
    pub outs: BTreeMap<String, StorePath>,
}

/// All outputs of a workspace.
pub type Outputs = BTreeMap<Output, State>;

impl Output {
    /// The attribute path as Nix reads it.
    #[must_use]
    pub fn attr(&self) -> String {
        self.path.iter().map(|it| attr_name(it)).collect::<Vec<_>>().join(".")
    }

    /// How `cargo xtask build` knows it, in a flake of that name.
    #[must_use]
    pub fn name(&self, flake: &str) -> String {
        let package = self.path.len() == 3 && self.path[0] == "packages";
        match (package, flake) {
            _ if self.path.is_empty() => flake.to_owned(),
            (true, ".") if !self.path[2].contains('.') => self.path[2].clone(),
            (true, _) => format!("{flake}#{}", attr_name(&self.path[2])),
            (false, _) => format!("{flake}#{}", self.attr()),
        }
    }

    /// The system in its path. NixOS configurations only tell it when they are evaluated.
    #[must_use]
    pub fn system_in_path(&self) -> Option<&str> {
        KINDS.contains(&self.path.first()?.as_str()).then(|| self.path.get(1).map(String::as_str)).flatten()
    }

    /// Its place among others: packages first, because checks are often the same once more.
    #[must_use]
    pub fn rank(&self) -> usize {
        let kind = self.path.first().map(String::as_str).unwrap_or_default();
        let kind = KINDS.iter().position(|it| *it == kind).unwrap_or(KINDS.len());
        // `default` is most often another name.
        2 * kind + usize::from(self.path.last().is_some_and(|it| it == "default"))
    }
}

impl State {
    #[must_use]
    pub fn derivation(&self) -> Option<&Derivation> {
        match self {
            State::Derivation(it) => Some(it),
            State::Broken(_) => None,
        }
    }
}
