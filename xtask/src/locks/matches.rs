//! Whether a lock matches its `flake.nix`: the same inputs, asked for in the same way, following the same.

use super::State;
use super::finding::{Finding, Repair};
use crate::workspace::nearest::{did_you_mean, nearest};
use crate::workspace::{FlakeSource, InputSource, Lock, Severity};
use flake_lock::Node;

/// What keeps a flake from being checked at all.
pub(super) fn readable(state: &State) -> Vec<Finding> {
    let problems = [state.source.as_ref().err(), state.lock.as_ref().err()];
    problems.into_iter().flatten().map(|it| unreadable(state, it)).collect()
}

/// `aleph/flake.lock:9: merge conflict (…); take one side with …` in its parts.
fn unreadable(state: &State, message: &str) -> Finding {
    // A cure has a command in it; anything else is more of the problem.
    let split = message.split_once("; ").filter(|it| it.1.contains('`'));
    let (problem, cure) = split.unwrap_or((message, ""));
    let at = problem.find(": ").filter(|it| !problem[..*it].contains(' '));
    let (place, what) = match at {
        Some(at) => (problem[..at].to_owned(), problem[at + 2..].to_owned()),
        // `aleph/flake.lock is empty`
        None => match problem.split_once(' ') {
            Some((file, what)) if file.ends_with("flake.lock") => (file.to_owned(), what.to_owned()),
            _ => (state.file("flake.nix").to_string(), problem.to_owned()),
        },
    };
    let lock = state.file("flake.lock");
    let cure = match cure {
        "" if place.starts_with(lock.as_str()) => {
            format!("run `rm {lock}` and `nix flake lock {}`", state.argument())
        }
        "" => format!("edit {place}"),
        cure => cure.replace("run `nix flake lock`", &format!("run `nix flake lock {}`", state.argument())),
    };
    Finding {
        severity: Severity::Fail,
        flake: state.dir.clone(),
        input: None,
        place,
        what,
        repair: Repair::Advice(cure),
    }
}

pub(super) fn check(state: &State) -> Vec<Finding> {
    let (Ok(source), Ok(lock)) = (&state.source, &state.lock) else { return Vec::new() };
    let at = At { state, source };
    let mut found = Vec::new();
    dangling(&at, &source.inputs, &mut Vec::new(), lock.as_ref(), &mut found);
    let Some(lock) = lock else {
        if !source.inputs.is_empty() && !state.template {
            let mut finding = at.finding(None, "has inputs, but no flake.lock", at.relock());
            finding.place = state.file("flake.nix").to_string();
            found.push(finding);
        }
        return found;
    };
    let root = &lock.nodes[&lock.root];
    for (name, input) in &source.inputs {
        match root.inputs.get(name) {
            None => found.push(at.input(name, "is not in flake.lock", at.relock())),
            Some(locked) if locked.follows != input.follows => {
                found.push(at.input(name, &follows_differ(input, locked.follows.as_deref()), at.relock()));
            }
            Some(_) if input.follows.is_some() => {}
            Some(locked) => {
                found.extend(request(&at, name, input, &lock.nodes[&locked.node]));
                overrides(&at, lock, &mut vec![name.clone()], input, &lock.nodes[&locked.node], &mut found);
            }
        }
    }
    for name in root.inputs.keys().filter(|it| !source.inputs.contains_key(*it)) {
        let what = format!("is in {}, but flake.nix has no such input", state.file("flake.lock"));
        found.push(at.input(name, &what, at.relock()));
    }
    found
}

/// The flake at hand, to make findings with.
struct At<'a> {
    state: &'a State,
    source: &'a FlakeSource,
}

impl At<'_> {
    fn relock(&self) -> Repair {
        Repair::Lock { argument: self.state.argument() }
    }

    fn finding(&self, input: Option<&str>, what: &str, repair: Repair) -> Finding {
        let name = input.and_then(|it| it.split('/').next()).and_then(|it| self.source.inputs.get(it));
        let file = self.state.file("flake.nix");
        Finding {
            severity: Severity::Fail,
            flake: self.state.dir.clone(),
            input: input.map(str::to_owned),
            place: match name {
                Some(it) => format!("{file}:{}", it.position),
                None => self.state.file("flake.lock").to_string(),
            },
            what: what.to_owned(),
            repair,
        }
    }

    fn input(&self, input: &str, what: &str, repair: Repair) -> Finding {
        self.finding(Some(input), what, repair)
    }
}

