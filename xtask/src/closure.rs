//! What a store path needs at run time: every path of its closure, how large each is, and why it is there.

pub mod change;
pub mod page;
pub mod tree;

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::nix::store_path::StorePath;

/// A path and all that it refers to, by way of others too.
#[derive(Debug)]
pub struct Closure {
    /// By distance from the root, which is the first.
    pub members: Vec<Member>,
}

/// A path of a closure.
#[derive(Debug)]
pub struct Member {
    pub path: StorePath,
    /// Bytes of its NAR.
    pub size: u64,
    /// What it refers to, itself left out.
    pub references: Vec<usize>,
    /// Who refers to it, on the shortest way from the root.
    pub parent: Option<usize>,
    /// The nearest path without which it would not be there: every way from the root leads through that one.
    pub dominator: Option<usize>,
    /// Bytes that would go with it: its own, and those of all that is there by way of it alone.
    pub retained: u64,
}

/// What Nix says of one path. Both versions answer with an object by path.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    nar_size: u64,
    references: Vec<StorePath>,
}

impl Closure {
    /// Puts in order what Nix says of the paths.
    ///
    /// # Errors
    /// When a path is missing from the answer.
    pub fn new(root: &StorePath, infos: &BTreeMap<StorePath, Info>) -> anyhow::Result<Closure> {
        let mut members: Vec<Member> = Vec::new();
        let mut known: BTreeMap<&StorePath, usize> = BTreeMap::new();
        let mut queue = VecDeque::from([(root, None)]);
        // Breadth first: who is met first is on the shortest way.
        while let Some((path, parent)) = queue.pop_front() {
            if known.contains_key(path) {
                continue;
            }
            let info = infos.get(path).with_context(|| format!("Nix says nothing of `{path}`"))?;
            let own = members.len();
            known.insert(path, own);
            let (size, references) = (info.nar_size, Vec::new());
            members.push(Member {
                path: path.clone(),
                size,
                references,
                parent,
                dominator: None,
                retained: size,
            });
            // By name: the order of hashes would be another one on each machine.
            let mut references: Vec<&StorePath> = info.references.iter().collect();
            references.sort_by_key(|it| (it.name(), *it));
            queue.extend(references.into_iter().map(|it| (it, Some(own))));
        }
        for (own, member) in members.iter_mut().enumerate() {
            let references = infos.get(&member.path).map(|it| it.references.as_slice()).unwrap_or_default();
            member.references =
                references.iter().filter_map(|it| known.get(it).copied()).filter(|it| *it != own).collect();
        }
        let mut closure = Closure { members };
        closure.dominate();
        Ok(closure)
    }

    /// Bytes of all paths together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.members.iter().map(|it| it.size).sum()
    }

    /// The paths from the root to one of them, on the shortest way.
    #[must_use]
    pub fn way(&self, member: usize) -> Vec<usize> {
        let mut res: Vec<usize> =
            std::iter::successors(Some(member), |it| self.members[*it].parent).collect();
        res.reverse();
        res
    }

    /// Finds the dominators, by the algorithm of Cooper, Harvey and Kennedy ("A Simple, Fast Dominance Algorithm"),
    /// and adds up what each retains.
    fn dominate(&mut self) {
        let order = self.postorder();
        let mut rank = vec![0; self.members.len()];
        order.iter().enumerate().for_each(|(n, it)| rank[*it] = n);
        let mut referrers: Vec<Vec<usize>> = vec![Vec::new(); self.members.len()];
        for (own, member) in self.members.iter().enumerate() {
            member.references.iter().for_each(|it| referrers[*it].push(own));
        }
        let mut dominators: Vec<Option<usize>> = vec![None; self.members.len()];
        dominators[0] = Some(0);
        let mut changed = true;
        while changed {
            changed = false;
            for own in order.iter().rev().copied().filter(|it| *it != 0) {
                let known = referrers[own].iter().copied().filter(|it| dominators[*it].is_some());
                let new = known.reduce(|a, b| meet(&dominators, &rank, a, b));
                changed |= new != dominators[own];
                dominators[own] = new;
            }
        }
        for own in order.into_iter().filter(|it| *it != 0) {
            self.members[own].dominator = dominators[own];
            if let Some(dominator) = dominators[own] {
                self.members[dominator].retained += self.members[own].retained;
            }
        }
    }

    /// Every path after all that it alone leads to. A path may refer to one that refers back.
    fn postorder(&self) -> Vec<usize> {
        let mut res = Vec::new();
        let mut seen = vec![false; self.members.len()];
        seen[0] = true;
        let mut stack = vec![(0, 0)];
        while let Some((own, next)) = stack.pop() {
            let Some(reference) = self.members[own].references.get(next).copied() else {
                res.push(own);
                continue;
            };
            stack.push((own, next + 1));
            if !std::mem::replace(&mut seen[reference], true) {
                stack.push((reference, 0));
            }
        }
        res
    }
}

