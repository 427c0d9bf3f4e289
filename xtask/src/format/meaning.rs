//! Proof that a formatted text means what the old one meant: same tree, same strings, same comments.

use rnix::SyntaxKind::{
    NODE_PAREN, NODE_STRING, TOKEN_COMMA, TOKEN_COMMENT, TOKEN_L_PAREN, TOKEN_R_PAREN, TOKEN_WHITESPACE,
};
use rnix::{NodeOrToken, SyntaxKind, SyntaxNode, SyntaxToken, WalkEvent};

use super::Problem;
use super::strings::{self, Piece};

/// One step through a tree, without what layout may change.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    Enter(SyntaxKind),
    Leave(SyntaxKind),
    Token(SyntaxKind, String),
    Indented(Vec<Piece>),
}

/// Compares the trees of the text before and after.
///
/// # Errors
/// Names the first place in `old` whose meaning would change.
pub(super) fn same(text: &str, old: &SyntaxNode, new: &SyntaxNode) -> Result<(), Problem> {
    let (before, after) = (items(old), items(new));
    for (index, (item, offset)) in before.iter().enumerate() {
        match after.get(index) {
            Some((other, _)) if other == item => {}
            Some((Item::Indented(_), _)) if matches!(item, Item::Indented(_)) => {
                return Err(string(text, *offset));
            }
            _ => {
                let message =
                    "alejandra would change the meaning of the code here; please report it to its authors";
                return Err(Problem::at(text, *offset, message));
            }
        }
    }
    if after.len() > before.len() {
        let message = "alejandra would add code at the end; please report it to its authors";
        return Err(Problem::at(text, text.len(), message));
    }
    same_comments(text, old, new)
}

fn items(root: &SyntaxNode) -> Vec<(Item, usize)> {
    let mut res = Vec::new();
    for event in root.preorder_with_tokens() {
        match event {
            // The tree itself says what brackets say: superfluous ones may go.
            WalkEvent::Enter(NodeOrToken::Node(it)) if it.kind() != NODE_PAREN => {
                let item = if is_indented(&it) {
                    Item::Indented(strings::value(&it))
                } else {
                    Item::Enter(it.kind())
                };
                res.push((item, it.text_range().start().into()));
            }
            WalkEvent::Leave(NodeOrToken::Node(it)) if it.kind() != NODE_PAREN => {
                res.push((Item::Leave(it.kind()), it.text_range().end().into()));
            }
            WalkEvent::Enter(NodeOrToken::Token(it)) if is_meant(&it) => {
                let item = Item::Token(it.kind(), it.text().to_owned());
                res.push((item, it.text_range().start().into()));
            }
            _ => {}
        }
    }
    res
}

fn is_indented(node: &SyntaxNode) -> bool {
    node.kind() == NODE_STRING && strings::is_indented(node)
}

/// Does this token say more than the tree's shape?
fn is_meant(token: &SyntaxToken) -> bool {
    let parent = token.parent();
    let in_paren = || parent.as_ref().is_some_and(|it| it.kind() == NODE_PAREN);
    match token.kind() {
        TOKEN_WHITESPACE | TOKEN_COMMENT | TOKEN_COMMA => false,
        TOKEN_L_PAREN | TOKEN_R_PAREN => !in_paren(),
        SyntaxKind::TOKEN_STRING_CONTENT => !parent.as_ref().is_some_and(is_indented),
        _ => true,
    }
}

fn string(text: &str, offset: usize) -> Problem {
    let end = text[offset + 2..].find("''").map_or(text.len(), |it| offset + 2 + it);
    let mut at = offset;
    for line in text[offset..].split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        let blanks = content.len() - content.trim_end().len();
        // Blanks before the closing quotes are not text.
        if blanks > 0 && at + content.len() < end {
            let message = "alejandra would change the text of this string: it strips the trailing blanks of the line; \
                           write them as ${\" \"} or remove them";
            return Problem::at(text, at + content.len() - blanks, message);
        }
        at += line.len();
        if at > end {
            break;
        }
    }
    let message = "alejandra would change the text of this string: it takes tabs and blanks that are no spaces for \
                   indentation; indent its lines with spaces";
    Problem::at(text, offset, message)
}

