//! The command line: global flags, one variant for each verb, and who runs it.

use std::process::ExitCode;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::context::{Context, Globals};
use crate::host::Host;
use crate::relock;
use crate::report::Report;
use crate::tasks::build::Build;
use crate::tasks::bump::Bump;
use crate::tasks::check::Check;
use crate::tasks::ci::Ci;
use crate::tasks::complete::Complete;
use crate::tasks::docs::Docs;
use crate::tasks::doctor::Doctor;
use crate::tasks::fmt::Fmt;
use crate::tasks::image::Image;
use crate::tasks::lock::Lock;
use crate::tasks::run::Run;
use crate::tasks::setup::Setup;
use crate::tasks::shell::Shell;
use crate::tasks::size::Size;
use crate::tasks::update::Update;
use crate::timings;
use crate::ui::{Style, Ui};
use crate::workspace::Scope;

/// Drive this workspace's flakes: build, run, develop, format, check
///
/// Results go to stdout, talk goes to stderr. Exit codes: 0 good, 1 failed, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Act on the workspace there
    #[arg(short = 'C', global = true, value_name = "DIR", default_value = ".", hide_default_value = true)]
    directory: Utf8PathBuf,
    /// Print the commands that would run, and change nothing
    #[arg(short = 'n', long, global = true)]
    dry_run: bool,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say every command and every line that a builder prints
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Use only what is on this machine
    #[arg(long, global = true)]
    offline: bool,
    /// Ask nothing: yes to every question
    #[arg(long, global = true)]
    yes: bool,
    /// The nix to use, instead of the one on PATH [env: XTASK_NIX]
    #[arg(long, global = true, value_name = "PATH")]
    nix: Option<Utf8PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Task {
    Build(Build),
    Run(Run),
    Shell(Shell),
    Fmt(Fmt),
    Check(Check),
    Update(Update),
    Lock(Lock),
    Bump(Bump),
    Image(Image),
    Size(Size),
    Doctor(Doctor),
    Setup(Setup),
    Ci(Ci),
    Docs(Docs),
    #[command(hide = true)]
    Complete(Complete),
}

impl Task {
    /// The dev shell is entered many times a day: it does not wait for flakes that it does not need.
    fn scope(&self) -> Scope {
        match self {
            Task::Shell(it) if it.name.is_none() => Scope::Root,
            _ => Scope::All,
        }
    }

    fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        match self {
            Task::Build(it) => it.run(cx),
            Task::Run(it) => it.run(cx),
            Task::Shell(it) => it.run(cx),
            Task::Fmt(it) => it.run(cx),
            Task::Check(it) => it.run(cx),
            Task::Update(it) => it.run(cx),
            Task::Lock(it) => it.run(cx),
            Task::Bump(it) => it.run(cx),
            Task::Image(it) => it.run(cx),
            Task::Size(it) => it.run(cx),
            Task::Doctor(it) => it.run(cx),
            Task::Setup(it) => it.run(cx),
            Task::Ci(it) => it.run(cx),
            Task::Docs(it) => it.run(cx),
            // Answered before there is a context.
            Task::Complete(_) => Ok(Report::done()),
        }
    }
}

/// The command line as a value, for whoever describes it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; anything else is wrong usage. A closed pipe is nobody's fault.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let Global { json, quiet, verbose, .. } = cli.global;
    let host = Host::current();
    let dumb = |it: &Host| it.env("NO_COLOR").is_some() || it.env("TERM") == Some("dumb");
    if let (Task::Complete(it), Ok(host)) = (&cli.task, &host) {
        let lines = it.lines(host, &mut command());
        return Ui::new(Style::default()).finish(&Report { lines, ..Report::done() });
    }
    let style = Style { quiet, verbose, json, colour: !host.as_ref().is_ok_and(dumb) };
    match host.and_then(|it| context(it, cli.global, Ui::new(style), cli.task.scope())) {
        Ok(mut cx) => {
            let result = relock::recover(&cx).and_then(|()| cli.task.run(&mut cx));
            match timings::finish(&mut cx, result) {
                Ok(report) => cx.ui.finish(&report),
                Err(error) => cx.ui.fail(&error),
            }
        }
        Err(error) => Ui::new(style).fail(&error),
    }
}

fn context(host: Host, global: Global, ui: Ui, scope: Scope) -> anyhow::Result<Context> {
    let dir = absolute(&host.cwd, &global.directory)?;
    let Global { dry_run, offline, yes, nix, .. } = global;
    Context::new(host, dir, Globals { dry_run, offline, yes, nix }, ui, scope)
}

/// A directory without `.` and `..`, so that walking up from it works.
fn absolute(cwd: &Utf8Path, dir: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    if dir == "." {
        return Ok(cwd.to_owned());
    }
    cwd.join(dir).canonicalize_utf8().with_context(|| format!("cannot enter `{dir}`"))
}
