//! `cargo xtask ci why`

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use serde_json::{Value, json};
use xshell::cmd;

use super::since::{self, Since};
use crate::ci::difference::{Cause, Difference, Side, What, difference};
use crate::ci::words;
use crate::context::Context;
use crate::nix::derivations::{self, Graph};
use crate::plan::Step;
use crate::report::Report;
use crate::revision::outside_hook;
use crate::selection::{Selected, Selection};
use crate::source_changes;
use crate::worktree::{self, Worktree};

/// Say why an output rebuilds: the roots of the difference, without what only follows from them
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Why {
    /// The output, as `build` knows it
    #[arg(value_name = "NAME")]
    name: String,
    /// Compare with where HEAD left REV; by default the default branch and, on that, the commit before HEAD
    #[arg(long, value_name = "REV")]
    since: Option<String>,
}

/// One side of the comparison.
struct Half {
    /// The derivation, without `/nix/store/`.
    drv: String,
    graph: Graph,
    marks: Vec<String>,
}

impl Why {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let since = match since::base(cx, self.since.as_deref())? {
            Some(since) => since,
            None => Since { commit: worktree::commit(cx, "HEAD~1")?, name: "HEAD~1".to_owned() },
        };
        let now = select(cx, &self.name)?;
        if cx.globals.dry_run {
            let settings = cx.settings(&[now.flake], &[])?;
            cx.planned(&Step::DerivationGraph { installables: vec![now.installable(cx)] }, &settings)?;
            return Ok(Report::done());
        }
        let tree = Worktree::add(cx, &since.commit)?;
        let mut there = cx.in_workspace(&tree.root).with_context(|| format!("at {}", since.name))?;
        let dir = cx.workspace.flakes[now.flake].dir.clone();
        let before = there.workspace.flakes.iter().position(|it| it.dir == dir);
        let before = before.map(|flake| evaluated(&mut there, &now, flake)).transpose()?.flatten();
        let package = now.package.clone().map_err(|it| anyhow::anyhow!("{it}"));
        let package = package.with_context(|| format!("cannot evaluate `{}`", now.name))?;
        let Some(before) = before else {
            let line = format!("`{}` is new: there was no such output at {}", now.name, since.name);
            return Ok(report(&now.name, &since, "new", line, Vec::new(), &[]));
        };
        if before == package.drv {
            let line =
                format!("`{}` does not rebuild: it is the same derivation as at {}", now.name, since.name);
            return Ok(report(&now.name, &since, "same", line, Vec::new(), &[]));
        }
        let old = half(&mut there, &now, &dir, before.as_str(), &since.commit)?;
        let new = half(cx, &now, &dir, package.drv.as_str(), "HEAD")?;
        let found = difference(
            Side { graph: &old.graph, marks: &old.marks },
            &old.drv,
            Side { graph: &new.graph, marks: &new.marks },
            &new.drv,
        );
        explain(cx, &now.name, &since, &found)
    }
}

fn select(cx: &mut Context, name: &str) -> anyhow::Result<Selected> {
    let names = [name.to_owned()];
    let selection = Selection { names: &names, all: false, system: cx.system(), extra: &[] };
    selection.resolve(cx)?.pop().context("no output has that name")
}

/// The derivation of the same output in another work tree; `None` where it was not there.
fn evaluated(
    there: &mut Context,
    now: &Selected,
    flake: usize,
) -> anyhow::Result<Option<crate::nix::store_path::StorePath>> {
    let settings = there.settings(&[flake], &[])?;
    match crate::inventory::package(there, flake, &now.attr, &settings) {
        Ok(package) => Ok(Some(package.drv)),
        Err(error) if crate::inventory::is_absent(&error) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot evaluate what `{}` was before", now.name)),
    }
}

/// All derivations of one side. Flakes are known by their directories: the other tree may number them otherwise.
fn half(cx: &mut Context, now: &Selected, dir: &Utf8Path, drv: &str, revision: &str) -> anyhow::Result<Half> {
    let flake = cx.workspace.flakes.iter().position(|it| it.dir == dir);
    let flake = flake.with_context(|| format!("there is no flake `{dir}`"))?;
    let settings = cx.settings(&[flake], &[])?;
    let installable = format!("{}#{}", cx.flake_ref(flake), now.attr);
    let answer: Value = cx.query(&Step::DerivationGraph { installables: vec![installable] }, &settings)?;
    let graph = derivations::parse(answer).context("unexpected answer to `nix derivation show`")?;
    let drv = derivations::base(drv);
    if !graph.contains_key(&drv) {
        bail!("Nix did not tell of `{drv}`: the files changed while they were looked at; try once more");
    }
    Ok(Half { drv, graph, marks: marks(cx, revision)? })
}

/// How a derivation may name a revision: its hash, long and short, and its time. The longest come first.
fn marks(cx: &Context, revision: &str) -> anyhow::Result<Vec<String>> {
    let (sh, top) = (&cx.sh, worktree::top(cx)?);
    let args = ["show", "--no-patch", "--format=%H %ct %cd", "--date=format:%Y%m%d%H%M%S", revision];
    // Nix writes times in UTC.
    let told = outside_hook(cmd!(sh, "git -C {top} {args...}"))
        .env("TZ", "UTC")
        .quiet()
        .read()
        .context("cannot ask git for the time of a commit")?;
    let mut words = told.split_whitespace().map(str::to_owned);
    let hash = words.next().context("git told no commit")?;
    let mut res: Vec<String> = words.collect();
    res.extend((7..=12).chain([40]).filter_map(|it| hash.get(..it).map(str::to_owned)));
    res.extend(res.iter().find(|it| it.len() == 14).and_then(|it| it.get(..8)).map(str::to_owned));
    res.sort_by_key(|it| std::cmp::Reverse(it.len()));
    Ok(res)
}

fn explain(cx: &mut Context, name: &str, since: &Since, found: &Difference) -> anyhow::Result<Report> {
    let mut files: BTreeMap<&Cause, Option<Vec<String>>> = BTreeMap::new();
    for cause in &found.causes {
        if let What::Source { before, after } = &cause.what {
            let nix = cx.nix()?;
            let real = |it: &str| nix.real(&format!("/nix/store/{it}"));
            files.insert(cause, source_changes::between(&real(before), &real(after)));
        }
    }
    let mut lines = Vec::new();
    let mut causes = Vec::new();
    for cause in &found.causes {
        let files = files.get(cause).and_then(Option::as_deref);
        let sentence = words::sentence(cause, files);
        lines.push(format!("  {}: {sentence}", cause.chain.join(" → ")));
        causes
            .push(json!({"chain": cause.chain, "what": sentence, "kind": kind(&cause.what), "files": files}));
    }
    let verdict = words::verdict(name, found);
    let mut res = report(name, since, "changed", verdict, lines, &causes);
    res.json["cascade"] = found.cascade.into();
    Ok(res)
}

fn kind(what: &What) -> &'static str {
    match what {
        What::Source { .. } => "source",
        What::Version { .. } => "version",
        What::Revision { .. } => "revision",
        What::Attribute { .. } => "attribute",
        What::Fetched { .. } => "fetched",
        What::Added(_) => "added",
        What::Removed(_) => "removed",
    }
}

fn report(
    name: &str,
    since: &Since,
    verdict: &str,
    first: String,
    mut lines: Vec<String>,
    causes: &[Value],
) -> Report {
    lines.insert(0, first);
    let json = json!({
        "version": 1,
        "ok": true,
        "name": name,
        "since": since.commit,
        "verdict": verdict,
        "causes": causes,
        "cascade": 0,
    });
    Report { lines, json, ..Report::done() }
}
