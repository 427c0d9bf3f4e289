//! Edits of Nix files that keep everything else to the byte: another text in a string, one more attribute.
//!
//! The syntax tree only says where; what is written is the old text with the edits spliced in.

pub mod hash;

use std::ops::Range;

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use rnix::Root;
use rnix::ast::{self, AstNode, Expr, HasEntry as _, InterpolPart};

use crate::workspace::{FlakeSource, attr_name, source_text, without_parens};

/// A string literal of a flake's inputs, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputText {
    /// The path of the attribute: `inputs`, `nixpkgs`, `url`.
    pub path: Vec<String>,
    /// The bytes between the quotes.
    pub range: Range<usize>,
}

/// An entry `a.b = value;` of an attribute set, at any depth that is written as sets.
struct Entry {
    path: Vec<String>,
    /// How many names of the path are written in the entry itself.
    own: usize,
    value: Expr,
    range: Range<usize>,
}

/// The string literals under `inputs` of a flake: URLs, branches, `follows`.
///
/// # Errors
/// When it is no flake that can be read, with the place.
pub fn input_texts(text: &str, file: &Utf8Path) -> anyhow::Result<Vec<InputText>> {
    let found =
        entries(text, file)?.into_iter().filter(|it| it.path.first().is_some_and(|it| it == "inputs"));
    let literal = |it: Entry| match &it.value {
        Expr::Str(value) => Some(InputText { range: inner(value)?, path: it.path }),
        _ => None,
    };
    Ok(found.filter_map(literal).collect())
}

/// Puts texts in place of ranges; all else stays. The ranges must not overlap.
#[must_use]
pub fn splice(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut edits: Vec<&(Range<usize>, String)> = edits.iter().collect();
    edits.sort_by_key(|it| it.0.start);
    let (mut res, mut at) = (String::new(), 0);
    for (range, new) in edits {
        res.push_str(&text[at..range.start]);
        res.push_str(new);
        at = range.end;
    }
    res.push_str(&text[at..]);
    res
}

/// Sets `inputs.a.inputs.b.follows = "target"` in a flake, where people would write it. The same text again when it
/// is there already.
///
/// # Errors
/// When it is no flake that can be read, or has no such input.
pub fn set_follows(text: &str, file: &Utf8Path, input: &[String], target: &str) -> anyhow::Result<String> {
    let mut path: Vec<String> = Vec::new();
    for name in input {
        path.extend(["inputs".to_owned(), name.clone()]);
    }
    path.push("follows".to_owned());
    let new = set_string(text, file, &path, target)?;
    // An edit that Nix could not read must never be written.
    FlakeSource::parse(&new, file).context("the edit would break the file; this is a bug")?;
    Ok(new)
}

/// Sets an attribute to a string: in place where it is there, else next to what it belongs to.
fn set_string(text: &str, file: &Utf8Path, path: &[String], value: &str) -> anyhow::Result<String> {
    let entries = entries(text, file)?;
    if let Some(entry) = entries.iter().find(|it| it.path == path) {
        return match &entry.value {
            Expr::Str(literal) if inner(literal).is_some() => {
                Ok(splice(text, &[(inner(literal).unwrap_or_default(), escaped(value))]))
            }
            _ => bail!("{file}: `{}` is not a plain string", path.join(".")),
        };
    }
    let shares = |it: &Entry| it.path.iter().zip(path).take_while(|(a, b)| a == b).count();
    // The set that is deepest in, then the last entry there that is nearest.
    let depth = |it: &Entry| it.path.len() - it.own;
    let candidates = entries.iter().filter(|it| shares(it) >= 2 && shares(it) >= depth(it));
    let Some(nearest) = candidates.max_by_key(|it| (shares(it), it.range.start)) else {
        bail!("{file}: there is no `{}`", path[..path.len().min(2)].join("."));
    };
    // The deepest set whose own path is a part of ours takes the rest of the path.
    let inside =
        entries.iter().filter(|it| path.starts_with(&it.path) && matches!(it.value, Expr::AttrSet(_)));
    let inside = inside.filter(|it| it.path.len() >= 2).max_by_key(|it| it.path.len());
    if let Some(set) = inside {
        return insert_into(text, file, set, &path[set.path.len()..], value);
    }
    let rest = &path[depth(nearest)..];
    Ok(insert_after(text, nearest.range.clone(), &attribute(rest, value)))
}

