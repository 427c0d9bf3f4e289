//! `cargo xtask cache repair`

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::verify::{look, report};
use crate::cache::{Destination, closure, pusher};
use crate::context::Context;
use crate::nix::store_path::StorePath;
use crate::plan::{Settings, Step};
use crate::report::{Report, count};

/// Push again what a cache lacks or has damaged, as far as this machine's store has it
///
/// Nothing else is uploaded. What is not in this store is named.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Repair {
    /// Download every archive and compare its content, to find what is damaged
    #[arg(long)]
    deep: bool,
    /// Which cache; by default `cache.push` of xtask.toml
    #[arg(long, value_name = "URL")]
    cache: Option<String>,
}

impl Repair {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let destination = Destination::of(cx, Some("--cache"), self.cache.as_deref(), None)?;
        let cache = destination.url.clone();
        let (ok, answer) = look(cx, &cache, None, self.deep)?;
        if ok {
            return Ok(report(cx, &cache, ok, &answer));
        }
        let Work { here, again, rotten, gone } = Work::of(cx, &answer)?;
        if cx.globals.dry_run {
            let lines = here.iter().map(ToString::to_string).collect();
            return Ok(Report {
                lines,
                json: json!({"version": 1, "ok": true, "repair": here}),
                ..Report::done()
            });
        }
        if !here.is_empty() {
            let closure = closure(cx, &here)?;
            let mut job = destination.job(cx, &closure, false)?;
            // A narinfo that promises what is not there would keep the push from bringing it. It stays until then.
            job["again"] = json!(again);
            job["rotten"] = json!(rotten);
            let pushed = pusher::run(cx, &destination, "push", &job)?;
            if !pushed.ok() {
                return Ok(pushed.report(cx));
            }
            cx.ui.status(&pushed.line());
        }
        let (ok, answer) = look(cx, &cache, None, self.deep)?;
        Ok(told(cx, &cache, ok, &answer, &gone))
    }
}

/// What is to be done about findings.
#[derive(Debug, Default)]
struct Work {
    /// What is pushed.
    here: Vec<StorePath>,
    /// Those of which the cache says something wrong, and those whose archives are wrong.
    again: Vec<String>,
    rotten: Vec<String>,
    /// What this store does not have.
    gone: Vec<String>,
}

impl Work {
    fn of(cx: &mut Context, answer: &Value) -> anyhow::Result<Work> {
        let mut found = Vec::new();
        for it in answer["findings"].as_array().into_iter().flatten() {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            if !["orphan", "unchecked"].contains(&text("fault").as_str()) {
                found.push((text("fault"), text("at"), path_of(cx, &text("at"))?));
            }
        }
        let paths: BTreeSet<StorePath> = found.iter().filter_map(|it| it.2.clone()).collect();
        let valid = valid(cx, &paths)?;
        let mut res = Work::default();
        for (fault, at, path) in found {
            let Some(path) = path.filter(|it| valid.contains(it)) else {
                res.gone.push(at);
                continue;
            };
            if fault != "hole" {
                res.again.push(path.to_string());
            }
            if ["nar-size", "nar-content"].contains(&fault.as_str()) {
                res.rotten.push(path.to_string());
            }
        }
        res.here = valid.into_iter().collect();
        Ok(res)
    }
}

/// The path that a finding is about. Of a narinfo that cannot be read only the hash is known.
fn path_of(cx: &mut Context, at: &str) -> anyhow::Result<Option<StorePath>> {
    let Some(hash) = at.strip_suffix(".narinfo") else { return Ok(at.parse().ok()) };
    let store = cx.nix()?.real("/nix/store");
    let entries = store.read_dir_utf8().with_context(|| format!("cannot read `{store}`"))?;
    let names = entries.flatten().map(|it| it.file_name().to_owned());
    let mut ours = names.filter(|it| it.strip_prefix(hash).is_some_and(|it| it.starts_with('-')));
    Ok(ours.find_map(|it| format!("/nix/store/{it}").parse().ok()))
}

/// Those that this store has, and not only files that a dead build has left.
fn valid(cx: &mut Context, paths: &BTreeSet<StorePath>) -> anyhow::Result<BTreeSet<StorePath>> {
    if paths.is_empty() {
        return Ok(BTreeSet::new());
    }
    let name_format = cx.nix()?.names_json_format();
    let step =
        Step::PathInfo { paths: paths.iter().map(ToString::to_string).collect(), name_format, cache: None };
    let answer: Value = cx.query(&step, &Settings::default())?;
    let known = |it: &&StorePath| answer.get(it.to_string()).is_some_and(|it| !it.is_null());
    Ok(paths.iter().filter(known).cloned().collect())
}

fn told(cx: &Context, cache: &str, ok: bool, answer: &Value, gone: &[String]) -> Report {
    let mut res = report(cx, cache, ok, answer);
    if !gone.is_empty() {
        let names: Vec<&str> = gone.iter().take(5).map(|it| crate::ui::name_of(it)).collect();
        let text = format!("{} not in this store, such as {}", count(gone.len(), "path"), names.join(", "));
        res.notes.push(format!("{text}; build them here, or repair from the machine that has them"));
    }
    res
}
