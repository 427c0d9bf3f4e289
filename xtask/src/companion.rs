//! A program of this repository that only some verbs need, in a crate of its own: it is compiled when it is first
//! used, so that nobody who only builds waits for it.
//!
//! What it is to do comes on its stdin, as JSON. What happens goes to its stderr, a JSON object in each line; what
//! came of it to its stdout. So a companion can run as another user, and is stopped like any child.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::nix::event::Event;
use crate::nix::process::{self, Command, Exit, Interrupt};
use crate::plan::CommandLine;

/// How often who listens hears [`Told::Tick`].
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub struct Companion {
    /// The name of its crate and of its program.
    name: &'static str,
    program: Utf8PathBuf,
}

/// A line that cargo prints under `--message-format=json`.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<Utf8PathBuf>,
}

impl Companion {
    /// Finds the program, or compiles it: from the source of this very binary, or else beside it.
    ///
    /// # Errors
    /// When it does not compile, or is nowhere to be found.
    pub fn ready(cx: &mut Context, name: &'static str) -> anyhow::Result<Companion> {
        let manifest = Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
        if !manifest.exists() {
            let program = cx.host.beside(name)?;
            return Ok(Companion { name, program });
        }
        if cx.host.beside(name).is_err() {
            cx.ui.status(&format!("compiling {name}, for the first time; it takes up to a minute"));
        }
        let told = compile(cx, name)?;
        let programs = told.lines().filter_map(|it| serde_json::from_str::<Artifact>(it).ok());
        let program = programs.filter_map(|it| it.executable).next_back();
        Ok(Companion { name, program: program.with_context(|| format!("cargo made no program of {name}"))? })
    }

    /// Runs it as the user, or through a program that comes before it on the command line, such as `sudo`. Its
    /// lines that are no `E` are shown as they are.
    ///
    /// # Errors
    /// When it cannot be run. That it failed is in the [`Exit`].
    pub fn run<E: DeserializeOwned>(
        &self,
        cx: &mut Context,
        through: &[&str],
        args: &[String],
        job: &[u8],
        listen: &mut dyn FnMut(&mut Context, Told<E>),
    ) -> anyhow::Result<Exit> {
        self.run_by(process::run, cx, through, args, job, listen)
    }

    /// The same, with its stdin kept open behind the job, a line: the end of it tells the companion to stop. The one
    /// way to stop a companion that runs as root.
    ///
    /// # Errors
    /// As [`Companion::run`].
    pub fn run_held<E: DeserializeOwned>(
        &self,
        cx: &mut Context,
        through: &[&str],
        args: &[String],
        job: &[u8],
        listen: &mut dyn FnMut(&mut Context, Told<E>),
    ) -> anyhow::Result<Exit> {
        self.run_by(process::run_held, cx, through, args, job, listen)
    }

    /// Prints the command instead of running it.
    pub fn planned(&self, cx: &Context, through: &[&str], args: &[String]) {
        let words = self.words(through, args);
        cx.ui.planned(&CommandLine(&words[0], &words[1..]));
    }

    fn words(&self, through: &[&str], args: &[String]) -> Vec<String> {
        let through = through.iter().map(|it| (*it).to_owned());
        through.chain([self.program.to_string()]).chain(args.iter().cloned()).collect()
    }

    fn run_by<E: DeserializeOwned>(
        &self,
        run: Run,
        cx: &mut Context,
        through: &[&str],
        args: &[String],
        job: &[u8],
        listen: &mut dyn FnMut(&mut Context, Told<E>),
    ) -> anyhow::Result<Exit> {
        let mut words = self.words(through, args);
        let (program, args) = (Utf8PathBuf::from(words.remove(0)), words);
        cx.ui.command(&CommandLine(program.as_str(), &args));
        let (dir, env, interrupt) = (cx.host.cwd.clone(), cx.host.env.clone(), cx.interrupt.clone());
        let command = Command { program: &program, args: &args, dir: &dir, env: &env, input: job };
        let exit = run(&command, &interrupt, &mut |event| match event {
            Event::Plain(line) => match serde_json::from_str(line) {
                Ok(event) => listen(cx, Told::Event(event)),
                Err(_) => cx.ui.status(line),
            },
            Event::Tick => listen(cx, Told::Tick),
            _ => {}
        });
        cx.ui.clear();
        exit.with_context(|| format!("cannot run {}", self.name))
    }
}

