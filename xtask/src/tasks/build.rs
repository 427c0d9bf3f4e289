//! `cargo xtask build`

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;

use crate::cache::pusher::{self, Summary, Watcher};
use crate::cache::{Destination, closure, last_build};
use crate::context::Context;
use crate::hints::hash;
use crate::host::System;
use crate::outcome::{self, Outcome};
use crate::plan::{self, Step};
use crate::report::Report;
use crate::selection::{Selected, Selection};

/// Build packages by short name, over all flakes of the workspace
///
/// A name is `elodin-db`, `aleph#toplevel`, `./dir#attr` or `.#attr`. Without one: the default package or, where
/// there is none, all. Store paths go to stdout when it is not a terminal.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Build {
    /// The packages
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Build every package of every flake
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Build for another system, such as aarch64-linux
    #[arg(long, value_name = "SYSTEM")]
    pub system: Option<String>,
    /// Go on with the others when one fails
    #[arg(long, short = 'k')]
    pub keep_going: bool,
    /// Make no `result` links
    #[arg(long)]
    pub no_link: bool,
    /// Put the links here, one for each name
    #[arg(long, value_name = "DIR", conflicts_with = "no_link")]
    pub out_link: Option<Utf8PathBuf>,
    /// Build from a local checkout of the source, instead of the one that the lock names
    #[arg(long, value_name = "DIR")]
    pub src: Option<Utf8PathBuf>,
    /// Builds at once; Nix decides by default
    #[arg(long, short = 'j', value_name = "N")]
    pub jobs: Option<u32>,
    /// Push each output to the cache as soon as it is built; see `cache push`
    #[arg(long)]
    pub push: bool,
    /// Put the hash that came in place of one that was wrong, after asking, and build again
    #[arg(long)]
    pub fix: bool,
    /// Write a page that shows where the time went
    #[arg(long)]
    pub timings: bool,
    /// Options for Nix itself, such as --impure
    #[arg(last = true, value_name = "NIX OPTION")]
    pub nix_options: Vec<String>,
}

impl Build {
    pub(crate) fn run(mut self, cx: &mut Context) -> anyhow::Result<Report> {
        cx.record(self.timings, &self.words());
        self.use_source(cx)?;
        let selected = self.select(cx)?;
        if cx.globals.dry_run {
            self.plan(cx, &selected)?;
            return Ok(Report::done());
        }
        let destination = if self.push { Some(Destination::of(cx, None, None, None)?) } else { None };
        let watcher = destination.as_ref().and_then(|it| watch(cx, it, &selected));
        let outcome = self.build_and_fix(cx, selected);
        let pushed = watcher.map(|it| it.end(cx));
        let mut outcome = outcome?;
        if !self.no_link {
            outcome::link(cx, &mut outcome, self.out_link.as_deref())?;
        }
        last_build::remember(cx, &outcome)?;
        if let (Some(destination), Some(pushed)) = (destination, pushed) {
            push_rest(cx, &outcome, &destination, pushed);
        }
        Ok(outcome.report(cx))
    }

    fn build_and_fix(&self, cx: &mut Context, selected: Vec<Selected>) -> anyhow::Result<Outcome> {
        let mut outcome = self.build(cx, selected)?;
        // Each fetch is only tried when those before it are good.
        while self.fix && !outcome.ok() && !outcome.interrupted && hash::repair(cx, &outcome.findings)? {
            let selected = self.select(cx)?;
            outcome = self.build(cx, selected)?;
        }
        Ok(outcome)
    }

    /// What was typed, as far as it says what is built.
    fn words(&self) -> Vec<&str> {
        let all = self.all.then_some("--all");
        let system = self.system.as_deref().map(|it| ["--system", it]).into_iter().flatten();
        ["build"].into_iter().chain(all).chain(system).chain(self.names.iter().map(String::as_str)).collect()
    }

