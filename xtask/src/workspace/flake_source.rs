//! What a `flake.nix` says by itself: description, inputs and `nixConfig`, read without evaluation.

use std::collections::BTreeMap;

use camino::Utf8Path;
use rnix::ast::{Expr, LiteralKind};

use super::nix_literal::{Literal, NixFile, Spot, offset, source_text, without_parens};
use super::position::Position;

/// What a `flake.nix` says by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlakeSource {
    pub description: Option<String>,
    /// Those under `inputs`, and those that only `outputs` names as an argument.
    pub inputs: BTreeMap<String, InputSource>,
    pub nix_config: BTreeMap<String, NixConfigValue>,
}

/// One input, in whatever spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSource {
    pub url: Option<String>,
    /// Whether it is a flake; `flake = false` is a mere source.
    pub flake: bool,
    /// The path of the input that it follows, from the root; empty is the flake itself.
    pub follows: Option<Vec<String>>,
    /// Overrides of the input's own inputs.
    pub inputs: BTreeMap<String, InputSource>,
    /// All other attributes: `type`, `owner`, `repo`, `ref`, `rev`, `dir`, …
    pub attrs: BTreeMap<String, NixConfigValue>,
    /// Not under `inputs`, but an argument of `outputs`: Nix looks it up in the registry.
    pub implicit: bool,
    /// Where its name is first written.
    pub position: Position,
    /// Where the text of its URL is written.
    pub url_position: Option<Position>,
}

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

impl FlakeSource {
    /// Reads the text of a `flake.nix`; `file` is what messages call it.
    pub fn parse(text: &str, file: &Utf8Path) -> anyhow::Result<FlakeSource> {
        let file = NixFile { text, name: file };
        let mut attributes = file.attributes()?;
        let mut source = FlakeSource::default();
        if let Some(spot) = attributes.remove("description") {
            source.description = Some(string(&file, &spot, "`description`")?);
        }
        if let Some(spot) = attributes.remove("inputs") {
            for (name, spot) in set(&file, spot, "`inputs`")? {
                source.inputs.insert(name.clone(), input(&file, &name, spot)?);
            }
        }
        if let Some(spot) = attributes.remove("nixConfig") {
            for (name, spot) in set(&file, spot, "`nixConfig`")? {
                let value = value(&file, &spot, &format!("`nixConfig.{name}`"))?;
                source.nix_config.insert(name, value);
            }
        }
        for (name, position) in attributes.get("outputs").map(|it| arguments(&file, it)).unwrap_or_default() {
            source
                .inputs
                .entry(name)
                .or_insert_with(|| InputSource { implicit: true, ..InputSource::at(position) });
        }
        Ok(source)
    }
}

impl InputSource {
    fn at(position: Position) -> InputSource {
        InputSource {
            url: None,
            flake: true,
            follows: None,
            inputs: BTreeMap::new(),
            attrs: BTreeMap::new(),
            implicit: false,
            position,
            url_position: None,
        }
    }
}

fn input(file: &NixFile<'_>, path: &str, spot: Spot) -> anyhow::Result<InputSource> {
    let mut input = InputSource::at(file.position(spot.offset));
    for (name, spot) in set(file, spot, &format!("the input `{path}`"))? {
        let what = format!("`{name}` of the input `{path}`");
        match name.as_str() {
            "url" => {
                input.url = Some(string(file, &spot, &what)?);
                input.url_position = expr(&spot).map(|it| file.position(offset(it)));
            }
            "flake" => match value(file, &spot, &what)? {
                NixConfigValue::Bool(it) => input.flake = it,
                _ => {
                    return Err(file.error(spot.offset, &format!("{what} must be `true` or `false`")));
                }
            },
            "follows" => {
                let text = string(file, &spot, &what)?;
                input.follows =
                    Some(text.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect());
            }
            "inputs" => {
                for (name, spot) in set(file, spot, &what)? {
                    let inner = self::input(file, &format!("{path}/{name}"), spot)?;
                    input.inputs.insert(name, inner);
                }
            }
            _ => {
                let value = value(file, &spot, &what)?;
                input.attrs.insert(name, value);
            }
        }
    }
    Ok(input)
}

fn expr(spot: &Spot) -> Option<&Expr> {
    match &spot.literal {
        Literal::Other(it) => it.as_ref(),
        Literal::Set(_) => None,
    }
}

fn set(file: &NixFile<'_>, spot: Spot, what: &str) -> anyhow::Result<BTreeMap<String, Spot>> {
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

fn string(file: &NixFile<'_>, spot: &Spot, what: &str) -> anyhow::Result<String> {
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

fn value(file: &NixFile<'_>, spot: &Spot, what: &str) -> anyhow::Result<NixConfigValue> {
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
        _ => string(file, spot, what).map(NixConfigValue::String),
    }
}

/// The names that `outputs = { a, b, … }: …` takes, but for `self`.
fn arguments(file: &NixFile<'_>, outputs: &Spot) -> Vec<(String, Position)> {
    let Some(Expr::Lambda(lambda)) = expr(outputs) else { return Vec::new() };
    let Some(rnix::ast::Param::Pattern(pattern)) = lambda.param() else { return Vec::new() };
    let idents = pattern.pat_entries().filter_map(|it| it.ident());
    let named = idents.map(|it| (source_text(&it), file.position(offset(&it))));
    named.filter(|(name, _)| name != "self").collect()
}
