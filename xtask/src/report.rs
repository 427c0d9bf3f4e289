//! What came of a task: text for people, JSON for machines, and whether it went well.

use serde::Serialize;
use serde_json::Value;

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
        if self.rows.is_empty() {
            return Vec::new();
        }
        let head: Vec<String> = self.head.iter().map(|it| (*it).to_owned()).collect();
        let rows: Vec<&Vec<String>> = std::iter::once(&head).chain(&self.rows).collect();
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|it| it.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |row: &&Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    }
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
    }
}
