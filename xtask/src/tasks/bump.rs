//! `cargo xtask bump`

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;
use serde_json::json;

use crate::context::Context;
use crate::files::write_atomic;
use crate::format;
use crate::locks::bump::{self, Trouble};
use crate::locks::changes::{self, Change};
use crate::locks::releases::Release;
use crate::locks::{self, State};
use crate::plan::Step;
use crate::relock;
use crate::report::{Report, Table, count};
use crate::tasks::update;

/// Move every flake to another release of NixOS: inputs, locks, documents; then list what no longer evaluates
///
/// Rewrites the branches of releases in flake inputs, and in the documents that lock.bump-docs in xtask.toml names;
/// never `stateVersion`. Files and locks change together or not at all; what then fails to evaluate is listed, and
/// the change stays. With --dry-run: the diff alone. With --json: {version, ok, release, files, changes (as
/// `update`), troubles: [{flake, severity, kind, what}]}.
#[derive(Debug, Clone, clap::Args)]
pub struct Bump {
    /// The release, such as 25.11
    #[arg(value_name = "RELEASE")]
    pub release: Release,
}

/// A file with its new text.
struct Edit {
    file: Utf8PathBuf,
    old: String,
    new: String,
}

/// All that is to be written.
#[derive(Default)]
struct Plan {
    edits: Vec<Edit>,
    /// Inputs that ask for something else now.
    inputs: BTreeSet<String>,
    /// The flakes, by their places, whose locks have to follow.
    flakes: Vec<usize>,
}

impl Bump {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let before = locks::load(&cx.workspace);
        let plan = self.plan(cx, &before)?;
        let diffs = plan.edits.iter().map(|it| format::diff(&it.old, &it.new, it.file.as_str()));
        let diffs: Vec<String> = diffs.map(|it| it.trim_end().to_owned()).collect();
        let files: Vec<&Utf8PathBuf> = plan.edits.iter().map(|it| &it.file).collect();
        let (release, none) = (self.release.to_string(), [(); 0]);
        let json = json!({
            "version": 1, "ok": true, "release": release, "files": files, "changes": none, "troubles": none,
        });
        if plan.edits.is_empty() {
            let notes = vec![format!("no input names another release than {}", self.release)];
            return Ok(Report { notes, json, ..Report::done() });
        }
        if cx.globals.dry_run {
            return Ok(Report { lines: diffs, json, ..Report::done() });
        }
        for it in &diffs {
            cx.ui.status(it);
        }
        let changes = apply(cx, &before, &plan)?;
        let (troubles, notes) = evaluate(cx, &before)?;
        Ok(self.report(&plan, &changes, &troubles, notes))
    }

    fn plan(&self, cx: &Context, states: &[State]) -> anyhow::Result<Plan> {
        let root = &cx.workspace.root;
        let mut plan = Plan::default();
        for (index, state) in states.iter().enumerate() {
            let file = state.file("flake.nix");
            let old =
                fs::read_to_string(root.join(&file)).with_context(|| format!("cannot read `{file}`"))?;
            let new = bump::flake(&old, &file, &self.release)?;
            if new.text != old {
                plan.edits.push(Edit { file, old, new: new.text });
                plan.inputs.extend(new.inputs);
                if !state.template || state.lock().is_some() {
                    plan.flakes.push(index);
                }
            }
        }
        for glob in &cx.workspace.manifest.lock.bump_docs {
            let pattern = format!("{}/{glob}", glob::Pattern::escape(root.as_str()));
            for path in glob::glob(&pattern).with_context(|| format!("bad glob `{glob}`"))?.flatten() {
                let Ok(path) = Utf8PathBuf::from_path_buf(path) else { continue };
                // A document in a strange encoding mentions nothing that we could rewrite.
                let Ok(old) = fs::read_to_string(&path) else { continue };
                let new = bump::document(&old, &self.release);
                let file = path.strip_prefix(root).unwrap_or(&path).to_owned();
                if new != old && !plan.edits.iter().any(|it| it.file == file) {
                    plan.edits.push(Edit { file, old, new });
                }
            }
        }
        Ok(plan)
    }

    fn report(
        &self,
        plan: &Plan,
        changes: &[Change],
        troubles: &[Trouble],
        mut notes: Vec<String>,
    ) -> Report {
        let failed = troubles.iter().filter(|it| !it.is_warning).count();
        let mut table = Table::new(&["severity", "kind", "flake", "what"]);
        for it in troubles {
            let severity = if it.is_warning { "warning" } else { "error" };
            table.rows.push(vec![severity.to_owned(), it.kind.to_owned(), it.flake.clone(), it.what.clone()]);
        }
        let lock_report = update::report(changes, None);
        notes.extend(lock_report.table.lines());
        notes.push(format!(
            "moved {} to {}; {} and {} in the evaluation",
            count(plan.edits.len(), "file"),
            self.release,
            count(failed, "error"),
            count(troubles.len() - failed, "warning")
        ));
        let json = json!({
            "version": 1,
            "ok": failed == 0,
            "release": self.release.to_string(),
            "files": plan.edits.iter().map(|it| &it.file).collect::<Vec<_>>(),
            "changes": lock_report.json["changes"],
            "troubles": troubles.iter().map(Trouble::json).collect::<Vec<_>>(),
        });
        Report { ok: failed == 0, notes, table, json, ..Report::default() }
    }
}

