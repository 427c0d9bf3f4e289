//! Where Alejandra 4.0.0 writes something else than 3.1.0 would.
//!
//! 4.0.0 came with a newer parser. What had been a chain of binary operators became nodes of their own (selection
//! with its `or` default, `?`), which it prints token by token, with the blanks of the source; paths are no
//! literals any more; `++`, `//` and `->` nest to the right. As long as such a node fits on one line and is spaced
//! as everybody does, both versions write the same: so most of the rules look at what 3.1.0 made of it.

use rnix::SyntaxKind::{
    NODE_APPLY, NODE_ASSERT, NODE_ATTR_SET, NODE_ATTRPATH, NODE_ATTRPATH_VALUE, NODE_BIN_OP, NODE_HAS_ATTR,
    NODE_IDENT, NODE_INHERIT_FROM, NODE_INTERPOL, NODE_LAMBDA, NODE_LIST, NODE_LITERAL, NODE_PAREN,
    NODE_PAT_ENTRY, NODE_PATH_ABS, NODE_PATH_HOME, NODE_PATH_REL, NODE_PATH_SEARCH, NODE_SELECT, NODE_STRING,
    NODE_WITH, TOKEN_COMMENT, TOKEN_CONCAT, TOKEN_IMPLICATION, TOKEN_OR, TOKEN_PIPE_LEFT, TOKEN_PIPE_RIGHT,
    TOKEN_STRING_CONTENT, TOKEN_UPDATE, TOKEN_WHITESPACE,
};
use rnix::{NodeOrToken, SyntaxElement, SyntaxKind, SyntaxNode};

use super::{Spot, strings};

/// What can be told from the source alone: with any of these 3.1.0 need not be asked.
pub(super) fn spots_before(text: &str, root: &SyntaxNode) -> Vec<Spot> {
    root.descendants().filter_map(|it| Some(spot(text, &it, in_source(&it)?))).collect()
}

/// What shows in the layout that 3.1.0 gave; `new` is the tree of its text.
pub(super) fn spots_after(text: &str, old: &SyntaxNode, new: &SyntaxNode) -> Vec<Spot> {
    let (before, after) = (layout_nodes(old), layout_nodes(new));
    if before.len() != after.len() {
        return vec![Spot::at(text, 0, "the structure of the file")];
    }
    before.iter().zip(&after).filter_map(|(old, new)| Some(spot(text, old, in_layout(old, new)?))).collect()
}

fn spot(text: &str, node: &SyntaxNode, what: &str) -> Spot {
    Spot::at(text, node.text_range().start().into(), what)
}

fn in_source(node: &SyntaxNode) -> Option<&'static str> {
    match node.kind() {
        NODE_BIN_OP => match operator(node) {
            Some(TOKEN_PIPE_LEFT) => Some("`<|`"),
            Some(TOKEN_PIPE_RIGHT) => Some("`|>`"),
            _ => None,
        },
        NODE_SELECT | NODE_HAS_ATTR => spacing(node).or_else(|| plain_brackets(node)),
        NODE_PAREN if node.children().any(|it| is_path(&it)) && !is_whole_value(node) => {
            Some("a path in brackets of its own")
        }
        NODE_PAREN | NODE_INTERPOL | NODE_INHERIT_FROM
            if node.children().any(|it| is_path(&it)) && has_line_break(node) =>
        {
            Some("a path in brackets over several lines")
        }
        NODE_IDENT if node.text() == "or" && node.parent().is_some_and(|it| it.kind() == NODE_APPLY) => {
            Some("`or` that is no default")
        }
        _ => None,
    }
}

fn in_layout(old: &SyntaxNode, new: &SyntaxNode) -> Option<&'static str> {
    let broken = || is_broken(&new.clone().into());
    match old.kind() {
        NODE_HAS_ATTR if broken() => Some("`?` over several lines"),
        NODE_SELECT if broken() && has_default(old) => Some("an `or` default over several lines"),
        NODE_SELECT if broken() => Some("a selection over several lines"),
        NODE_BIN_OP => chain(old, new),
        NODE_LAMBDA | NODE_WITH | NODE_ASSERT | NODE_PAT_ENTRY
            if old.last_child().is_some_and(|it| is_path(&it)) && (broken() || has_line_break(old)) =>
        {
            Some("a path as the whole result")
        }
        _ => None,
    }
}

/// The nodes that `in_layout` judges, in order: the same in both trees, as layout removes nothing but brackets.
fn layout_nodes(root: &SyntaxNode) -> Vec<SyntaxNode> {
    let judged = |it: &SyntaxNode| match it.kind() {
        NODE_HAS_ATTR | NODE_SELECT | NODE_LAMBDA | NODE_WITH | NODE_ASSERT | NODE_PAT_ENTRY => true,
        NODE_BIN_OP => is_chain_head(it),
        _ => false,
    };
    root.descendants().filter(judged).collect()
}

