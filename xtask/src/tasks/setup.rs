//! `cargo xtask setup`

mod builder;
mod cache;
mod nix;
mod trust;
mod undo;

use anyhow::bail;
use serde_json::json;

use crate::changeset::apply::Applied;
use crate::context::Context;
use crate::doctor::Facts;
use crate::installation::Installation;
use crate::report::Report;

/// Set this machine up: Nix, the binary cache, trust, builders. What is to be changed is shown first
#[derive(Debug, Clone, clap::Args)]
pub struct Setup {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    Nix(nix::Nix),
    Cache(cache::Cache),
    Trust(trust::Trust),
    Builder(builder::Builder),
    Undo(undo::Undo),
}

impl Setup {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        match self.verb {
            Verb::Nix(it) => it.run(cx),
            Verb::Cache(it) => it.run(cx),
            Verb::Trust(it) => it.run(cx),
            Verb::Builder(it) => it.run(cx),
            Verb::Undo(it) => it.run(cx),
        }
    }
}

/// What came of it, where the changes themselves have been told already.
fn report(applied: Applied, good: bool, note: impl Into<String>) -> Report {
    let note = note.into();
    let (state, ok) = match applied {
        Applied::Nothing => ("nothing to do", good),
        Applied::Shown => ("shown", true),
        Applied::Refused => ("refused", false),
        Applied::Done => ("done", good),
    };
    let json = json!({"version": 1, "ok": ok, "state": state, "note": note});
    Report {
        ok,
        notes: vec![note].into_iter().filter(|it| !it.is_empty()).collect(),
        json,
        ..Report::default()
    }
}

/// The text of a module, for machines whose files are written by a configuration.
fn module(text: &str, installation: &Installation) -> Report {
    let note = format!(
        "this machine's files are made by its configuration: put the lines there, then run `{}`",
        installation.rebuild()
    );
    let json = json!({"version": 1, "ok": true, "state": "shown", "note": note, "module": text});
    let lines = text.lines().map(str::to_owned).collect();
    Report { ok: true, lines, notes: vec![note], json, ..Report::default() }
}

/// What is so now, asked anew; the network is not asked.
fn facts(cx: &mut Context) -> Facts {
    super::doctor::facts(cx, true)
}

/// The same, where there is a Nix whose settings are to be changed.
fn facts_with_nix(cx: &mut Context) -> anyhow::Result<Facts> {
    let res = facts(cx);
    match &res.nix {
        Ok(_) => Ok(res),
        Err(why) => bail!("{why}"),
    }
}

/// The same, once the daemon answers again; it takes a moment to start.
fn facts_after_restart(cx: &mut Context, good: impl Fn(&Facts) -> bool) -> Facts {
    let mut res = facts(cx);
    for _ in 0..20 {
        if good(&res) || cx.interrupt.signal().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(250));
        res = facts(cx);
    }
    res
}
