//! The health of this machine: facts are gathered at once by threads, and what they mean is decided by pure functions.

mod build_dir;
mod builders;
mod builds;
mod caches;
mod check;
mod facts;
mod flake_files;
mod macos;
mod nix;
mod own;
mod probe;
mod settings;
mod space;

use serde_json::{Value, json};

pub use self::check::{Check, Fix, State};
pub use self::facts::Facts;
use crate::changeset::{self, Change, Changeset};
use crate::report::{Report, count};

/// All checks, in the order of the page.
#[must_use]
pub fn checks(facts: &Facts) -> Vec<Check> {
    let groups = [
        nix::checks,
        settings::checks,
        caches::checks,
        builds::checks,
        builders::checks,
        flake_files::checks,
        macos::checks,
        own::checks,
    ];
    groups.iter().flat_map(|it| it(facts)).collect()
}

/// What `--fix` would do: first what the user may do himself, then what needs root, as one.
///
/// # Errors
/// When a file of the machine cannot be read.
pub fn fixes(facts: &Facts, checks: &[Check]) -> anyhow::Result<Vec<Changeset>> {
    let mut own = Changeset::new("what needs no rights");
    let mut settings: Vec<(&str, Vec<String>)> = Vec::new();
    for fix in checks.iter().flat_map(|it| &it.fixes) {
        match fix {
            Fix::Run(words) => own.changes.push(Change::Run(words.clone())),
            Fix::Setting { name, words } => settings.push((name, words.clone())),
        }
    }
    let machine =
        changeset::settings::add(&facts.host, &facts.installation, "settings of the machine", &settings)?;
    Ok([own, machine].into_iter().filter(|it| !it.is_empty()).collect())
}

/// The page. `paint` colours a text.
#[must_use]
pub fn report(checks: &[Check], paint: &dyn Fn(&str, &str) -> String) -> Report {
    let width = checks.iter().map(|it| it.name.chars().count()).max().unwrap_or(0);
    let mut notes = Vec::new();
    for (n, it) in checks.iter().enumerate() {
        if n == 0 || checks[n - 1].group != it.group {
            notes.push(paint("1", it.group));
        }
        notes.push(it.text(width, paint));
    }
    let number = |state| checks.iter().filter(|it| it.state == state).count();
    let (failed, warned) = (number(State::Fail), number(State::Warn));
    let fixable = checks.iter().filter(|it| !it.fixes.is_empty()).count();
    let mut last = match (failed, warned) {
        (0, 0) => format!("{}, all is well", count(checks.len(), "check")),
        _ => format!(
            "{}: {}, {}",
            count(checks.len(), "check"),
            count(failed, "error"),
            count(warned, "warning")
        ),
    };
    if fixable > 0 {
        last += &format!("; `cargo xtask doctor --fix` repairs {fixable} of them");
    }
    notes.push(last);
    Report { ok: failed == 0, notes, json: json(checks), ..Report::default() }
}

fn json(checks: &[Check]) -> Value {
    let checks_json: Vec<Value> = checks.iter().map(Check::json).collect();
    json!({
        "version": 1,
        "ok": checks.iter().all(|it| it.state != State::Fail),
        "checks": checks_json,
    })
}

#[cfg(test)]
pub(crate) mod machines;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble;