/// The nearest path that dominates both.
fn meet(dominators: &[Option<usize>], rank: &[usize], a: usize, b: usize) -> usize {
    let (mut a, mut b) = (a, b);
    while a != b {
        let low = if rank[a] < rank[b] { &mut a } else { &mut b };
        *low = dominators[*low].unwrap_or(0);
    }
    a
}

/// A number of bytes as it is typed: `800000`, `1.5GB`, `64 MiB`.
///
/// # Errors
/// When it is no size.
pub fn parse_size(text: &str) -> anyhow::Result<u64> {
    let digits = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim().to_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => bail!("`{text}` is not a size; write it like 800MB, 1.5GB or 64MiB"),
    };
    let bad = || format!("`{text}` is not a size; write it like 800MB, 1.5GB or 64MiB");
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().with_context(bad)?;
    // Nine digits of a fraction are more than a byte of a gigabyte.
    let part: u64 =
        format!("{:0<9}", part.get(..part.len().min(9)).unwrap_or_default()).parse().with_context(bad)?;
    let bytes = u128::from(whole) * u128::from(unit) + u128::from(part) * u128::from(unit) / 1_000_000_000;
    u64::try_from(bytes).with_context(bad)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn path(name: &str) -> StorePath {
        format!("/nix/store/{}-{name}", "0".repeat(32)).parse().unwrap()
    }

    /// `a 1 b c, b 2 c, c 4`: names, sizes and references; the first is the root.
    pub(crate) fn closure(text: &str) -> Closure {
        let mut infos = BTreeMap::new();
        let mut root = None;
        for part in text.split(", ") {
            let words: Vec<&str> = part.split(' ').collect();
            let references = words[2..].iter().map(|it| path(it)).collect();
            infos.insert(path(words[0]), Info { nar_size: words[1].parse().unwrap(), references });
            root = root.or(Some(path(words[0])));
        }
        Closure::new(&root.unwrap(), &infos).unwrap()
    }

    #[test]
    fn what_each_path_keeps() {
        let check = |text: &str, want: &str| {
            let closure = closure(text);
            let name = |it: usize| closure.members[it].path.name();
            let line = |it: &Member| {
                format!("{} {} {}", it.path.name(), it.retained, it.dominator.map_or("-", name))
            };
            let lines: Vec<String> = closure.members.iter().map(line).collect();
            assert_eq!(lines.join(", "), want, "{text}");
        };
        check("a 1 b, b 2 c, c 4", "a 7 -, b 6 a, c 4 b");
        // Two ways to `d`: neither keeps it alone.
        check("a 1 b c, b 2 d, c 4 d, d 8", "a 15 -, b 2 a, c 4 a, d 8 a");
        // Circles, and a path that refers to itself.
        check("a 1 a b, b 2 c, c 4 b c", "a 7 -, b 6 a, c 4 b");
        check("a 1 b c, b 2 c, c 4 b d, d 8", "a 15 -, b 2 a, c 12 a, d 8 c");
        // What cannot be reached does not count.
        check("a 1, b 2 a", "a 1 -");
    }

    #[test]
    fn the_shortest_way() {
        let closure = closure("a 1 b d, b 1 c, c 1 e, d 1 e, e 1");
        let last = closure.members.iter().position(|it| it.path.name() == "e").unwrap();
        let names: Vec<&str> = closure.way(last).iter().map(|it| closure.members[*it].path.name()).collect();
        assert_eq!(names, ["a", "d", "e"]);
    }

    #[test]
    fn a_path_that_is_missing_is_an_error() {
        let infos = BTreeMap::from([(path("a"), Info { nar_size: 1, references: vec![path("b")] })]);
        assert!(Closure::new(&path("a"), &infos).unwrap_err().to_string().contains("says nothing of"));
    }

    #[test]
    fn sizes_as_typed() {
        for (text, want) in [
            ("800000", 800_000),
            ("1.5GB", 1_500_000_000),
            ("64 MiB", 64 << 20),
            ("0.5k", 500),
            ("1.000000001gb", 1_000_000_001),
            ("0", 0),
        ] {
            assert_eq!(parse_size(text).unwrap(), want, "{text}");
        }
        for text in ["", "x", "1.2.3", "1 furlong", "-1", "99999999999999999999", ".", "1.x"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
