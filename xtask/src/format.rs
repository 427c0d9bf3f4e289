//! Formats Nix files exactly as Alejandra 4.0.0 does, or leaves them alone and says why.
//!
//! As a crate there is Alejandra 3.1.0; 4.0.0 writes the same text but for a handful of constructs. `version4` finds
//! those, `meaning` proves that nothing but layout changes, `depth` keeps both parsers off hopeless nesting,
//! `batch` does many files at once, `files` touches the disk and `cache` remembers what is known.

mod batch;
mod cache;
mod decode;
mod depth;
mod diff;
mod doc_comments;
mod engine;
mod files;
mod meaning;
mod strings;
mod syntax_error;
mod version4;

use std::fmt;
use std::time::{Duration, SystemTime};

use camino::Utf8PathBuf;

pub use batch::run;
pub use cache::Cache;
pub use diff::diff;
pub use engine::{format_text, same_meaning};

/// How a batch of files is formatted.
#[derive(Debug, Clone)]
pub struct Options {
    /// Report only, write nothing.
    pub check: bool,
    /// What one file may take before it is refused.
    pub time_limit: Duration,
    /// How many files are formatted at once; at least one is.
    pub threads: usize,
    /// The directory that everything belongs to: links that lead out of it are left alone.
    pub root: Utf8PathBuf,
    /// The present: files younger than two seconds are not recognised by their times.
    pub now: SystemTime,
}

/// What became of one file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is formatted already.
    Clean,
    /// It was not formatted; `new` is its formatted text.
    Changed { new: String },
    /// It holds what Alejandra 4 lays out in its own way; never empty.
    NeedsAlejandra4(Vec<Spot>),
    /// It cannot be formatted, or must not be.
    Refused(Problem),
    /// It is not ours to format: a link out of the workspace.
    Skipped(String),
}

/// A construct in a file; line and column count from one, the column in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    pub line: usize,
    pub column: usize,
    pub what: String,
}

/// Why a file was refused; line and column as in `Spot`, both missing when the file as a whole is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Option<(usize, usize)>,
    pub message: String,
}

/// What became of one file on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// The file as it was named; for a file named twice, through a link, its own name.
    pub path: Utf8PathBuf,
    pub outcome: Outcome,
    /// The text before, where `outcome` is `Changed`: what `diff` wants.
    pub old: String,
}

impl Problem {
    fn whole(message: impl Into<String>) -> Problem {
        Problem { place: None, message: message.into() }
    }

    fn at(text: &str, offset: usize, message: impl Into<String>) -> Problem {
        Problem { place: Some(line_column(text, offset)), message: message.into() }
    }
}

impl Spot {
    fn at(text: &str, offset: usize, what: impl Into<String>) -> Spot {
        let (line, column) = line_column(text, offset);
        Spot { line, column, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "{line}:{column}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

/// Line and column of a byte, both from one; the column in characters.
fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one_and_in_characters() {
        let check = |text: &str, offset, expect| assert_eq!(line_column(text, offset), expect);
        check("", 0, (1, 1));
        check("ab", 2, (1, 3));
        check("a\nb", 2, (2, 1));
        check("\u{e4}b", 2, (1, 2));
        check("\u{e4}b", 1, (1, 1));
        check("a", 99, (1, 2));
    }
}