/// What cargo prints of what it has made. Meanwhile it says how far it is; errors of the compiler are shown.
fn compile(cx: &mut Context, name: &str) -> anyhow::Result<String> {
    let program = Utf8PathBuf::from(cx.host.env("CARGO").unwrap_or("cargo"));
    let args = ["build", "--locked", "--package", name, "--message-format=json-render-diagnostics"];
    let args = args.map(str::to_owned);
    let (env, interrupt, verbose) = (cx.host.env.clone(), cx.interrupt.clone(), cx.ui.style().verbose);
    let dir = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let command = Command { program: &program, args: &args, dir, env: &env, input: &[] };
    cx.ui.command(&CommandLine(program.as_str(), &args));
    let mut doing = String::new();
    let exit = process::run(&command, &interrupt, &mut |event| {
        let line = match event {
            Event::Plain(line) => line,
            Event::Tick if !doing.is_empty() => return cx.ui.progress(&doing),
            _ => return,
        };
        match line.trim_start().split_once(' ') {
            Some(("Compiling", what)) => doing = format!("compiling {what}"),
            // It says so of a hundredth of a second, too.
            Some(("Blocking", _)) => "waiting for another cargo".clone_into(&mut doing),
            Some(("Finished" | "Downloading" | "Downloaded" | "Updating", _)) if !verbose => {}
            _ => cx.ui.status(line),
        }
    });
    cx.ui.clear();
    let exit = exit.with_context(|| format!("cannot compile {name}"))?;
    match exit.code {
        Some(0) => Ok(exit.stdout),
        _ if exit.interrupted => bail!("interrupted"),
        _ => bail!("cannot compile {name} (see above)"),
    }
}

/// A companion that runs beside us.
#[derive(Debug)]
pub struct Background {
    name: &'static str,
    thread: JoinHandle<anyhow::Result<Exit>>,
    lines: Receiver<String>,
}

impl Companion {
    /// Starts it beside us. It is stopped as we are.
    #[must_use]
    pub fn start(&self, cx: &Context, args: &[String], job: Vec<u8>) -> Background {
        cx.ui.command(&CommandLine(self.program.as_str(), args));
        let (program, args) = (self.program.clone(), args.to_vec());
        let (dir, env, interrupt) = (cx.host.cwd.clone(), cx.host.env.clone(), cx.interrupt.clone());
        let (sender, lines) = channel();
        let thread = std::thread::spawn(move || {
            let command = Command { program: &program, args: &args, dir: &dir, env: &env, input: &job };
            process::run(&command, &interrupt, &mut |event| {
                if let Event::Plain(line) = event {
                    // Who waits for the end only does not listen.
                    drop(sender.send(line.clone()));
                }
            })
        });
        Background { name: self.name, thread, lines }
    }
}

impl Background {
    /// Waits for its end, and hands on all that it has said and says.
    ///
    /// # Errors
    /// When it could not be run.
    pub fn end<E: DeserializeOwned>(
        self,
        cx: &mut Context,
        listen: &mut dyn FnMut(&mut Context, Told<E>),
    ) -> anyhow::Result<Exit> {
        loop {
            match self.lines.recv_timeout(TICK) {
                Ok(line) => match serde_json::from_str(&line) {
                    Ok(event) => listen(cx, Told::Event(event)),
                    Err(_) => cx.ui.status(&line),
                },
                Err(RecvTimeoutError::Timeout) => listen(cx, Told::Tick),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        cx.ui.clear();
        let exit = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        exit.with_context(|| format!("cannot run {}", self.name))
    }
}

/// How a companion is started.
type Run = fn(&Command<'_>, &Interrupt, &mut dyn FnMut(&Event)) -> anyhow::Result<Exit>;

/// What a companion says while it runs.
#[derive(Debug)]
pub enum Told<E> {
    Event(E),
    /// Ten times a second, to draw by.
    Tick,
}
