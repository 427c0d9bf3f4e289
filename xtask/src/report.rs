//! What came of a task: text for people, JSON for machines, and whether it went well.

use serde::Serialize;
use serde_json::Value;

use crate::columns::{fold, pad, width, wrap};

/// A column that is narrower is not worth to be folded.
const FOLDED: usize = 16;

/// The result of a task.
#[derive(Debug, Default)]
pub struct Report {
    pub ok: bool,
    /// The exit code, where it is not just good or bad.
    pub code: Option<u8>,
    /// What a pipe gets, a line each: store paths, files.
    pub lines: Vec<String>,
    /// Told before the table: failures, in full.
    pub notes: Vec<String>,
    pub table: Table,
    /// What `--json` prints; every task documents its own.
    pub json: Value,
}

/// Why something failed and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// The rule in the book: `git-untracked`.
    pub rule: &'static str,
    pub cause: String,
    pub cure: String,
    /// The derivation that it is about.
    pub drv: Option<String>,
    /// The error says all of that itself.
    #[serde(skip)]
    pub plain: bool,
}

impl Report {
    /// A good result that has nothing to say.
    #[must_use]
    pub fn done() -> Report {
        Report { ok: true, json: Value::Null, ..Report::default() }
    }
}

/// Rows under headings, aligned when drawn.
#[derive(Debug, Default)]
pub struct Table {
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    #[must_use]
    pub fn new(head: &[&'static str]) -> Table {
        Table { head: head.to_vec(), rows: Vec::new() }
    }

    /// The table as lines, the head first; empty when there are no rows.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Lines { head, rows } = self.lines_within(usize::MAX);
        head.into_iter().chain(rows).collect()
    }

    /// The table in so many columns. Where they do not suffice, empty columns go, and the last one is folded; where that
    /// is not enough, each row becomes a paragraph. Nothing is left out.
    #[must_use]
    pub fn lines_within(&self, columns: usize) -> Lines {
        if self.rows.is_empty() {
            return Lines::default();
        }
        let head: Vec<String> = self.head.iter().map(|it| (*it).to_owned()).collect();
        let all = || std::iter::once(&head).chain(&self.rows);
        let widest = |at: usize| all().filter_map(|row| row.get(at)).map(|it| width(it)).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..head.len()).map(widest).collect();
        let last = widths.pop().unwrap_or(0);
        let before = widths.iter().map(|it| it + 2).sum::<usize>();
        let room = columns.saturating_sub(before);
        if last > room && self.head.len() > 1 {
            let smaller = self.without_empty();
            if smaller.head.len() < self.head.len() {
                return smaller.lines_within(columns);
            }
        }
        let room = if self.is_tree() { usize::MAX } else { room };
        if last > room && (room < FOLDED || room < longest_word(&self.rows, widths.len())) {
            return Lines { head: None, rows: self.paragraphs(columns) };
        }
        let line = |row: &Vec<String>| {
            let cells: String = row.iter().zip(&widths).map(|(cell, width)| pad(cell, width + 2)).collect();
            let folded = wrap(row.get(widths.len()).map_or("", String::as_str), room);
            let lines = folded.iter().enumerate().map(|(n, it)| {
                let start = if n == 0 { cells.clone() } else { " ".repeat(before) };
                format!("{start}{it}").trim_end().to_owned()
            });
            lines.collect::<Vec<_>>()
        };
        Lines { head: line(&head).into_iter().next(), rows: self.rows.iter().flat_map(line).collect() }
    }

    /// Each row under the other: what it is about, and then the other cells with their names.
    fn paragraphs(&self, columns: usize) -> Vec<String> {
        let mut res = Vec::new();
        for row in &self.rows {
            res.extend(row.first().cloned());
            let cells = self.head.iter().zip(row).skip(1).filter(|it| !["", "-"].contains(&it.1.as_str()));
            let mut line = String::new();
            for (name, cell) in cells {
                let cell = format!("{name}: {cell}");
                if !line.is_empty() && 2 + width(&line) + 2 + width(&cell) > columns {
                    res.push(fold(&format!("  {}", std::mem::take(&mut line)), columns));
                }
                if !line.is_empty() {
                    line.push_str("  ");
                }
                line.push_str(&cell);
            }
            if !line.is_empty() {
                res.push(fold(&format!("  {line}"), columns));
            }
        }
        res
    }

    /// Whether rows hang together as a tree, so that none can stand alone.
    fn is_tree(&self) -> bool {
        self.rows.iter().flatten().any(|it| it.starts_with(['├', '└', '│']))
    }

    /// The table without the columns in which nothing is.
    fn without_empty(&self) -> Table {
        let used: Vec<bool> = (0..self.head.len())
            .map(|at| {
                self.rows.iter().filter_map(|row| row.get(at)).any(|it| !["", "-"].contains(&it.as_str()))
            })
            .collect();
        let head = self.head.iter().zip(&used).filter(|it| *it.1).map(|it| *it.0).collect();
        let cells =
            |row: &Vec<String>| row.iter().zip(&used).filter(|it| *it.1).map(|it| it.0.clone()).collect();
        Table { head, rows: self.rows.iter().map(cells).collect() }
    }
}

