//! Which outputs CI builds, each with the reason, and how GitHub and Buildkite want to be told.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use super::output::{Output, Outputs, State};
use crate::nix::store_path::StorePath;
use crate::workspace::CiMachines;

/// GitHub makes no more jobs of one matrix.
const MOST: usize = 256;

/// What is built, or is not, and why.
#[derive(Debug, Clone)]
pub struct Choice {
    pub output: Output,
    /// How `build` knows it.
    pub name: String,
    pub system: String,
    pub drv: Option<StorePath>,
    pub built: bool,
    pub why: String,
    /// Why it cannot be evaluated.
    pub broken: Option<String>,
}

/// What the choice is made from.
#[derive(Debug)]
pub struct Choosing<'a> {
    pub now: &'a Outputs,
    /// What there was at the revision that the change started from, and its name.
    pub before: Option<(&'a Outputs, &'a str)>,
    /// The cache that has a path.
    pub cached: &'a BTreeMap<StorePath, String>,
    /// The machines of CI by system; empty: any.
    pub systems: &'a BTreeMap<String, CiMachines>,
    /// The name of a flake by its directory.
    pub flakes: &'a BTreeMap<Utf8PathBuf, String>,
}

impl Choosing<'_> {
    /// Every output once, with what becomes of it.
    #[must_use]
    pub fn choices(&self) -> Vec<Choice> {
        let mut outputs: Vec<(&Output, &State)> = self.now.iter().collect();
        outputs.sort_by_key(|(output, _)| (&output.flake, output.rank(), *output));
        let mut seen: BTreeMap<&StorePath, String> = BTreeMap::new();
        let mut res = Vec::new();
        for (output, state) in outputs {
            let flake = self.flakes.get(&output.flake).map_or(output.flake.as_str(), String::as_str);
            let name = output.name(flake);
            let derivation = state.derivation();
            let system = derivation.map(|it| it.system.clone());
            let system = system.or(output.system_in_path().map(str::to_owned)).unwrap_or_default();
            let twin = derivation.and_then(|it| seen.get(&it.drv).cloned());
            let (built, why) = match twin {
                Some(twin) => (false, format!("the same derivation as `{twin}`")),
                None => self.judge(output, state, &system),
            };
            if let Some(derivation) = derivation {
                seen.entry(&derivation.drv).or_insert_with(|| name.clone());
            }
            let broken = match state {
                State::Broken(why) => Some(why.clone()),
                State::Derivation(_) => None,
            };
            let drv = derivation.map(|it| it.drv.clone());
            res.push(Choice { output: output.clone(), name, system, drv, built, why, broken });
        }
        res
    }

    fn judge(&self, output: &Output, state: &State, system: &str) -> (bool, String) {
        if !self.systems.is_empty() && !system.is_empty() && !self.systems.contains_key(system) {
            return (false, format!("[ci.systems] has no machine for {system}"));
        }
        let reason = match (state, self.before) {
            (State::Broken(_), None) => "it cannot be evaluated".to_owned(),
            (State::Derivation(_), None) => "asked for".to_owned(),
            (now, Some((before, base))) => match (now, before.get(output)) {
                (State::Broken(_), Some(State::Broken(_))) => {
                    return (false, format!("it could not be evaluated at {base} either"));
                }
                (State::Broken(_), _) => "it cannot be evaluated any more".to_owned(),
                (_, None) => format!("new since {base}"),
                (_, Some(State::Broken(_))) => format!("could not be evaluated at {base}"),
                (State::Derivation(now), Some(State::Derivation(before))) if now.drv == before.drv => {
                    return (false, format!("the same derivation as at {base}"));
                }
                _ => format!("changed since {base}"),
            },
        };
        if let Some(cache) = self.in_cache(state) {
            return (false, format!("{cache} has it"));
        }
        (true, reason)
    }

    /// The cache that has all of its outputs.
    fn in_cache(&self, state: &State) -> Option<&str> {
        let outs = &state.derivation()?.outs;
        let caches: Option<BTreeSet<&String>> = outs.values().map(|it| self.cached.get(it)).collect();
        caches.filter(|it| it.len() == 1)?.into_iter().next().map(String::as_str)
    }
}

/// Outputs that one job builds.
struct Batch<'a> {
    system: &'a str,
    names: Vec<&'a str>,
}

/// A job for each output that is built; where that would be too many, some share one.
fn batches(choices: &[Choice]) -> Vec<Batch<'_>> {
    let built: Vec<&Choice> = choices.iter().filter(|it| it.built).collect();
    let systems: BTreeSet<&str> = built.iter().map(|it| it.system.as_str()).collect();
    let size = built.len().div_ceil(MOST.saturating_sub(systems.len()).max(1)).max(1);
    let mut res = Vec::new();
    for system in systems {
        let names: Vec<&str> =
            built.iter().filter(|it| it.system == system).map(|it| it.name.as_str()).collect();
        res.extend(names.chunks(size).map(|it| Batch { system, names: it.to_vec() }));
    }
    res
}

/// The words of a POSIX shell that `cargo xtask build` gets.
fn arguments(batch: &Batch<'_>) -> String {
    let mut words: Vec<String> = batch.names.iter().map(|it| crate::plan::quoted(it)).collect();
    if !batch.system.is_empty() {
        words.push(format!("--system {}", batch.system));
    }
    words.join(" ")
}

/// What GitHub takes as `strategy.matrix`: `name`, `system`, `runner`, and `build` for the command line.
#[must_use]
pub fn github(choices: &[Choice], systems: &BTreeMap<String, CiMachines>) -> Value {
    let job = |it: Batch<'_>| {
        let runner = systems.get(it.system).and_then(|it| it.runner.clone());
        json!({
            "name": it.names.join(" "),
            "system": it.system,
            "runner": runner.unwrap_or_else(|| super::github::RUNNER.to_owned()),
            "build": arguments(&it),
        })
    };
    json!({"include": batches(choices).into_iter().map(job).collect::<Vec<_>>()})
}

/// What `buildkite-agent pipeline upload` takes.
#[must_use]
pub fn buildkite(choices: &[Choice], systems: &BTreeMap<String, CiMachines>) -> Value {
    let mut groups: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for batch in batches(choices) {
        let queue = systems.get(batch.system).and_then(|it| it.queue.clone());
        // Buildkite puts variables in place of `$`.
        let build = arguments(&batch).replace('$', "$$");
        let mut step = json!({
            "label": batch.names.join(" "),
            "command": format!("cargo xtask build --no-link --keep-going {build}"),
        });
        if let Some(queue) = queue {
            step["agents"] = json!({"queue": queue});
        }
        groups.entry(batch.system).or_default().push(step);
    }
    let group = |(system, steps): (&str, Vec<Value>)| {
        let title = if system.is_empty() { "outputs" } else { system };
        json!({"group": title, "steps": steps})
    };
    json!({"steps": groups.into_iter().map(group).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests;
