//! `cargo xtask cache push`

use anyhow::bail;

use crate::cache::{Destination, closure, closure_step, last_build, pusher, upkeep};
use crate::context::Context;
use crate::nix::store_path::StorePath;
use crate::plan::Settings;
use crate::report::Report;

/// Push what is built, and all that it needs, to the cache
///
/// What the cache has already, and what the upstream caches serve, is left out. A push that was stopped goes on where
/// it was, and a reader never sees a path whose dependencies are missing. Without a name: what the last `build` made.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Push {
    /// Packages that are built, or paths such as /nix/store/…-name
    #[arg(value_name = "NAME|PATH")]
    names: Vec<String>,
    /// Every package of every flake
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Packages for another system, such as aarch64-linux
    #[arg(long, value_name = "SYSTEM")]
    system: Option<String>,
    /// Where to; by default `cache.push` of xtask.toml
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Requests at once
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Write a page that shows where the time went
    #[arg(long)]
    timings: bool,
}

impl Push {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        cx.record(self.timings, &self.words());
        let destination = Destination::of(cx, Some("--to"), self.to.as_deref(), self.jobs.map(usize::from))?;
        let paths = self.paths(cx)?;
        // With `--json` the plan is in the JSON.
        if cx.globals.dry_run && !cx.ui.style().json {
            let step = closure_step(cx, &paths)?;
            cx.planned(&step, &Settings::default())?;
        }
        let closure = closure(cx, &paths)?;
        let summary = pusher::push(cx, &destination, &closure, cx.globals.dry_run)?;
        Ok(summary.report(cx))
    }

    /// What was typed, as far as it says what is pushed.
    fn words(&self) -> Vec<&str> {
        let all = self.all.then_some("--all");
        let system = self.system.as_deref().map(|it| ["--system", it]).into_iter().flatten();
        let names = self.names.iter().map(String::as_str);
        ["cache", "push"].into_iter().chain(all).chain(system).chain(names).collect()
    }

    /// What is meant, all of it built.
    fn paths(&self, cx: &mut Context) -> anyhow::Result<Vec<StorePath>> {
        let res = if self.names.is_empty() && !self.all {
            last_build::recall(cx)
        } else {
            let outputs = upkeep::outputs(cx, &self.names, self.all, self.system.as_deref())?;
            outputs.into_iter().map(|it| it.1).collect()
        };
        if res.is_empty() {
            bail!("nothing was built in this workspace yet; run `cargo xtask build`, or name what to push");
        }
        for path in &res {
            if cx.nix()?.real(path.as_str()).symlink_metadata().is_err() {
                bail!("`{path}` is not in the store; run `cargo xtask build` first");
            }
        }
        Ok(res)
    }
}
