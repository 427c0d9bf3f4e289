//! A line of a job that cargo runs.

use anyhow::Context as _;
use xshell::cmd;

use crate::ci::service::Service;
use crate::context::Context;
use crate::nix::event::strip_ansi;
use crate::tool::Tool;
use crate::workspace::Job;

/// More lines of what cargo said last are left to the log.
const LINES: usize = 200;

/// What is wrong, if anything is. On a terminal cargo speaks for itself; for a service, or a report, its words are read
/// as they pass: they name files and lines.
pub(super) fn run(
    cx: &mut Context,
    job: &Job,
    args: &[String],
    service: Option<Service>,
    reported: bool,
) -> anyhow::Result<Option<String>> {
    let cargo = cx.host.env("CARGO").unwrap_or("cargo").to_owned();
    if service.is_none() && !reported && !cx.ui.style().json {
        let sh = &cx.sh;
        cmd!(sh, "{cargo} {args...}").envs(&job.env).run()?;
        return Ok(None);
    }
    let tool = Tool::on_path(cx, "sh").context("there is no `sh` on PATH")?;
    let root = cx.workspace.root.clone();
    // stdout is the result of `ci`, where that is JSON; and what tests say stands in one order.
    let words = ["-c", "exec \"$@\" >&2", "sh", &cargo].map(str::to_owned);
    let done = tool.run_aloud(cx, &root, &[&words, args].concat())?;
    if done.exit.success() {
        return Ok(None);
    }
    let talk: Vec<String> = done.talk.iter().map(|it| strip_ansi(it)).collect();
    let end = match done.exit.code {
        Some(code) => format!("`cargo {}` ended with exit code {code}", args.join(" ")),
        None => format!("`cargo {}` was killed", args.join(" ")),
    };
    let last = &talk[talk.len().saturating_sub(LINES)..];
    Ok(Some(format!("{}\n{end}", last.join("\n").trim())))
}
