//! An input as `flake.nix` writes it.

use std::collections::BTreeMap;

use flake_lock::Reference;

use super::nix_value::NixConfigValue;
use super::position::Position;

/// One input, in whatever spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSource {
    /// A path literal is `path:` and the path as written.
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

impl InputSource {
    /// What it asks for, by URL or attribute by attribute; `None` for a spelling that only Nix can tell.
    #[must_use]
    pub fn reference(&self) -> Option<Reference> {
        let text = |name: &str| match self.attrs.get(name) {
            Some(NixConfigValue::String(it)) => Some(it.clone()),
            _ => None,
        };
        let Some(kind) = text("type") else { return Reference::from_url(self.url.as_deref()?) };
        Some(Reference {
            kind,
            url: self.url.clone(),
            path: text("path"),
            id: text("id"),
            host: text("host"),
            owner: text("owner"),
            repo: text("repo"),
            dir: text("dir"),
            git_ref: text("ref"),
            rev: text("rev"),
            ..Reference::default()
        })
    }
}
