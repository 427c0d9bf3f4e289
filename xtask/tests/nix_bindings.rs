//! No Nix file of ours binds a name that nobody uses, or takes an argument that it does not need.
#![expect(clippy::disallowed_methods, reason = "the test asks git for its files")]

use std::path::Path;
use std::process::Command;

use rnix::ast::{AstNode, Entry, HasEntry as _, Lambda, LetIn, Param};
use rnix::{NodeOrToken, SyntaxKind, SyntaxNode};

fn syntax<N: AstNode>(node: &N) -> &SyntaxNode {
    node.syntax()
}

fn cast<N: AstNode>(node: SyntaxNode) -> Option<N> {
    N::cast(node)
}

/// How often a name stands in a part of a file, as an identifier.
fn uses(node: &SyntaxNode, name: &str) -> usize {
    let tokens = node.descendants_with_tokens().filter_map(NodeOrToken::into_token);
    tokens.filter(|it| it.kind() == SyntaxKind::TOKEN_IDENT && it.text() == name).count()
}

/// The names that a `let` binds and that stand nowhere else in it.
fn dead(let_in: &LetIn) -> Vec<String> {
    let names = let_in.entries().filter_map(|entry| match entry {
        Entry::AttrpathValue(it) => it.attrpath()?.attrs().next().map(|it| vec![it.to_string()]),
        Entry::Inherit(it) => Some(it.attrs().map(|it| it.to_string()).collect()),
    });
    names.flatten().filter(|it| uses(syntax(let_in), it) < 2).collect()
}

/// The named arguments of a function that its body, and the defaults of the others, do without.
fn unused(lambda: &Lambda) -> Vec<String> {
    let Some(Param::Pattern(pattern)) = lambda.param() else { return Vec::new() };
    if pattern.pat_bind().is_some() {
        return Vec::new();
    }
    let names = pattern.pat_entries().filter_map(|it| it.ident()).map(|it| it.to_string());
    names.filter(|it| uses(syntax(lambda), it) < 2).collect()
}

fn problems(text: &str) -> Vec<String> {
    let root = rnix::Root::parse(text).syntax();
    let lets = root.descendants().filter_map(cast::<LetIn>).flat_map(|it| dead(&it));
    let lambdas = root.descendants().filter_map(cast::<Lambda>).flat_map(|it| unused(&it));
    lets.map(|it| format!("`{it}` is bound and not used"))
        .chain(lambdas.map(|it| format!("`{it}` is taken and not used")))
        .collect()
}

#[test]
fn every_name_is_used() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new("git").args(["ls-files", "*.nix"]).current_dir(repository).output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let mut found = Vec::new();
    for name in names.lines().filter(|it| !it.contains("/fixtures/")) {
        let text = std::fs::read_to_string(repository.join(name)).unwrap();
        found.extend(problems(&text).into_iter().map(|it| format!("{name}: {it}")));
    }
    assert!(names.lines().count() > 50 && found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn planted_ones_are_found() {
    assert_eq!(problems("let a = 1; b = a; in b"), [""; 0]);
    assert_eq!(problems("let a = 1; in 2"), ["`a` is bound and not used"]);
    assert_eq!(problems("let inherit (x) y z; in y"), ["`z` is bound and not used"]);
    assert_eq!(problems("{a, b ? 1, ...}: a"), ["`b` is taken and not used"]);
    assert_eq!(problems("{a, ...} @ args: args"), [""; 0]);
}
