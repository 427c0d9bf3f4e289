//! The locks of all flakes as one table: input × flake.

use serde_json::{Value, json};

use super::State;
use super::agreement::shared;
use super::calendar::{age, date, days_between};
use crate::report::Table;
use crate::workspace::{Lock, LockSettings, Reference};
use flake_lock::LockedInput;

/// One input of one flake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `-` for a flake that has none, or that cannot be read.
    pub input: String,
    pub flake: String,
    /// What it is locked to.
    pub locked: Option<Reference>,
    /// What `flake.nix` asks for.
    pub asks: Option<String>,
    pub days: Option<i64>,
    pub follows: Option<String>,
    /// Its revision differs from another flake's, and the manifest does not allow that.
    pub drift: bool,
    pub notes: Vec<String>,
}

/// All inputs, by name and then by flake. `now` is in seconds since 1970.
#[must_use]
pub fn rows(states: &[State], settings: &LockSettings, now: i64) -> Vec<Row> {
    let mut rows = Vec::new();
    for state in states {
        match (&state.lock, &state.source) {
            (Err(problem), _) | (_, Err(problem)) => rows.push(empty(state, problem.clone())),
            (Ok(None), Ok(source)) if source.inputs.is_empty() => {
                rows.push(empty(state, "no inputs".to_owned()));
            }
            (Ok(None), Ok(_)) if state.template => rows.push(empty(state, "template, no lock".to_owned())),
            (Ok(None), Ok(_)) => rows.push(empty(state, "no flake.lock".to_owned())),
            (Ok(Some(lock)), Ok(_)) => {
                let inputs = &lock.nodes[&lock.root].inputs;
                rows.extend(inputs.iter().map(|(name, input)| row(state, lock, name, input, now)));
            }
        }
    }
    mark_drift(&mut rows, states, settings);
    rows.sort_by(|a, b| (a.input == "-", &a.input).cmp(&(b.input == "-", &b.input)));
    rows
}

fn empty(state: &State, note: String) -> Row {
    Row {
        input: "-".to_owned(),
        flake: state.dir.to_string(),
        locked: None,
        asks: None,
        days: None,
        follows: None,
        drift: false,
        notes: vec![note],
    }
}

fn row(state: &State, lock: &Lock, name: &str, input: &LockedInput, now: i64) -> Row {
    let node = &lock.nodes[&input.node];
    let source = state.source.as_ref().ok().and_then(|it| it.inputs.get(name));
    let mut notes = Vec::new();
    if let Some(original) = node.original.as_ref().filter(|it| it.rev.is_some() && input.follows.is_none()) {
        let at = source.map(|it| it.url_position.unwrap_or(it.position));
        let at = at.map(|it| format!(" ({}:{it})", state.file("flake.nix"))).unwrap_or_default();
        let branch = original.git_ref.as_ref().map(|it| format!(", branch {it}")).unwrap_or_default();
        notes.push(format!("revision in the URL{at}{branch}"));
    }
    if node.locked.as_ref().is_some_and(Reference::is_relative) {
        notes.push("in this repository".to_owned());
    }
    if source.is_none() {
        notes.push("not in flake.nix".to_owned());
    }
    Row {
        input: name.to_owned(),
        flake: state.dir.to_string(),
        locked: node.locked.clone(),
        asks: node.original.as_ref().filter(|_| input.follows.is_none()).map(Reference::to_url),
        days: node.locked.as_ref().and_then(|it| it.last_modified).map(|it| days_between(it, now)),
        follows: input.follows.as_ref().map(|it| it.join("/")),
        drift: false,
        notes,
    }
}

fn mark_drift(rows: &mut [Row], states: &[State], settings: &LockSettings) {
    for shared in shared(states).iter().filter(|it| !it.agrees()) {
        let Some((first, newest)) = shared.newest() else { continue };
        let reason = settings.differ.get(shared.name);
        for row in rows.iter_mut().filter(|it| it.input == shared.name && it.follows.is_none()) {
            let same =
                row.locked.as_ref().zip(newest.locked.as_ref()).is_some_and(|(a, b)| a.is_same_content(b));
            let note = match reason {
                Some(reason) => format!("may differ: {reason}"),
                None if same => "newest".to_owned(),
                None => {
                    row.drift = true;
                    let newer = newest.locked.as_ref().and_then(|it| it.last_modified);
                    let older = row.locked.as_ref().and_then(|it| it.last_modified);
                    let days = older.zip(newer).map(|(a, b)| days_between(a, b)).filter(|it| *it > 0);
                    let days = days.map(|it| format!(", {it} d behind")).unwrap_or_default();
                    format!("DRIFT from `{}`{days}", states[first].dir)
                }
            };
            row.notes.insert(0, note);
        }
    }
}

/// The table for people; `red` marks what drifts.
pub fn table(rows: &[Row], red: impl Fn(&str) -> String) -> Table {
    let mut table = Table::new(&["input", "flake", "revision", "date", "age", "asks for", "notes"]);
    for row in rows {
        let reference = row.locked.as_ref();
        let changed = reference.and_then(|it| it.last_modified);
        let mut notes = row.notes.clone();
        notes.extend(row.follows.as_ref().map(|it| format!("follows {it}")));
        let notes = notes.join("; ");
        table.rows.push(vec![
            row.input.clone(),
            row.flake.clone(),
            reference.map_or_else(|| "-".to_owned(), Reference::short),
            changed.map_or_else(|| "-".to_owned(), date),
            row.days.map_or_else(|| "-".to_owned(), age),
            row.asks.as_ref().map_or_else(|| "-".to_owned(), |it| shorter(it, reference)),
            if row.drift { red(&notes) } else { notes },
        ]);
    }
    table
}

/// A reference without most of the revision, which has a column of its own.
fn shorter(asks: &str, locked: Option<&Reference>) -> String {
    match locked.and_then(|it| Some((it.rev.as_ref()?, it.short()))) {
        Some((rev, short)) => asks.replace(rev, &short),
        None => asks.to_owned(),
    }
}

#[must_use]
pub fn json(rows: &[Row]) -> Vec<Value> {
    let one = |it: &Row| {
        let locked = it.locked.as_ref();
        json!({
            "input": (it.input != "-").then_some(&it.input),
            "flake": it.flake,
            "rev": locked.and_then(|it| it.rev.clone()),
            "nar_hash": locked.and_then(|it| it.nar_hash.clone()),
            "last_modified": locked.and_then(|it| it.last_modified),
            "date": locked.and_then(|it| it.last_modified).map(date),
            "age_days": it.days,
            "asks_for": it.asks,
            "follows": it.follows,
            "drift": it.drift,
            "notes": it.notes,
        })
    };
    rows.iter().map(one).collect()
}
