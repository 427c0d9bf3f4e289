//! Buildkite's pipeline, made from the table of jobs.

use super::yaml::{Yaml, document, map};
use crate::workspace::{CiSettings, Job};

/// Where it is, relative to the root.
pub const FILE: &str = ".buildkite/pipeline.yml";

/// The text of the pipeline.
#[must_use]
pub fn pipeline(settings: &CiSettings, head: &str) -> String {
    let mut steps: Vec<Yaml> = Vec::new();
    let mut groups: Vec<(&str, Vec<Yaml>)> = Vec::new();
    for job in &settings.jobs {
        match &job.group {
            None => steps.push(step(settings, job)),
            Some(name) => match groups.iter_mut().find(|it| it.0 == name) {
                Some(group) => group.1.push(step(settings, job)),
                None => groups.push((name, vec![step(settings, job)])),
            },
        }
    }
    let group =
        |(name, steps): (&str, Vec<Yaml>)| map([("group", name.into()), ("steps", Yaml::List(steps))]);
    steps.extend(groups.into_iter().map(group));
    document(head, &map([("steps", Yaml::List(steps))]))
}

fn step(settings: &CiSettings, job: &Job) -> Yaml {
    let command = match &job.matrix {
        None => format!("cargo xtask ci {}", job.name),
        Some(matrix) => {
            let changed = if matrix.changed { " --changed-since" } else { "" };
            let cached = if matrix.skip_cached { " --skip-cached" } else { "" };
            // A pipe has the exit code of its end: a failed choice must not upload nothing. Nor is a pipeline without
            // steps uploaded, which Buildkite has refused.
            format!(
                "mkdir -p target\ncargo xtask -q ci matrix{changed}{cached} --format buildkite > target/matrix.json\n\
                 if grep -q '\"command\"' target/matrix.json; then buildkite-agent pipeline upload target/matrix.json; fi"
            )
        }
    };
    let machines = settings.systems.get(job.ci_system());
    let queue = job.queue.clone().or_else(|| machines.and_then(|it| it.queue.clone()));
    let mut res = vec![("label", Yaml::from(job.name.as_str())), ("key", job.name.as_str().into())];
    res.push(("command", command.into()));
    if let Some(queue) = queue {
        res.push(("agents", map([("queue", queue.into())])));
    }
    if !job.needs.is_empty() {
        res.push(("depends_on", job.needs.clone().into()));
    }
    if let Some(condition) = condition(job) {
        res.push(("if", condition.into()));
    }
    if !job.when.paths.is_empty() {
        res.push(("if_changed", job.when.paths.clone().into()));
    }
    if !job.secrets.is_empty() {
        res.push(("secrets", job.secrets.iter().cloned().collect::<Vec<_>>().into()));
    }
    res.push(("timeout_in_minutes", job.timeout.into()));
    // An agent that is lost says -1: that is no fault of the change.
    let lost = Yaml::Map(vec![("exit_status".to_owned(), Yaml::Number(-1)), ("limit".to_owned(), 2.into())]);
    res.push(("retry", map([("automatic", Yaml::List(vec![lost]))])));
    map(res)
}

fn condition(job: &Job) -> Option<String> {
    let when = &job.when;
    let one = |variable: &str, name: &String| match name.strip_suffix('*') {
        Some(start) => format!("{variable} =~ /^{}/", pattern(start)),
        None => format!("{variable} == \"{name}\""),
    };
    // The branch of a pull request may be called like one of ours.
    let branch = |it: &String| format!("({} && build.pull_request.id == null)", one("build.branch", it));
    let mut any: Vec<String> = when.branches.iter().map(branch).collect();
    any.extend(when.tags.iter().map(|it| one("build.tag", it)));
    if !when.schedule.is_empty() {
        // Buildkite keeps the times themselves in the settings of the pipeline.
        any.push("build.source == \"schedule\"".to_owned());
    }
    (!any.is_empty()).then(|| any.join(" || "))
}

/// A name as a regular expression between slashes.
fn pattern(text: &str) -> String {
    text.replace('.', "\\.").replace('/', "\\/")
}
