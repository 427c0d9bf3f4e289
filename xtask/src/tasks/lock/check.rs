//! `cargo xtask lock check`

use std::time::SystemTime;

use serde_json::json;

use crate::context::Context;
use crate::locks::{self, Finding, calendar};
use crate::report::{Report, count};
use crate::workspace::Severity;

/// Check the locks of all flakes: they match, agree, are complete and allowed. Needs no Nix and no network
///
/// What is demanded is under [lock] in xtask.toml. With --json: {version, ok, findings: [{severity, flake, input,
/// place, what, repair, fixable}]}.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Check {}

impl Check {
    #[expect(clippy::unnecessary_wraps, reason = "as all tasks do")]
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        if cx.globals.dry_run {
            return Ok(Report::done());
        }
        let states = locks::load(&cx.workspace);
        let now = calendar::seconds(SystemTime::now());
        let findings = locks::check(&states, &cx.workspace.manifest.lock, now);
        Ok(report(cx, &findings, states.len()))
    }
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