fn insert_into(
    text: &str,
    file: &Utf8Path,
    set: &Entry,
    rest: &[String],
    value: &str,
) -> anyhow::Result<String> {
    let Expr::AttrSet(literal) = &set.value else { bail!("{file}: `{}` is not a set", set.path.join(".")) };
    let attribute = attribute(rest, value);
    let last = literal.entries().last().map(|it| range(&it));
    if let Some(last) = last {
        return Ok(insert_after(text, last, &attribute));
    }
    let open = literal.l_curly_token().context("a set without a brace")?;
    let at = usize::from(open.text_range().end());
    let space = if text[at..].starts_with(char::is_whitespace) { "" } else { " " };
    Ok(splice(text, &[(at..at, format!(" {attribute}{space}"))]))
}

/// On a line of its own where the entry has one, with what is said behind the entry.
fn insert_after(text: &str, entry: Range<usize>, attribute: &str) -> String {
    let line = text[..entry.start].rfind('\n').map_or(0, |it| it + 1);
    let indent = &text[line..entry.start];
    let rest = text[entry.end..].split('\n').next().unwrap_or_default();
    let comment = rest.trim_start().starts_with('#') || rest.trim().is_empty();
    if !indent.trim().is_empty() || !comment {
        return splice(text, &[(entry.end..entry.end, format!(" {attribute}"))]);
    }
    let at = entry.end + rest.trim_end_matches('\r').len();
    let end = if rest.ends_with('\r') { "\r\n" } else { "\n" };
    splice(text, &[(at..at, format!("{end}{indent}{attribute}"))])
}

fn attribute(path: &[String], value: &str) -> String {
    let names: Vec<String> = path.iter().map(|it| name(it)).collect();
    format!("{} = \"{}\";", names.join("."), escaped(value))
}

/// A name as Nix wants it: quoted where it is no identifier.
fn name(text: &str) -> String {
    let first = text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    let plain = text.chars().all(|it| it.is_ascii_alphanumeric() || "_'-".contains(it));
    let keyword =
        ["if", "then", "else", "assert", "with", "let", "in", "rec", "inherit", "or"].contains(&text);
    if first && plain && !keyword { text.to_owned() } else { format!("\"{}\"", escaped(text)) }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${")
}

/// All entries of the sets that a flake is written with, outermost first.
fn entries(text: &str, file: &Utf8Path) -> anyhow::Result<Vec<Entry>> {
    // It also refuses what would use up the stack.
    FlakeSource::parse(text, file)?;
    let root = Root::parse(text).tree();
    let mut found = Vec::new();
    if let Some(Expr::AttrSet(set)) = root.expr().map(without_parens) {
        collect(&set, &[], &mut found);
    }
    Ok(found)
}

fn collect(set: &ast::AttrSet, path: &[String], found: &mut Vec<Entry>) {
    for entry in set.attrpath_values() {
        let (Some(attrs), Some(value)) = (entry.attrpath(), entry.value()) else { continue };
        let names: Option<Vec<String>> = attrs.attrs().map(|it| attr_name(&it)).collect();
        let Some(names) = names else { continue };
        let path = [path, &names].concat();
        let value = without_parens(value);
        let inner = match &value {
            // Outputs may be sets, too, but nothing in them is ours.
            Expr::AttrSet(it) if path[0] == "inputs" => Some(it.clone()),
            _ => None,
        };
        found.push(Entry { path: path.clone(), own: names.len(), value, range: range(&entry) });
        if let Some(inner) = inner {
            collect(&inner, &path, found);
        }
    }
}

fn range<N: AstNode>(node: &N) -> Range<usize> {
    let range = node.syntax().text_range();
    usize::from(range.start())..usize::from(range.end())
}

/// The bytes between the quotes of a plain string; `None` for one with `${…}`, or in `''`.
fn inner(literal: &ast::Str) -> Option<Range<usize>> {
    let whole = range(literal);
    let text = source_text(literal);
    let plain = literal.normalized_parts().iter().all(|it| matches!(it, InterpolPart::Literal(_)));
    (plain && text.starts_with('"') && text.len() >= 2).then(|| whole.start + 1..whole.end - 1)
}

#[cfg(test)]
mod tests;
