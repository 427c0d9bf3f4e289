//! Which calls of Nix update the locks of several flakes coherently: each input is updated once, and every other
//! flake that asks for the same gets that very revision.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::State;
use crate::workspace::{InputSource, Reference};

/// What an input asks for, under its name: those that are equal share a revision.
pub type Request = (String, String);

/// One call for one flake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// Nix finds the newest revision of these.
    pub fresh: Vec<String>,
    /// These get the revision that another flake has got.
    pub given: Vec<(String, Request)>,
}

/// The request of an input that a flake locks by itself.
fn request(name: &str, input: &InputSource) -> Option<Request> {
    if input.follows.is_some() {
        return None;
    }
    let wanted = input.reference();
    let text = wanted.map(|it| it.to_url()).or_else(|| input.url.clone());
    Some((name.to_owned(), text.unwrap_or_else(|| format!("flake:{name}"))))
}

/// A revision in the URL is what it is, and a path inside the repository has none.
fn can_move(input: &InputSource) -> bool {
    input.reference().is_none_or(|it| it.rev.is_none() && !it.is_relative())
}

/// The requests of a flake, by input.
#[must_use]
pub fn requests(state: &State) -> BTreeMap<String, Request> {
    let Ok(source) = &state.source else { return BTreeMap::new() };
    let found = source.inputs.iter().filter_map(|(name, it)| Some((name.clone(), request(name, it)?)));
    found.collect()
}

/// What to do for one flake: `names` are wanted (all when empty), `known` have been updated before.
#[must_use]
pub fn call(state: &State, names: &[String], known: &BTreeSet<Request>, moved: &[Utf8PathBuf]) -> Call {
    let mut call = Call::default();
    let Ok(source) = &state.source else { return call };
    for (name, request) in requests(state) {
        let input = &source.inputs[&name];
        if relative(state, input).is_some_and(|it| moved.contains(&it)) {
            // Its lock is part of ours, and has just changed.
            call.fresh.push(name);
        } else if (names.is_empty() || names.contains(&name)) && can_move(input) {
            if known.contains(&request) {
                call.given.push((name, request));
            } else {
                call.fresh.push(name);
            }
        }
    }
    call
}

/// The directory, relative to the root of the workspace, that an input with a relative path means.
fn relative(state: &State, input: &InputSource) -> Option<Utf8PathBuf> {
    let wanted = input.reference().filter(Reference::is_relative)?;
    let mut parts: Vec<&str> = Vec::new();
    let path = state.dir.join(wanted.path.as_deref()?);
    for part in path.as_str().split('/').filter(|it| !it.is_empty() && *it != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(if parts.is_empty() { ".".into() } else { Utf8Path::new(&parts.join("/")).to_owned() })
}

/// The flakes in the order in which their locks must be made: what another one includes by its path comes first.
#[must_use]
pub fn order(states: &[State]) -> Vec<usize> {
    let mut ordered: Vec<usize> = Vec::new();
    while ordered.len() < states.len() {
        let rest = || (0..states.len()).filter(|it| !ordered.contains(it));
        let waits = |index: &usize| {
            let Ok(source) = &states[*index].source else { return false };
            let mut needs = source.inputs.values().filter_map(|it| relative(&states[*index], it));
            needs.any(|it| rest().any(|other| other != *index && states[other].dir == it))
        };
        // Flakes that include each other have no order; any will do.
        let Some(next) = rest().find(|it| !waits(it)).or_else(|| rest().next()) else { break };
        ordered.push(next);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::FlakeSource;

    fn state(dir: &str, inputs: &str) -> State {
        let text = format!("{{ inputs = {{ {inputs} }}; }}");
        State {
            dir: dir.into(),
            source: Ok(FlakeSource::parse(&text, Utf8Path::new("flake.nix")).unwrap()),
            lock: Ok(None),
            template: false,
        }
    }

    #[test]
    fn each_request_is_fresh_once() {
        let rev = "0".repeat(40);
        let root = state(
            ".",
            &format!(
                "a.url = \"github:o/a\"; b.url = \"github:o/b\"; c.url = \"github:o/c/{rev}\"; d.follows = \"a\";"
            ),
        );
        let other = state("x", "a.url = \"github:o/a\"; b.url = \"github:o/b/other\";");
        let first = call(&root, &[], &BTreeSet::new(), &[]);
        assert_eq!((first.fresh.clone(), first.given), (vec!["a".to_owned(), "b".to_owned()], vec![]));
        let known = requests(&root).into_values().collect();
        let second = call(&other, &[], &known, &[]);
        let given: Vec<&str> = second.given.iter().map(|it| it.0.as_str()).collect();
        assert_eq!((second.fresh, given), (vec!["b".to_owned()], vec!["a"]));
        assert_eq!(call(&root, &["b".to_owned()], &BTreeSet::new(), &[]).fresh, ["b"]);
        assert_eq!(call(&root, &["c".to_owned(), "d".to_owned()], &BTreeSet::new(), &[]), Call::default());
    }

    #[test]
    fn what_is_included_comes_first() {
        let states = [
            state(".", "a.url = \"./a\"; b.url = \"path:./a/b\";"),
            state("a", "b.url = \"./b\";"),
            state("a/b", ""),
        ];
        assert_eq!(order(&states), [2, 1, 0]);
        let moved = call(&states[0], &["z".to_owned()], &BTreeSet::new(), &["a".into()]);
        assert_eq!(moved.fresh, ["a"]);
        let circle = [state("a", "b.url = \"../b\";"), state("b", "a.url = \"../a\";")];
        assert_eq!(order(&circle), [0, 1]);
    }
}