/// Writes the files and makes the locks follow, all or nothing.
fn apply(cx: &mut Context, before: &[State], plan: &Plan) -> anyhow::Result<Vec<Change>> {
    let mut files = relock::lock_files(before, &plan.flakes);
    files.extend(plan.edits.iter().map(|it| it.file.clone()));
    let after = relock::transact(cx, &files, |cx| {
        for edit in &plan.edits {
            write_atomic(&cx.workspace.root.join(&edit.file), edit.new.as_bytes())?;
        }
        let edited = locks::load(&cx.workspace);
        let names: Vec<String> = plan.inputs.iter().cloned().collect();
        if !names.is_empty() {
            relock::update(cx, &edited, &plan.flakes, &names)?;
        }
        // Overrides of inputs of inputs, which no update names.
        for index in &plan.flakes {
            let flake = cx.flake_ref(*index);
            relock::run(cx, *index, &Step::Lock { flake, overrides: Vec::new() })?;
        }
        update::readable(cx)
    })?;
    Ok(changes::changes(before, &after))
}

/// What the evaluation of all outputs of all flakes complains of, and what could not even be evaluated.
fn evaluate(cx: &mut Context, states: &[State]) -> anyhow::Result<(Vec<Trouble>, Vec<String>)> {
    let mut found: BTreeMap<String, BTreeSet<Trouble>> = BTreeMap::new();
    let mut notes = Vec::new();
    for (index, state) in states.iter().enumerate().filter(|it| !it.1.template) {
        let step = Step::FlakeCheck { flake: cx.flake_ref(index), build: false, all_systems: true };
        let settings = cx.settings(&[index], &[])?;
        let call = cx.call(&step, &settings)?;
        if call.exit.interrupted {
            bail!("interrupted; files and locks are changed, and stay so");
        }
        let errors = call.monitor.errors.iter().map(String::as_str);
        let warnings = call.monitor.warnings.iter().map(String::as_str);
        let dir = state.dir.to_string();
        let troubles = bump::triage(&dir, errors, warnings);
        if !call.exit.success() && troubles.iter().all(|it| it.is_warning) {
            let what = call.why(cx).told(cx);
            notes.push(format!("{dir}: {what}"));
            let kind = "error";
            found.entry(dir.clone()).or_default().insert(Trouble {
                is_warning: false,
                kind,
                flake: dir.clone(),
                what,
            });
        }
        found.entry(dir).or_default().extend(troubles);
    }
    let mut all: Vec<Trouble> = found.into_values().flatten().collect();
    all.sort();
    Ok((all, notes))
}
