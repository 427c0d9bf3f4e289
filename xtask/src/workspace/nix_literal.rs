//! Literals of a Nix file, found in its syntax tree without evaluation.
//!
//! Nix itself demands literals for `inputs` and `nixConfig` of a flake, so nothing is lost by it.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use camino::Utf8Path;
use rnix::ast::{self, AstNode, Expr, HasEntry as _, InterpolPart, LiteralKind};
use rnix::{ParseError, Root, SyntaxKind, T, TextRange, tokenize};

use super::position::Position;
use flake_lock::first_conflict;

/// Longer attribute paths are nobody's flake, but would use up the stack.
const DEEPEST: usize = 64;
const DEEPEST_BRACKETS: usize = 500;
/// In one expression.
const MOST_OPERATORS: usize = 1000;

/// A Nix file under inspection: knows how to say where something is.
pub(super) struct NixFile<'a> {
    pub(super) text: &'a str,
    pub(super) name: &'a Utf8Path,
}

/// An attribute set as written in any of the spellings, or anything else, unread.
pub(super) enum Literal {
    Set(BTreeMap<String, Spot>),
    Other(Option<Expr>),
}

/// A literal and the byte where its name is written.
pub(super) struct Spot {
    pub(super) literal: Literal,
    pub(super) offset: usize,
}

impl NixFile<'_> {
    /// The attribute set that the file consists of.
    pub(super) fn attributes(&self) -> anyhow::Result<BTreeMap<String, Spot>> {
        if let Some(at) = too_deep(self.text) {
            return Err(self.error(at, "too deeply nested"));
        }
        let parse = Root::parse(self.text);
        if let Some(err) = parse.errors().first() {
            if let Some((line, marker)) = first_conflict(self.text) {
                bail!("{}:{line}: merge conflict (`{marker}`); edit the file to resolve it", self.name);
            }
            return Err(
                self.error(error_offset(err, self.text), &format!("syntax error: {}", error_text(err)))
            );
        }
        match parse.tree().expr().map(without_parens) {
            Some(Expr::AttrSet(set)) => self.set(&set),
            Some(other) => Err(self.error(
                offset(&other),
                "expected an attribute set; if this file is no flake, name it under `ignore` in xtask.toml",
            )),
            None => Err(self.error(0, "the file is empty; expected an attribute set")),
        }
    }

    pub(super) fn position(&self, offset: usize) -> Position {
        Position::of(self.text, offset)
    }

    pub(super) fn error(&self, offset: usize, what: &str) -> anyhow::Error {
        anyhow!("{}:{}: {what}", self.name, self.position(offset))
    }

    /// The names in an attribute set, `a.b.c = …` unfolded and merged.
    fn set(&self, set: &ast::AttrSet) -> anyhow::Result<BTreeMap<String, Spot>> {
        let mut into = BTreeMap::new();
        for inherit in set.inherits() {
            for attr in inherit.attrs() {
                if let Some(name) = attr_name(&attr) {
                    into.insert(name, Spot { literal: Literal::Other(None), offset: offset(&attr) });
                }
            }
        }
        for entry in set.attrpath_values() {
            let (Some(path), Some(value)) = (entry.attrpath(), entry.value()) else { continue };
            let attrs: Vec<ast::Attr> = path.attrs().collect();
            if attrs.len() > DEEPEST {
                return Err(self.error(offset(&path), "too deeply nested"));
            }
            self.insert(&mut into, &attrs, without_parens(value))?;
        }
        Ok(into)
    }

    fn insert(
        &self,
        into: &mut BTreeMap<String, Spot>,
        path: &[ast::Attr],
        value: Expr,
    ) -> anyhow::Result<()> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        let Some(name) = attr_name(first) else {
            return Err(self.error(
                offset(first),
                "expected a plain name; a computed one cannot be read without evaluation",
            ));
        };
        let at = offset(first);
        if rest.is_empty() && !matches!(value, Expr::AttrSet(_)) {
            let spot = Spot { literal: Literal::Other(Some(value)), offset: at };
            return match into.insert(name.clone(), spot) {
                None => Ok(()),
                Some(before) => Err(self.twice(&name, at, before.offset)),
            };
        }
        let spot = into
            .entry(name.clone())
            .or_insert_with(|| Spot { literal: Literal::Set(BTreeMap::new()), offset: at });
        let before = spot.offset;
        let Literal::Set(inner) = &mut spot.literal else {
            return Err(self.twice(&name, at, before));
        };
        match &value {
            Expr::AttrSet(set) if rest.is_empty() => {
                self.set(set)?.into_iter().try_for_each(|(name, spot)| self.merge(inner, name, spot))
            }
            _ => self.insert(inner, rest, value),
        }
    }

    /// `a.b = …; a = { c = …; };` is one set, as it is for Nix.
    fn merge(&self, into: &mut BTreeMap<String, Spot>, name: String, spot: Spot) -> anyhow::Result<()> {
        let Some(before) = into.get_mut(&name) else {
            into.insert(name, spot);
            return Ok(());
        };
        match (&mut before.literal, spot.literal) {
            (Literal::Set(into), Literal::Set(from)) => {
                from.into_iter().try_for_each(|(name, spot)| self.merge(into, name, spot))
            }
            _ => Err(self.twice(&name, spot.offset, before.offset)),
        }
    }

    fn twice(&self, name: &str, at: usize, before: usize) -> anyhow::Error {
        self.error(at, &format!("`{name}` is defined twice; the other one is at {}", self.position(before)))
    }

    /// The text of a string literal without interpolation.
    pub(super) fn string(&self, expr: &Expr, what: &str) -> anyhow::Result<String> {
        match expr {
            Expr::Str(it) => {
                let mut text = String::new();
                for part in it.normalized_parts() {
                    match part {
                        InterpolPart::Literal(it) => text.push_str(&it),
                        InterpolPart::Interpolation(it) => bail!(self.error(
                            offset(&it),
                            &format!("{what} must be a plain string; Nix allows no `${{…}}` here")
                        )),
                    }
                }
                Ok(text)
            }
            Expr::Literal(it) => match it.kind() {
                LiteralKind::Uri(_) => Ok(source_text(it)),
                _ => Err(self.error(offset(it), &format!("{what} must be a string, not a number"))),
            },
            other => Err(self.error(
                offset(other),
                &format!("{what} must be a string literal; Nix evaluates nothing here"),
            )),
        }
    }
}

