//! Inputs that several flakes share: whether all of them have the same revision.

use std::collections::BTreeMap;

use super::State;
use super::calendar::{date, days_between};
use super::finding::{Finding, Repair};
use crate::workspace::{LockSettings, Reference, Severity};
use flake_lock::Node;

/// An input of that name in several flakes.
#[derive(Debug)]
pub struct Shared<'a> {
    pub name: &'a str,
    /// The flakes that lock it, by their place among all, and to what.
    pub locked: Vec<(usize, &'a Node)>,
}

impl<'a> Shared<'a> {
    /// The one to agree on: the newest.
    #[must_use]
    pub fn newest(&self) -> Option<(usize, &'a Node)> {
        // The first of equals, which is the root's.
        self.locked.iter().rev().copied().max_by_key(|(_, node)| locked(node).last_modified)
    }

    #[must_use]
    pub fn agrees(&self) -> bool {
        self.locked.windows(2).all(|it| locked(it[0].1).is_same_content(locked(it[1].1)))
    }
}

/// What a node is locked to; every node but the root is.
fn locked(node: &Node) -> &Reference {
    static NOTHING: std::sync::LazyLock<Reference> = std::sync::LazyLock::new(Reference::default);
    node.locked.as_ref().unwrap_or(&NOTHING)
}

/// The inputs that at least two flakes lock by themselves. A relative path is another thing in each flake.
#[must_use]
pub fn shared(states: &[State]) -> Vec<Shared<'_>> {
    let mut by_name: BTreeMap<&str, Vec<(usize, &Node)>> = BTreeMap::new();
    for (index, state) in states.iter().enumerate() {
        let Some(lock) = state.lock() else { continue };
        for (name, input) in &lock.nodes[&lock.root].inputs {
            let node = &lock.nodes[&input.node];
            if input.follows.is_none() && !locked(node).is_relative() && node.parent.is_none() {
                by_name.entry(name).or_default().push((index, node));
            }
        }
    }
    let several = by_name.into_iter().filter(|it| it.1.len() > 1);
    several.map(|(name, locked)| Shared { name, locked }).collect()
}

pub(super) fn check(states: &[State], settings: &LockSettings) -> Vec<Finding> {
    let all = shared(states);
    let mut found = Vec::new();
    for it in all.iter().filter(|it| !settings.differ.contains_key(it.name)) {
        let Some((first, newest)) = it.newest() else { continue };
        for (index, node) in &it.locked {
            if !locked(node).is_same_content(locked(newest)) {
                found.push(differs(&states[*index], it.name, node, &states[first], newest));
            }
        }
    }
    for (name, reason) in &settings.differ {
        if !all.iter().any(|it| it.name == name && !it.agrees()) {
            found.push(Finding {
                severity: Severity::Warn,
                flake: ".".into(),
                input: Some(name.clone()),
                place: "xtask.toml".to_owned(),
                what: format!("lock.differ allows a difference ({reason}), but there is none"),
                repair: Repair::Advice(format!("delete `{name}` under [lock.differ] in xtask.toml")),
            });
        }
    }
    found
}

fn differs(state: &State, name: &str, node: &Node, other: &State, newest: &Node) -> Finding {
    let (old, new) = (locked(node), locked(newest));
    let days = match (old.last_modified, new.last_modified) {
        (Some(a), Some(b)) if days_between(a, b) > 0 => format!(", {} days newer", days_between(a, b)),
        _ => String::new(),
    };
    let dated = |it: &Reference| match it.last_modified {
        Some(at) => format!("{} of {}", it.short(), date(at)),
        None => it.short(),
    };
    let mut what = format!("is {}, but `{}` has {}{days}", dated(old), other.dir, dated(new));
    let (wanted, theirs) = (node.original.as_ref(), newest.original.as_ref());
    let asks = wanted.zip(theirs).filter(|(a, b)| !a.asks_for_the_same(b));
    let allow = format!("or allow it: `differ.{name} = \"REASON\"` under [lock] in xtask.toml");
    let repair = match asks {
        Some((a, b)) => {
            what.push_str(&format!("; it asks for {}, not {}", a.to_url(), b.to_url()));
            format!("edit the URL, then run `nix flake lock {}`; {allow}", state.argument())
        }
        None => format!("run `cargo xtask lock sync {name}`; {allow}"),
    };
    let source = state.source.as_ref().ok().and_then(|it| it.inputs.get(name));
    Finding {
        severity: Severity::Fail,
        flake: state.dir.clone(),
        input: Some(name.to_owned()),
        place: source.map_or_else(
            || state.file("flake.lock").to_string(),
            |it| format!("{}:{}", state.file("flake.nix"), it.position),
        ),
        what,
        repair: Repair::Advice(repair),
    }
}
