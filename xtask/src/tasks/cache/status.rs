//! `cargo xtask cache status`

use serde_json::{Value, json};

use crate::cache::{JOBS, upkeep};
use crate::context::Context;
use crate::report::{Report, Table, bytes, count};

/// Say what the caches can serve: packages, and all that they need
///
/// Exit code 0 when all of it, so that CI can skip what need not be built. A cache that does not answer is told apart
/// from one that lacks a path.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Status {
    /// Packages, or paths such as /nix/store/…-name; the default package where none is named
    #[arg(value_name = "NAME|PATH")]
    names: Vec<String>,
    /// Every package of every flake
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Packages for another system, such as aarch64-linux
    #[arg(long, value_name = "SYSTEM")]
    system: Option<String>,
    /// Only this cache, instead of those that the manifest reads from
    #[arg(long, value_name = "URL")]
    cache: Option<String>,
}

impl Status {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let settings = cx.workspace.manifest.cache.clone();
        let caches = match &self.cache {
            Some(url) => vec![url.clone()],
            None if settings.substituters.is_empty() => {
                [vec![upkeep::cache(cx, None)?], settings.upstream].concat()
            }
            None => [settings.substituters, settings.upstream].concat(),
        };
        let outputs = upkeep::outputs(cx, &self.names, self.all, self.system.as_deref())?;
        let paths: Vec<&str> = outputs.iter().map(|it| it.1.as_str()).collect();
        if cx.globals.dry_run {
            cx.ui.status(&format!("would ask {} for {}", caches.join(", "), count(paths.len(), "path")));
            return Ok(Report::done());
        }
        let job = json!({"caches": caches, "paths": paths, "jobs": JOBS});
        let (ok, answer) = upkeep::ask(cx, "status", &job)?;
        let mut table = Table::new(&["name", "state", "from", "paths", "download", "lacks"]);
        let mut results = Vec::new();
        for ((name, _), result) in outputs.iter().zip(answer["results"].as_array().into_iter().flatten()) {
            table.rows.push(row(name, result));
            let mut result = result.clone();
            result["name"] = name.as_str().into();
            results.push(result);
        }
        let dead = answer["dead"].as_array().into_iter().flatten();
        let notes = dead.map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} does not answer: {}", cx.ui.paint("33", "warning:"), text("cache"), text("error"))
        });
        let notes = notes.collect();
        let served = results.iter().filter(|it| it["state"] == "served");
        let lines = served.filter_map(|it| it["path"].as_str()).map(str::to_owned).collect();
        let json = json!({"version": 1, "ok": ok, "results": results, "dead": answer["dead"]});
        Ok(Report { ok, lines, notes, table, json, ..Report::default() })
    }
}

fn row(name: &str, result: &Value) -> Vec<String> {
    let state = result["state"].as_str().unwrap_or_default().to_owned();
    let lacking = |key: &str| result[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let lacks: Vec<&str> = lacking("missing").chain(lacking("unknown")).map(crate::ui::name_of).collect();
    let first = lacks.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let more = if lacks.len() > 3 { format!(" and {} more", lacks.len() - 3) } else { String::new() };
    let problem = result["problem"].as_str().map(|it| format!(" ({it})")).unwrap_or_default();
    vec![
        name.to_owned(),
        state,
        result["from"].as_str().unwrap_or("-").to_owned(),
        result["paths"].to_string(),
        bytes(result["download"].as_u64().unwrap_or(0)),
        format!("{first}{more}{problem}"),
    ]
}
