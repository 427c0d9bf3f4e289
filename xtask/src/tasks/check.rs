//! `cargo xtask check`

use std::time::Instant;

use anyhow::bail;
use serde_json::json;

use crate::context::Context;
use crate::plan::{Settings, Step};
use crate::report::{Report, Table, seconds};
use crate::tasks::fmt::Fmt;
use crate::tasks::lock;

/// Check every flake: format, locks, evaluation, and the checks of this system
///
/// Goes on after a failure, and ends in one table.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Check {
    /// Only evaluate; build no checks
    #[arg(long)]
    pub no_build: bool,
    /// Look at files only, format and locks: no Nix, no network
    #[arg(long, conflicts_with = "no_build")]
    pub r#static: bool,
}

/// One line of the table.
struct Row {
    flake: String,
    check: &'static str,
    /// What is wrong; nothing when all is well.
    problem: Option<String>,
    time: std::time::Duration,
}

impl Check {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let flakes = if self.r#static { 0 } else { cx.workspace.flakes.len() };
        let steps: Vec<(usize, Step)> = (0..flakes)
            .flat_map(|flake| {
                let installable = cx.flake_ref(flake);
                let check = Step::FlakeCheck {
                    flake: installable.clone(),
                    build: !self.no_build,
                    all_systems: false,
                };
                [(flake, Step::Metadata { flake: installable }), (flake, check)]
            })
            .collect();
        if cx.globals.dry_run {
            for (flake, step) in &steps {
                let settings = cx.settings(&[*flake], &[])?;
                cx.planned(step, &settings)?;
            }
            return Ok(Report::done());
        }
        let mut rows = vec![format(cx), locks(cx)];
        for (flake, step) in steps {
            rows.push(self.row(cx, flake, &step));
            if cx.interrupt.signal().is_some() {
                bail!("interrupted after {} checks", rows.len());
            }
        }
        Ok(report(cx, &rows))
    }

    fn row(&self, cx: &mut Context, flake: usize, step: &Step) -> Row {
        let since = Instant::now();
        let check = match step {
            Step::Metadata { .. } => "lock",
            _ if self.no_build => "evaluation",
            _ => "evaluation, checks",
        };
        let call = cx.settings(&[flake], &[]).and_then(|settings: Settings| cx.call(step, &settings));
        let problem = match call {
            Ok(call) if call.exit.success() => None,
            Ok(call) => Some(call.why(cx).told(cx)),
            Err(error) => Some(format!("{error:#}")),
        };
        Row { flake: cx.workspace.flakes[flake].dir.to_string(), check, problem, time: since.elapsed() }
    }
}

fn format(cx: &mut Context) -> Row {
    let since = Instant::now();
    let fmt = Fmt { check: true, ..Fmt::default() };
    let problem = match fmt.run(cx) {
        Ok(report) if report.ok => None,
        Ok(report) => Some(report.notes.join("\n")),
        Err(error) => Some(format!("{error:#}")),
    };
    Row { flake: "(all files)".to_owned(), check: "format", problem, time: since.elapsed() }
}

/// The locks as one; what Nix itself thinks of each is another row.
fn locks(cx: &mut Context) -> Row {
    let since = Instant::now();
    let problem = match lock::Check::default().run(cx) {
        Ok(report) if report.ok => {
            // Warnings are worth a line, though all is well.
            let warnings = report.notes.split_last().map(|it| it.1).unwrap_or_default();
            for it in warnings {
                cx.ui.status(it);
            }
            None
        }
        Ok(report) => Some(report.notes.join("\n")),
        Err(error) => Some(format!("{error:#}")),
    };
    Row { flake: "(all flakes)".to_owned(), check: "locks", problem, time: since.elapsed() }
}

fn report(cx: &Context, rows: &[Row]) -> Report {
    let mut table = Table::new(&["flake", "check", "time", "result"]);
    let mut notes = Vec::new();
    for row in rows {
        let result = if row.problem.is_none() { "good" } else { "failed" };
        table.rows.push(vec![row.flake.clone(), row.check.to_owned(), seconds(row.time), result.to_owned()]);
        if let Some(problem) = &row.problem {
            let title = format!("{}: {}", row.flake, row.check);
            notes.push(format!("{}\n{problem}", cx.ui.paint("31;1", &title)));
        }
    }
    let result = |it: &Row| {
        json!({
            "flake": it.flake,
            "check": it.check,
            "ok": it.problem.is_none(),
            "problem": it.problem,
            "seconds": it.time.as_secs_f64(),
        })
    };
    let ok = rows.iter().all(|it| it.problem.is_none());
    let results: Vec<_> = rows.iter().map(result).collect();
    Report {
        ok,
        notes,
        table,
        json: json!({"version": 1, "ok": ok, "results": results}),
        ..Report::default()
    }
}
