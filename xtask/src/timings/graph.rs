//! Which derivation needs which, from `nix derivation show` in both of its forms.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Derivations by path.
#[derive(Debug, Default)]
pub struct Graph(pub BTreeMap<String, Node>);

#[derive(Debug, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub system: String,
    /// Store paths, as far as they are known before it is built.
    pub outputs: Vec<String>,
    /// The derivations that it needs.
    pub inputs: Vec<String>,
}

/// 2.34: paths have lost their directory.
#[derive(Deserialize)]
struct Current {
    derivations: BTreeMap<String, Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    name: String,
    #[serde(default)]
    system: String,
    #[serde(default)]
    outputs: BTreeMap<String, Output>,
    /// Until 2.31.
    #[serde(default)]
    input_drvs: Keys,
    #[serde(default)]
    inputs: Inputs,
}

#[derive(Deserialize)]
struct Output {
    path: Option<String>,
}

#[derive(Default, Deserialize)]
struct Inputs {
    #[serde(default)]
    drvs: Keys,
}

/// An object of which only the keys matter.
#[derive(Default)]
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Keys, D::Error> {
        deserializer.deserialize_map(Keys::default())
    }
}

impl<'de> Visitor<'de> for Keys {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Keys, A::Error> {
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            self.0.push(key);
        }
        Ok(self)
    }
}

impl Graph {
    /// Adds what Nix answered.
    ///
    /// # Errors
    /// When it is in neither form.
    pub fn add(&mut self, json: &str) -> anyhow::Result<()> {
        // The older form has paths at the top; its first byte of content tells.
        let old = json.trim_start().trim_start_matches('{').trim_start().starts_with("\"/");
        let raw = if old {
            serde_json::from_str(json).context("`nix derivation show` answers in a form we do not know")?
        } else {
            let current: Current = serde_json::from_str(json)
                .context("`nix derivation show` answers in a form we do not know")?;
            current.derivations
        };
        for (path, raw) in raw {
            let inputs = raw.input_drvs.0.into_iter().chain(raw.inputs.drvs.0).map(full).collect();
            let outputs = raw.outputs.into_values().filter_map(|it| it.path).map(full).collect();
            self.0.insert(full(path), Node { name: raw.name, system: raw.system, outputs, inputs });
        }
        Ok(())
    }
}

fn full(path: String) -> String {
    if path.starts_with('/') { path } else { format!("/nix/store/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same derivation as each version tells it, recorded.
    #[test]
    fn both_forms_say_the_same() {
        let old = r#"{"/nix/store/p53hpfmrgbbhss25arbvl3h4bs4xk2c0-two.drv": {"args": ["-e"], "env": {"name": "two"},
            "inputDrvs": {"/nix/store/0rxfhc23ndcpmaj2kyhv78f3q7f50w19-bbtools.drv": {"dynamicOutputs": {}, "outputs": ["out"]}},
            "inputSrcs": [], "name": "two", "outputs": {"out": {"path": "/nix/store/jipwijx1iw2hybvp8jymrn641pc65jgw-two"}},
            "system": "x86_64-linux"}}"#;
        let new = r#"{"derivations":{"p53hpfmrgbbhss25arbvl3h4bs4xk2c0-two.drv":{"args":["-e"],"env":{"name":"two"},
            "inputs":{"drvs":{"0rxfhc23ndcpmaj2kyhv78f3q7f50w19-bbtools.drv":{"dynamicOutputs":{},"outputs":["out"]}},"srcs":[]},
            "name":"two","outputs":{"out":{"path":"jipwijx1iw2hybvp8jymrn641pc65jgw-two"}},"system":"x86_64-linux","version":4}},"version":4}"#;
        let read = |text| {
            let mut graph = Graph::default();
            graph.add(text).unwrap();
            graph.0
        };
        assert_eq!(read(old), read(new));
        let node = &read(new)["/nix/store/p53hpfmrgbbhss25arbvl3h4bs4xk2c0-two.drv"];
        assert_eq!(node.inputs, ["/nix/store/0rxfhc23ndcpmaj2kyhv78f3q7f50w19-bbtools.drv"]);
        assert_eq!(read("{}".replace("{}", r#"{"derivations":{},"version":9}"#).as_str()), BTreeMap::new());
        assert!(Graph::default().add("[]").is_err());
    }

    /// An output that is known by its content alone has no path yet.
    #[test]
    fn an_output_may_have_no_path() {
        let mut graph = Graph::default();
        let text =
            r#"{"derivations":{"h-a.drv":{"name":"a","outputs":{"out":{"hashAlgo":"sha256"}}}},"version":4}"#;
        graph.add(text).unwrap();
        assert_eq!(graph.0["/nix/store/h-a.drv"].outputs, [] as [&str; 0]);
    }
}
