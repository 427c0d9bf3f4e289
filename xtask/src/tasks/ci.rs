//! `cargo xtask ci`

mod cargo;
mod generate;
mod jobs;
mod lint;
mod list;
mod matrix;
mod since;
mod why;

use camino::Utf8PathBuf;

use crate::context::Context;
use crate::report::Report;

/// Run the jobs of `[ci]` in xtask.toml, as CI does
///
/// Without names: those that are `local`. Goes on after a failure, and ends in one table.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Ci {
    /// Only these jobs
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
    /// Write the results as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<Utf8PathBuf>,
    /// Write a page that shows where the time of Nix went
    #[arg(long)]
    pub timings: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    List(list::List),
    Matrix(matrix::Matrix),
    Why(why::Why),
    Generate(generate::Generate),
    Lint(lint::Lint),
}

/// The command line as jobs use it: known to `cli`, which is above us.
#[derive(Debug, Clone, Copy)]
pub struct Verbs {
    /// Whether these words are a command line of ours that a job may have.
    pub check: fn(&[String]) -> anyhow::Result<()>,
    /// Does what they say.
    pub run: fn(&mut Context, &[String]) -> anyhow::Result<Report>,
}

impl Ci {
    pub(crate) fn run(self, cx: &mut Context, verbs: Verbs) -> anyhow::Result<Report> {
        jobs::check(cx, verbs)?;
        cx.record(self.timings, &["ci"]);
        match self.verb {
            None => Ok(jobs::run(cx, verbs, &self.jobs, self.junit.as_deref())),
            Some(Verb::List(_)) => Ok(list::List::run(cx)),
            Some(Verb::Matrix(it)) => it.run(cx),
            Some(Verb::Why(it)) => it.run(cx),
            Some(Verb::Generate(it)) => it.run(cx),
            Some(Verb::Lint(_)) => lint::Lint::run(cx),
        }
    }

    /// Whether it would run jobs: a job must not.
    #[must_use]
    pub fn runs_jobs(&self) -> bool {
        self.verb.is_none()
    }
}
