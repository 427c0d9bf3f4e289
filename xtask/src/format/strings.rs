//! What an indented string (`''…''`) evaluates to, as Nix computes it.

use rnix::{NodeOrToken, SyntaxKind, SyntaxNode};

/// A character of an indented string, or the place of an interpolation in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// As written: a space of these may be indentation.
    Plain(char),
    /// By an escape: a space of these is text.
    Escaped(char),
    Interpolation,
}

/// Is this the node of a string in double single quotes?
pub(super) fn is_indented(string: &SyntaxNode) -> bool {
    string.first_token().is_some_and(|it| it.text() == "''")
}

/// The value of an indented string, each interpolation as one piece; only Nix's own rule is applied, in which
/// indentation is spaces and nothing else.
pub(super) fn value(string: &SyntaxNode) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for child in string.children_with_tokens() {
        match child {
            NodeOrToken::Node(_) => pieces.push(Piece::Interpolation),
            NodeOrToken::Token(it) if it.kind() == SyntaxKind::TOKEN_STRING_CONTENT => {
                unescape(it.text(), &mut pieces);
            }
            NodeOrToken::Token(_) => {}
        }
    }
    drop_blank_first_line(&mut pieces);
    let indent = indentation(&pieces);
    strip(&pieces, indent)
}

fn unescape(text: &str, pieces: &mut Vec<Piece>) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let tail = rest.strip_prefix("''").map(|it| (it.chars().next(), it));
        rest = match tail {
            Some((Some('\''), it)) => {
                pieces.extend([Piece::Escaped('\''), Piece::Escaped('\'')]);
                &it[1..]
            }
            Some((Some('$'), it)) => {
                pieces.push(Piece::Escaped('$'));
                &it[1..]
            }
            Some((Some('\\'), it)) => {
                let escaped = it[1..].chars().next().unwrap_or('\\');
                pieces.push(Piece::Escaped(match escaped {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                }));
                it.get(1 + escaped.len_utf8()..).unwrap_or("")
            }
            _ => {
                pieces.push(Piece::Plain(c));
                &rest[c.len_utf8()..]
            }
        };
    }
}

fn drop_blank_first_line(pieces: &mut Vec<Piece>) {
    let blanks = pieces.iter().take_while(|it| **it == Piece::Plain(' ')).count();
    if pieces.get(blanks) == Some(&Piece::Plain('\n')) {
        pieces.drain(..=blanks);
    }
}

/// The least indentation of the lines that are not blank.
fn indentation(pieces: &[Piece]) -> usize {
    let (mut at_start, mut current, mut least) = (true, 0, usize::MAX);
    for piece in pieces {
        match piece {
            Piece::Plain(' ') if at_start => current += 1,
            Piece::Plain('\n') => (at_start, current) = (true, 0),
            _ if at_start => {
                at_start = false;
                least = least.min(current);
            }
            _ => {}
        }
    }
    least
}

fn strip(pieces: &[Piece], indent: usize) -> Vec<Piece> {
    let mut res = Vec::with_capacity(pieces.len());
    let (mut at_start, mut dropped) = (true, 0);
    for piece in pieces {
        match piece {
            Piece::Plain(' ') | Piece::Escaped(' ') if at_start => {
                dropped += 1;
                if dropped <= indent {
                    continue;
                }
            }
            Piece::Plain('\n') | Piece::Escaped('\n') => (at_start, dropped) = (true, 0),
            _ => at_start = false,
        }
        // How a character was written does not matter any more.
        res.push(if let Piece::Escaped(c) = piece { Piece::Plain(*c) } else { *piece });
    }
    let blanks = res.iter().rev().take_while(|it| **it == Piece::Plain(' ')).count();
    if res.iter().rev().nth(blanks) == Some(&Piece::Plain('\n')) {
        res.truncate(res.len() - blanks);
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: &str) {
        let root = rnix::Root::parse(source).syntax();
        let string = root.first_child().unwrap();
        assert!(is_indented(&string));
        let show = |piece| if let Piece::Plain(c) = piece { c } else { '@' };
        assert_eq!(value(&string).into_iter().map(show).collect::<String>(), expect, "{source}");
    }

    #[test]
    fn indentation_is_dropped_as_nix_does() {
        check("''''", "");
        check("''a''", "a");
        check("'' a''", "a");
        check("''  \n  a\n    b\n  ''", "a\n  b\n");
        check("''a\n  b''", "a\n  b");
        check("''\n\n  a\n\n  b''", "\na\n\nb");
        check("''\n    ''", "");
    }

    #[test]
    fn tabs_are_text() {
        check("''\n\ta\n\t\tb\n''", "\ta\n\t\tb\n");
        check("''\n  a\n\tb\n''", "  a\n\tb\n");
    }

    #[test]
    fn trailing_blanks_are_text() {
        check("''\n  a  \n   \n  b''", "a  \n \nb");
    }

    #[test]
    fn interpolations_and_escapes_end_the_indentation() {
        check("''\n  ${x}\n    a''", "@\n  a");
        check("''\n  ''$a\n   '''\n   ''\\t''", "$a\n ''\n \t");
        check("''\n  a''\\n  b''", "a\nb");
        check("''  ${x}  ''", "@  ");
        check("''$${a} $''", "$${a} $");
    }
}