    /// Turns `--src` into the option of Nix that it stands for.
    pub(crate) fn use_source(&mut self, cx: &Context) -> anyhow::Result<()> {
        let Some(dir) = self.src.take() else { return Ok(()) };
        let Some(input) = &cx.workspace.manifest.source else {
            bail!("`--src` needs to know which flake input holds the source: set `source` in xtask.toml");
        };
        let dir =
            cx.dir.join(&dir).canonicalize_utf8().with_context(|| format!("cannot use `--src {dir}`"))?;
        if !dir.is_dir() {
            bail!("`--src {dir}` is not a directory");
        }
        self.nix_options.splice(0..0, plan::override_input(input, &dir));
        Ok(())
    }

    pub(crate) fn select(&self, cx: &mut Context) -> anyhow::Result<Vec<Selected>> {
        let system = self.system.clone().map_or_else(|| cx.system(), System);
        Selection { names: &self.names, all: self.all, system, extra: &self.nix_options }.resolve(cx)
    }

    fn step(&self, cx: &Context, selected: &[Selected]) -> Step {
        let sound = selected.iter().filter(|it| it.package.is_ok());
        Step::Build(plan::Build {
            installables: sound.map(|it| it.installable(cx)).collect(),
            keep_going: self.keep_going,
            jobs: self.jobs,
            ..plan::Build::default()
        })
    }

    pub(crate) fn plan(&self, cx: &mut Context, selected: &[Selected]) -> anyhow::Result<()> {
        let step = self.step(cx, selected);
        let settings = cx.settings(&flakes(selected), &self.nix_options)?;
        cx.planned(&step, &settings)
    }

    /// Builds what was selected; what cannot even be evaluated is a failure that stops nothing else.
    pub(crate) fn build(&self, cx: &mut Context, selected: Vec<Selected>) -> anyhow::Result<Outcome> {
        let step = self.step(cx, &selected);
        let settings = cx.settings(&flakes(&selected), &self.nix_options)?;
        let sound = selected.iter().any(|it| it.package.is_ok());
        let call = if sound { Some(cx.call(&step, &settings)?) } else { None };
        Outcome::of(cx, selected, call)
    }
}

/// Starts to push what is built. Whatever becomes of that, the build is what it is.
fn watch(cx: &mut Context, to: &Destination, selected: &[Selected]) -> Option<Watcher> {
    let packages = selected.iter().filter_map(|it| it.package.as_ref().ok());
    let drvs: Vec<String> = packages.map(|it| it.drv.to_string()).collect();
    let watcher = Watcher::start(cx, to, &drvs);
    watcher.inspect_err(|error| cx.ui.warning(&format!("nothing is pushed: {error:#}"))).ok()
}

/// Tells what was pushed while it was built, and pushes what was there before.
fn push_rest(cx: &mut Context, outcome: &Outcome, to: &Destination, pushed: anyhow::Result<Summary>) {
    let go_on = pushed.as_ref().is_ok_and(Summary::ok);
    tell_push(cx, pushed);
    let paths = last_build::outputs(outcome);
    if go_on && !paths.is_empty() {
        let rest = closure(cx, &paths).and_then(|it| pusher::push(cx, to, &it, false));
        tell_push(cx, rest);
    }
}

fn tell_push(cx: &mut Context, summary: anyhow::Result<Summary>) {
    match summary {
        Ok(summary) if summary.ok() && summary.pushed.is_empty() => {}
        Ok(summary) if summary.ok() => cx.ui.status(&summary.line()),
        Ok(summary) => cx.ui.warning(&format!("not all was pushed:\n{}", summary.troubles(cx).join("\n"))),
        Err(error) => cx.ui.warning(&format!("not all was pushed: {error:#}")),
    }
}

fn flakes(selected: &[Selected]) -> Vec<usize> {
    let mut res: Vec<usize> = selected.iter().map(|it| it.flake).collect();
    res.sort_unstable();
    res.dedup();
    res
}
