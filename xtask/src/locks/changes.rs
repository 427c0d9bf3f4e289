//! What became of the locks: those before and after, compared. What Nix says of it is never read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::State;
use super::calendar::{age, date, days_between};
use crate::report::Table;
use crate::workspace::{Lock, Reference};

/// An input of a flake that was added, removed or locked anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path of the input: `nixpkgs`, `crane/nixpkgs`.
    pub input: String,
    pub flake: String,
    pub old: Option<Reference>,
    pub new: Option<Reference>,
}

impl Change {
    fn days(&self) -> Option<i64> {
        Some(days_between(self.old.as_ref()?.last_modified?, self.new.as_ref()?.last_modified?))
    }

    /// Where people can see what is in between.
    #[must_use]
    pub fn compare_url(&self) -> Option<String> {
        let (old, new) = (self.old.as_ref()?, self.new.as_ref()?);
        if old.repository() != new.repository() {
            return None;
        }
        let (from, to) = (old.rev.as_ref()?, new.rev.as_ref()?);
        let page = web_page(new)?;
        let infix = if page.contains("gitlab") || new.kind == "gitlab" { "/-/compare/" } else { "/compare/" };
        Some(format!("{page}{infix}{from}...{to}"))
    }
}

/// The repository on the web, where that has pages that compare.
fn web_page(reference: &Reference) -> Option<String> {
    let name = || Some(format!("{}/{}", reference.owner.as_ref()?, reference.repo.as_ref()?));
    match reference.kind.as_str() {
        "github" => {
            Some(format!("https://{}/{}", reference.host.as_deref().unwrap_or("github.com"), name()?))
        }
        "gitlab" => {
            Some(format!("https://{}/{}", reference.host.as_deref().unwrap_or("gitlab.com"), name()?))
        }
        "git" => {
            let url = reference.url.as_deref()?.trim_end_matches('/').trim_end_matches(".git");
            ["https://github.com/", "https://gitlab.com/"]
                .iter()
                .any(|it| url.starts_with(it))
                .then(|| url.to_owned())
        }
        _ => None,
    }
}

/// All changes, by input and then by flake.
#[must_use]
pub fn changes(before: &[State], after: &[State]) -> Vec<Change> {
    let mut found = Vec::new();
    for (old, new) in before.iter().zip(after) {
        let (was, is) = (inputs(old.lock()), inputs(new.lock()));
        for path in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
            let (from, to) = (was.get(path), is.get(path));
            let same = from
                .zip(to)
                .is_some_and(|(from, to)| from.is_same_content(to) && from.repository() == to.repository());
            if !same {
                found.push(Change {
                    input: path.join("/"),
                    flake: new.dir.to_string(),
                    old: from.copied().cloned(),
                    new: to.copied().cloned(),
                });
            }
        }
    }
    found.sort_by(|a, b| (a.input.contains('/'), &a.input).cmp(&(b.input.contains('/'), &b.input)));
    found
}

/// Every node of a lock by its shortest path from the root.
fn inputs(lock: Option<&Lock>) -> BTreeMap<Vec<String>, &Reference> {
    let Some(lock) = lock else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::from([lock.root.as_str()]);
    let mut queue = std::collections::VecDeque::from([(Vec::new(), lock.root.as_str())]);
    while let Some((path, key)) = queue.pop_front() {
        for (name, input) in lock.nodes[key].inputs.iter().filter(|it| it.1.follows.is_none()) {
            let mut inner: Vec<String> = path.clone();
            inner.push(name.clone());
            if let Some(locked) = lock.nodes[&input.node].locked.as_ref().filter(|_| seen.insert(&input.node))
            {
                found.insert(inner.clone(), locked);
                queue.push_back((inner, input.node.as_str()));
            }
        }
    }
    found
}

/// The table for people. `now` is in seconds since 1970.
#[must_use]
pub fn table(changes: &[Change], now: i64) -> Table {
    let mut table = Table::new(&["input", "flake", "old", "new", "date", "age", "days", "compare"]);
    for it in changes {
        let short = |it: Option<&Reference>| it.map_or_else(|| "-".to_owned(), Reference::short);
        let at = it.new.as_ref().and_then(|it| it.last_modified);
        let dash = || "-".to_owned();
        table.rows.push(vec![
            it.input.clone(),
            it.flake.clone(),
            short(it.old.as_ref()),
            short(it.new.as_ref()),
            at.map_or_else(dash, date),
            at.map_or_else(dash, |it| age(days_between(it, now))),
            it.days().map_or_else(dash, |it| format!("{it:+}")),
            it.compare_url().unwrap_or_else(dash),
        ]);
    }
    table
}

#[must_use]
pub fn json(changes: &[Change], now: i64) -> Vec<Value> {
    let side = |it: Option<&Reference>| {
        it.map(|it| json!({"rev": it.rev, "nar_hash": it.nar_hash, "last_modified": it.last_modified, "url": it.to_url()}))
    };
    let one = |it: &Change| {
        json!({
            "input": it.input,
            "flake": it.flake,
            "old": side(it.old.as_ref()),
            "new": side(it.new.as_ref()),
            "age_days": it.new.as_ref().and_then(|it| it.last_modified).map(|it| days_between(it, now)),
            "days_between": it.days(),
            "compare_url": it.compare_url(),
        })
    };
    changes.iter().map(one).collect()
}

/// The message of a commit of these changes.
#[must_use]
pub fn commit_message(changes: &[Change], now: i64) -> String {
    let names: BTreeSet<&str> =
        changes.iter().map(|it| it.input.as_str()).filter(|it| !it.contains('/')).collect();
    let title = match names.len() {
        0 => "Update the locks of the flakes".to_owned(),
        1..=4 => format!("Update {}", names.into_iter().collect::<Vec<_>>().join(", ")),
        n => format!("Update {n} inputs of the flakes"),
    };
    let mut table = table(changes, now);
    // An age is of today, and a commit is for ever.
    table.head.remove(5);
    table.rows.iter_mut().for_each(|it| drop(it.remove(5)));
    format!("{title}\n\n{}\n", table.lines().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn github(rev: &str, at: i64) -> Option<Reference> {
        let mut found = Reference::from_url("github:o/r")?;
        (found.rev, found.last_modified) = (Some(rev.repeat(40)), Some(at));
        Some(found)
    }

    #[test]
    fn a_change_is_told() {
        let change = Change {
            input: "nixpkgs".to_owned(),
            flake: ".".to_owned(),
            old: github("a", 0),
            new: github("b", 86_400 * 3),
        };
        let url = format!("https://github.com/o/r/compare/{}...{}", "a".repeat(40), "b".repeat(40));
        assert_eq!(change.compare_url(), Some(url.clone()));
        let message = commit_message(std::slice::from_ref(&change), 86_400 * 5);
        expect_test::expect![[r#"
            Update nixpkgs

            input    flake  old        new        date        days  compare
            nixpkgs  .      aaaaaaaaa  bbbbbbbbb  1970-01-04  +3    https://github.com/o/r/compare/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
        "#]].assert_eq(&message);
        let table = table(
            &[change, Change { input: "x".into(), flake: "a".into(), old: None, new: None }],
            86_400 * 5,
        );
        assert_eq!(table.rows[0][4..7], ["1970-01-04", "2 d", "+3"]);
        assert_eq!(table.rows[1][2..], ["-", "-", "-", "-", "-", "-"]);
    }
}
