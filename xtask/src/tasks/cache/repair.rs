//! `cargo xtask cache repair`

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::verify::{look, report};
use crate::cache::{Destination, closure, pusher, upkeep};
use crate::context::Context;
use crate::nix::store_path::StorePath;
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
        let destination = Destination::of(cx, self.cache.as_deref(), None)?;
        let cache = destination.url.clone();
        let (ok, answer) = look(cx, &cache, None, self.deep)?;
        if ok {
            return Ok(report(cx, &cache, ok, &answer));
        }
        let (mut here, mut damaged, mut gone) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut archives = Vec::new();
        for it in answer["findings"].as_array().into_iter().flatten() {
            let (fault, at) =
                (it["fault"].as_str().unwrap_or_default(), it["at"].as_str().unwrap_or_default());
            if ["orphan", "unchecked"].contains(&fault) {
                continue;
            }
            match at.parse::<StorePath>() {
                Ok(path) if cx.nix()?.real(at).symlink_metadata().is_ok() => {
                    if fault != "hole" {
                        damaged.push(path.to_string());
                    }
                    if ["nar-size", "nar-content"].contains(&fault) {
                        archives.push(path.to_string());
                    }
                    here.insert(path);
                }
                _ => gone.push(at.to_owned()),
            }
        }
        let here: Vec<StorePath> = here.into_iter().collect();
        if cx.globals.dry_run {
            let lines = here.iter().map(ToString::to_string).collect();
            return Ok(Report {
                lines,
                json: json!({"version": 1, "ok": true, "repair": here}),
                ..Report::done()
            });
        }
        if !here.is_empty() {
            // A narinfo that promises what is not there would keep the push from bringing it.
            let job = json!({"cache": cache, "paths": damaged, "archives": archives});
            upkeep::ask(cx, "drop", &job)?;
            let closure = closure(cx, &here)?;
            let pushed = pusher::push(cx, &destination, &closure, false)?;
            if !pushed.ok() {
                return Ok(pushed.report(cx));
            }
            cx.ui.status(&pushed.line());
        }
        let (ok, answer) = look(cx, &cache, None, self.deep)?;
        Ok(told(cx, &cache, ok, &answer, &gone))
    }
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
