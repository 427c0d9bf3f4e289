//! Guards against nesting that would overflow a parser's stack or keep Alejandra busy for ever.

use rnix::SyntaxKind::{
    NODE_APPLY, NODE_ASSERT, NODE_ATTRPATH_VALUE, NODE_BIN_OP, NODE_HAS_ATTR, NODE_INHERIT_FROM,
    NODE_INTERPOL, NODE_LAMBDA, NODE_PAREN, NODE_SELECT, NODE_WITH, TOKEN_COMMENT, TOKEN_INTERPOL_END,
    TOKEN_INTERPOL_START, TOKEN_L_BRACE, TOKEN_L_BRACK, TOKEN_L_PAREN, TOKEN_R_BRACE, TOKEN_R_BRACK,
    TOKEN_R_PAREN, TOKEN_SEMICOLON, TOKEN_WHITESPACE,
};
use rnix::{NodeOrToken, SyntaxKind, SyntaxNode};

use super::Problem;

/// Nesting of brackets and interpolations; the deepest public code has about 30.
const MAX_BRACKETS: usize = 200;
/// Tokens of one expression, brackets aside: each may be a level of the tree (`a ++ b ++ …`, `x: y: …`).
const MAX_TERMS: usize = 20_000;
/// Tokens that Alejandra may visit, each visit some 300 ns in a release build: six seconds at most.
const MAX_VISITS: f64 = 2e7;

/// What in brackets is laid out twice.
const LOOKED_AT: [SyntaxKind; 7] =
    [NODE_APPLY, NODE_ASSERT, NODE_BIN_OP, NODE_HAS_ATTR, NODE_LAMBDA, NODE_SELECT, NODE_WITH];

/// Nesting that the parsers would follow with their stacks, told from the tokens alone.
pub(super) fn too_deep(text: &str) -> Option<Problem> {
    // For each open bracket: where it is, whether it is a list (whose items do not nest), and its terms.
    let mut open = vec![(0, false, 0_usize)];
    let mut offset = 0;
    for (kind, token) in rnix::tokenize(text) {
        match kind {
            TOKEN_L_BRACE | TOKEN_L_BRACK | TOKEN_L_PAREN | TOKEN_INTERPOL_START => {
                open.push((offset, kind == TOKEN_L_BRACK, 0));
                if open.len() > MAX_BRACKETS {
                    let message =
                        format!("brackets are nested more than {MAX_BRACKETS} deep; name parts with `let`");
                    return Some(Problem::at(text, offset, message));
                }
            }
            TOKEN_R_BRACE | TOKEN_R_BRACK | TOKEN_R_PAREN | TOKEN_INTERPOL_END if open.len() > 1 => {
                open.pop();
            }
            TOKEN_WHITESPACE | TOKEN_COMMENT => {}
            _ => {
                let (start, is_list, terms) = open.last_mut()?;
                *terms = if kind == TOKEN_SEMICOLON { 0 } else { *terms + usize::from(!*is_list) };
                if *terms > MAX_TERMS {
                    let message =
                        format!("an expression of more than {MAX_TERMS} terms; name parts with `let`");
                    return Some(Problem::at(text, *start, message));
                }
            }
        }
        offset += token.len();
    }
    None
}

/// Nesting that costs Alejandra exponential time: it lays out what is in brackets once to see how it looks and once
/// for good, on every level.
pub(super) fn too_much_work(text: &str, root: &SyntaxNode) -> Option<Problem> {
    if work(root).tall <= MAX_VISITS {
        return None;
    }
    // The smallest part that is too much by itself is the place to begin.
    let mut worst = root.clone();
    while let Some(inner) = worst.children().find(|it| work(it).tall > MAX_VISITS / 2.0) {
        worst = inner;
    }
    let message = "brackets are nested so deep that formatting would take minutes; name parts with `let`";
    Some(Problem::at(text, worst.text_range().start().into(), message))
}

/// How many tokens are visited to lay a node out, by what its surroundings ask for.
#[derive(Default)]
struct Work {
    /// On one line if that can be.
    flat: f64,
    /// To find out whether it fits on one line.
    tried: f64,
    /// Over several lines.
    tall: f64,
    /// Must it be laid out over several lines?
    broken: bool,
}

fn work(node: &SyntaxNode) -> Work {
    let mut res = Work::default();
    let mut line_break = false;
    let mut last = Work::default();
    for child in node.children_with_tokens() {
        match child {
            NodeOrToken::Node(child) => {
                last = work(&child);
                res.flat += last.flat;
                res.tried += last.tried;
                res.tall += last.tried + if last.broken { last.tall } else { last.flat };
                res.broken |= last.broken;
            }
            NodeOrToken::Token(token) => {
                line_break |= token.kind() == TOKEN_COMMENT || token.text().contains('\n');
                res = Work { flat: res.flat + 1.0, tried: res.tried + 1.0, tall: res.tall + 1.0, ..res };
            }
        }
    }
    // Some things are laid out once to look at the result, whatever is asked for, and once for good.
    match (node.kind(), node.last_child().map(|it| it.kind())) {
        (NODE_PAREN | NODE_INTERPOL | NODE_INHERIT_FROM, Some(inner))
            if !line_break && LOOKED_AT.contains(&inner) =>
        {
            res.flat += last.flat;
            res.tried += last.flat;
            res.tall = 2.0 * (1.0 + last.tall);
        }
        (NODE_ATTRPATH_VALUE, Some(NODE_APPLY)) => {
            res.tall += last.tall;
            res.tried += if line_break { last.tall } else { 0.0 };
        }
        _ => {}
    }
    if line_break {
        (res.flat, res.broken) = (res.tall, true);
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(problem: Option<Problem>) -> Option<(usize, usize)> {
        problem.and_then(|it| it.place)
    }

    #[test]
    fn brackets_are_counted_in_every_kind() {
        let check = |open: &str, close: &str, depth, expect| {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(place(too_deep(&text)), expect, "{open}");
        };
        check("(", ")", 199, None);
        check("(", ")", 200, Some((1, 200)));
        check("[", "]", 10_000, Some((1, 200)));
        check("{a=", ";}", 200, Some((1, 598)));
        check("\"${", "}\"", 200, Some((1, 599)));
    }

    #[test]
    fn brackets_side_by_side_are_not_nested() {
        assert_eq!(too_deep(&"[({})] ".repeat(1000)), None);
        assert_eq!(too_deep(&")".repeat(1000)), None);
    }

    #[test]
    fn long_expressions_are_refused_and_long_lists_and_sets_are_not() {
        assert_eq!(place(too_deep(&format!("\n{}1", "- ".repeat(30_000)))), Some((1, 1)));
        assert_eq!(place(too_deep(&format!("{{ a = {}1; }}", "x: ".repeat(30_000)))), Some((1, 1)));
        assert_eq!(too_deep(&format!("[{}]", "1 ".repeat(30_000))), None);
        assert_eq!(too_deep(&format!("{{{}}}", "a = 1;".repeat(30_000))), None);
    }

    #[test]
    fn doubling_per_level_is_foreseen() {
        let nested = |depth: usize| format!("{}x\n1{}", "(f ".repeat(depth), ")".repeat(depth));
        let check = |text: &str| place(too_much_work(text, &rnix::Root::parse(text).syntax()));
        assert_eq!(check(&nested(8)), None);
        assert!(check(&nested(40)).is_some());
        assert_eq!(check(&format!("{{\n{}}}", "a = f (g (h x));\n".repeat(2000))), None);
        assert_eq!(check(&format!("{{\n  a = {};\n}}", nested(40))).map(|it| it.0), Some(2));
    }
}
