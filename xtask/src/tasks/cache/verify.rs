//! `cargo xtask cache verify`

use serde_json::{Value, json};

use crate::cache::{JOBS, upkeep};
use crate::context::Context;
use crate::report::{Report, bytes, count};

/// Look whether a cache keeps what it promises: signatures, archives, references
///
/// Without a name: all that it has. Archives that no path needs are told, but are no fault.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Verify {
    /// Packages, or paths such as /nix/store/…-name, with all that they need
    #[arg(value_name = "NAME|PATH")]
    names: Vec<String>,
    /// Packages for another system, such as aarch64-linux
    #[arg(long, value_name = "SYSTEM")]
    system: Option<String>,
    /// Download every archive and compare its content
    #[arg(long)]
    deep: bool,
    /// Which cache; by default `cache.push` of xtask.toml, or the first substituter
    #[arg(long, value_name = "URL")]
    cache: Option<String>,
}

impl Verify {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let cache = upkeep::cache(cx, self.cache.as_deref())?;
        let paths = match self.names.as_slice() {
            [] => None,
            names => Some(upkeep::outputs(cx, names, false, self.system.as_deref())?),
        };
        let paths: Option<Vec<String>> =
            paths.map(|it| it.into_iter().map(|(_, path)| path.to_string()).collect());
        if cx.globals.dry_run {
            cx.ui.status(&format!("would look into {cache}"));
            return Ok(Report::done());
        }
        let (ok, answer) = look(cx, &cache, paths.as_deref(), self.deep)?;
        Ok(report(cx, &cache, ok, &answer))
    }
}

/// Asks for the findings.
pub(super) fn look(
    cx: &mut Context,
    cache: &str,
    paths: Option<&[String]>,
    deep: bool,
) -> anyhow::Result<(bool, Value)> {
    let settings = &cx.workspace.manifest.cache;
    let job = json!({
        "cache": cache,
        "upstream": settings.upstream,
        "keys": settings.public_keys,
        "paths": paths,
        "deep": deep,
        "jobs": JOBS,
    });
    upkeep::ask(cx, "verify", &job)
}

/// The findings, with what to do about them.
pub(super) fn report(cx: &Context, cache: &str, ok: bool, answer: &Value) -> Report {
    let findings: Vec<&Value> = answer["findings"].as_array().into_iter().flatten().collect();
    let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    let waste = |it: &Value| ["orphan", "unchecked"].contains(&it["fault"].as_str().unwrap_or_default());
    let mut notes: Vec<String> = Vec::new();
    for it in &findings {
        let title = if waste(it) { cx.ui.paint("33", "note:") } else { cx.ui.paint("31;1", "error:") };
        notes.push(format!("{title} {}: {}", text(it, "at"), text(it, "what")));
    }
    let faults = findings.iter().filter(|it| !waste(it)).count();
    let paths = answer["paths"].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
    let read = answer["read"].as_u64().filter(|it| *it > 0);
    let read = read.map(|it| format!(", {} read", bytes(it))).unwrap_or_default();
    let verdict = match faults {
        0 => "all good".to_owned(),
        n => format!("{}; run `cargo xtask cache repair`", count(n, "fault")),
    };
    notes.push(format!("{cache}: {}{read}, {verdict}", count(paths, "path")));
    if findings.iter().any(|it| it["fault"] == "orphan") {
        notes.push("archives that nobody needs go by `cargo xtask cache prune`".to_owned());
    }
    let json = json!({
        "version": 1, "ok": ok, "cache": cache, "paths": answer["paths"], "read": answer["read"],
        "findings": answer["findings"],
    });
    Report { ok, notes, json, ..Report::default() }
}
