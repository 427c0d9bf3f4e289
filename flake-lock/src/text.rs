//! A `flake.lock` as text: what damages it, and on which line something is written.

use anyhow::{anyhow, bail};
use camino::Utf8Path;

use crate::conflict::first_conflict;

/// Says what happened to a lock that cannot be JSON, better than a JSON parser could.
pub(crate) fn reject_damaged(text: &str, file: &Utf8Path) -> anyhow::Result<()> {
    if text.trim().is_empty() {
        bail!(
            "{file} is empty; bring it back with `git checkout HEAD -- {file}`, or delete it and run `nix flake lock`"
        );
    }
    if let Some((number, marker)) = first_conflict(text) {
        bail!(
            "{file}:{number}: merge conflict (`{marker}`); take one side with `git checkout --ours -- {file}` \
             (or `--theirs`), then run `nix flake lock`"
        );
    }
    Ok(())
}

/// What a JSON parser found, with the line and what to do.
pub(crate) fn syntax_error(err: &serde_json::Error, text: &str, file: &Utf8Path) -> anyhow::Error {
    if err.is_eof() {
        let lines = text.lines().count();
        return anyhow!(
            "{file}:{lines}: the file is truncated here; bring it back with `git checkout HEAD -- {file}`"
        );
    }
    let words = err.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    match err.line() {
        0 => anyhow!("{file}: {words}"),
        line => anyhow!("{file}:{line}:{}: {words}", err.column()),
    }
}

/// The line where a node begins, in the layout that Nix writes.
pub(crate) fn line_of_node(text: &str, node: &str) -> Option<usize> {
    let start = format!("{}: {{", serde_json::Value::from(node));
    let lines = text.lines().enumerate().filter(|(_, line)| line.trim_start() == start);
    // A node stands further left than an input or anything else of the same name.
    lines.min_by_key(|(_, line)| line.len()).map(|(number, _)| number + 1)
}

/// The line where an input of a node is written; the node's own where it cannot be told.
pub(crate) fn line_of_input(text: &str, node: &str, input: &str) -> Option<usize> {
    let first = line_of_node(text, node)?;
    let start = format!("{}: ", serde_json::Value::from(input));
    let indent = |line: &str| line.len() - line.trim_start().len();
    let depth = indent(text.lines().nth(first - 1)?);
    let inside = text.lines().enumerate().skip(first).take_while(|(_, line)| indent(line) > depth);
    let mut found = inside.filter(|(_, line)| line.trim_start().starts_with(&start));
    Some(found.next().map_or(first, |(number, _)| number + 1))
}
