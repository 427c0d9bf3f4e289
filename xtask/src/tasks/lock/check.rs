//! `cargo xtask lock check`

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::SystemTime;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use serde_json::json;

use crate::context::Context;
use crate::files::write_atomic;
use crate::format;
use crate::locks::{self, Finding, Repair, State, calendar};
use crate::nix_edit;
use crate::plan::Step;
use crate::relock;
use crate::report::{Report, count};
use crate::workspace::Severity;

/// Check the locks of all flakes: they match, agree, are complete and allowed. Needs no Nix and no network
///
/// What is demanded is under [lock] in xtask.toml. With --json: {version, ok, findings: [{severity, flake, input,
/// place, what, repair, fixable}]}.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Check {
    /// Repair what is safe: add a missing `follows` to flake.nix, let Nix complete the lock. All or nothing
    #[arg(long)]
    fix: bool,
}

impl Check {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let now = calendar::seconds(SystemTime::now());
        let states = locks::load(&cx.workspace);
        let settings = cx.workspace.manifest.lock.clone();
        let findings = locks::check(&states, &settings, now);
        let safe = findings.iter().any(|it| it.repair.is_safe());
        if !self.fix || !safe {
            return Ok(report(cx, &findings, states.len()));
        }
        let edits = edits(cx, &states, &findings)?;
        let flakes = to_lock(&states, &findings);
        if cx.globals.dry_run {
            return plan(cx, &edits, &flakes);
        }
        let mut files = relock::lock_files(&states, &flakes);
        files.extend(edits.iter().map(|it| it.file.clone()));
        relock::transact(cx, &files, |cx| {
            for edit in &edits {
                write_atomic(&cx.workspace.root.join(&edit.file), edit.new.as_bytes())?;
            }
            flakes.iter().try_for_each(|it| relock::run(cx, *it, &lock(cx, *it)))
        })?;
        for finding in findings.iter().filter(|it| it.repair.is_safe()) {
            let input = finding.input.as_deref().map(|it| format!("`{it}` ")).unwrap_or_default();
            cx.ui.status(&format!("repaired {}: {input}{}", finding.place, finding.what));
        }
        let states = locks::load(&cx.workspace);
        Ok(report(cx, &locks::check(&states, &settings, now), states.len()))
    }
}

/// A new text for a `flake.nix`.
struct Edit {
    file: Utf8PathBuf,
    old: String,
    new: String,
}

fn lock(cx: &Context, flake: usize) -> Step {
    Step::Lock { flake: cx.flake_ref(flake), overrides: Vec::new() }
}

/// The `follows` that are missing, one new text for each file.
fn edits(cx: &Context, states: &[State], findings: &[Finding]) -> anyhow::Result<Vec<Edit>> {
    let mut edits: BTreeMap<Utf8PathBuf, Edit> = BTreeMap::new();
    for finding in findings {
        let Repair::Follow { input, target, .. } = &finding.repair else { continue };
        let Some(state) = states.iter().find(|it| it.dir == finding.flake) else { continue };
        let file = state.file("flake.nix");
        if !edits.contains_key(&file) {
            let path = cx.workspace.root.join(&file);
            let old = fs::read_to_string(&path).with_context(|| format!("cannot read `{file}`"))?;
            edits.insert(file.clone(), Edit { file: file.clone(), new: old.clone(), old });
        }
        if let Some(edit) = edits.get_mut(&file) {
            edit.new = nix_edit::set_follows(&edit.new, &file, input, target)?;
        }
    }
    Ok(edits.into_values().collect())
}

/// The flakes whose locks Nix has to complete.
fn to_lock(states: &[State], findings: &[Finding]) -> Vec<usize> {
    let dirs: BTreeSet<&Utf8PathBuf> =
        findings.iter().filter(|it| it.repair.is_safe()).map(|it| &it.flake).collect();
    locks::calls::order(states).into_iter().filter(|it| dirs.contains(&states[*it].dir)).collect()
}

/// What `--fix` would do.
fn plan(cx: &mut Context, edits: &[Edit], flakes: &[usize]) -> anyhow::Result<Report> {
    let notes = edits.iter().map(|it| format::diff(&it.old, &it.new, it.file.as_str()).trim_end().to_owned());
    let notes = notes.collect();
    for flake in flakes {
        let settings = cx.settings(&[*flake], &[])?;
        let step = lock(cx, *flake);
        cx.planned(&step, &settings)?;
    }
    Ok(Report { notes, ..Report::done() })
}

fn report(cx: &Context, findings: &[Finding], flakes: usize) -> Report {
    let failed = findings.iter().filter(|it| it.severity == Severity::Fail).count();
    let mut notes: Vec<String> = findings.iter().map(|it| told(cx, it)).collect();
    notes.push(match findings.len() - failed {
        0 if failed == 0 => format!("{}, all locks good", count(flakes, "flake")),
        warnings => {
            format!("{}: {}, {}", count(flakes, "flake"), count(failed, "error"), count(warnings, "warning"))
        }
    });
    let json = json!({
        "version": 1,
        "ok": failed == 0,
        "findings": findings.iter().map(Finding::json).collect::<Vec<_>>(),
    });
    Report { ok: failed == 0, notes, json, ..Report::default() }
}

/// One finding for people.
fn told(cx: &Context, finding: &Finding) -> String {
    let title = match finding.severity {
        Severity::Fail => cx.ui.paint("31;1", "error:"),
        Severity::Warn | Severity::Ignore => cx.ui.paint("33", "warning:"),
    };
    format!("{title} {}", finding.text())
}