/// Whether the lock is of what `flake.nix` asks for.
fn request(at: &At<'_>, name: &str, input: &InputSource, node: &Node) -> Option<Finding> {
    if input.flake != node.flake {
        let (is, was) = if input.flake { ("a flake", "a mere source") } else { ("a mere source", "a flake") };
        return Some(at.input(name, &format!("is {is}, but flake.lock has it as {was}"), at.relock()));
    }
    let (wanted, original) = (input.reference()?, node.original.as_ref()?);
    if wanted.asks_for_the_same(original) {
        return None;
    }
    let what = format!("asks for {}, but flake.lock is of {}", wanted.to_url(), original.to_url());
    Some(at.input(name, &what, at.relock()))
}

/// Whether the lock knows each `inputs.a.inputs.b.follows`.
fn overrides(
    at: &At<'_>,
    lock: &Lock,
    path: &mut Vec<String>,
    input: &InputSource,
    node: &Node,
    found: &mut Vec<Finding>,
) {
    for (name, inner) in &input.inputs {
        path.push(name.clone());
        if let Some(locked) = node.inputs.get(name) {
            let shown = path.join("/");
            if inner.follows.is_some() && locked.follows != inner.follows {
                let what = follows_differ(inner, locked.follows.as_deref());
                found.push(at.input(&shown, &what, at.relock()));
            } else if inner.follows.is_none() {
                overrides(at, lock, path, inner, &lock.nodes[&locked.node], found);
            }
        }
        path.pop();
    }
}

fn follows_differ(input: &InputSource, locked: Option<&[String]>) -> String {
    let spell = |it: Option<&[String]>| match it {
        None => "follows nothing".to_owned(),
        Some([]) => "follows the flake itself".to_owned(),
        Some(path) => format!("follows `{}`", path.join("/")),
    };
    format!("{}, but in flake.lock it {}", spell(input.follows.as_deref()), spell(locked))
}

/// `follows` that lead to nothing, and overrides of inputs that are not there: Nix only warns of those, and they do
/// nothing.
fn dangling(
    at: &At<'_>,
    inputs: &std::collections::BTreeMap<String, InputSource>,
    path: &mut Vec<String>,
    lock: Option<&Lock>,
    found: &mut Vec<Finding>,
) {
    for (name, input) in inputs {
        path.push(name.clone());
        let shown = path.join("/");
        if let Some([first, ..]) = input.follows.as_deref()
            && !at.source.inputs.contains_key(first)
        {
            let near = did_you_mean(&nearest(first, at.source.inputs.keys().map(String::as_str)));
            let place = format!("{}:{}", at.state.file("flake.nix"), input.position);
            let repair = Repair::Advice(format!("edit {place}{near}"));
            let what = format!("follows `{first}`, but this flake has no such input");
            found.push(Finding { place, ..at.input(&shown, &what, repair) });
        }
        let parent = path.iter().take(path.len() - 1).map(String::as_str).collect::<Vec<_>>();
        let parent = lock.filter(|_| !parent.is_empty()).and_then(|it| it.input(&parent));
        if let Some(parent) = parent
            && !parent.inputs.contains_key(name)
        {
            let near = did_you_mean(&nearest(name, parent.inputs.keys().map(String::as_str)));
            let line = input.position.line;
            let repair =
                Repair::Advice(format!("delete line {line} of {}{near}", at.state.file("flake.nix")));
            let owner = path[..path.len() - 1].join("/");
            let what = format!("is set here, but `{owner}` has no such input: it does nothing");
            let mut finding = at.input(&shown, &what, repair);
            finding.place = format!("{}:{}", at.state.file("flake.nix"), input.position);
            found.push(finding);
        } else {
            dangling(at, &input.inputs, path, lock, found);
        }
        path.pop();
    }
}
