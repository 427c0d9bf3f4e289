//! The locks of all flakes as one: what they pin, what is wrong with them, what a change did to them.
//!
//! Everything here works on files alone: no Nix, no network.

mod agreement;
pub mod bump;
pub mod calendar;
pub mod calls;
pub mod changes;
mod duplicates;
mod finding;
pub mod graph;
mod matches;
mod nodes;
mod policy;
pub mod releases;
pub mod status;
#[cfg(test)]
mod tests;
pub mod transaction;

pub use agreement::{Shared, shared};
pub use finding::{Finding, Repair, check};

use camino::Utf8PathBuf;

use crate::workspace::{FlakeSource, Lock, Workspace};

/// One flake: what its `flake.nix` asks for, and what its `flake.lock` has.
#[derive(Debug, Clone)]
pub struct State {
    /// Relative to the root of the workspace; `.` is the root.
    pub dir: Utf8PathBuf,
    /// The error is what a user is told.
    pub source: Result<FlakeSource, String>,
    pub lock: Result<Option<Lock>, String>,
    /// It has no lock on purpose.
    pub template: bool,
}

impl State {
    /// A file of the flake, as messages name it.
    #[must_use]
    pub fn file(&self, name: &str) -> Utf8PathBuf {
        if self.dir == "." { Utf8PathBuf::from(name) } else { self.dir.join(name) }
    }

    /// The flake as an argument of Nix: a bare `aleph` would be looked up in the registry.
    #[must_use]
    pub fn argument(&self) -> String {
        if self.dir == "." { ".".to_owned() } else { format!("./{}", self.dir) }
    }

    #[must_use]
    pub fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref().ok().and_then(Option::as_ref)
    }

    /// The names of its own inputs: those of `flake.nix`, or of the lock where that cannot be read.
    #[must_use]
    pub fn inputs(&self) -> Vec<&str> {
        match (&self.source, self.lock()) {
            (Ok(source), _) => source.inputs.keys().map(String::as_str).collect(),
            (Err(_), Some(lock)) => lock.nodes[&lock.root].inputs.keys().map(String::as_str).collect(),
            (Err(_), None) => Vec::new(),
        }
    }
}

/// Reads the flakes and locks of a workspace; what cannot be read is told in its place.
#[must_use]
pub fn load(workspace: &Workspace) -> Vec<State> {
    let globs = &workspace.manifest.lock.without_lock;
    let patterns: Vec<glob::Pattern> = globs.iter().filter_map(|it| glob::Pattern::new(it).ok()).collect();
    let state = |flake: &crate::workspace::Flake| State {
        dir: flake.dir.clone(),
        source: flake.source(&workspace.root).map_err(|it| format!("{it:#}")),
        lock: flake.lock(&workspace.root).map_err(|it| format!("{it:#}")),
        template: patterns.iter().any(|it| it.matches(flake.dir.as_str())),
    };
    workspace.flakes.iter().map(state).collect()
}
