//! What is wrong with the locks: findings, as a pure function of flakes, locks, policy and time.

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use super::State;
use super::{agreement, duplicates, matches, nodes, policy};
use crate::workspace::{LockSettings, Severity};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// The directory of the flake.
    pub flake: Utf8PathBuf,
    /// The path of the input, such as `crane/nixpkgs`.
    pub input: Option<String>,
    /// A file, with line and column where they are known.
    pub place: String,
    pub what: String,
    pub repair: Repair,
}

/// How a finding is repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// The user must decide: what to do, with the command.
    Advice(String),
    /// Nix writes the lock anew from `flake.nix`; what matches stays. Safe.
    Lock { argument: String },
    /// An input of an input follows one of ours. Safe: an attribute is added to `flake.nix`.
    Follow { input: Vec<String>, target: String, argument: String },
}

impl Repair {
    /// As a user would do it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Repair::Advice(it) => it.clone(),
            Repair::Lock { argument } => format!("run `nix flake lock {argument}`"),
            Repair::Follow { input, target, argument } => {
                let path = input.join(".inputs.");
                format!(
                    "run `cargo xtask lock check --fix`, or write `inputs.{path}.follows = \"{target}\";` and run \
                     `nix flake lock {argument}`"
                )
            }
        }
    }

    /// Whether `--fix` can do it.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        !matches!(self, Repair::Advice(_))
    }
}

impl Finding {
    /// One text for people.
    #[must_use]
    pub fn text(&self) -> String {
        let input = self.input.as_ref().map(|it| format!("`{it}`: ")).unwrap_or_default();
        format!("{}: {input}{}\n  repair: {}", self.place, self.what, self.repair.text())
    }

    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "severity": if self.severity == Severity::Fail { "error" } else { "warning" },
            "flake": self.flake,
            "input": self.input,
            "place": self.place,
            "what": self.what,
            "repair": self.repair.text(),
            "fixable": self.repair.is_safe(),
        })
    }
}

/// All that is wrong. `now` is in seconds since 1970.
#[must_use]
pub fn check(states: &[State], settings: &LockSettings, now: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    for state in states {
        let unreadable = matches::readable(state);
        let broken = !unreadable.is_empty();
        found.extend(unreadable);
        if broken {
            continue;
        }
        found.extend(matches::check(state));
        found.extend(nodes::check(state));
        found.extend(duplicates::check(state, settings.duplicates));
        found.extend(policy::check(state, settings, now));
    }
    found.extend(agreement::check(states, settings));
    found.retain(|it| it.severity != Severity::Ignore);
    found
}
