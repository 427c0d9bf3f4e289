//! Running the jobs here, and telling the service that runs us.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use xshell::cmd;

use super::{Verbs, cargo, list};
use crate::ci::junit;
use crate::ci::place::places;
use crate::ci::result::{self, JobResult, Outcome};
use crate::ci::service::Service;
use crate::context::Context;
use crate::files::write_atomic;
use crate::report::Report;
use crate::revision;
use crate::workspace::Job;
use crate::workspace::nearest::{did_you_mean, nearest};

/// Whether every job's words are a command line of ours: a misspelt one must not wait for its turn.
pub(super) fn check(cx: &Context, verbs: Verbs) -> anyhow::Result<()> {
    for job in &cx.workspace.manifest.ci.jobs {
        for words in job.run.iter().filter(|it| it[0] != "cargo") {
            (verbs.check)(words).with_context(|| format!("xtask.toml: the job `{}`", job.name))?;
        }
    }
    Ok(())
}

pub(super) fn run(cx: &mut Context, verbs: Verbs, names: &[String], junit: Option<&Utf8Path>) -> Report {
    let jobs = match chosen(cx, names) {
        Ok(jobs) => jobs,
        Err(error) => {
            cx.ui.fail(&error);
            return Report { code: Some(2), ..Report::default() };
        }
    };
    if cx.globals.dry_run {
        let lines = jobs.iter().flat_map(list::lines).collect();
        return Report { lines, ..Report::done() };
    }
    let service = Service::of(&cx.host);
    let mut results: Vec<JobResult> = Vec::new();
    for job in &jobs {
        let result = match cx.interrupt.came() {
            Some(_) => JobResult::skipped(job, "interrupted".to_owned()),
            None => one(cx, verbs, job, &results, (service, junit.is_some())),
        };
        results.push(result);
    }
    let file = junit.map(|it| write_atomic(&cx.dir.join(it), junit::xml(&results).as_bytes()));
    let untold = [file.and_then(Result::err), summary(cx, service, &results).err()];
    let mut res = Report {
        ok: results.iter().all(JobResult::is_good),
        table: result::table(&results),
        json: result::json(&results),
        ..Report::default()
    };
    // What the jobs came to is told all the same.
    for error in untold.into_iter().flatten() {
        res.notes.push(format!("{} {error:#}", cx.ui.paint("31;1", "error:")));
        res.ok = false;
        res.json["ok"] = false.into();
    }
    res
}

/// The jobs of these names; without names those that are for every machine like this.
fn chosen(cx: &Context, names: &[String]) -> anyhow::Result<Vec<Job>> {
    let jobs = &cx.workspace.manifest.ci.jobs;
    if names.is_empty() {
        let system = cx.system().0;
        let here = |it: &&Job| it.local && it.system.as_ref().is_none_or(|it| *it == system);
        return Ok(jobs.iter().filter(here).cloned().collect());
    }
    for name in names {
        if !jobs.iter().any(|it| it.name == *name) {
            let near = nearest(name, jobs.iter().map(|it| it.name.as_str()));
            bail!("there is no job `{name}` in xtask.toml{}; see `cargo xtask ci list`", did_you_mean(&near));
        }
    }
    Ok(jobs.iter().filter(|it| names.contains(&it.name)).cloned().collect())
}

/// Runs one job in a group of the log.
fn one(
    cx: &mut Context,
    verbs: Verbs,
    job: &Job,
    before: &[JobResult],
    (service, reported): (Option<Service>, bool),
) -> JobResult {
    let failed = |need: &&String| before.iter().any(|it| it.job == **need && !it.is_good());
    if let Some(need) = job.needs.iter().find(failed) {
        return JobResult::skipped(job, format!("it needs `{need}`"));
    }
    match service {
        Some(service) => cx.ui.mark(&service.begin(&job.name)),
        None => cx.ui.status(&cx.ui.paint("1", &format!("== {}", job.name))),
    }
    let since = Instant::now();
    let mut problems = problems(cx, verbs, job, (service, reported));
    if let Some(signal) = cx.interrupt.came().filter(|_| problems.is_empty()) {
        // A service that ends a job for its time does it so, and the page shall say which one it was.
        let told = format!("interrupted by {}", signal.as_str());
        problems.push((list::lines(job).first().cloned().unwrap_or_default(), told));
    }
    let mut res = JobResult { time: since.elapsed(), ..JobResult::good(job) };
    if let Some(end) = service.and_then(|it| it.end(problems.is_empty())) {
        cx.ui.mark(end);
    }
    if let Some((line, _)) = problems.first() {
        let text: Vec<&str> = problems.iter().map(|it| it.1.as_str()).collect();
        let text = text.join("\n");
        res.places = places(&text, &|file| known(cx, file));
        res.hint = Some(line.clone());
        if let Some(service) = service {
            annotate(cx, service, job, &res, &text);
        }
        res.outcome = Outcome::Failed(text);
    }
    res
}