pub(super) fn offset<N: AstNode>(node: &N) -> usize {
    usize::from(node.syntax().text_range().start())
}

/// The node as it is written.
pub(crate) fn source_text<N: AstNode>(node: &N) -> String {
    node.syntax().text().to_string()
}

/// What is inside of any parentheses around it.
pub(crate) fn without_parens(expr: Expr) -> Expr {
    let mut expr = expr;
    while let Expr::Paren(paren) = &expr {
        let Some(inner) = paren.expr() else { break };
        expr = inner;
    }
    expr
}

/// The name that it has, when that is written and not computed.
pub(crate) fn attr_name(attr: &ast::Attr) -> Option<String> {
    match attr {
        ast::Attr::Ident(it) => Some(source_text(it)),
        ast::Attr::Str(it) => {
            let mut name = String::new();
            for part in it.normalized_parts() {
                let InterpolPart::Literal(part) = part else { return None };
                name.push_str(&part);
            }
            Some(name)
        }
        ast::Attr::Dynamic(_) => None,
    }
}

/// The byte where brackets or operators nest so deeply that the parser would use up the stack; it has limits of its
/// own for all else.
fn too_deep(text: &str) -> Option<usize> {
    let (mut brackets, mut operators, mut at) = (0_usize, 0_usize, 0);
    for (kind, token) in tokenize(text) {
        match kind {
            T!['['] => brackets += 1,
            T![']'] => brackets = brackets.saturating_sub(1),
            T![;] | T![,] => operators = 0,
            T![++] | T!["//"] | T![!] | T![+] | T![-] | T![*] | T![/] | T![&&] | T![||] | T![->] => {
                operators += 1;
            }
            T![==] | T![!=] | T![<] | T![<=] | T![>] | T![>=] | T![?] | T!["|>"] | T!["<|"] => operators += 1,
            _ => {}
        }
        if brackets > DEEPEST_BRACKETS || operators > MOST_OPERATORS {
            return Some(at);
        }
        at += token.len();
    }
    None
}

fn error_offset(err: &ParseError, text: &str) -> usize {
    let start = |range: &TextRange| usize::from(range.start());
    match err {
        ParseError::Unexpected(it)
        | ParseError::UnexpectedExtra(it)
        | ParseError::UnexpectedWanted(_, it, _)
        | ParseError::UnexpectedDoubleBind(it)
        | ParseError::DuplicatedArgs(it, _) => start(it),
        _ => text.trim_end().len(),
    }
}

fn error_text(err: &ParseError) -> String {
    match err {
        ParseError::UnexpectedEOF | ParseError::UnexpectedEOFWanted(_) => {
            "the file ends too early".to_owned()
        }
        ParseError::DuplicatedArgs(_, name) => format!("the argument `{name}` is there twice"),
        ParseError::UnexpectedDoubleBind(_) => "the arguments are bound twice".to_owned(),
        ParseError::RecursionLimitExceeded => "too deeply nested".to_owned(),
        ParseError::UnexpectedWanted(_, _, wanted) => match wanted.iter().find_map(|it| symbol(*it)) {
            Some(symbol) => format!("expected `{symbol}` before this"),
            None => "this is not expected here".to_owned(),
        },
        _ => "this is not expected here".to_owned(),
    }
}

/// The tokens that are forgotten most, as they are written.
fn symbol(kind: SyntaxKind) -> Option<&'static str> {
    Some(match kind {
        T![;] => ";",
        T![=] => "=",
        T![:] => ":",
        T![in] => "in",
        T![then] => "then",
        T![else] => "else",
        T!['}'] => "}",
        T![']'] => "]",
        T![')'] => ")",
        _ => return None,
    })
}
