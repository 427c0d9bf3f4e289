//! `cargo xtask explain`

use std::fs::File;
use std::io::{IsTerminal as _, Read as _};
use std::time::Instant;

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use serde_json::json;

use crate::context::Context;
use crate::hints::hash;
use crate::monitor::{Failure, Monitor};
use crate::report::{Hint, Report, Table, count};
use crate::rules::diagnosis::findings;
use crate::rules::{self, page, reader};
use crate::ui::name_of;

/// As much of a log is read; what failed stands at its end.
const LONGEST: u64 = 256 << 20;

/// Explain a Nix failure from a log, also from CI
///
/// Reads what Nix or xtask printed (human or internal-json, with the times, colours and marks of GitHub or Buildkite),
/// and tells the cause among its consequences, what to do, and the last lines of what failed. Exit code 1 when no
/// rule knows the failure.
#[derive(Debug, Clone, clap::Args)]
pub struct Explain {
    /// A log, `-` for stdin, or the name of a rule
    #[arg(value_name = "FILE|RULE")]
    what: Option<String>,
    /// List the rules
    #[arg(long, conflicts_with = "what")]
    list: bool,
    /// Put the hash that came in place of one that was wrong, after asking
    #[arg(long)]
    fix: bool,
}

impl Explain {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        if self.list {
            return Ok(list());
        }
        let file = self.what.as_deref().filter(|it| *it != "-");
        if let Some(name) = file
            && let Some(rule) = rules::named(name).filter(|_| !cx.host.cwd.join(name).exists())
        {
            let json = json!({"version": 1, "ok": true, "rule": rule.id, "says": rule.says, "seen": rule.seen,
                "cause": rule.cause, "cure": rule.cure, "looked_up": rule.facts});
            let lines = page::section(rule, "").lines().map(str::to_owned).collect();
            return Ok(Report { lines, json, ..Report::done() });
        }
        let log = match (file, &self.what) {
            (Some(name), _) => read(&cx.host.cwd.join(name), name)?,
            (None, None) if std::io::stdin().is_terminal() => {
                bail!(
                    "name a log, a rule (`cargo xtask explain --list`), or pipe a log in: `… 2>&1 | cargo xtask explain`"
                )
            }
            _ => {
                let mut log = Vec::new();
                std::io::stdin().take(LONGEST).read_to_end(&mut log).context("cannot read stdin")?;
                log
            }
        };
        let monitor = reader::read(&log, Instant::now());
        let found = findings(&monitor);
        // Some look-ups ask Nix, and none is fetched for that.
        cx.nix_at_hand();
        let hints = cx.hints(&found);
        let report = report(&monitor, &hints);
        if self.fix && hash::repair(cx, &found)? {
            cx.ui.status("changed; build again to see whether that was all");
        }
        Ok(report)
    }
}

fn read(path: &Utf8Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let near = || {
        let near = crate::workspace::nearest::nearest(name, rules::all().map(|it| it.id));
        near.first().map(|it| format!("; did you mean the rule `{it}`?")).unwrap_or_default()
    };
    let mut file = File::open(path).with_context(|| format!("cannot read the log `{name}`{}", near()))?;
    let size = file.metadata().map_or(0, |it| it.len());
    if size > LONGEST {
        use std::io::Seek as _;
        file.seek(std::io::SeekFrom::End(-i64::try_from(LONGEST).unwrap_or(0)))?;
    }
    let mut log = Vec::new();
    file.take(LONGEST).read_to_end(&mut log).with_context(|| format!("cannot read the log `{name}`"))?;
    Ok(log)
}

fn list() -> Report {
    let mut table = Table::new(&["rule", "cause"]);
    let all: Vec<_> = rules::all().collect();
    table.rows.extend(all.iter().map(|it| vec![it.id.to_owned(), page::blank(it.cause)]));
    let json = json!({"version": 1, "ok": true, "rules": all.iter().map(|it| it.id).collect::<Vec<_>>()});
    Report { lines: all.iter().map(|it| it.id.to_owned()).collect(), table, json, ..Report::done() }
}

fn report(monitor: &Monitor, hints: &[Hint]) -> Report {
    let failed = !monitor.failures.is_empty() || !monitor.errors.is_empty();
    let mut lines = Vec::new();
    for it in &monitor.failures {
        lines.extend(failure(it));
    }
    for error in monitor.errors.iter().filter(|it| !hints.iter().any(|hint| hint.cause == **it)) {
        lines.push(format!("error: {error}"));
    }
    for hint in hints {
        lines.push(format!("cause [{}]: {}", hint.rule, hint.cause));
        lines.push(format!("cure: {}", hint.cure));
    }
    match (failed, hints.is_empty()) {
        (true, true) => {
            lines.push("no rule knows this error; what Nix says above is all there is".to_owned());
        }
        (false, true) => lines.push("nothing failed in this log".to_owned()),
        (false, false) => {
            lines.insert(0, format!("nothing failed in this log; {} to know", count(hints.len(), "thing")));
        }
        (true, false) => {}
    }
    let told = |it: &Failure| json!({"drv": it.drv, "reason": it.reason, "log": it.tail});
    let json = json!({
        "version": 1,
        "ok": !failed || !hints.is_empty(),
        "failed": failed,
        "hints": hints,
        "failures": monitor.failures.iter().map(told).collect::<Vec<_>>(),
        "errors": monitor.errors,
    });
    Report { ok: !failed || !hints.is_empty(), lines, json, ..Report::default() }
}

fn failure(it: &Failure) -> Vec<String> {
    let hidden = it.lines - it.tail.len();
    let mut res = vec![format!("failed: {}: {}", name_of(&it.drv), it.reason)];
    if hidden > 0 {
        res.push(format!("  … {} above", count(hidden, "line")));
    }
    res.extend(it.tail.iter().map(|line| format!("  > {line}").trim_end().to_owned()));
    res
}
