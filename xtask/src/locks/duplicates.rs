//! Inputs of inputs that have their own copy of what the flake has already, and could follow it.

use std::collections::{BTreeMap, VecDeque};

use super::State;
use super::finding::{Finding, Repair};
use crate::workspace::{FlakeSource, Lock, Reference, Severity};
use flake_lock::Node;

pub(super) fn check(state: &State, severity: Severity) -> Vec<Finding> {
    let (Some(lock), Ok(source)) = (state.lock(), &state.source) else { return Vec::new() };
    // By repository, because a lock may have hundreds of both.
    let mut twins: BTreeMap<String, Vec<(&String, &Node)>> = BTreeMap::new();
    let own = &lock.nodes[&lock.root].inputs;
    for (name, input) in own.iter().filter(|it| it.1.follows.is_none()) {
        let node = &lock.nodes[&input.node];
        twins.entry(repository(node)).or_default().push((name, node));
    }
    let mut found = Vec::new();
    let nested = Nested::of(lock);
    for (key, name) in &nested.order {
        let node = &lock.nodes[*key];
        let twin =
            twins.get(&repository(node)).and_then(|it| it.iter().find(|it| could_follow(name, node, it)));
        let Some((own, twin)) = twin else { continue };
        let path = nested.path(key, name);
        found.push(Finding {
            severity,
            flake: state.dir.clone(),
            input: Some(path.join("/")),
            place: place(state, source, &path),
            what: what(own, node, twin),
            repair: Repair::Follow { target: (*own).clone(), argument: state.argument(), input: path },
        });
    }
    found
}

/// The inputs of inputs that lead to a node which is not one of our own inputs.
struct Nested<'a> {
    /// Keys and the names of the inputs that lead there, the nearest to the root first.
    order: Vec<(&'a str, &'a str)>,
    /// Which input of which node leads to a node first; our own inputs have no such node.
    parents: BTreeMap<&'a str, (Option<&'a str>, &'a str)>,
}

impl<'a> Nested<'a> {
    fn of(lock: &'a Lock) -> Nested<'a> {
        let mut found = Nested { order: Vec::new(), parents: BTreeMap::new() };
        let mut queue = VecDeque::new();
        for (name, input) in lock.nodes[&lock.root].inputs.iter().filter(|it| it.1.follows.is_none()) {
            if found.parents.insert(&input.node, (None, name)).is_none() {
                queue.push_back(input.node.as_str());
            }
        }
        while let Some(key) = queue.pop_front() {
            for (name, input) in lock.nodes[key].inputs.iter().filter(|it| it.1.follows.is_none()) {
                if input.node != lock.root && !found.parents.contains_key(input.node.as_str()) {
                    found.parents.insert(&input.node, (Some(key), name));
                    found.order.push((&input.node, name));
                    queue.push_back(&input.node);
                }
            }
        }
        found
    }

    /// The shortest path of inputs to a node.
    fn path(&self, key: &'a str, name: &'a str) -> Vec<String> {
        let mut path = vec![name.to_owned()];
        let mut parent = self.parents.get(key).and_then(|it| it.0);
        while let Some((above, name)) = parent.and_then(|it| self.parents.get(it)) {
            path.push((*name).to_owned());
            parent = *above;
        }
        path.reverse();
        path
    }
}

/// `nixpkgs` of the registry is locked to a repository, as any other.
fn repository(node: &Node) -> String {
    node.locked.as_ref().map(Reference::repository).unwrap_or_default()
}

/// Under another name only when it is the same branch, too.
fn could_follow(name: &str, node: &Node, (own, twin): &(&String, &Node)) -> bool {
    let (Some(a), Some(b)) = (&node.original, &twin.original) else { return false };
    let same = node.flake == twin.flake && a.dir == b.dir && !a.is_relative();
    same && (name == *own || a.git_ref == b.git_ref)
}

fn what(own: &str, node: &Node, twin: &Node) -> String {
    let revision = |it: &Node| it.locked.as_ref().map(Reference::short).unwrap_or_default();
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
