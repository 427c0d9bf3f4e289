//! What is left to be done for an output: what must be built, and what it asks of a machine.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use super::place::Place;
use crate::context::Context;
use crate::inventory::Package;
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

/// A derivation in `nix derivation show`, of any version.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(default)]
    name: String,
    system: String,
    builder: String,
    #[serde(default)]
    env: BTreeMap<String, Value>,
    structured_attrs: Option<Value>,
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
            shown.extend(derivations(cx.query(&step, settings)?)?);
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

/// 2.34 puts the derivations one level down.
fn derivations(mut answer: Value) -> anyhow::Result<Vec<Shown>> {
    if let Some(inner) = answer.get_mut("derivations") {
        answer = inner.take();
    }
    let shown: BTreeMap<String, Shown> =
        serde_json::from_value(answer).context("unexpected answer to `nix derivation show`")?;
    Ok(shown.into_values().collect())
}

fn needs(shown: &[Shown]) -> Vec<Need> {
    let mut res: Vec<Need> = Vec::new();
    // Nix' own builders are part of Nix: those derivations are built by any machine.
    for it in shown.iter().filter(|it| !it.builder.starts_with("builtin:") && it.system != "builtin") {
        let features = it.features();
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

impl Shown {
    fn features(&self) -> BTreeSet<String> {
        const KEY: &str = "requiredSystemFeatures";
        // With structured attributes they are no variable of the builder's.
        let written = self.env.get("__json").and_then(Value::as_str);
        let written: Option<Value> = written.and_then(|it| serde_json::from_str(it).ok());
        let structured = self.structured_attrs.as_ref().or(written.as_ref());
        match structured.and_then(|it| it.get(KEY)).or(self.env.get(KEY)) {
            Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => BTreeSet::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &str) -> String {
        let answer = serde_json::from_str(answer).unwrap();
        let needs = needs(&derivations(answer).unwrap());
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
        let all = format!(r#"{{"1":{env},"2":{json},"3":{apart},"4":{own},"5":{fetch}}}"#);
        let want = "2 x aarch64-linux {\"big-parallel\", \"kvm\"}, a\n1 x aarch64-linux {\"kvm\"}, c\n";
        assert_eq!(told(&all), want);
        assert_eq!(told(&format!(r#"{{"derivations":{all},"version":4}}"#)), want);
        assert!(derivations(serde_json::json!(["no"])).is_err());
    }
}
