//! `cargo xtask cache prune`

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use serde_json::json;

use crate::cache::{JOBS, upkeep};
use crate::context::Context;
use crate::host::System;
use crate::inventory::{self, Entry};
use crate::report::{Report, bytes, count};

/// The systems whose packages are kept.
const SYSTEMS: [&str; 3] = ["x86_64-linux", "aarch64-linux", "aarch64-darwin"];

/// Delete from the cache what nobody needs any more: neither this workspace nor what is young
///
/// Says what would go; with `--delete` it goes. Narinfos go before archives, and what refers to others before these,
/// so that no reader sees a hole. What is pushed meanwhile stays whole.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Prune {
    /// Keep what is younger than this, and all that it needs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
    keep_days: u32,
    /// Keep these packages, too, or paths such as /nix/store/…-name
    #[arg(long, value_name = "NAME|PATH")]
    keep: Vec<String>,
    /// Go on although a package cannot be evaluated: what the cache has of it may go
    #[arg(long)]
    ignore_broken: bool,
    /// Delete what was found
    #[arg(long)]
    delete: bool,
    /// Which cache; by default `cache.push` of xtask.toml
    #[arg(long, value_name = "URL")]
    cache: Option<String>,
}

impl Prune {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let cache = upkeep::cache(cx, self.cache.as_deref())?;
        let roots = self.roots(cx)?;
        let job = |delete: bool| json!({"cache": cache, "paths": roots, "keep_days": self.keep_days, "jobs": JOBS, "delete": delete});
        let (_, mut answer) = upkeep::ask(cx, "prune", &job(false))?;
        let told = |verb: &str, answer: &serde_json::Value| {
            let many = |key: &str| answer[key].as_array().map_or(0, Vec::len);
            let kept = answer["kept"].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
            format!(
                "{cache}: {verb} {} and {} ({}), {} stay",
                count(many("paths"), "path"),
                count(many("archives"), "archive"),
                bytes(answer["size"].as_u64().unwrap_or(0)),
                count(kept, "path")
            )
        };
        let empty = answer["archives"].as_array().is_none_or(Vec::is_empty)
            && answer["paths"].as_array().is_none_or(Vec::is_empty);
        let mut note = told("would delete", &answer);
        let mut deleted = false;
        if self.delete && !empty && !cx.globals.dry_run {
            if !cx.confirm(&format!("{note}. Delete?"))? {
                bail!("nothing was deleted");
            }
            answer = upkeep::ask(cx, "prune", &job(true))?.1;
            note = told("deleted", &answer);
            deleted = true;
        } else if !empty && !self.delete {
            note.push_str("; say `--delete` to do it");
        }
        let paths = answer["paths"].as_array().into_iter().flatten().filter_map(|it| it.as_str());
        let lines = paths.map(str::to_owned).collect();
        let mut notes = vec![note];
        let back = answer["back"].as_array().map_or(0, Vec::len);
        if back > 0 {
            notes.push(format!(
                "{} came back: somebody has pushed meanwhile what needs them",
                count(back, "path")
            ));
        }
        let mut json = json!({"version": 1, "ok": true, "cache": cache, "deleted": deleted});
        for key in ["kept", "paths", "archives", "back", "size"] {
            json[key] = answer[key].clone();
        }
        Ok(Report { ok: true, lines, notes, json, ..Report::default() })
    }

    /// Every package of every flake, for every system. One that cannot be evaluated might be needed: then nothing is
    /// deleted.
    fn roots(&self, cx: &mut Context) -> anyhow::Result<BTreeSet<String>> {
        let mut res = BTreeSet::new();
        for flake in 0..cx.workspace.flakes.len() {
            let settings = cx.settings(&[flake], &[])?;
            for system in SYSTEMS {
                let packages = inventory::packages(cx, flake, &System(system.to_owned()), &settings)
                    .context("nobody knows what this workspace needs, so nothing is deleted")?;
                for (name, entry) in packages {
                    match entry {
                        Entry::Package(package) => {
                            res.extend(package.outs.values().map(ToString::to_string));
                        }
                        Entry::Broken { .. } if self.ignore_broken => {}
                        Entry::Broken { .. } => bail!(
                            "`{name}` for {system} cannot be evaluated, so nobody knows what it needs, and nothing is \
                             deleted; repair it, or say `--ignore-broken`"
                        ),
                    }
                }
            }
        }
        if !self.keep.is_empty() {
            res.extend(upkeep::outputs(cx, &self.keep, false, None)?.into_iter().map(|it| it.1.to_string()));
        }
        Ok(res)
    }
}
