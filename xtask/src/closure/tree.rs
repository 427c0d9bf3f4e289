//! A closure as a table: who keeps what, the largest first.

use crate::report::{Table, bytes, count};

use super::{Closure, Member};

/// What adds less than this part of the whole is summed up.
const SMALLEST: u64 = 100;
/// More rows than this are nobody's reading.
const ROWS: usize = 40;
/// Names between the root and a path that are shown.
const WAY: usize = 4;

/// The tree of who keeps what. `all` leaves nothing out.
#[must_use]
pub fn table(closure: &Closure, all: bool) -> Table {
    let mut table = Table::new(&["adds", "own", "path", "by way of"]);
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); closure.members.len()];
    for (own, member) in closure.members.iter().enumerate() {
        if let Some(dominator) = member.dominator {
            children[dominator].push(own);
        }
    }
    for them in &mut children {
        them.sort_by_key(|it| (std::cmp::Reverse(closure.members[*it].retained), *it));
    }
    let least = if all { 0 } else { closure.size() / SMALLEST };
    let rows = if all { usize::MAX } else { ROWS };
    Rows { closure, children, least, rows, table: &mut table }.add(0, "", "");
    table
}

struct Rows<'a> {
    closure: &'a Closure,
    children: Vec<Vec<usize>>,
    least: u64,
    rows: usize,
    table: &'a mut Table,
}

impl Rows<'_> {
    /// `first` stands before the row itself, `rest` before what hangs from it.
    fn add(&mut self, own: usize, first: &str, rest: &str) {
        let member = &self.closure.members[own];
        self.table.rows.push(vec![
            bytes(member.retained),
            bytes(member.size),
            format!("{first}{}", member.path.name()),
            by_way_of(self.closure, own),
        ]);
        let children = std::mem::take(&mut self.children[own]);
        let large = |it: &&usize| self.closure.members[**it].retained >= self.least;
        let shown = children.iter().take_while(large).count();
        let mut at = 0;
        while at < shown && self.table.rows.len() < self.rows {
            let last = at + 1 == children.len();
            let (corner, line) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.add(children[at], &format!("{rest}{corner}"), &format!("{rest}{line}"));
            at += 1;
        }
        if at < children.len() {
            let size = children[at..].iter().map(|it| self.closure.members[*it].retained).sum();
            let text = format!("{rest}└─ {}", count(children.len() - at, "more path"));
            self.table.rows.push(vec![bytes(size), String::new(), text, String::new()]);
        }
    }
}

/// The names between a path and what keeps it, where there are any.
fn by_way_of(closure: &Closure, own: usize) -> String {
    let member: &Member = &closure.members[own];
    if member.parent == member.dominator {
        return String::new();
    }
    let way = closure.way(own);
    let from = way.iter().position(|it| Some(*it) == member.dominator).map_or(0, |it| it + 1);
    let between = &way[from..way.len() - 1];
    let names: Vec<&str> = between.iter().take(WAY).map(|it| closure.members[*it].path.name()).collect();
    let dots = if between.len() > WAY { " → …" } else { "" };
    format!("{}{dots}", names.join(" → "))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::closure::tests::closure;

    #[test]
    fn a_tree() {
        let closure =
            closure("app 1000 lib tool, lib 20000 libc, tool 500 libc data, libc 9000, data 3, x 1");
        expect![[r#"
            adds    own     path               by way of
            30 kB   1.0 kB  app
            20 kB   20 kB   ├─ lib
            9.0 kB  9.0 kB  ├─ libc            lib
            503 B   500 B   └─ tool
            3 B                └─ 1 more path
        "#]]
        .assert_eq(&lines(&closure, false));
        assert!(lines(&closure, true).contains("   └─ data"));
    }

    fn lines(closure: &Closure, all: bool) -> String {
        table(closure, all).lines().iter().map(|it| format!("{it}\n")).collect()
    }
}
