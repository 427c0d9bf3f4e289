//! Values that a Nix file writes down literally.

use std::collections::BTreeMap;

use rnix::ast::{Expr, LiteralKind};

use super::nix_literal::{Literal, NixFile, Spot, offset, source_text, without_parens};

/// A value that is written down literally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NixConfigValue {
    String(String),
    Bool(bool),
    Int(i64),
    List(Vec<String>),
}

impl NixConfigValue {
    /// The value as a list: Nix takes one string with spaces for the same.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let texts: &[String] = match self {
            NixConfigValue::String(it) => std::slice::from_ref(it),
            NixConfigValue::List(it) => it,
            NixConfigValue::Bool(_) | NixConfigValue::Int(_) => &[],
        };
        texts.iter().flat_map(|it| it.split_whitespace())
    }
}

/// The expression at a spot, where it is neither a set nor inherited.
pub(super) fn expr(spot: &Spot) -> Option<&Expr> {
    match &spot.literal {
        Literal::Other(it) => it.as_ref(),
        Literal::Set(_) => None,
    }
}

/// An attribute set by any spelling.
pub(super) fn set(file: &NixFile<'_>, spot: Spot, what: &str) -> anyhow::Result<BTreeMap<String, Spot>> {
    let at = expr(&spot).map_or(spot.offset, offset);
    match spot.literal {
        Literal::Set(set) => Ok(set),
        Literal::Other(None) => {
            Err(file.error(at, &format!("{what} must be written out; Nix allows no `inherit` here")))
        }
        Literal::Other(Some(_)) => {
            Err(file.error(at, &format!("{what} must be an attribute set; Nix evaluates nothing here")))
        }
    }
}

/// A string without interpolation.
pub(super) fn string(file: &NixFile<'_>, spot: &Spot, what: &str) -> anyhow::Result<String> {
    match &spot.literal {
        Literal::Set(_) => {
            Err(file.error(spot.offset, &format!("{what} must be a string, not an attribute set")))
        }
        Literal::Other(None) => {
            Err(file.error(spot.offset, &format!("{what} must be written out; Nix allows no `inherit` here")))
        }
        Literal::Other(Some(expr)) => file.string(expr, what),
    }
}

/// A path as it is written, without interpolation.
pub(super) fn path_literal(spot: &Spot) -> Option<String> {
    match expr(spot)? {
        it @ (Expr::PathAbs(_) | Expr::PathRel(_) | Expr::PathHome(_)) => {
            Some(source_text(it)).filter(|it| !it.contains("${"))
        }
        _ => None,
    }
}

/// A value of any kind that may stand in `inputs` or `nixConfig`.
pub(super) fn value(file: &NixFile<'_>, spot: &Spot, what: &str) -> anyhow::Result<NixConfigValue> {
    match expr(spot) {
        Some(Expr::Ident(it)) if source_text(it) == "true" => Ok(NixConfigValue::Bool(true)),
        Some(Expr::Ident(it)) if source_text(it) == "false" => Ok(NixConfigValue::Bool(false)),
        Some(Expr::Literal(it)) if matches!(it.kind(), LiteralKind::Integer(_)) => {
            match source_text(it).parse() {
                Ok(number) => Ok(NixConfigValue::Int(number)),
                Err(_) => Err(file.error(offset(it), &format!("{what} is too large a number"))),
            }
        }
        Some(Expr::List(list)) => {
            let items =
                list.items().map(|it| file.string(&without_parens(it), &format!("each item of {what}")));
            Ok(NixConfigValue::List(items.collect::<anyhow::Result<_>>()?))
        }
        // Nix takes a path for a text, too.
        _ => match path_literal(spot) {
            Some(path) => Ok(NixConfigValue::String(path)),
            None => string(file, spot, what).map(NixConfigValue::String),
        },
    }
}
