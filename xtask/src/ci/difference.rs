//! Why two derivations differ: the roots of the difference, without all that only follows from them.

use std::collections::{BTreeMap, BTreeSet};

use crate::nix::derivations::{Graph, Node};

/// One root of a difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The derivations from what was asked for down to the one that differs by itself, by name.
    pub chain: Vec<String>,
    pub what: What,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The files of a source: its two store paths, without `/nix/store/`.
    Source {
        before: String,
        after: String,
    },
    /// Another version of the same thing.
    Version {
        name: String,
        before: String,
        after: String,
    },
    /// An attribute in which nothing but the commit differs.
    Revision {
        attribute: String,
    },
    /// An attribute, the builder or its arguments.
    Attribute {
        attribute: String,
        before: Option<String>,
        after: Option<String>,
    },
    /// What is fetched: its hash and, where it is known, its address.
    Fetched {
        before: String,
        after: String,
    },
    /// Something that it needs now, or does not need any more.
    Added(String),
    Removed(String),
}

/// What is known of the difference of two derivations.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    pub causes: Vec<Cause>,
    /// Derivations that differ only because something that they need does.
    pub cascade: usize,
}

/// One side: its derivations, and texts that name its revision: the commit and its time, in all their forms.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    pub graph: &'a Graph,
    pub marks: &'a [String],
}

/// Compares two derivations, named without `/nix/store/`.
#[must_use]
pub fn difference(before: Side<'_>, old: &str, after: Side<'_>, new: &str) -> Difference {
    let mut walk = Walk {
        before,
        after,
        seen: BTreeSet::new(),
        causes: BTreeMap::new(),
        open: Vec::new(),
        own: BTreeSet::new(),
    };
    walk.pair(old, new, &mut Vec::new());
    let causes = walk.causes.into_iter().map(|(what, chain)| Cause { chain, what }).collect();
    let all: BTreeSet<String> = walk.seen.into_iter().map(|it| it.1).collect();
    Difference { causes, cascade: all.difference(&walk.own).count() }
}

struct Walk<'a> {
    before: Side<'a>,
    after: Side<'a>,
    seen: BTreeSet<(String, String)>,
    /// The shortest chain to each.
    causes: BTreeMap<What, Vec<String>>,
    /// What is being looked at, from the top down, and which of it differs by itself.
    open: Vec<String>,
    own: BTreeSet<String>,
}

impl Walk<'_> {
    fn pair(&mut self, old: &str, new: &str, chain: &mut Vec<String>) {
        if old == new || !self.seen.insert((old.to_owned(), new.to_owned())) {
            return;
        }
        let (Some(left), Some(right)) = (self.before.graph.get(old), self.after.graph.get(new)) else {
            return;
        };
        chain.push(right.name.clone());
        self.open.push(new.to_owned());
        self.node(left, right, chain);
        self.open.pop();
        chain.pop();
    }

    fn node(&mut self, left: &Node, right: &Node, chain: &mut Vec<String>) {
        let is_root = chain.len() == 1;
        if let (Some(one), Some(other)) = (&left.fixed, &right.fixed) {
            // What it makes is the same: nobody who needs it is rebuilt because of it.
            if one != other {
                let address = |it: &Node, hash: &str| {
                    let url = ["url", "urls", "src"].iter().find_map(|key| it.env.get(*key));
                    url.map_or_else(|| hash.to_owned(), |url| format!("{url} ({hash})"))
                };
                let what = What::Fetched { before: address(left, one), after: address(right, other) };
                self.cause(what, chain);
            }
            self.own.extend(self.open.last().cloned());
            return;
        }
        let (name, before) = split_name(&left.name);
        let (_, after) = split_name(&right.name);
        if left.name != right.name {
            let what =
                What::Version { name: name.to_owned(), before: before.to_owned(), after: after.to_owned() };
            self.cause(what, chain);
            // What else is new in a new version is no cause of its own.
            if !is_root {
                return;
            }
        }
        self.sources(left, right, chain);
        let moved = self.inputs(left, right, chain);
        self.texts(left, right, moved, chain);
    }

    fn cause(&mut self, what: What, chain: &[String]) {
        self.own.extend(self.open.last().cloned());
        let known = self.causes.entry(what).or_insert_with(|| chain.to_vec());
        if chain.len() < known.len() {
            *known = chain.to_vec();
        }
    }

    fn sources(&mut self, left: &Node, right: &Node, chain: &[String]) {
        let (pairs, gone, new) = paired(&left.srcs, &right.srcs, |it| name_of(it).to_owned());
        for (before, after) in pairs {
            self.cause(What::Source { before, after }, chain);
        }
        for it in gone {
            self.cause(What::Removed(name_of(&it).to_owned()), chain);
        }
        for it in new {
            self.cause(What::Added(name_of(&it).to_owned()), chain);
        }
    }

    /// Goes down into what both need. Whether one needs something that the other does not, by its name.
    fn inputs(&mut self, left: &Node, right: &Node, chain: &mut Vec<String>) -> bool {
        let name = |it: &str| name_of(it).trim_end_matches(".drv").to_owned();
        let (mut pairs, gone, new) = paired(&left.drvs, &right.drvs, name);
        // What is left are other versions, or other things.
        let versions = |it: &str| split_name(&name(it)).0.to_owned();
        let (others, gone, new) =
            paired(&gone.into_iter().collect(), &new.into_iter().collect(), |it| versions(it));
        let moved = !others.is_empty() || !gone.is_empty() || !new.is_empty();
        pairs.extend(others);
        for (old, new) in pairs {
            self.pair(&old, &new, chain);
        }
        for it in &gone {
            self.cause(What::Removed(name(it)), chain);
        }
        for it in &new {
            self.cause(What::Added(name(it)), chain);
        }
        moved
    }

    /// What the derivation says by itself: paths in it stand for what they are called.
    fn texts(&mut self, left: &Node, right: &Node, moved: bool, chain: &[String]) {
        let keys: BTreeSet<&String> = left.env.keys().chain(right.env.keys()).collect();
        let mut pairs: Vec<(String, Option<&str>, Option<&str>)> = Vec::new();
        for key in keys {
            let is_name = ["name", "version", "pname"].contains(&key.as_str()) && left.name != right.name;
            if !is_name {
                let (one, other) = (left.env.get(key), right.env.get(key));
                pairs.push((key.clone(), one.map(String::as_str), other.map(String::as_str)));
            }
        }
        let (args_left, args_right) = (left.args.join(" "), right.args.join(" "));
        pairs.push(("args".to_owned(), Some(&args_left), Some(&args_right)));
        pairs.push(("builder".to_owned(), Some(&left.builder), Some(&right.builder)));
        pairs.push(("system".to_owned(), Some(&left.system), Some(&right.system)));
        for (attribute, one, other) in pairs {
            let (one, other) = (one.map(nameless), other.map(nameless));
            if one == other {
                continue;
            }
            let bare = |it: &Option<String>| it.as_deref().map(without_paths);
            if moved && bare(&one) == bare(&other) {
                continue;
            }
            let unmarked = |it: &Option<String>, marks| it.as_deref().map(|it| without_marks(it, marks));
            if unmarked(&one, self.before.marks) == unmarked(&other, self.after.marks) {
                self.cause(What::Revision { attribute }, chain);
            } else {
                self.cause(What::Attribute { attribute, before: one, after: other }, chain);
            }
        }
    }
}

