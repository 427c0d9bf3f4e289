//! Which derivation needs which.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::nix::derivations;

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

impl Graph {
    /// Adds what Nix answered.
    ///
    /// # Errors
    /// When it is in neither form.
    pub fn add(&mut self, json: &str) -> anyhow::Result<()> {
        let unknown = "`nix derivation show` answers in a form we do not know";
        let shown = derivations::parse(serde_json::from_str(json).context(unknown)?).context(unknown)?;
        for (path, node) in shown {
            let outputs = node.outputs.into_iter().map(|it| full(&it)).collect();
            let inputs = node.drvs.into_iter().map(|it| full(&it)).collect();
            self.0.insert(full(&path), Node { name: node.name, system: node.system, outputs, inputs });
        }
        Ok(())
    }
}

fn full(name: &str) -> String {
    format!("/nix/store/{name}")
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