/// The blanks in such a node are copied: any but the usual ones differ.
fn spacing(node: &SyntaxNode) -> Option<&'static str> {
    let shape = |it: SyntaxElement| match it {
        NodeOrToken::Node(it) if it.kind() == NODE_ATTRPATH && has_trivia(&it) => '!',
        NodeOrToken::Node(_) => 'x',
        NodeOrToken::Token(it) if it.kind() == TOKEN_COMMENT => '!',
        NodeOrToken::Token(it) if it.kind() == TOKEN_WHITESPACE && it.text() != " " => '!',
        NodeOrToken::Token(it) => it.text().chars().next().unwrap_or('!'),
    };
    match node.children_with_tokens().map(shape).collect::<String>().as_str() {
        "x.x" | "x.x o x" | "x ? x" => None,
        _ if node.kind() == NODE_HAS_ATTR => Some("`?` with unusual blanks"),
        _ => Some("a selection with unusual blanks"),
    }
}

/// 3.1.0 removed superfluous brackets inside selections and `?`, 4.0.0 does not.
fn plain_brackets(node: &SyntaxNode) -> Option<&'static str> {
    let superfluous = |it: SyntaxNode| {
        let inner = it.first_child().map(|it| it.kind());
        it.kind() == NODE_PAREN
            && matches!(
                inner,
                Some(NODE_ATTR_SET | NODE_IDENT | NODE_LIST | NODE_LITERAL | NODE_PAREN | NODE_STRING)
            )
    };
    node.children().any(superfluous).then_some("superfluous brackets in a selection")
}

/// The operands of a chain nest to the left in 3.1.0 and to the right in 4.0.0.
fn chain(old: &SyntaxNode, new: &SyntaxNode) -> Option<&'static str> {
    let (operands, pair) = operands(old);
    let (laid_out, _) = self::operands(new);
    if operands.len() < 3 || !has_line_break(new) {
        return None;
    }
    let middle = operands.get(1..operands.len() - 1).unwrap_or_default();
    let pair_is_broken =
        has_line_break(&pair) || laid_out.iter().rev().take(2).any(|it| is_broken(&it.clone().into()));
    let differs = !pair_is_broken || middle.iter().any(|it| it.kind() == NODE_BIN_OP);
    differs.then_some("a chain of operators that is broken in part")
}

/// The operands of a chain of one operator, and its innermost pair.
fn operands(head: &SyntaxNode) -> (Vec<SyntaxNode>, SyntaxNode) {
    let (mut res, mut pair) = (Vec::new(), head.clone());
    loop {
        let sides: Vec<SyntaxNode> = pair.children().collect();
        match sides.as_slice() {
            [left, right] if right.kind() == NODE_BIN_OP && operator(right) == operator(head) => {
                res.push(left.clone());
                pair = right.clone();
            }
            _ => {
                res.extend(sides);
                return (res, pair);
            }
        }
    }
}

fn is_chain_head(node: &SyntaxNode) -> bool {
    let operator = operator(node);
    matches!(operator, Some(TOKEN_CONCAT | TOKEN_UPDATE | TOKEN_IMPLICATION))
        && !node.parent().is_some_and(|it| it.kind() == NODE_BIN_OP && self::operator(&it) == operator)
}

fn operator(node: &SyntaxNode) -> Option<SyntaxKind> {
    node.children_with_tokens()
        .filter_map(NodeOrToken::into_token)
        .map(|it| it.kind())
        .find(|it| !matches!(it, TOKEN_WHITESPACE | TOKEN_COMMENT))
}

fn has_default(node: &SyntaxNode) -> bool {
    node.children_with_tokens().any(|it| it.kind() == TOKEN_OR)
}

fn is_path(node: &SyntaxNode) -> bool {
    matches!(node.kind(), NODE_PATH_ABS | NODE_PATH_HOME | NODE_PATH_REL | NODE_PATH_SEARCH)
}

/// `a = (…);`: here both versions remove the brackets.
fn is_whole_value(node: &SyntaxNode) -> bool {
    node.parent().is_some_and(|it| it.kind() == NODE_ATTRPATH_VALUE)
        && node.children_with_tokens().count() == 3
}

fn has_trivia(node: &SyntaxNode) -> bool {
    node.children_with_tokens().any(|it| matches!(it.kind(), TOKEN_WHITESPACE | TOKEN_COMMENT))
}

/// A line break or comment between the direct parts of a node: it is laid out over several lines.
fn has_line_break(node: &SyntaxNode) -> bool {
    node.children_with_tokens().filter_map(NodeOrToken::into_token).any(|it| match it.kind() {
        TOKEN_WHITESPACE => it.text().contains('\n'),
        TOKEN_COMMENT => true,
        _ => false,
    })
}

/// Was this laid out over several lines? The line breaks of a plain string do not count: they are not layout.
fn is_broken(element: &SyntaxElement) -> bool {
    let breaks = |token: &rnix::SyntaxToken| match token.kind() {
        TOKEN_WHITESPACE => token.text().contains('\n'),
        TOKEN_COMMENT => true,
        TOKEN_STRING_CONTENT => {
            token.text().contains('\n')
                && token.parent().is_some_and(|it| it.kind() == NODE_STRING && strings::is_indented(&it))
        }
        _ => false,
    };
    match element {
        NodeOrToken::Token(it) => breaks(it),
        NodeOrToken::Node(it) => {
            it.descendants_with_tokens().filter_map(NodeOrToken::into_token).any(|it| breaks(&it))
        }
    }
}