/// Those that both have under the same name but not as the same path, and those that only one has.
type Pairs = (Vec<(String, String)>, Vec<String>, Vec<String>);

fn paired(left: &BTreeSet<String>, right: &BTreeSet<String>, name: impl Fn(&str) -> String) -> Pairs {
    let mut old: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for it in left.difference(right) {
        old.entry(name(it)).or_default().push(it.clone());
    }
    let (mut pairs, mut new) = (Vec::new(), Vec::new());
    for it in right.difference(left) {
        match old.get_mut(&name(it)).filter(|it| !it.is_empty()) {
            Some(candidates) => pairs.push((candidates.remove(0), it.clone())),
            None => new.push(it.clone()),
        }
    }
    (pairs, old.into_values().flatten().collect(), new)
}

/// The part behind the hash.
fn name_of(path: &str) -> &str {
    path.split_once('-').map_or(path, |it| it.1)
}

/// A name and its version, as Nix splits them: at the first dash that no letter follows.
#[must_use]
pub fn split_name(name: &str) -> (&str, &str) {
    let at = name
        .match_indices('-')
        .find(|(at, _)| name[at + 1..].chars().next().is_some_and(|it| !it.is_alphabetic()));
    at.map_or((name, ""), |(at, _)| (&name[..at], &name[at + 1..]))
}

const HASH: usize = 32;

/// A text in which store paths are only names, without hashes and versions.
fn nameless(text: &str) -> String {
    let mut parts = text.split("/nix/store/");
    let mut res = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let hashed = part.len() > HASH && part.as_bytes()[HASH] == b'-' && part.is_char_boundary(HASH);
        if !hashed {
            res.push_str("/nix/store/");
            res.push_str(part);
            continue;
        }
        let rest = &part[HASH + 1..];
        let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && !"+-._?=".contains(it));
        let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
        res.push_str("/nix/store/…-");
        res.push_str(split_name(name).0);
        res.push_str(rest);
    }
    res
}

/// The words of a text that are no store paths.
fn without_paths(text: &str) -> String {
    text.split_whitespace().filter(|it| !it.contains("/nix/store/")).collect::<Vec<_>>().join(" ")
}

/// A text in which nothing tells its revision. The longest marks come first.
fn without_marks(text: &str, marks: &[String]) -> String {
    let mut res = text.to_owned();
    for mark in marks {
        res = res.replace(mark.as_str(), "REVISION");
    }
    res.replace("REVISION-dirty", "REVISION")
}

#[cfg(test)]
mod tests;