fn same_comments(text: &str, old: &SyntaxNode, new: &SyntaxNode) -> Result<(), Problem> {
    let (before, mut after) = (comments(old), comments(new).into_iter());
    for comment in before {
        let words = |it: &SyntaxToken| words(it.text());
        let new = after.next();
        if new.as_ref().map(words).as_ref() != Some(&words(&comment)) {
            let message = "alejandra would change or move this comment; move it to a line of its own";
            return Err(Problem::at(text, comment.text_range().start().into(), message));
        }
    }
    Ok(())
}

pub(super) fn comments(root: &SyntaxNode) -> Vec<SyntaxToken> {
    root.descendants_with_tokens()
        .filter_map(NodeOrToken::into_token)
        .filter(|it| it.kind() == TOKEN_COMMENT)
        .collect()
}

/// The text of a comment without its layout.
fn words(comment: &str) -> Vec<String> {
    let inner = comment.strip_prefix("/*").and_then(|it| it.strip_suffix("*/"));
    let (doc, inner) = match inner.and_then(|it| it.strip_prefix('*')) {
        Some(it) => ("/**", Some(it)),
        None => ("/*", inner),
    };
    match inner {
        Some(it) => [doc].into_iter().chain(it.split_whitespace()).map(str::to_owned).collect(),
        None => vec![comment.trim_end().to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "so that a case is one line")]
    fn check(old: &str, new: &str, expect: Expect) {
        let root = |it| rnix::Root::parse(it).syntax();
        let res = same(old, &root(old), &root(new)).map_or_else(|it| it.to_string(), |()| "same".to_owned());
        expect.assert_eq(&res);
    }

    #[test]
    fn layout_may_change() {
        check("{a=1;}", "{\n  a = 1;\n}\n", expect!["same"]);
        check("f (a) ((b))", "f a b", expect!["same"]);
        check("{a,b}: a", "{\n  a,\n  b,\n}: a", expect!["same"]);
        check("''\n  a\n''", "''\n      a\n    ''", expect!["same"]);
        check("/*a\n  b*/ c # d ", "/*\na\nb\n*/\nc # d", expect!["same"]);
        check("/** a */ b", "/**\n a\n*/\nb", expect!["same"]);
    }

    #[test]
    fn code_may_not() {
        check(
            "a b",
            "a c",
            expect![
                "1:3: alejandra would change the meaning of the code here; please report it to its authors"
            ],
        );
        check(
            "(a + b) * c",
            "a + b * c",
            expect![
                "1:2: alejandra would change the meaning of the code here; please report it to its authors"
            ],
        );
        check(
            "f (a b)",
            "f a b",
            expect![
                "1:1: alejandra would change the meaning of the code here; please report it to its authors"
            ],
        );
        check(
            "\"a \"",
            "\"a\"",
            expect![
                "1:2: alejandra would change the meaning of the code here; please report it to its authors"
            ],
        );
        check(
            "{ a, b }: a",
            "{ a }: a",
            expect![
                "1:6: alejandra would change the meaning of the code here; please report it to its authors"
            ],
        );
        check(
            "{ inherit (a) b; }",
            "{ inherit a b; }",
            expect![
                "1:11: alejandra would change the meaning of the code here; please report it to its authors"
            ],
        );
    }

    #[test]
    fn strings_may_not() {
        check(
            "{\n  a = ''\n    b  \n    c\n  '';\n}",
            "{\n  a = ''\n    b\n    c\n  '';\n}",
            expect![[
                r#"3:6: alejandra would change the text of this string: it strips the trailing blanks of the line; write them as ${" "} or remove them"#
            ]],
        );
        check(
            "''\n\ta\n\tb\n''",
            "''\n  a\n  b\n''",
            expect![
                "1:1: alejandra would change the text of this string: it takes tabs and blanks that are no spaces for indentation; indent its lines with spaces"
            ],
        );
    }

    #[test]
    fn comments_may_not() {
        check(
            "a # b",
            "a",
            expect!["1:3: alejandra would change or move this comment; move it to a line of its own"],
        );
        check(
            "a # b",
            "a # c",
            expect!["1:3: alejandra would change or move this comment; move it to a line of its own"],
        );
        check(
            "/** a */ b",
            "/*\n * a\n*/\nb",
            expect!["1:1: alejandra would change or move this comment; move it to a line of its own"],
        );
        check(
            "[ # a\n# b\n]",
            "[ # b\n# a\n]",
            expect!["1:3: alejandra would change or move this comment; move it to a line of its own"],
        );
    }
}
