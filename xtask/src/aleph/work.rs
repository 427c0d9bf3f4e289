//! What is left to be done for an output: what must be built, and what it asks of a machine.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::place::Place;
use crate::context::Context;
use crate::inventory::Package;
use crate::nix::derivations::{self, Node};
use crate::nix::store_path::StorePath;
use crate::plan::{Settings, Step};

/// As many derivations are asked about at once: a command line is finite.
const BATCH: usize = 500;

/// One output, evaluated.
#[derive(Debug)]
pub struct Work {
    pub package: Package,
    /// Of those that must be built; Nix' own builders need nothing.
    pub needs: Vec<Need>,
    /// Derivations that must be built.
    pub builds: usize,
    /// Bytes that will be downloaded, unpacked.
    pub download: u64,
}

/// Derivations that ask the same of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub system: String,
    pub features: BTreeSet<String>,
    /// One of them.
    pub example: String,
    pub count: usize,
}

/// What `nix build --dry-run --json` prints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Planned {
    drv_path: StorePath,
    outputs: BTreeMap<String, StorePath>,
}

impl Work {
    /// Evaluates an output and asks what is missing.
    ///
    /// # Errors
    /// When it cannot be evaluated.
    pub fn of(
        cx: &mut Context,
        installable: String,
        system: &str,
        settings: &Settings,
    ) -> anyhow::Result<Work> {
        let step = Step::WouldBuild { installable };
        let call = cx.call(&step, settings)?;
        if !call.exit.success() {
            bail!("{}", call.why(cx));
        }
        let planned: Vec<Planned> = serde_json::from_str(&call.exit.stdout)
            .with_context(|| format!("unexpected answer to `{step}`"))?;
        let planned = planned.into_iter().next().with_context(|| format!("`{step}` names no derivation"))?;
        let mut shown = Vec::new();
        for drvs in call.monitor.planned.chunks(BATCH) {
            let step = Step::Derivations { paths: drvs.to_vec() };
            let answer = derivations::parse(cx.query(&step, settings)?);
            shown.extend(answer.with_context(|| format!("unexpected answer to `{step}`"))?.into_values());
        }
        let default = planned.outputs.keys().find(|it| *it == "out").or(planned.outputs.keys().next());
        let first = default.context("it has no output")?.clone();
        let package = Package {
            drv: planned.drv_path,
            system: system.to_owned(),
            main: String::new(),
            outs: planned.outputs,
            first,
        };
        let builds = call.monitor.planned.len();
        Ok(Work { package, needs: needs(&shown), builds, download: call.monitor.download })
    }

    /// Where it is built, when any machine can.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match self {
            Work { needs, .. } if !needs.is_empty() => None,
            Work { builds: 1.., .. } => Some(Place::Anywhere),
            Work { download: 1.., .. } => Some(Place::Cache),
            Work { .. } => Some(Place::There),
        }
    }
}

fn needs(shown: &[Node]) -> Vec<Need> {
    let mut res: Vec<Need> = Vec::new();
    // Nix' own builders are part of Nix: those derivations are built by any machine.
    for it in shown.iter().filter(|it| !it.builder.starts_with("builtin:") && it.system != "builtin") {
        let features = features(it);
        let same = |need: &&mut Need| need.system == it.system && need.features == features;
        if let Some(need) = res.iter_mut().find(same) {
            need.count += 1;
        } else {
            let (system, example) = (it.system.clone(), it.name.clone());
            res.push(Need { system, features, example, count: 1 });
        }
    }
    res
}

/// A text of words or, with structured attributes, a list.
fn features(node: &Node) -> BTreeSet<String> {
    let Some(text) = node.env.get("requiredSystemFeatures") else { return BTreeSet::new() };
    let list = serde_json::from_str(text).ok();
    list.unwrap_or_else(|| text.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &str) -> String {
        let shown = derivations::parse(serde_json::from_str(answer).unwrap()).unwrap();
        let needs = needs(&shown.into_values().collect::<Vec<_>>());
        let text = |it: &Need| format!("{} x {} {:?}, {}\n", it.count, it.system, it.features, it.example);
        needs.iter().map(text).collect()
    }

    #[test]
    fn both_versions_and_both_kinds_of_attributes() {
        let env = r#"{"name":"a","system":"aarch64-linux","builder":"/bin/sh","env":{"requiredSystemFeatures":"kvm  big-parallel"}}"#;
        let json = r#"{"name":"b","system":"aarch64-linux","builder":"/bin/sh","env":{"__json":"{\"requiredSystemFeatures\":[\"big-parallel\",\"kvm\"]}"}}"#;
        let apart = r#"{"name":"c","system":"aarch64-linux","builder":"/bin/sh","env":{},"structuredAttrs":{"requiredSystemFeatures":["kvm"]}}"#;
        let own =
            r#"{"name":"d","system":"aarch64-linux","builder":"builtin:buildenv","env":{"more":"keys"}}"#;
        let fetch = r#"{"name":"e","system":"builtin","builder":"builtin:fetchurl"}"#;
        let all =
            format!(r#"{{"1.drv":{env},"2.drv":{json},"3.drv":{apart},"4.drv":{own},"5.drv":{fetch}}}"#);
        let want = "2 x aarch64-linux {\"big-parallel\", \"kvm\"}, a\n1 x aarch64-linux {\"kvm\"}, c\n";
        assert_eq!(told(&all), want);
        assert_eq!(told(&format!(r#"{{"derivations":{all},"version":4}}"#)), want);
    }
}
