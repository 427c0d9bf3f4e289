//! Nix's words with holes: how a rule recognises a message.
//!
//! In a pattern, a space is any run of white space, also over lines; `'` is any of the quotes that Nix has used;
//! `{name}` is a hole: the shortest text in one line (in quotes: without quotes), `{}` one without a name; `{{` and
//! `}}` are braces; `^` at the front is the beginning of a line. A hole at the end takes the rest of its line.

use std::collections::BTreeMap;

/// What stood in the holes.
pub type Holes = BTreeMap<String, String>;

const QUOTES: &[char] = &['\'', '"', '‘', '’', '`'];

/// Letters in a hole, so that a line without end costs no time without end.
const LONGEST: usize = 2000;

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Char(char),
    Hole(&'a str),
}

/// What stands in the holes at the first place where the pattern matches.
#[must_use]
pub fn find(pattern: &str, text: &str) -> Option<Holes> {
    // What must be there at all, sought fast.
    let fixed = pattern.split(['{', '}', ' ', '\'', '^']).max_by_key(|it| it.len()).unwrap_or_default();
    let named = holes(pattern).contains(&fixed);
    if !named && !text.contains(fixed) {
        return None;
    }
    let (anchored, pattern) = pattern.strip_prefix('^').map_or((false, pattern), |it| (true, it));
    let pieces = pieces(pattern);
    let mut starts = text.char_indices().map(|it| it.0);
    starts.find_map(|at| {
        let line = text[..at].rfind('\n').map_or(0, |it| it + 1);
        if anchored && !text[line..at].chars().all(|it| it == ' ') {
            return None;
        }
        let mut holes = Holes::new();
        matches(&pieces, &text[at..], &mut holes).then_some(holes)
    })
}

/// The names of a pattern's holes.
#[must_use]
pub fn holes(pattern: &str) -> Vec<&str> {
    let hole = |it: Piece<'_>| match it {
        Piece::Hole(name) if !name.is_empty() => Some(name.to_owned()),
        _ => None,
    };
    let names: Vec<String> = pieces(pattern).into_iter().filter_map(hole).collect();
    pattern.split(['{', '}']).filter(|it| names.iter().any(|name| name == it)).collect()
}

fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut res = Vec::new();
    let mut rest = pattern;
    while let Some(char) = rest.chars().next() {
        let doubled = rest.starts_with("{{") || rest.starts_with("}}");
        match rest.strip_prefix('{').and_then(|it| it.split_once('}')) {
            Some((name, after)) if !doubled => {
                res.push(Piece::Hole(name));
                rest = after;
            }
            _ => {
                res.push(Piece::Char(char));
                rest = &rest[if doubled { 2 } else { char.len_utf8() }..];
            }
        }
    }
    res
}

fn matches(pieces: &[Piece<'_>], text: &str, holes: &mut Holes) -> bool {
    let Some((piece, rest)) = pieces.split_first() else { return true };
    match piece {
        Piece::Char(' ') => {
            let after = text.trim_start();
            after.len() < text.len() && matches(rest, after, holes)
        }
        Piece::Char('\'') => text.strip_prefix(QUOTES).is_some_and(|after| matches(rest, after, holes)),
        Piece::Char(it) => text.strip_prefix(*it).is_some_and(|after| matches(rest, after, holes)),
        Piece::Hole(name) => {
            let stop: &[char] = if rest.first() == Some(&Piece::Char('\'')) { QUOTES } else { &['\n'] };
            let short = text.char_indices().nth(LONGEST).map_or(text, |it| &text[..it.0]);
            let limit = short.find(|it| it == '\n' || stop.contains(&it)).unwrap_or(short.len());
            let mut ends = text[..limit].char_indices().map(|it| it.0).chain([limit]);
            let end = if rest.is_empty() {
                Some(limit)
            } else {
                ends.find(|end| matches(rest, &text[*end..], holes))
            };
            if let (Some(end), false) = (end, name.is_empty()) {
                holes.insert((*name).to_owned(), text[..end].trim().to_owned());
            }
            end.is_some()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_quotes_space_and_braces() {
        for (pattern, text, want) in [
            ("path '{path}' is bad", "error: path \"/a b\" is\n   bad", Some("path=/a b")),
            ("path '{path}' is bad", "path '/a' or 'b' is bad", None),
            ("^path '{path}'", "x\n  path '/a'", Some("path=/a")),
            ("^path '{path}'", "the path '/a'", None),
            ("with {{{features}}} is", "with {a, b} is", Some("features=a, b")),
            ("with {{{features}}} is", "with {} is", Some("features=")),
            ("code {code}", "code 3; \nmore", Some("code=3;")),
            ("{} of {what}, got {got}", "x of '{\"a\"}', got y", Some("got=y what='{\"a\"}'")),
            ("got: {got}", "no", None),
        ] {
            let found = find(pattern, text)
                .map(|it| it.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>());
            assert_eq!(found.map(|it| it.join(" ")).as_deref(), want, "{pattern} in {text}");
        }
        assert_eq!(holes("a '{b}' {{c}} {} {d}"), ["b", "d"]);
    }
}