/// A table as it is printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// What is above the columns, where there are columns.
    pub head: Option<String>,
    pub rows: Vec<String>,
}

/// The longest word of a column.
fn longest_word(rows: &[Vec<String>], column: usize) -> usize {
    let words = rows.iter().filter_map(|it| it.get(column)).flat_map(|it| it.split(' '));
    words.map(width).max().unwrap_or(0)
}

/// Bytes as people read them: `1.4 GB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut tenths = n / 100;
    if n < 1000 {
        return format!("{n} B");
    }
    for unit in units {
        if tenths < 10_000 || unit == "TB" {
            return match tenths {
                0..100 => format!("{}.{} {unit}", tenths / 10, tenths % 10),
                _ => format!("{} {unit}", tenths / 10),
            };
        }
        tenths /= 1000;
    }
    unreachable!("the last unit takes any number")
}

/// A duration as people read it: `0.4 s`, `12 s`, `3 min 05 s`.
#[must_use]
pub fn seconds(time: std::time::Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        it @ 10..60 => format!("{it} s"),
        it => format!("{} min {:02} s", it / 60, it % 60),
    }
}

/// A duration in whole seconds, or in whole minutes where `longest` has some: as much as an estimate is worth.
#[must_use]
pub fn whole(time: std::time::Duration, longest: std::time::Duration) -> u64 {
    let unit = if longest.as_secs() < 90 { 1000 } else { 60_000 };
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).saturating_add(unit / 2) / unit
}

/// `1 package`, `3 packages`.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;

    use super::*;

    #[test]
    fn numbers() {
        for (n, want) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9960, "9.9 kB"),
            (12_345, "12 kB"),
            (999_999, "999 kB"),
            (1_000_000, "1.0 MB"),
            (1_440_000_000, "1.4 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(bytes(n), want);
        }
        assert_eq!(seconds(Duration::from_millis(420)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!((count(1, "flake"), count(0, "flake")), ("1 flake".to_owned(), "0 flakes".to_owned()));
    }

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["name", "size"]);
        assert_eq!(table.lines(), [] as [&str; 0]);
        table.rows.push(vec!["ä".to_owned(), "1".to_owned()]);
        table.rows.push(vec!["longer".to_owned(), String::new()]);
        assert_eq!(table.lines(), ["name    size", "ä       1", "longer"]);
        table.rows.push(vec!["\u{1b}[31m火\u{1b}[0m".to_owned(), "2".to_owned()]);
        assert_eq!(table.lines()[3], "\u{1b}[31m火\u{1b}[0m      2");
    }

    #[test]
    fn what_is_too_wide_is_folded_and_nothing_is_left_out() {
        let mut table = Table::new(&["name", "path", "status"]);
        for (name, path, status) in
            [("orbit", "result-orbit", "not built, a dependency failed"), ("a", "-", "built")]
        {
            table.rows.push([name, path, status].map(str::to_owned).to_vec());
        }
        let shown = |columns| {
            let Lines { head, rows } = table.lines_within(columns);
            format!("{}\n", head.into_iter().chain(rows).collect::<Vec<_>>().join("\n"))
        };
        assert_eq!(shown(51), shown(200));
        expect![[r#"
            name   path          status
            orbit  result-orbit  not built, a
                                 dependency failed
            a      -             built
        "#]]
        .assert_eq(&shown(40));
        expect![[r#"
            orbit
              path: result-orbit
              status: not built, a
              dependency failed
            a
              status: built
        "#]]
        .assert_eq(&shown(24));
    }
}
