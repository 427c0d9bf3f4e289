//! `cargo xtask ci matrix`

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use super::since;
use crate::ci::matrix::{self, Choice, Choosing};
use crate::ci::output::Outputs;
use crate::context::Context;
use crate::nix::store_path::StorePath;
use crate::outputs;
use crate::plan::{Settings, Step};
use crate::report::{Report, Table, count};

/// Choose the outputs of all flakes that CI builds, each with the reason
///
/// Packages, checks, dev shells and NixOS systems. One that cannot be evaluated hides no other: it is chosen too,
/// so that its own job shows why.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Matrix {
    /// Only those whose derivation differs from the one where HEAD left REV; without REV: the default branch, or the
    /// target of the pull request
    #[arg(long, value_name = "REV", num_args = 0..=1, default_missing_value = "")]
    changed_since: Option<String>,
    /// Only those that no binary cache of xtask.toml has
    #[arg(long)]
    skip_cached: bool,
    /// Only for these systems
    #[arg(long, value_name = "SYSTEM")]
    system: Vec<String>,
    /// Print what this service reads
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For `strategy.matrix`, on one line
    Github,
    /// For `buildkite-agent pipeline upload`
    Buildkite,
}

impl Matrix {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        if cx.globals.dry_run {
            return plan(cx);
        }
        let systems = cx.workspace.manifest.ci.systems.clone();
        let asked = self.system.clone();
        let wanted = move |it: &str| asked.is_empty() || asked.iter().any(|asked| asked == it);
        let now = outputs::evaluate(cx, &wanted)?;
        let since = match self.changed_since.as_deref() {
            None => None,
            Some(revision) => since::base(cx, Some(revision).filter(|it| !it.is_empty()))?,
        };
        if self.changed_since.is_some() && since.is_none() {
            cx.ui
                .status("HEAD is on the default branch, so there is nothing to compare with: all are chosen");
        }
        let before = match &since {
            Some(since) => Some(since::outputs(cx, &since.commit, &wanted)?),
            None => None,
        };
        let cached = if self.skip_cached { cached(cx, &now)?.paths } else { BTreeMap::new() };
        let choosing = Choosing {
            now: &now,
            before: before.as_ref().zip(since.as_ref()).map(|(outputs, it)| (outputs, it.name.as_str())),
            cached: &cached,
            systems: &systems,
            flakes: &flake_names(cx),
        };
        let choices = choosing.choices();
        for system in self.system.iter().filter(|it| !choices.iter().any(|choice| choice.system == **it)) {
            cx.ui.warning(&format!("no flake has an output for `{system}`"));
        }
        let gone = before.map_or(0, |it| it.keys().filter(|it| !now.contains_key(*it)).count());
        Ok(self.report(cx, &choices, gone))
    }

    fn report(&self, cx: &Context, choices: &[Choice], gone: usize) -> Report {
        let systems = &cx.workspace.manifest.ci.systems;
        let built = choices.iter().filter(|it| it.built).count();
        for choice in choices.iter().filter(|it| it.built) {
            if let Some(why) = &choice.broken {
                cx.ui.warning(&format!("`{}` cannot be evaluated: {}", choice.name, cx.explain(why)));
            }
        }
        let mut notes = vec![format!("{} of {} to build", built, count(choices.len(), "output"))];
        if gone > 0 {
            notes.push(
                format!("{} are not there any more", count(gone, "output"))
                    .replace("1 output are", "1 output is"),
            );
        }
        let of_service = self.format.map(|it| match it {
            Format::Github => matrix::github(choices, systems),
            Format::Buildkite => matrix::buildkite(choices, systems),
        });
        if let Some(value) = of_service {
            return Report { notes, lines: vec![value.to_string()], json: value, ..Report::done() };
        }
        let mut table = Table::new(&["output", "system", "build", "why"]);
        for it in choices {
            let chosen = if it.built { "yes" } else { "no" };
            table.rows.push(vec![it.name.clone(), it.system.clone(), chosen.to_owned(), it.why.clone()]);
        }
        let (to_build, left_out): (Vec<&Choice>, Vec<&Choice>) = choices.iter().partition(|it| it.built);
        let all = |it: Vec<&Choice>| it.into_iter().map(json).collect::<Vec<_>>();
        Report {
            lines: to_build.iter().map(|it| it.name.clone()).collect(),
            notes,
            table,
            json: json!({"version": 1, "ok": true, "outputs": all(to_build), "left_out": all(left_out)}),
            ..Report::done()
        }
    }
}

fn json(choice: &Choice) -> Value {
    json!({
        "name": choice.name,
        "flake": choice.output.flake,
        "attr": choice.output.attr(),
        "system": choice.system,
        "drv": choice.drv,
        "why": choice.why,
        "error": choice.broken,
    })
}

/// The names of the flakes by their directories.
pub(super) fn flake_names(cx: &Context) -> BTreeMap<Utf8PathBuf, String> {
    cx.workspace.flakes.iter().map(|it| (it.dir.clone(), it.name.clone())).collect()
}

/// The first question to each flake: the others come of its answer.
fn plan(cx: &mut Context) -> anyhow::Result<Report> {
    for flake in 0..cx.workspace.flakes.len() {
        let settings = cx.settings(&[flake], &[])?;
        let flake = cx.flake_ref(flake);
        let step =
            crate::plan::question::all_outputs(&flake, &crate::ci::output::KINDS, crate::ci::output::SYSTEMS);
        cx.planned(&step, &settings)?;
    }
    Ok(Report::done())
}

/// More paths than these are asked for in several calls.
const AT_ONCE: usize = 500;

/// What the caches have.
pub(super) struct Cached {
    /// Which cache has a path.
    pub(super) paths: BTreeMap<StorePath, String>,
    /// Whether all of them answered.
    pub(super) complete: bool,
}

/// Which cache has an output. One that does not answer has nothing, with a warning.
pub(super) fn cached(cx: &mut Context, outputs: &Outputs) -> anyhow::Result<Cached> {
    let derivations = outputs.values().filter_map(|it| it.derivation());
    let mut open: Vec<String> =
        derivations.flat_map(|it| it.outs.values()).map(ToString::to_string).collect();
    open.sort();
    open.dedup();
    let settings = Settings { offline: cx.globals.offline, ..cx.settings(&[], &[])? };
    let name_format = cx.nix()?.names_json_format();
    let mut res = Cached { paths: BTreeMap::new(), complete: true };
    for cache in cx.workspace.manifest.cache.substituters.clone() {
        let mut missing = Vec::new();
        for paths in open.chunks(AT_ONCE) {
            let step = Step::PathInfo { paths: paths.to_vec(), cache: Some(cache.clone()), name_format };
            let answer: BTreeMap<String, Value> = match cx.query(&step, &settings) {
                Ok(answer) => answer,
                Err(error) => {
                    cx.ui.warning(&format!("cannot ask the cache {cache}, so it counts as empty: {error:#}"));
                    res.complete = false;
                    BTreeMap::new()
                }
            };
            for path in paths {
                // A path that is not there is null.
                match (answer.get(path), path.parse::<StorePath>()) {
                    (Some(info), Ok(path)) if info.is_object() => drop(res.paths.insert(path, cache.clone())),
                    _ => missing.push(path.clone()),
                }
            }
        }
        open = missing;
    }
    Ok(res)
}
