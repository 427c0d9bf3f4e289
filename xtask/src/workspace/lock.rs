//! What a `flake.lock` pins, with every `follows` resolved.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{anyhow, bail};
use camino::Utf8Path;
use serde::Deserialize;
use serde_json::Value;

use super::lock_follows::resolve;
use super::lock_text::{line_of_input, line_of_node, reject_damaged, syntax_error};

/// A parsed `flake.lock`; what its inputs lead to is known to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    pub version: u64,
    /// The key of the node that stands for the flake itself.
    pub root: String,
    pub nodes: BTreeMap<String, Node>,
}

/// One locked flake or source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is locked to; only the root has none.
    pub locked: Option<Reference>,
    /// What `flake.nix` asked for; only the root has none.
    pub original: Option<Reference>,
    /// Whether it is a flake and not a mere source.
    pub flake: bool,
    pub inputs: BTreeMap<String, LockedInput>,
    /// For a relative path: the path of the input that it is relative to; empty is the flake itself.
    pub parent: Option<Vec<String>>,
}

/// Where an input of a node leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedInput {
    /// The key of the node that it is in the end.
    pub node: String,
    /// The path from the root that it follows; empty is the flake itself.
    pub follows: Option<Vec<String>>,
}

/// The attributes of a flake reference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Reference {
    #[serde(rename = "type")]
    pub kind: String,
    pub url: Option<String>,
    pub path: Option<String>,
    pub id: Option<String>,
    pub host: Option<String>,
    pub owner: Option<String>,
    pub repo: Option<String>,
    pub dir: Option<String>,
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    pub rev: Option<String>,
    pub dirty_rev: Option<String>,
    pub nar_hash: Option<String>,
    /// Seconds since 1970.
    pub last_modified: Option<i64>,
    /// All else: `submodules`, `shallow`, `revCount`, …
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A node as it is written, with its `follows` as they are.
#[derive(Debug, Deserialize)]
pub(super) struct RawNode {
    #[serde(default)]
    pub(super) inputs: BTreeMap<String, RawInput>,
    locked: Option<Value>,
    /// Version 5 kept `narHash` and `lastModified` here.
    info: Option<Value>,
    original: Option<Reference>,
    #[serde(default = "yes")]
    flake: bool,
    pub(super) parent: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawInput {
    Node(String),
    Follows(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct RawLock {
    version: u64,
    root: String,
    nodes: BTreeMap<String, RawNode>,
}

impl FromStr for Lock {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Lock> {
        Lock::parse(text, Utf8Path::new("flake.lock"))
    }
}

impl Lock {
    /// Reads the text of a `flake.lock`; `file` is what messages call it.
    pub fn parse(text: &str, file: &Utf8Path) -> anyhow::Result<Lock> {
        reject_damaged(text, file)?;
        let raw: RawLock = match version(text, file)? {
            5..=7 => serde_json::from_str(text).map_err(|err| syntax_error(&err, text, file))?,
            other => bail!("{file}: unsupported version {other}; versions 5 to 7 can be read"),
        };
        if !raw.nodes.contains_key(&raw.root) {
            bail!(
                "{file}: the root node `{}` is missing; make it anew: delete the file and run `nix flake lock`",
                raw.root
            );
        }
        let resolved = resolve(&raw.nodes, &raw.root).map_err(|it| {
            let line = line_of_input(text, &it.node, &it.input).map_or(String::new(), |it| format!(":{it}"));
            anyhow!("{file}{line}: {}", it.what)
        })?;
        let mut nodes = BTreeMap::new();
        for (key, node) in raw.nodes {
            let is_root = key == raw.root;
            let node = finish(&key, node, &resolved, is_root).map_err(|err| {
                let line = line_of_node(text, &key).map_or(String::new(), |it| format!(":{it}"));
                anyhow!("{file}{line}: {err:#}")
            })?;
            nodes.insert(key, node);
        }
        Ok(Lock { version: raw.version, root: raw.root, nodes })
    }

    /// The node that a path of inputs leads to, from the root; the empty path is the root.
    #[must_use]
    pub fn input(&self, path: &[&str]) -> Option<&Node> {
        self.nodes.get(self.input_key(path)?)
    }

    /// The key of the node that a path of inputs leads to.
    #[must_use]
    pub fn input_key(&self, path: &[&str]) -> Option<&str> {
        let mut key = self.root.as_str();
        for name in path {
            key = self.nodes.get(key)?.inputs.get(*name)?.node.as_str();
        }
        Some(key)
    }
}

/// Where each input of each node leads in the end, by node and name.
pub(super) type Resolved = BTreeMap<(String, String), String>;

fn finish(key: &str, raw: RawNode, resolved: &Resolved, is_root: bool) -> anyhow::Result<Node> {
    let missing = |what: &str| {
        anyhow!(
            "the node `{key}` has no `{what}`; make the lock anew: delete the file and run `nix flake lock`"
        )
    };
    let locked = match raw.locked {
        Some(locked) => Some(reference(locked, raw.info).map_err(|err| anyhow!("the node `{key}`: {err}"))?),
        None if is_root => None,
        None => return Err(missing("locked")),
    };
    if raw.original.is_none() && !is_root {
        return Err(missing("original"));
    }
    let input = |(name, raw_input): (String, RawInput)| {
        let node = resolved.get(&(key.to_owned(), name.clone())).cloned().unwrap_or_default();
        let follows = match raw_input {
            RawInput::Node(_) => None,
            RawInput::Follows(path) => Some(path),
        };
        (name, LockedInput { node, follows })
    };
    let inputs = raw.inputs.into_iter().map(input).collect();
    Ok(Node { locked, original: raw.original, flake: raw.flake, inputs, parent: raw.parent })
}

/// What a node is locked to, with what version 5 kept apart.
fn reference(mut locked: Value, info: Option<Value>) -> serde_json::Result<Reference> {
    if let (Some(locked), Some(Value::Object(info))) = (locked.as_object_mut(), info) {
        for (name, value) in info {
            locked.entry(name).or_insert(value);
        }
    }
    serde_json::from_value(locked)
}

/// The version alone: another one may have another shape.
fn version(text: &str, file: &Utf8Path) -> anyhow::Result<u64> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let version: Version = serde_json::from_str(text).map_err(|err| syntax_error(&err, text, file))?;
    Ok(version.version)
}

fn yes() -> bool {
    true
}
