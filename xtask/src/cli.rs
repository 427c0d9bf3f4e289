//! The command line: global flags, one variant for each verb, and who runs it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::context::{Context, Globals};
use crate::host::Host;
use crate::relock;
use crate::report::Report;
use crate::tasks::build::Build;
use crate::tasks::build_aleph::BuildAleph;
use crate::tasks::builder::Builder;
use crate::tasks::bump::Bump;
use crate::tasks::cache::Cache;
use crate::tasks::check::Check;
use crate::tasks::ci::{Ci, Verbs};
use crate::tasks::complete::Complete;
use crate::tasks::deploy::Deploy;
use crate::tasks::docs::Docs;
use crate::tasks::doctor::Doctor;
use crate::tasks::explain::Explain;
use crate::tasks::flash::Flash;
use crate::tasks::fmt::Fmt;
use crate::tasks::image::Image;
use crate::tasks::lock::Lock;
use crate::tasks::new::New;
use crate::tasks::rollback::Rollback;
use crate::tasks::run::Run;
use crate::tasks::setup::Setup;
use crate::tasks::shell::Shell;
use crate::tasks::size::Size;
use crate::tasks::update::Update;
use crate::timings;
use crate::trouble;
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
    BuildAleph(BuildAleph),
    New(New),
    Image(Image),
    Flash(Flash),
    Deploy(Deploy),
    Rollback(Rollback),
    Builder(Builder),
    Explain(Explain),
    Size(Size),
    Cache(Cache),
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
            Task::BuildAleph(it) => it.run(cx),
            Task::New(it) => it.run(cx),
            Task::Image(it) => it.run(cx),
            Task::Flash(it) => it.run(cx),
            Task::Deploy(it) => it.run(cx),
            Task::Rollback(it) => it.run(cx),
            Task::Builder(it) => it.run(cx),
            Task::Explain(it) => it.run(cx),
            Task::Ci(it) => it.run(cx, VERBS),
            Task::Size(it) => it.run(cx),
            Task::Cache(it) => it.run(cx),
            Task::Doctor(it) => it.run(cx),
            Task::Setup(it) => it.run(cx),
            Task::Docs(it) => it.run(cx),
            // Answered before there is a context.
            Task::Complete(_) => Ok(Report::done()),
        }
    }
}

/// Seconds of silence after which a log is told that work goes on.
const HEARTBEAT: u64 = 60;

/// Our command line, for the jobs of CI.
const VERBS: Verbs = Verbs { check: |words| job(words).map(drop), run: run_job };

/// The words of a job as what they are.
fn job(words: &[String]) -> anyhow::Result<Cli> {
    let line = words.join(" ");
    let all = std::iter::once("cargo xtask").chain(words.iter().map(String::as_str));
    let cli = Cli::try_parse_from(all).map_err(|error| {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        anyhow::anyhow!("`{line}`: {first}")
    })?;
    match &cli.task {
        _ if cli.global.dry_run => bail!(
            "`{line}`: a dry run does nothing, so no job can be one: take `--dry-run` out of it in xtask.toml"
        ),
        Task::Ci(it) if it.runs_jobs() => bail!("`{line}`: a job cannot run jobs"),
        Task::Run(_) | Task::Shell(_) => {
            bail!("`{line}`: it would replace this process, so no job can run it")
        }
        _ => Ok(cli),
    }
}

/// Does what the words of a job say, on this machine and with this user's flags.
fn run_job(cx: &mut Context, words: &[String]) -> anyhow::Result<Report> {
    let cli = job(words)?;
    let Global { directory, offline, yes, nix, .. } = &cli.global;
    if directory == "." && !offline && !yes && nix.is_none() {
        return cli.task.run(cx);
    }
    let mut inner = cx.in_workspace(&absolute(&cx.workspace.root, directory)?)?;
    inner.globals.offline |= offline;
    inner.globals.yes |= yes;
    inner.globals.nix = nix.clone().or(inner.globals.nix);
    cli.task.run(&mut inner)
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
    let heartbeat = host.as_ref().ok().and_then(|it| it.env("XTASK_HEARTBEAT")?.parse().ok());
    let heartbeat = Some(Duration::from_secs(heartbeat.unwrap_or(HEARTBEAT)));
    let style = Style { quiet, verbose, json, heartbeat, ..host.as_ref().map(terminal).unwrap_or_default() };
    if let (Task::Complete(it), Ok(host)) = (&cli.task, &host) {
        let lines = it.lines(host, &mut command());
        return Ui::new(Style::default()).finish(&Report { lines, ..Report::done() });
    }
    match host.and_then(|it| context(it, cli.global, Ui::new(style), cli.task.scope())) {
        Ok(mut cx) => {
            let result = relock::recover(&cx).and_then(|()| cli.task.run(&mut cx));
            match timings::finish(&mut cx, result) {
                Ok(report) => cx.ui.finish(&report),
                Err(error) => {
                    let hints = cx.hints(trouble::findings_of(&error));
                    cx.ui.fail_with(&error, &hints)
                }
            }
        }
        Err(error) => Ui::new(style).fail(&error),
    }
}

/// What the terminal can do, as the environment says it.
fn terminal(host: &Host) -> Style {
    let set = |name: &str| host.env(name).filter(|it| !it.is_empty());
    let moves = set("TERM").is_some_and(|it| it != "dumb");
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
    let unicode = ["utf-8", "utf8"].iter().any(|it| locale.to_lowercase().contains(it));
    Style { moves, colour: moves && set("NO_COLOR").is_none(), unicode, ..Style::default() }
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
