//! Whether every node of a lock is really locked: to a revision or a hash.

use super::State;
use super::finding::{Finding, Repair};
use crate::workspace::{Lock, Reference, Severity};
use flake_lock::Node;

pub(super) fn check(state: &State) -> Vec<Finding> {
    let Some(lock) = state.lock() else { return Vec::new() };
    let nodes = lock.nodes.iter().filter(|it| *it.0 != lock.root);
    let finding = |(key, node): (&String, &Node)| {
        let (what, repair) = problem(state, lock, key, node)?;
        Some(Finding {
            severity: Severity::Fail,
            flake: state.dir.clone(),
            input: Some(key.clone()),
            place: state.file("flake.lock").to_string(),
            what,
            repair,
        })
    };
    nodes.filter_map(finding).collect()
}

fn problem(state: &State, lock: &Lock, key: &str, node: &Node) -> Option<(String, Repair)> {
    let locked = node.locked.as_ref()?;
    if locked.is_relative() || node.original.as_ref().is_some_and(Reference::is_relative) {
        let what =
            "is a relative path without `parent`, as Nix before 2.26 wrote it: newer ones want to rewrite it";
        return node.parent.is_none().then(|| (what.to_owned(), Repair::Lock { argument: state.argument() }));
    }
    if let Some(dirty) = &locked.dirty_rev {
        let url = locked.to_url();
        let what =
            format!("is locked to a tree with uncommitted changes ({dirty}): nobody else can fetch it");
        let update = update(state, lock, key);
        return Some((what, Repair::Advice(format!("commit in {url}, then {update}"))));
    }
    let what = match locked.kind.as_str() {
        "github" | "gitlab" | "sourcehut" | "git" | "hg" if locked.rev.is_none() => "has no `rev`",
        "path" | "tarball" | "file" if locked.nar_hash.is_none() => "has no `narHash`",
        _ if locked.rev.is_none() && locked.nar_hash.is_none() => "has neither `rev` nor `narHash`",
        _ => return None,
    };
    Some((format!("is not locked: it {what}"), Repair::Advice(update(state, lock, key))))
}

/// How a node is locked anew. Its own name may be `nixpkgs_2`, which no command takes.
fn update(state: &State, lock: &Lock, key: &str) -> String {
    let argument = state.argument();
    let own = lock.nodes[&lock.root].inputs.iter().find(|it| it.1.node == *key);
    match own {
        Some((name, _)) => format!("run `nix flake update {name} --flake {argument}`"),
        None => format!("run `nix flake update --flake {argument}`"),
    }
}
