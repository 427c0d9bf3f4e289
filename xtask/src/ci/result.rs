//! What became of the jobs: as a table, as JSON, and as Markdown for the page of a run.

use std::time::Duration;

use serde_json::{Value, json};

use super::place::Place;
use crate::report::{Table, count, seconds};
use crate::workspace::Job;

/// One job, run or not.
#[derive(Debug, Clone)]
pub struct JobResult {
    pub job: String,
    pub outcome: Outcome,
    pub time: Duration,
    /// What to type to see it again.
    pub hint: Option<String>,
    /// The places that the problem names, each with its message.
    pub places: Vec<(Place, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Good,
    /// With the problem, in full.
    Failed(String),
    /// Not run, and why.
    Skipped(String),
}

impl JobResult {
    /// One that was run, and nothing was wrong.
    #[must_use]
    pub fn good(job: &Job) -> JobResult {
        JobResult {
            job: job.name.clone(),
            outcome: Outcome::Good,
            time: Duration::ZERO,
            hint: None,
            places: Vec::new(),
        }
    }

    /// One that was not run, and why.
    #[must_use]
    pub fn skipped(job: &Job, why: String) -> JobResult {
        JobResult { outcome: Outcome::Skipped(why), ..JobResult::good(job) }
    }

    #[must_use]
    pub fn is_good(&self) -> bool {
        self.outcome == Outcome::Good
    }

    /// What went wrong, or why it was not run.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Good => None,
            Outcome::Failed(text) | Outcome::Skipped(text) => Some(text),
        }
    }

    fn word(&self) -> &'static str {
        match self.outcome {
            Outcome::Good => "good",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped(_) => "skipped",
        }
    }

    /// What fits beside it: how to see a failure again, or why it was not run.
    fn remark(&self) -> String {
        match (&self.outcome, &self.hint) {
            (Outcome::Skipped(why), _) => why.clone(),
            (_, Some(hint)) => hint.clone(),
            _ => String::new(),
        }
    }
}

#[must_use]
pub fn table(results: &[JobResult]) -> Table {
    let mut table = Table::new(&["job", "result", "time", "hint"]);
    let row = |it: &JobResult| vec![it.job.clone(), it.word().to_owned(), seconds(it.time), it.remark()];
    table.rows.extend(results.iter().map(row));
    table
}

#[must_use]
pub fn json(results: &[JobResult]) -> Value {
    let place = |(place, message): &(Place, String)| json!({"file": place.file, "line": place.line, "column": place.column, "message": message});
    let result = |it: &JobResult| {
        json!({
            "job": it.job,
            "ok": it.is_good(),
            "result": it.word(),
            "problem": it.problem(),
            "hint": it.hint,
            "places": it.places.iter().map(place).collect::<Vec<_>>(),
            "seconds": it.time.as_secs_f64(),
        })
    };
    let ok = results.iter().all(JobResult::is_good);
    json!({"version": 1, "ok": ok, "results": results.iter().map(result).collect::<Vec<_>>()})
}

/// More lines of a problem than these are left to the log.
const LINES: usize = 40;

/// The page of a run: the table, and each problem folded under its name.
#[must_use]
pub fn markdown(results: &[JobResult]) -> String {
    let failed = results.iter().filter(|it| !it.is_good()).count();
    let title = match failed {
        0 => format!("{}, all good", count(results.len(), "job")),
        _ => format!("{}, {failed} not good", count(results.len(), "job")),
    };
    let mut res = format!("### {title}\n\n| job | result | time | hint |\n|---|---|---|---|\n");
    for it in results {
        let mark = if it.is_good() { "✅" } else { "❌" };
        let remark = if it.remark().is_empty() { String::new() } else { format!("`{}`", cell(&it.remark())) };
        let row = format!("| {} | {mark} {} | {} | {remark} |\n", cell(&it.job), it.word(), seconds(it.time));
        res.push_str(&row);
    }
    for it in results {
        let Outcome::Failed(problem) = &it.outcome else { continue };
        res.push_str(&format!("\n<details><summary>{}</summary>\n\n", html(&it.job)));
        for (place, message) in &it.places {
            res.push_str(&format!("- `{}:{}` {}\n", place.file, place.line, html(message)));
        }
        let lines: Vec<&str> = problem.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LINES)..];
        let fence = "`".repeat(longest_run(problem).max(2) + 1);
        res.push_str(&format!("\n{fence}text\n{}\n{fence}\n\n</details>\n", shown.join("\n")));
    }
    res
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('`', "'").replace('\n', " ")
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// How many backticks stand together at most: the fence around them must be longer.
fn longest_run(text: &str) -> usize {
    text.split(|it| it != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_page_of_a_run() {
        let place = Place { file: "flake.nix".to_owned(), line: 3, column: None };
        let results = [
            result("fmt", Outcome::Good, None),
            JobResult {
                places: vec![(place, "a < b".to_owned())],
                ..result("check", Outcome::Failed("one\n```\ntwo".to_owned()), Some("cargo xtask check | x"))
            },
            result("push", Outcome::Skipped("needs `check`".to_owned()), None),
        ];
        expect![[r#"
            ### 3 jobs, 2 not good

            | job | result | time | hint |
            |---|---|---|---|
            | fmt | ✅ good | 1.2 s |  |
            | check | ❌ failed | 1.2 s | `cargo xtask check \| x` |
            | push | ❌ skipped | 1.2 s | `needs 'check'` |

            <details><summary>check</summary>

            - `flake.nix:3` a &lt; b

            ````text
            one
            ```
            two
            ````

            </details>
        "#]]
        .assert_eq(&markdown(&results));
        expect![[r#"
            job    result   time   hint
            fmt    good     1.2 s
            check  failed   1.2 s  cargo xtask check | x
            push   skipped  1.2 s  needs `check`"#]]
        .assert_eq(&table(&results).lines().join("\n"));
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites>
              <testsuite name="cargo xtask ci" tests="3" failures="1" skipped="1" errors="0" time="3.750">
                <testcase name="fmt" classname="ci" time="1.250"/>
                <testcase name="check" classname="ci" time="1.250">
                  <failure message="one">one
            ```
            two</failure>
                </testcase>
                <testcase name="push" classname="ci" time="1.250">
                  <skipped message="needs `check`"/>
                </testcase>
              </testsuite>
            </testsuites>
        "#]]
        .assert_eq(&super::super::junit::xml(&results));
    }

    fn result(job: &str, outcome: Outcome, hint: Option<&str>) -> JobResult {
        JobResult {
            job: job.to_owned(),
            outcome,
            time: Duration::from_millis(1250),
            hint: hint.map(str::to_owned),
            places: Vec::new(),
        }
    }
}
