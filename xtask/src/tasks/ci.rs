//! `cargo xtask ci`

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::json;
use xshell::cmd;

use super::check::Check;
use crate::context::Context;
use crate::report::{Report, Table, seconds};

/// Do what CI does: format, lint, test with both versions of Nix, check the flakes
///
/// Goes on after a failure, and ends in one table.
#[derive(Debug, Clone, clap::Args)]
pub struct Ci {
    /// Only these jobs
    #[arg(value_enum, value_name = "JOB")]
    pub jobs: Vec<Job>,
    /// Write a page that shows where the time of Nix went
    #[arg(long)]
    pub timings: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Job {
    /// cargo fmt --check
    Rustfmt,
    /// cargo clippy, warnings are errors
    Clippy,
    /// cargo test, with Nix 2.26 from Debian trixie
    Test,
    /// The tests that start Nix once more, with the newest Nix of Debian sid
    TestSid,
    /// The format and the locks of this workspace, and cargo xtask check in examples/offline
    Check,
    /// cargo xtask check in this workspace: fetches its inputs, so only when it is named
    Flakes,
}

const ALL: [Job; 5] = [Job::Rustfmt, Job::Clippy, Job::Test, Job::TestSid, Job::Check];

impl Job {
    /// The same name as on the command line.
    fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|it| it.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let sh = &cx.sh;
        let cargo = cx.host.env("CARGO").unwrap_or("cargo");
        match self {
            Job::Rustfmt => Ok(cmd!(sh, "{cargo} fmt --check").run()?),
            Job::Clippy => Ok(cmd!(sh, "{cargo} clippy --quiet --all-targets -- --deny warnings").run()?),
            Job::Test => {
                Ok(cmd!(sh, "{cargo} test --quiet --no-fail-fast").env("XTASK_TEST_SUITE", "trixie").run()?)
            }
            Job::TestSid => Ok(cmd!(
                sh,
                "{cargo} test --quiet --no-fail-fast --test cli --test flakes --test private_nix"
            )
            .env("XTASK_TEST_SUITE", "sid")
            .run()?),
            Job::Check => check(cx),
            Job::Flakes => match Check::default().run(cx)? {
                report if cx.tell(&report) => Ok(()),
                _ => bail!("a check failed"),
            },
        }
    }
}

/// The workspace as far as that goes without network, and the example inside it.
fn check(cx: &mut Context) -> anyhow::Result<()> {
    let good = Check { r#static: true, ..Check::default() }.run(cx)?;
    let mut good = cx.tell(&good);
    let example = cx.workspace.root.join("examples/offline");
    if example.is_dir() {
        let mut inner = cx.in_workspace(&example)?;
        let report = Check::default().run(&mut inner)?;
        good &= inner.tell(&report);
    }
    if !good {
        bail!("a check failed");
    }
    Ok(())
}

impl Ci {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        cx.record(self.timings, &["ci"]);
        let jobs = if self.jobs.is_empty() { ALL.to_vec() } else { self.jobs };
        if cx.globals.dry_run {
            return Ok(Report { lines: jobs.iter().map(|it| it.name()).collect(), ..Report::done() });
        }
        let mut rows: Vec<(Job, Option<String>, Duration)> = Vec::new();
        for job in jobs {
            cx.ui.status(&cx.ui.paint("1", &format!("== {}", job.name())));
            let since = Instant::now();
            let problem = job.run(cx).err().map(|it| format!("{it:#}"));
            rows.push((job, problem, since.elapsed()));
            if cx.interrupt.signal().is_some() {
                bail!("interrupted in `{}`", job.name());
            }
        }
        let mut table = Table::new(&["job", "time", "result"]);
        for (job, problem, time) in &rows {
            let result = problem.clone().unwrap_or_else(|| "good".to_owned());
            table.rows.push(vec![job.name(), seconds(*time), result]);
        }
        let ok = rows.iter().all(|it| it.1.is_none());
        let result = |(job, problem, time): &(Job, Option<String>, Duration)| json!({"job": job.name(), "ok": problem.is_none(), "problem": problem, "seconds": time.as_secs_f64()});
        let results: Vec<_> = rows.iter().map(result).collect();
        Ok(Report {
            ok,
            table,
            json: json!({"version": 1, "ok": ok, "results": results}),
            ..Report::default()
        })
    }
}
