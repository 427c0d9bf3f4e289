//! What the parser's errors mean to somebody who reads their file.

use rnix::{ParseError, SyntaxKind, TextRange};

use super::Problem;

/// The error with its place and what was expected instead.
pub(super) fn syntax_error(text: &str, error: &ParseError) -> Problem {
    let end = text.trim_end().len();
    let (offset, message) = match error {
        ParseError::Unexpected(it) => (it.start().into(), format!("unexpected {}", excerpt(text, *it))),
        ParseError::UnexpectedExtra(it) => {
            (it.start().into(), format!("unexpected {} after the end of the expression", excerpt(text, *it)))
        }
        ParseError::UnexpectedWanted(_, it, wanted) => {
            (it.start().into(), format!("unexpected {}, expected {}", excerpt(text, *it), names(wanted)))
        }
        ParseError::UnexpectedDoubleBind(it) => {
            (it.start().into(), "a second name for the same arguments; remove one".to_owned())
        }
        ParseError::DuplicatedArgs(it, name) => {
            (it.start().into(), format!("argument `{name}` is named twice"))
        }
        ParseError::UnexpectedEOF => (end, "unexpected end of file".to_owned()),
        ParseError::UnexpectedEOFWanted(wanted) => {
            (end, format!("unexpected end of file, expected {}", names(wanted)))
        }
        ParseError::RecursionLimitExceeded => {
            (0, "expressions are nested too deep; name parts of them with `let`".to_owned())
        }
        other => (0, other.to_string()),
    };
    Problem::at(text, offset, format!("syntax error: {message}"))
}

fn excerpt(text: &str, range: TextRange) -> String {
    let text = text.get(range.start().into()..range.end().into()).unwrap_or("");
    let first: String = text.trim().lines().next().unwrap_or("").chars().take(20).collect();
    if first.is_empty() { "end of file".to_owned() } else { format!("`{first}`") }
}

fn names(kinds: &[SyntaxKind]) -> String {
    let names: Vec<String> = kinds.iter().map(|it| name(*it)).collect();
    match names.as_slice() {
        [] => "something else".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn name(kind: SyntaxKind) -> String {
    let symbol = match kind {
        SyntaxKind::TOKEN_L_BRACE => "`{`",
        SyntaxKind::TOKEN_R_BRACE => "`}`",
        SyntaxKind::TOKEN_L_BRACK => "`[`",
        SyntaxKind::TOKEN_R_BRACK => "`]`",
        SyntaxKind::TOKEN_L_PAREN => "`(`",
        SyntaxKind::TOKEN_R_PAREN => "`)`",
        SyntaxKind::TOKEN_ASSIGN => "`=`",
        SyntaxKind::TOKEN_COLON => "`:`",
        SyntaxKind::TOKEN_COMMA => "`,`",
        SyntaxKind::TOKEN_SEMICOLON => "`;`",
        SyntaxKind::TOKEN_ELLIPSIS => "`...`",
        SyntaxKind::TOKEN_IDENT => "a name",
        SyntaxKind::TOKEN_STRING_START => "a string",
        SyntaxKind::TOKEN_STRING_END => "the end of the string",
        SyntaxKind::TOKEN_INTERPOL_END => "the `}` of an interpolation",
        SyntaxKind::TOKEN_CUR_POS => "`__curPos`",
        other => {
            let name = format!("{other:?}");
            return format!("`{}`", name.trim_start_matches("TOKEN_").to_lowercase());
        }
    };
    symbol.to_owned()
}
