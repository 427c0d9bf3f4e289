//! `cargo xtask update`

use std::time::SystemTime;

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;
use serde_json::json;
use xshell::cmd;

use crate::context::Context;
use crate::locks::changes::{self, Change};
use crate::locks::{self, State, calendar};
use crate::relock;
use crate::report::{Report, Table, count};
use crate::revision::outside_hook;

/// Update inputs in all flakes at once: each to the same revision everywhere, or nothing at all
///
/// All locks change or none: a failure or Ctrl-C restores the old ones byte for byte, and so does the next run after
/// a crash. With --json: {version, ok, commit, changes: [{input, flake, old, new, age_days, days_between,
/// compare_url}]}; `old` and `new` are null or {rev, nar_hash, last_modified, url}.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Update {
    /// The inputs to update, as flake.nix names them; all by default
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Only this flake; may be given more than once
    #[arg(long, value_name = "DIR")]
    pub flake: Vec<Utf8PathBuf>,
    /// Commit the locks, and nothing else, with a table of what changed
    #[arg(long)]
    pub commit: bool,
}

impl Update {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let before = locks::load(&cx.workspace);
        let flakes = relock::flakes(cx, &before, &self.flake)?;
        relock::known_inputs(&before, &flakes, &self.inputs)?;
        relock::tell_fixed(cx, &before, &flakes, &self.inputs);
        if cx.globals.dry_run {
            relock::update(cx, &before, &flakes, &self.inputs)?;
            let nothing = flakes.iter().all(|it| before[*it].inputs().is_empty());
            let notes = nothing.then(|| "no flake has inputs: there is nothing to update".to_owned());
            return Ok(Report { notes: notes.into_iter().collect(), ..Report::done() });
        }
        let files = relock::lock_files(&before, &flakes);
        let after = relock::transact(cx, &files, |cx| {
            relock::update(cx, &before, &flakes, &self.inputs)?;
            readable(cx)
        })?;
        let commit = if self.commit { commit(cx, &before, &after)? } else { None };
        Ok(report(&changes::changes(&before, &after), commit.as_deref()))
    }
}

/// The locks as Nix has left them; one that we cannot read must not stay.
pub(crate) fn readable(cx: &Context) -> anyhow::Result<Vec<State>> {
    let states = locks::load(&cx.workspace);
    for state in &states {
        if let Err(error) = &state.lock {
            bail!("Nix has left a lock that cannot be read: {error}");
        }
    }
    Ok(states)
}

/// One commit with the locks alone; its hash. Nothing when no lock changed.
fn commit(cx: &Context, before: &[State], after: &[State]) -> anyhow::Result<Option<String>> {
    let changes = changes::changes(before, after);
    let is_new = |it: &&State| changes.iter().any(|change| change.flake == it.dir.as_str());
    let files: Vec<Utf8PathBuf> = after.iter().filter(is_new).map(|it| it.file("flake.lock")).collect();
    if files.is_empty() {
        return Ok(None);
    }
    let message = changes::commit_message(&changes, calendar::seconds(SystemTime::now()));
    let sh = &cx.sh;
    let failed = "the locks are updated, but cannot be committed";
    let paths = &files;
    outside_hook(cmd!(sh, "git add --intent-to-add -- {paths...}")).quiet().run().context(failed)?;
    let commit = outside_hook(cmd!(sh, "git commit --quiet --message {message} -- {paths...}"));
    commit.quiet().ignore_stdout().run().context(failed)?;
    Ok(Some(outside_hook(cmd!(sh, "git rev-parse HEAD")).quiet().read()?))
}

/// What has changed, for people and machines.
pub(crate) fn report(changes: &[Change], commit: Option<&str>) -> Report {
    let now = calendar::seconds(SystemTime::now());
    let table = changes::table(changes, now);
    let mut notes = Vec::new();
    if changes.is_empty() {
        notes.push("all inputs are as new as they can be; no lock changed".to_owned());
    }
    if let Some(commit) = commit {
        let locks: std::collections::BTreeSet<&str> = changes.iter().map(|it| it.flake.as_str()).collect();
        notes.push(format!("committed {} as {}", count(locks.len(), "lock"), &commit[..commit.len().min(9)]));
    }
    Report {
        ok: true,
        notes,
        table: if changes.is_empty() { Table::default() } else { table },
        json: json!({"version": 1, "ok": true, "commit": commit, "changes": changes::json(changes, now)}),
        ..Report::default()
    }
}
