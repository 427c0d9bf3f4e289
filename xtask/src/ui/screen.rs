//! The lines at the bottom of the terminal that change while something runs.
//!
//! The cursor waits on the empty line below them. So the `^C` that a terminal prints moves nothing, and who is killed in
//! the middle leaves the prompt of the shell on a line of its own. Lines are never filled up and never longer than
//! the screen: the terminal does not fold them, unless it is made narrower, and how it does that can be computed.

use std::io::Write as _;

use crate::columns::{ascii, fit, width};

/// A terminal that does not know its size.
const DEFAULT: Size = Size { columns: 80, rows: 24 };

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The size of the terminal that stderr is, now.
pub(super) fn size() -> Size {
    match terminal_size::terminal_size_of(std::io::stderr()) {
        Some((columns, rows)) if columns.0 > 0 && rows.0 > 0 => {
            Size { columns: usize::from(columns.0), rows: usize::from(rows.0) }
        }
        _ => DEFAULT,
    }
}

#[derive(Debug)]
pub(super) struct Screen {
    unicode: bool,
    lines: Vec<String>,
    /// How wide the lines on the terminal are.
    drawn: Vec<usize>,
}

impl Screen {
    pub(super) fn new(unicode: bool) -> Screen {
        Screen { unicode, lines: Vec::new(), drawn: Vec::new() }
    }

    /// Shows these lines instead of those before.
    pub(super) fn show(&mut self, lines: Vec<String>) {
        self.lines = lines;
        self.draw();
    }

    /// Takes the lines away for good.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.draw();
    }

    /// Lets something be printed above the lines.
    pub(super) fn above(&mut self, print: impl FnOnce()) {
        let lines = std::mem::take(&mut self.lines);
        self.draw();
        print();
        self.lines = lines;
        self.draw();
    }

    fn draw(&mut self) {
        if self.lines.is_empty() && self.drawn.is_empty() {
            return;
        }
        let size = size();
        let fit = |it: &String| {
            let line = fit(it, size.columns - 1);
            // A sign for a sign, so that columns stay.
            if self.unicode { line } else { ascii(&line.replace('…', "~")) }
        };
        let lines: Vec<String> = self.lines.iter().take(size.rows - 1).map(fit).collect();
        let frame = frame(&self.drawn, &lines, size.columns);
        self.drawn = lines.iter().map(|it| width(it)).collect();
        // In one piece, or the terminal might show half of it. Nobody is there to be told that it is closed.
        drop(std::io::stderr().write_all(frame.as_bytes()));
    }
}

/// What makes a terminal that shows lines of these widths show other ones.
fn frame(drawn: &[usize], lines: &[String], columns: usize) -> String {
    let up: usize = drawn.iter().map(|it| it.div_ceil(columns).max(1)).sum();
    let mut res = String::from("\r");
    if up > 0 {
        res.push_str(&format!("\u{1b}[{up}A"));
    }
    // Whole lines are cleared: a terminal may go on to count what was cleared within a line as part of it, and fold it.
    res.push_str("\u{1b}[J");
    for line in lines {
        res.push_str(&format!("{line}\r\n"));
    }
    res
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn frames() {
        let lines = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let show = |drawn: &[usize], to: &[&str], columns| format!("{:?}", frame(drawn, &lines(to), columns));
        expect![[r#""\r\u{1b}[Jone\r\ntwo\r\n""#]].assert_eq(&show(&[], &["one", "two"], 80));
        expect![[r#""\r\u{1b}[2A\u{1b}[Jthree\r\n""#]].assert_eq(&show(&[3, 3], &["three"], 80));
        // A terminal that was made narrower has folded the line of 90 columns into three.
        expect![[r#""\r\u{1b}[4A\u{1b}[J""#]].assert_eq(&show(&[90, 0], &[], 40));
    }
}
