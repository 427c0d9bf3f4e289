//! `cargo xtask doctor`

use std::time::SystemTime;

use crate::changeset::apply::Applied;
use crate::context::Context;
use crate::doctor::{self, Check, Facts};
use crate::locks::calendar;
use crate::report::Report;
use crate::tasks::build::Build;

/// The health of this machine and of this workspace, on one page: what was found, why it matters, how to repair it
///
/// Nix, its daemon and whether that trusts you, settings, caches, builds, builders, git and the locks. Takes less than
/// two seconds when all is well. Exit code 1 when something fails; a warning is no failure.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Doctor {
    /// Repair what is safe: show each change, ask, do it, look again. `cargo xtask setup undo` takes it back
    #[arg(long)]
    fix: bool,
    /// Also build `selftest` of the root's flake, which proves more than any question
    #[arg(long)]
    deep: bool,
}

impl Doctor {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let (mut facts, mut checks) = look(cx);
        if self.fix {
            let mut changed = false;
            for set in doctor::fixes(&facts, &checks)? {
                changed |= set.apply(cx)? == Applied::Done;
            }
            if changed {
                (facts, checks) = look(cx);
            }
        }
        if self.deep {
            checks.push(selftest(cx, &facts));
        }
        Ok(doctor::report(&checks, &|code, text| cx.ui.paint(code, text)))
    }
}

fn look(cx: &mut Context) -> (Facts, Vec<Check>) {
    let offline = cx.globals.offline;
    let facts = facts(cx, offline);
    let checks = doctor::checks(&facts);
    (facts, checks)
}

/// What is so now.
pub(super) fn facts(cx: &mut Context, offline: bool) -> Facts {
    let nix = match cx.nix_at_hand() {
        Some(nix) => Ok(nix.clone()),
        None => Err(cx.nix_missing()),
    };
    let now = calendar::seconds(SystemTime::now());
    Facts::of(cx.host.clone(), cx.workspace.clone(), nix, offline, now)
}

/// A build that needs no input, by this very program.
fn selftest(cx: &mut Context, facts: &Facts) -> Check {
    let name = "selftest";
    if facts.nix.is_err() {
        return Check::skipped("Builds", name, "there is no Nix");
    }
    let build = Build { names: vec![name.to_owned()], no_link: true, ..Build::default() };
    // The page is told whatever becomes of it.
    match build.run(cx) {
        Ok(report) if report.ok => Check::pass("Builds", name, "built, or was there"),
        Ok(report) => Check::fail("Builds", name, report.notes.join("\n")).cure("cargo xtask build selftest"),
        Err(error) => Check::fail("Builds", name, format!("{error:#}")).cure("cargo xtask build selftest"),
    }
}
