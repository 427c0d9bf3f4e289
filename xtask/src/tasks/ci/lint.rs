//! `cargo xtask ci lint`

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use super::matrix;
use super::since;
use crate::ci::output::{Output, Outputs, State};
use crate::context::Context;
use crate::crates;
use crate::nix::derivations;
use crate::outputs;
use crate::plan::Step;
use crate::report::{Report, Table, bytes, count};
use crate::worktree::Worktree;

/// Find what makes CI slow
///
/// Plants changes in work trees of HEAD: outputs whose derivation changes with the commit, with README, or with a
/// crate that they do not contain are built for nothing. Also: large sources, and outputs that no cache has.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Lint {}

/// Something that makes CI slow.
struct Finding {
    rule: &'static str,
    output: String,
    what: String,
    /// Why it is accepted.
    accepted: Option<String>,
}

impl Lint {
    pub(super) fn run(cx: &mut Context) -> anyhow::Result<Report> {
        cx.nix()?;
        if cx.globals.dry_run {
            return Ok(Report {
                lines: vec!["evaluates HEAD with planted changes, in work trees".to_owned()],
                ..Report::done()
            });
        }
        let mut findings = Vec::new();
        findings.extend(planted(cx)?);
        let now = outputs::evaluate(cx, &|_| true)?;
        let names = matrix::flake_names(cx);
        for (output, state) in &now {
            if let State::Broken(why) = state {
                let name =
                    output.name(names.get(&output.flake).map_or(output.flake.as_str(), String::as_str));
                cx.ui.warning(&format!("nothing is known of `{name}`, which cannot be evaluated: {why}"));
            }
        }
        findings.extend(sources(cx, &now)?);
        findings.extend(uncached(cx, &now)?);
        let accept = &cx.workspace.manifest.ci.lint.accept;
        for it in &mut findings {
            it.accepted = accept.get(&it.output).cloned();
        }
        Ok(report(&findings, now.len()))
    }
}

/// What changes when nothing that it contains does.
fn planted(cx: &mut Context) -> anyhow::Result<Vec<Finding>> {
    let head = crate::worktree::commit(cx, "HEAD")?;
    let names = matrix::flake_names(cx);
    let name = |it: &Output| it.name(names.get(&it.flake).map_or(it.flake.as_str(), String::as_str));
    let mut res = Vec::new();
    cx.ui.status("evaluating HEAD with a planted commit, README and crates");
    let before = since::outputs(cx, &head, &|_| true)?;
    let revision = with(cx, &head, &|_| Ok(()))?;
    let by_revision = changed(&before, &revision);
    for it in &by_revision {
        res.push(finding(
            "revision",
            name(it),
            "rebuilds with every commit: it contains the revision".to_owned(),
        ));
    }
    let readme = with(cx, &head, &|root| plant(&root.join("README.md"), "\nPlanted.\n"))?;
    for it in changed(&revision, &readme).iter().filter(|it| !by_revision.contains(it)) {
        res.push(finding("readme", name(it), "rebuilds when README.md changes".to_owned()));
    }
    let readers: Vec<Output> = changed(&revision, &readme);
    for it in crates::of_workspace(&cx.workspace.root)? {
        let tree =
            with(cx, &head, &|root| plant(&root.join(&it.dir).join("src/planted.rs"), "// Planted.\n"))?;
        let hit = changed(&revision, &tree);
        // Who reads README reads everything: it has been told.
        for output in hit.iter().filter(|it| !by_revision.contains(it) && !readers.contains(it)) {
            let last = output.path.last().map(String::as_str).unwrap_or_default();
            if !it.users.contains(last) {
                let what = format!(
                    "rebuilds when the crate `{}` changes, which it does not seem to contain",
                    it.name
                );
                res.push(finding("crate", name(output), what));
            }
        }
    }
    Ok(res)
}

fn finding(rule: &'static str, output: String, what: String) -> Finding {
    Finding { rule, output, what, accepted: None }
}

/// The outputs of a commit after HEAD with something planted.
fn with(
    cx: &mut Context,
    head: &str,
    plant: &dyn Fn(&Utf8Path) -> anyhow::Result<()>,
) -> anyhow::Result<Outputs> {
    let tree = Worktree::add(cx, head)?;
    plant(&tree.root)?;
    tree.commit("planted by cargo xtask ci lint")?;
    since::in_tree(cx, &tree)
}

/// Adds to a file, or makes it.
fn plant(file: &Utf8Path, text: &str) -> anyhow::Result<()> {
    let old = std::fs::read_to_string(file).unwrap_or_default();
    crate::files::write_atomic(file, format!("{old}{text}").as_bytes())
}

