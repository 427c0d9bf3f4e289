//! Derivations as `nix derivation show` tells them, in both of its forms.
//!
//! 2.26 answers with an object by store path; 2.34 wraps it, writes names without `/nix/store/`, and has the inputs
//! under another key.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// Derivations by the names of their files, without `/nix/store/`.
pub type Graph = BTreeMap<String, Node>;

/// One derivation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub system: String,
    pub builder: String,
    pub args: Vec<String>,
    /// Attributes by name; what is no text is JSON.
    pub env: BTreeMap<String, String>,
    /// The derivations that it needs.
    pub drvs: BTreeSet<String>,
    /// The sources that it needs.
    pub srcs: BTreeSet<String>,
    /// Store paths of its outputs, without `/nix/store/`, as far as they are known before it is built.
    pub outputs: Vec<String>,
    /// The hash of what it makes, where that is known before.
    pub fixed: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    name: String,
    #[serde(default)]
    system: String,
    #[serde(default)]
    builder: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, Value>,
    #[serde(default)]
    structured_attrs: BTreeMap<String, Value>,
    #[serde(default)]
    input_drvs: BTreeMap<String, Value>,
    #[serde(default)]
    input_srcs: BTreeSet<String>,
    #[serde(default)]
    inputs: Inputs,
    #[serde(default)]
    outputs: BTreeMap<String, Value>,
}

#[derive(Default, Deserialize)]
struct Inputs {
    #[serde(default)]
    drvs: BTreeMap<String, Value>,
    #[serde(default)]
    srcs: BTreeSet<String>,
}

/// Reads what Nix printed.
///
/// # Errors
/// When it is not an object of derivations.
pub fn parse(answer: Value) -> Result<Graph, serde_json::Error> {
    let mut answer: BTreeMap<String, Value> = serde_json::from_value(answer)?;
    let derivations = match answer.remove("derivations") {
        Some(inner) => serde_json::from_value::<BTreeMap<String, Value>>(inner)?,
        None => answer,
    };
    let node =
        |(path, raw): (String, Value)| Ok((base(&path), Node::from(serde_json::from_value::<Raw>(raw)?)));
    // Next to the derivations there may be what tells the format.
    derivations.into_iter().filter(|it| it.0.ends_with(".drv")).map(node).collect()
}

/// A store path without the store.
#[must_use]
pub fn base(path: &str) -> String {
    path.strip_prefix("/nix/store/").unwrap_or(path).to_owned()
}

impl From<Raw> for Node {
    fn from(raw: Raw) -> Node {
        let text = |it: Value| match it {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut env: BTreeMap<String, String> =
            raw.env.into_iter().map(|(key, it)| (key, text(it))).collect();
        // Structured attributes: 2.26 hides them in one text.
        let hidden = env.remove("__json").and_then(|it| serde_json::from_str(&it).ok());
        let structured: BTreeMap<String, Value> = hidden.unwrap_or(raw.structured_attrs);
        env.extend(structured.into_iter().map(|(key, it)| (key, text(it))));
        let said = |it: &Value, key: &str| it.get(key).and_then(Value::as_str).map(str::to_owned);
        let drvs = raw.input_drvs.keys().chain(raw.inputs.drvs.keys());
        let srcs = raw.input_srcs.iter().chain(&raw.inputs.srcs);
        Node {
            name: raw.name,
            system: raw.system,
            builder: raw.builder,
            args: raw.args,
            env,
            drvs: drvs.map(|it| base(it)).collect(),
            srcs: srcs.map(|it| base(it)).collect(),
            outputs: raw.outputs.values().filter_map(|it| Some(base(&said(it, "path")?))).collect(),
            fixed: raw.outputs.values().find_map(|it| said(it, "hash")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same derivation as both versions tell it.
    #[test]
    fn both_forms_are_one() {
        let old = r#"{"/nix/store/h-two.drv": {"args": ["-c"], "builder": "/bin/sh", "env": {"x": "1", "__json": "{\"list\":[1]}"},
            "inputDrvs": {"/nix/store/i-a.drv": {"outputs": ["out"]}}, "inputSrcs": ["/nix/store/s-source"],
            "name": "two", "outputs": {"out": {"path": "/nix/store/o-two", "hash": "ff"}}, "system": "x86_64-linux"}}"#;
        let new = r#"{"derivations": {"h-two.drv": {"args": ["-c"], "builder": "/bin/sh", "env": {"x": "1"},
            "structuredAttrs": {"list": [1]}, "inputs": {"drvs": {"i-a.drv": {"outputs": ["out"]}}, "srcs": ["s-source"]},
            "name": "two", "outputs": {"out": {"path": "o-two", "hash": "ff"}}, "system": "x86_64-linux", "version": 4}},
            "version": 4}"#;
        let read = |it: &str| parse(serde_json::from_str(it).unwrap()).unwrap();
        assert_eq!(read(old), read(new));
        let node = &read(new)["h-two.drv"];
        assert_eq!((node.env["list"].as_str(), node.fixed.as_deref()), ("[1]", Some("ff")));
        assert_eq!(node.outputs, ["o-two"]);
    }
}