/// What went wrong, by the command line that did.
fn problems(
    cx: &mut Context,
    verbs: Verbs,
    job: &Job,
    (service, reported): (Option<Service>, bool),
) -> Vec<(String, String)> {
    let lines = list::lines(job);
    let missing = job.secrets.iter().find(|it| cx.host.env(it).is_none());
    if let Some(name) = missing {
        let problem = format!("it needs the secret `{name}` in its environment, which CI gives it");
        cx.ui.mark(&format!("{} {problem}", cx.ui.paint("31;1", "error:")));
        return vec![(lines.first().cloned().unwrap_or_default(), problem)];
    }
    let mut res = Vec::new();
    let env = cx.host.env.clone();
    cx.host.env.extend(job.env.iter().map(|(name, value)| (name.into(), value.into())));
    for (words, line) in job.run.iter().zip(&lines) {
        if cx.interrupt.came().is_some() {
            break;
        }
        // The line before may have written files.
        cx.changed();
        let done = if words[0] == "cargo" {
            cargo::run(cx, job, &words[1..], service, reported)
        } else {
            verb(cx, verbs, words)
        };
        match done {
            Ok(None) => {}
            Ok(Some(problem)) => res.push((line.clone(), problem)),
            Err(error) => {
                cx.ui.mark(&format!("{} {error:#}", cx.ui.paint("31;1", "error:")));
                res.push((line.clone(), format!("{error:#}")));
            }
        }
    }
    cx.host.env = env;
    res
}

/// One of our verbs, in this process: what is wrong, when it has told that.
fn verb(cx: &mut Context, verbs: Verbs, words: &[String]) -> anyhow::Result<Option<String>> {
    let report = (verbs.run)(cx, words)?;
    cx.ui.tell(&report);
    if report.ok {
        return Ok(None);
    }
    let mut told = report.notes.clone();
    told.extend(report.table.lines());
    if told.is_empty() {
        bail!("`cargo xtask {}` failed", words.join(" "));
    }
    Ok(Some(told.join("\n")))
}

/// Where a file of a message is in the repository, if it is one of ours.
fn known(cx: &Context, file: &str) -> Option<String> {
    let top = revision::work_tree(&cx.workspace.root).unwrap_or_else(|| cx.workspace.root.clone());
    let path = [&cx.workspace.root, &top].into_iter().map(|it| it.join(file)).find(|it| it.is_file())?;
    path.strip_prefix(&top).ok().map(ToString::to_string)
}

/// More lines of a problem than these make no annotation.
const LINES: usize = 5;

fn annotate(cx: &Context, service: Service, job: &Job, result: &JobResult, text: &str) {
    if result.places.is_empty() {
        let first: Vec<&str> = text.lines().take(LINES).collect();
        if let Some(line) = service.annotation(&job.name, None, &first.join("\n")) {
            cx.ui.mark(&line);
        }
    }
    for (place, message) in &result.places {
        if let Some(line) = service.annotation(&job.name, Some(place), message) {
            cx.ui.mark(&line);
        }
    }
}

/// The page of the run.
fn summary(cx: &Context, service: Option<Service>, results: &[JobResult]) -> anyhow::Result<()> {
    let text = result::markdown(results);
    match service {
        Some(Service::Github) => {
            let Some(file) = cx.host.env("GITHUB_STEP_SUMMARY") else { return Ok(()) };
            let opened = OpenOptions::new().create(true).append(true).open(file);
            let written = opened.and_then(|mut it| it.write_all(text.as_bytes()));
            written.with_context(|| format!("cannot write the summary `{file}`"))
        }
        Some(Service::Buildkite) => {
            let sh = &cx.sh;
            let Some(agent) = cx.host.which("buildkite-agent") else { return Ok(()) };
            let style = if results.iter().all(JobResult::is_good) { "success" } else { "error" };
            let context = format!("xtask-{}", results.first().map_or("ci", |it| it.job.as_str()));
            cmd!(sh, "{agent} annotate --style {style} --context {context}")
                .stdin(text)
                .quiet()
                .run()
                .context("cannot annotate the build")
        }
        None => Ok(()),
    }
}
