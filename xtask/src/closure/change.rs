//! What became of a closure: which packages came, went, grew and shrank, and what two closures share.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::report::{Table, bytes, count};

use super::Closure;

/// A package in two closures; all of its paths together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub name: String,
    /// Versions and bytes; no versions: it was not there.
    pub old: Versions,
    pub new: Versions,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Versions {
    pub versions: BTreeSet<String>,
    pub size: u64,
}

impl Change {
    /// Bytes that it grew by.
    #[must_use]
    pub fn growth(&self) -> i128 {
        i128::from(self.new.size) - i128::from(self.old.size)
    }
}

/// What the two closures have in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Shared {
    pub paths: usize,
    /// Bytes.
    pub size: u64,
}

/// What changed, the largest first. A package that only has another hash, and the same size and version, is none.
#[must_use]
pub fn changes(old: &Closure, new: &Closure) -> Vec<Change> {
    let mut found: BTreeMap<String, Change> = BTreeMap::new();
    let mut add = |closure: &Closure, side: fn(&mut Change) -> &mut Versions| {
        for member in &closure.members {
            let (name, version) = member.path.package();
            let entry = found.entry(name.to_owned());
            let change = entry.or_insert_with(|| Change { name: name.to_owned(), ..Change::default() });
            let side = side(change);
            side.versions.insert(version.to_owned());
            side.size += member.size;
        }
    };
    add(old, |it| &mut it.old);
    add(new, |it| &mut it.new);
    let mut res: Vec<Change> = found.into_values().filter(|it| it.old != it.new).collect();
    res.sort_by_key(|it| std::cmp::Reverse(it.growth().abs()));
    res
}

/// The very paths that are in both.
#[must_use]
pub fn shared(one: &Closure, other: &Closure) -> Shared {
    let known: BTreeSet<_> = other.members.iter().map(|it| &it.path).collect();
    let both = one.members.iter().filter(|it| known.contains(&it.path));
    both.fold(Shared { paths: 0, size: 0 }, |sum, it| Shared {
        paths: sum.paths + 1,
        size: sum.size + it.size,
    })
}

/// The changes as rows.
#[must_use]
pub fn table(changes: &[Change]) -> Table {
    let mut table = Table::new(&["growth", "package", "before", "now"]);
    for it in changes {
        table.rows.push(vec![signed(it.growth()), it.name.clone(), side(&it.old), side(&it.new)]);
    }
    table
}

fn side(it: &Versions) -> String {
    if it.versions.is_empty() {
        return "-".to_owned();
    }
    let versions: Vec<&str> = it.versions.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    format!("{} {}", versions.join(", "), bytes(it.size)).trim().to_owned()
}

/// `+1.2 MB`, `-3 kB`, `0 B`.
#[must_use]
pub fn signed(growth: i128) -> String {
    let size = bytes(u64::try_from(growth.unsigned_abs()).unwrap_or(u64::MAX));
    match growth {
        0 => size,
        1.. => format!("+{size}"),
        _ => format!("-{size}"),
    }
}

/// What two closures share, in a line; each with its name.
#[must_use]
pub fn told(one: (&str, &Closure), other: (&str, &Closure)) -> String {
    let both = shared(one.1, other.1);
    let only = |(name, closure): (&str, &Closure)| {
        let (paths, size) = (closure.members.len() - both.paths, closure.size() - both.size);
        format!("only in {name}: {}, {}", count(paths, "path"), bytes(size))
    };
    let shared = format!("in both: {}, {}", count(both.paths, "path"), bytes(both.size));
    [shared, only(one), only(other)].join("; ")
}

/// For `--json`.
#[must_use]
pub fn json(changes: &[Change]) -> Value {
    let side = |it: &Versions| json!({"versions": it.versions, "size": it.size});
    let row = |it: &Change| json!({"package": it.name, "growth": i64::try_from(it.growth()).ok(), "old": side(&it.old), "new": side(&it.new)});
    changes.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::closure::tests::closure;

    #[test]
    fn what_changed() {
        let old = closure("app-1.0 100 lib-1 gone-3 same-1, lib-1 5000, gone-3 70, same-1 8");
        let new = closure("app-1.1 100 lib-2 new same-1 lib-1, lib-2 6000, lib-1 5000, new 9, same-1 8");
        let found = changes(&old, &new);
        let lines: String = table(&found).lines().iter().map(|it| format!("{it}\n")).collect();
        expect![[r#"
            growth   package  before     now
            +6.0 kB  lib      1 5.0 kB   1, 2 11 kB
            -70 B    gone     3 70 B     -
            +9 B     new      -          9 B
            0 B      app      1.0 100 B  1.1 100 B
        "#]]
        .assert_eq(&lines);
        assert_eq!(shared(&old, &new), Shared { paths: 2, size: 5008 });
        assert_eq!(changes(&old, &old), []);
    }
}
