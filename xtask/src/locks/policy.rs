//! What the manifest demands of locks: not too old, only from these branches and owners, no dead release.

use glob::Pattern;

use super::State;
use super::calendar::{date, days_between};
use super::finding::{Finding, Repair};
use super::releases::Release;
use crate::workspace::{LockSettings, Reference, Severity};
use flake_lock::Node;

pub(super) fn check(state: &State, settings: &LockSettings, now: i64) -> Vec<Finding> {
    let Some(lock) = state.lock() else { return Vec::new() };
    let mut found = Vec::new();
    for (name, input) in &lock.nodes[&lock.root].inputs {
        if input.follows.is_some() {
            continue;
        }
        let node = &lock.nodes[&input.node];
        let at = At { state, name };
        found.extend(too_old(&at, node, settings.max_age, now));
        found.extend(bad_ref(&at, node, &settings.allowed_refs));
        found.extend(end_of_life(&at, node, settings.end_of_life, now));
    }
    if !settings.allowed_owners.is_empty() {
        let nodes = lock.nodes.iter().filter(|it| *it.0 != lock.root);
        found.extend(
            nodes.filter_map(|(key, node)| {
                bad_owner(&At { state, name: key }, node, &settings.allowed_owners)
            }),
        );
    }
    found
}

struct At<'a> {
    state: &'a State,
    name: &'a str,
}

impl At<'_> {
    fn finding(&self, severity: Severity, what: String, repair: String) -> Finding {
        let source = self.state.source.as_ref().ok().and_then(|it| it.inputs.get(self.name));
        Finding {
            severity,
            flake: self.state.dir.clone(),
            input: Some(self.name.to_owned()),
            place: match source {
                Some(it) => {
                    format!("{}:{}", self.state.file("flake.nix"), it.url_position.unwrap_or(it.position))
                }
                None => self.state.file("flake.lock").to_string(),
            },
            what,
            repair: Repair::Advice(repair),
        }
    }
}

/// What names a revision or a tag does not get old: it was meant so.
fn too_old(at: &At<'_>, node: &Node, max_age: Option<u32>, now: i64) -> Option<Finding> {
    let (original, locked) = (node.original.as_ref()?, node.locked.as_ref()?);
    if original.rev.is_some() || is_tag(original) {
        return None;
    }
    let changed = locked.last_modified?;
    let (days, most) = (days_between(changed, now), i64::from(max_age?));
    let what = format!("is {days} days old ({}); lock.max-age in xtask.toml allows {most}", date(changed));
    (days > most).then(|| at.finding(Severity::Fail, what, format!("run `cargo xtask update {}`", at.name)))
}

fn is_tag(original: &Reference) -> bool {
    let name = original.git_ref.as_deref().unwrap_or_default();
    let version = name.strip_prefix('v').unwrap_or(name);
    name.starts_with("refs/tags/") || version.starts_with(|it: char| it.is_ascii_digit())
}

fn bad_ref(at: &At<'_>, node: &Node, allowed: &[String]) -> Option<Finding> {
    let name = node.original.as_ref()?.git_ref.as_deref()?;
    let good = |it: &String| it == name || Pattern::new(it).is_ok_and(|it| it.matches(name));
    if allowed.is_empty() || allowed.iter().any(good) {
        return None;
    }
    let what = format!("asks for `{name}`; lock.allowed-refs in xtask.toml has only {}", list(allowed));
    let repair = format!("edit the URL, then run `nix flake lock {}`; or allow it", at.state.argument());
    Some(at.finding(Severity::Fail, what, repair))
}

fn bad_owner(at: &At<'_>, node: &Node, allowed: &[String]) -> Option<Finding> {
    let owner = node.locked.as_ref()?.owner.as_deref()?;
    if allowed.iter().any(|it| it.eq_ignore_ascii_case(owner)) {
        return None;
    }
    let what =
        format!("is of the owner `{owner}`; lock.allowed-owners in xtask.toml has only {}", list(allowed));
    let repair = format!("add \"{owner}\" to lock.allowed-owners in xtask.toml, or remove the input");
    Some(at.finding(Severity::Fail, what, repair))
}

fn list(words: &[String]) -> String {
    words.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}

fn end_of_life(at: &At<'_>, node: &Node, severity: Severity, now: i64) -> Option<Finding> {
    let original = node.original.as_ref()?;
    let release = Release::of_branch(original.git_ref.as_deref()?)?;
    let (end, today) = (release.end()?, date(now));
    // Both are written year first, so they compare as texts.
    if end >= today.as_str() {
        return None;
    }
    let what = format!("NixOS {release} has had no security updates since {end}");
    let to = Release::newest(&today).unwrap_or("RELEASE");
    let repair =
        format!("run `cargo xtask bump {to}`; or set `end-of-life = \"ignore\"` under [lock] in xtask.toml");
    Some(at.finding(severity, what, repair))
}