/// The outputs that have another derivation.
fn changed(before: &Outputs, after: &Outputs) -> Vec<Output> {
    let drv =
        |all: &Outputs, it: &Output| all.get(it).and_then(|it| it.derivation()).map(|it| it.drv.clone());
    let differs = |it: &&Output| drv(after, it).is_some() && drv(before, it) != drv(after, it);
    after.keys().filter(differs).cloned().collect()
}

/// Sources in the store that are larger than they may be.
fn sources(cx: &mut Context, now: &Outputs) -> anyhow::Result<Vec<Finding>> {
    let limit = u64::from(cx.workspace.manifest.ci.lint.max_source) * 1_000_000;
    let names = matrix::flake_names(cx);
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let system = cx.system().0;
    let mine = now.iter().filter(|it| it.1.derivation().is_some_and(|it| it.system == system));
    let mine: Vec<(Output, Utf8PathBuf)> = mine.map(|it| (it.0.clone(), it.0.flake.clone())).collect();
    for (output, dir) in mine {
        let Some(flake) = cx.workspace.flakes.iter().position(|it| it.dir == dir) else { continue };
        let settings = cx.settings(&[flake], &[])?;
        let installable = format!("{}#.{}", cx.flake_ref(flake), output.attr());
        let answer: Value =
            cx.query(&Step::DerivationGraph { installables: vec![installable] }, &settings)?;
        let name = output.name(names.get(&dir).map_or(dir.as_str(), String::as_str));
        for node in
            derivations::parse(answer).context("unexpected answer to `nix derivation show`")?.into_values()
        {
            for source in node.srcs {
                users.entry(source).or_default().insert(name.clone());
            }
        }
    }
    let mut res = Vec::new();
    for (source, users) in users {
        let size = size(&cx.nix()?.real(&format!("/nix/store/{source}")));
        if size > limit {
            let name = source.split_once('-').map_or(source.as_str(), |it| it.1);
            let first = users.first().cloned().unwrap_or_default();
            let others =
                if users.len() > 1 { format!(" (and {} more)", users.len() - 1) } else { String::new() };
            let what = format!(
                "its source `{name}` has {}; {} is the most{others}: filter it, or set `max-source` in [ci.lint]",
                bytes(size),
                bytes(limit)
            );
            res.push(finding("source", first, what));
        }
    }
    Ok(res)
}

/// Bytes of all files below a path; what cannot be read has none.
fn size(path: &Utf8Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let entries = path.read_dir_utf8().into_iter().flatten().flatten();
    entries.map(|it| size(it.path())).sum()
}

/// Outputs that every machine builds for itself.
fn uncached(cx: &mut Context, now: &Outputs) -> anyhow::Result<Vec<Finding>> {
    if cx.workspace.manifest.cache.substituters.is_empty() || cx.globals.offline {
        return Ok(Vec::new());
    }
    let systems = cx.workspace.manifest.ci.systems.clone();
    let built =
        |it: &State| it.derivation().is_some_and(|it| systems.is_empty() || systems.contains_key(&it.system));
    let now: Outputs = now.iter().filter(|it| built(it.1)).map(|it| (it.0.clone(), it.1.clone())).collect();
    let there = matrix::cached(cx, &now)?;
    if !there.complete {
        cx.ui.status("not every cache answered, so nothing is said of what they lack");
        return Ok(Vec::new());
    }
    let names = matrix::flake_names(cx);
    let absent = |it: &State| {
        it.derivation().is_some_and(|it| it.outs.values().any(|it| !there.paths.contains_key(it)))
    };
    let missing = now.iter().filter(|it| absent(it.1));
    let name = |it: &Output| it.name(names.get(&it.flake).map_or(it.flake.as_str(), String::as_str));
    let what = || "no cache has it, so that every machine builds it".to_owned();
    Ok(missing.map(|it| finding("cache", name(it.0), what())).collect())
}

fn report(findings: &[Finding], outputs: usize) -> Report {
    let mut table = Table::new(&["rule", "output", "finding"]);
    for it in findings {
        let what = match &it.accepted {
            Some(reason) => format!("accepted: {reason}"),
            None => it.what.clone(),
        };
        table.rows.push(vec![it.rule.to_owned(), it.output.clone(), what]);
    }
    let open = findings.iter().filter(|it| it.accepted.is_none()).count();
    let one = |it: &Finding| json!({"rule": it.rule, "output": it.output, "what": it.what, "accepted": it.accepted});
    Report {
        ok: open == 0,
        notes: vec![format!("{}, {}", count(outputs, "output"), count(open, "finding"))],
        table,
        json: json!({"version": 1, "ok": open == 0, "findings": findings.iter().map(one).collect::<Vec<_>>()}),
        ..Report::default()
    }
}
