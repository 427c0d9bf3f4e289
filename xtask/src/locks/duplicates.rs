//! Inputs of inputs that have their own copy of what the flake has already, and could follow it.

use std::collections::{BTreeMap, VecDeque};

use super::State;
use super::finding::{Finding, Repair};
use crate::workspace::lock::Node;
use crate::workspace::{FlakeSource, Lock, Severity};

pub(super) fn check(state: &State, severity: Severity) -> Vec<Finding> {
    let (Some(lock), Ok(source)) = (state.lock(), &state.source) else { return Vec::new() };
    let root = &lock.nodes[&lock.root];
    let mut found = Vec::new();
    for (path, node) in nested(lock) {
        let (Some(name), Some(key)) = (path.last(), lock.nodes.get(node)) else { continue };
        let twin = root.inputs.iter().find(|(own, it)| {
            it.node != *node && it.follows.is_none() && could_follow(name, key, own, &lock.nodes[&it.node])
        });
        let Some((own, twin)) = twin else { continue };
        found.push(Finding {
            severity,
            flake: state.dir.clone(),
            input: Some(path.join("/")),
            place: place(state, source, &path),
            what: what(own, key, &lock.nodes[&twin.node]),
            repair: Repair::Follow { target: own.clone(), argument: state.argument(), input: path },
        });
    }
    found
}

/// The inputs of inputs that lead to a node of their own, each by its shortest path.
fn nested(lock: &Lock) -> Vec<(Vec<String>, &String)> {
    let mut found: Vec<(Vec<String>, &String)> = Vec::new();
    let mut seen: BTreeMap<&String, ()> = BTreeMap::new();
    let mut queue: VecDeque<(Vec<String>, &String)> = VecDeque::from([(Vec::new(), &lock.root)]);
    while let Some((path, key)) = queue.pop_front() {
        if seen.insert(key, ()).is_some() {
            continue;
        }
        for (name, input) in lock.nodes[key].inputs.iter().filter(|it| it.1.follows.is_none()) {
            let mut inner = path.clone();
            inner.push(name.clone());
            if inner.len() > 1 && !found.iter().any(|it| it.1 == &input.node) {
                found.push((inner.clone(), &input.node));
            }
            queue.push_back((inner, &input.node));
        }
    }
    found
}

/// The same repository; and under another name only when it is the same branch, too.
fn could_follow(name: &str, node: &Node, own: &str, twin: &Node) -> bool {
    let (Some(a), Some(b)) = (&node.original, &twin.original) else { return false };
    let (Some(locked_a), Some(locked_b)) = (&node.locked, &twin.locked) else { return false };
    // `nixpkgs` of the registry is locked to a repository.
    let same = locked_a.repository() == locked_b.repository() && node.flake == twin.flake && a.dir == b.dir;
    same && !a.is_relative() && (name == own || a.git_ref == b.git_ref)
}

fn what(own: &str, node: &Node, twin: &Node) -> String {
    let revision = |it: &Node| it.locked.as_ref().map(crate::workspace::Reference::short).unwrap_or_default();
    format!(
        "has its own copy ({}) of what could follow `{own}` ({}): both are fetched and evaluated",
        revision(node),
        revision(twin)
    )
}

fn place(state: &State, source: &FlakeSource, path: &[String]) -> String {
    let file = state.file("flake.nix");
    match path.first().and_then(|it| source.inputs.get(it)) {
        Some(input) => format!("{file}:{}", input.position),
        None => file.to_string(),
    }
}
