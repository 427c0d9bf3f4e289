//! `cargo xtask ci list`

use serde_json::{Value, json};

use crate::context::Context;
use crate::plan::CommandLine;
use crate::report::{Report, Table};
use crate::workspace::{Job, When};

/// The jobs, where and when they run, and what they run
#[derive(Debug, Clone, clap::Args)]
pub(super) struct List {}

impl List {
    pub(super) fn run(cx: &Context) -> Report {
        let jobs = &cx.workspace.manifest.ci.jobs;
        let mut table = Table::new(&["job", "here", "system", "needs", "when", "runs"]);
        for job in jobs {
            let here = if job.local { "yes" } else { "by name" };
            let cells = [
                job.name.clone(),
                here.to_owned(),
                job.system.clone().unwrap_or_else(|| "any".to_owned()),
                if job.needs.is_empty() { "-".to_owned() } else { job.needs.join(" ") },
                when(&job.when),
                lines(job).join("; "),
            ];
            table.rows.push(cells.to_vec());
        }
        Report {
            lines: jobs.iter().map(|it| it.name.clone()).collect(),
            table,
            json: json!({"version": 1, "ok": true, "jobs": jobs.iter().map(json).collect::<Vec<_>>()}),
            ..Report::done()
        }
    }
}

/// The command lines of a job, as they are typed.
pub(super) fn lines(job: &Job) -> Vec<String> {
    let line = |words: &Vec<String>| {
        let env: String = job.env.iter().map(|(name, value)| format!("{name}={value} ")).collect();
        match words.split_first() {
            Some((cargo, args)) if cargo == "cargo" => format!("{env}{}", CommandLine("cargo", args)),
            _ => {
                format!("{env}{}", CommandLine("cargo xtask", words)).replace("'cargo xtask'", "cargo xtask")
            }
        }
    };
    job.run.iter().map(line).collect()
}

fn when(when: &When) -> String {
    let mut parts: Vec<String> = when.branches.iter().map(|it| format!("branch {it}")).collect();
    parts.extend(when.tags.iter().map(|it| format!("tag {it}")));
    parts.extend(when.schedule.iter().map(|it| format!("at {it}")));
    if parts.is_empty() {
        parts.push("always".to_owned());
    }
    let paths = if when.paths.is_empty() { String::new() } else { format!(" in {}", when.paths.join(", ")) };
    format!("{}{paths}", parts.join(" or "))
}

fn json(job: &Job) -> Value {
    json!({
        "name": job.name,
        "about": job.about,
        "run": lines(job),
        "local": job.local,
        "system": job.system,
        "needs": job.needs,
        "secrets": job.secrets,
        "aws": job.aws,
        "timeout_minutes": job.timeout,
        "group": job.group,
        "runner": job.runner,
        "queue": job.queue,
        "env": job.env,
        "matrix": job.matrix.is_some(),
        "when": {
            "paths": job.when.paths,
            "branches": job.when.branches,
            "tags": job.when.tags,
            "schedule": job.when.schedule,
        },
    })
}
