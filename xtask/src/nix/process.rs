//! Starts a child that streams its log, hands on every event as it comes, and stops it when we are told to.
//! The only file that does so.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use unix::sys::signal::Signal;
use unix::unistd::Pid;

use super::event::{self, Event};

/// How often the listener hears `Event::Tick`.
const TICK: Duration = Duration::from_millis(100);
/// How long Nix may take to stop its builders before it is killed. It needs 0.2 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// Until it is told again: Nix 2.34 was seen not to hear the first signal.
const AGAIN: Duration = Duration::from_secs(2);

/// A command line with its directory and environment.
#[derive(Debug)]
pub struct Command<'a> {
    pub program: &'a Utf8Path,
    pub args: &'a [String],
    pub dir: &'a Utf8Path,
    pub env: &'a BTreeMap<OsString, OsString>,
    /// What it reads from its stdin.
    pub input: &'a [u8],
}

/// How a child ended.
#[derive(Debug)]
pub struct Exit {
    pub stdout: String,
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, ours or another's.
    pub signal: Option<Signal>,
    /// We were told to stop by SIGINT, SIGTERM or SIGHUP, and stopped the child.
    pub interrupted: bool,
    /// It was silent for too long, and stopped for that.
    pub stalled: bool,
}

impl Exit {
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == Some(0) && !self.interrupted && !self.stalled
    }
}

/// Remembers that the user, or the machine, wants us to stop. Nothing else runs in the signal handler, so files
/// are put in order and results are still told.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    now: Arc<AtomicUsize>,
    /// What was forgiven.
    before: Arc<AtomicUsize>,
}

impl Interrupt {
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn install() -> anyhow::Result<Interrupt> {
        let flag = Arc::new(AtomicUsize::new(0));
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            let number = signal as i32;
            signal_hook::flag::register_usize(number, Arc::clone(&flag), number.unsigned_abs() as usize)
                .with_context(|| format!("cannot handle {signal}"))?;
        }
        Ok(Interrupt { now: flag, before: Arc::default() })
    }

    /// Forgets the signal, so that what was finished can still be looked at. A second one stops that too.
    pub fn forgive(&self) {
        let signal = self.now.swap(0, Ordering::Relaxed);
        if signal != 0 {
            self.before.store(signal, Ordering::Relaxed);
        }
    }

    /// The signal that came, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        named(&self.now)
    }

    /// The same, also when it was forgiven: whoever does one thing after another begins no other.
    #[must_use]
    pub fn came(&self) -> Option<Signal> {
        self.signal().or_else(|| named(&self.before))
    }
}

fn named(number: &AtomicUsize) -> Option<Signal> {
    i32::try_from(number.load(Ordering::Relaxed)).ok().and_then(|it| Signal::try_from(it).ok())
}

/// Runs a child to its end. Its stdout is returned, its stderr becomes events.
///
/// # Errors
/// When it cannot be started or read. A child that fails is not an error here: see [`Exit`].
pub fn run(
    command: &Command<'_>,
    interrupt: &Interrupt,
    listen: &mut dyn FnMut(&Event),
) -> anyhow::Result<Exit> {
    attend(start(command, None), None, None, command, interrupt, listen)
}

/// The same, but a child that says nothing on its stderr for so long is stopped: what talks over a network may
/// wait for ever.
///
/// # Errors
/// As [`run`].
pub fn run_within(
    command: &Command<'_>,
    silence: Option<Duration>,
    interrupt: &Interrupt,
    listen: &mut dyn FnMut(&Event),
) -> anyhow::Result<Exit> {
    attend(start(command, None), None, silence, command, interrupt, listen)
}

/// The same, for a child that may belong to root, so that no signal of ours reaches it: its stdin stays open behind the
/// input, and its end tells the child to stop, also when we are killed.
///
/// # Errors
/// As [`run`]; the input must be short.
pub fn run_held(
    command: &Command<'_>,
    interrupt: &Interrupt,
    listen: &mut dyn FnMut(&Event),
) -> anyhow::Result<Exit> {
    let (stdin, mut hold) = std::io::pipe().context("cannot make a pipe")?;
    hold.write_all(command.input).context("cannot write to a pipe")?;
    attend(start(command, Some(stdin)), Some(hold), None, command, interrupt, listen)
}

fn attend(
    started: std::io::Result<duct::ReaderHandle>,
    mut hold: Option<PipeWriter>,
    silence: Option<Duration>,
    command: &Command<'_>,
    interrupt: &Interrupt,
    listen: &mut dyn FnMut(&Event),
) -> anyhow::Result<Exit> {
    let reader = started.with_context(|| format!("cannot run `{}`", command.program))?;
    let pids = reader.pids();
    let (sender, lines) = channel();
    let mut stop = None;
    std::thread::scope(|scope| {
        // The sender moves into the thread, so that the channel closes when the stream ends.
        let reader = &reader;
        let pump = scope.spawn(move || pump(reader, &sender));
        stop = follow(&lines, &pids, &mut hold, silence, interrupt, listen);
        // The scope itself waits for the thread's work only, and who still has a thread on its way out is not let
        // into a user namespace.
        if let Err(panic) = pump.join() {
            std::panic::resume_unwind(panic);
        }
    });
    let output = reader.try_wait().context("cannot wait for the child")?.context("the child did not end")?;
    Ok(Exit {
        stdout: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
        signal: output.status.signal().and_then(|it| Signal::try_from(it).ok()),
        interrupted: stop == Some(Stop::Told) || interrupt.signal().is_some(),
        stalled: stop == Some(Stop::Stalled),
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the file that starts streaming children")]
fn start(command: &Command<'_>, stdin: Option<PipeReader>) -> std::io::Result<duct::ReaderHandle> {
    // A text, not a path: duct looks for the path `sudo` in the directory, for the text on PATH.
    let child = duct::cmd(command.program.as_str(), command.args);
    let child = match stdin {
        Some(pipe) => child.stdin_file(pipe),
        None => child.stdin_bytes(command.input),
    };
    child
        .dir(command.dir)
        .full_env(command.env)
        // The log is read as it comes; what duct calls stderr is then the child's stdout, read at the end.
        .stdout_stderr_swap()
        .stderr_capture()
        .unchecked()
        .reader()
}

/// What a short command said, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub stdout: String,
    pub stderr: String,
    /// `None` when a signal ended it.
    pub code: Option<i32>,
}

impl Answer {
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Asks a short command that must not keep anybody waiting: after `patience` it is killed, and there is no answer.
///
/// # Errors
/// When it cannot be started, or took too long.
#[expect(clippy::disallowed_methods, reason = "this is the file that starts children that may hang")]
pub fn ask(command: &Command<'_>, patience: Duration) -> anyhow::Result<Answer> {
    let handle = duct::cmd(command.program.as_str(), command.args)
        .dir(command.dir)
        .full_env(command.env)
        .stdin_bytes(command.input)
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        .start()
        .with_context(|| format!("cannot run `{}`", command.program))?;
    let Some(output) = handle.wait_timeout(patience).context("cannot wait for the child")? else {
        handle.kill().context("cannot stop the child")?;
        bail!("`{}` did not answer within {} s", command.program, patience.as_secs_f32());
    };
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    Ok(Answer { stdout: text(&output.stdout), stderr: text(&output.stderr), code: output.status.code() })
}

/// Reads as fast as the child writes: a full pipe would stop Nix. Of the progress of an activity only the latest is
/// sent on, now and then, but always before what follows it: who counts builds must know what came first.
fn pump(reader: &duct::ReaderHandle, lines: &Sender<Vec<u8>>) {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let mut line = Vec::new();
    let mut progress: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut sent = Instant::now();
    loop {
        line.clear();
        let more = read_line(&mut reader, &mut line).is_ok_and(|it| it > 0);
        let id = event::progress_id(&line);
        if let Some(id) = id {
            let slot = progress.entry(id).or_default();
            slot.clear();
            slot.extend_from_slice(&line);
            if more && sent.elapsed() < TICK {
                continue;
            }
        }
        sent = Instant::now();
        let last = (more && id.is_none()).then(|| line.clone());
        let all_sent =
            std::mem::take(&mut progress).into_values().chain(last).all(|it| lines.send(it).is_ok());
        if !more || !all_sent {
            return;
        }
    }
}

fn read_line(reader: &mut BufReader<impl Read>, line: &mut Vec<u8>) -> std::io::Result<usize> {
    let size = reader.read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(size)
}

/// Why a child was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Told,
    Stalled,
}

/// Hands on events until the stream ends; says why the child was stopped, if it was.
fn follow(
    lines: &Receiver<Vec<u8>>,
    pids: &[u32],
    hold: &mut Option<PipeWriter>,
    silence: Option<Duration>,
    interrupt: &Interrupt,
    listen: &mut dyn FnMut(&Event),
) -> Option<Stop> {
    let mut ticked = Instant::now();
    let mut heard = Instant::now();
    let mut stopping: Option<(Instant, Stop, Signal)> = None;
    let mut told = 1;
    loop {
        let line = lines.recv_timeout(TICK.saturating_sub(ticked.elapsed()));
        if let Ok(line) = &line {
            heard = Instant::now();
            listen(&event::parse(line));
        }
        if ticked.elapsed() >= TICK || line.is_err() {
            listen(&Event::Tick);
            ticked = Instant::now();
        }
        if matches!(line, Err(RecvTimeoutError::Disconnected)) {
            return stopping.map(|it| it.1);
        }
        let stalled = silence.is_some_and(|it| heard.elapsed() > it);
        let first = match interrupt.signal() {
            Some(signal) => Some((Stop::Told, signal)),
            None => stalled.then_some((Stop::Stalled, Signal::SIGTERM)),
        };
        match (stopping, first) {
            (None, Some((stop, signal))) => {
                signal_all(pids, signal);
                drop(hold.take());
                listen(&Event::Stopping);
                stopping = Some((Instant::now(), stop, signal));
            }
            (Some((since, ..)), _) if since.elapsed() > PATIENCE => signal_all(pids, Signal::SIGKILL),
            _ => {}
        }
        if let Some((since, _, signal)) = stopping
            && since.elapsed() >= AGAIN * told
        {
            signal_all(pids, signal);
            told += 1;
        }
    }
}

/// A child that is already gone is what we want.
fn signal_all(pids: &[u32], signal: Signal) {
    for pid in pids.iter().filter_map(|it| i32::try_from(*it).ok()) {
        unix::sys::signal::kill(Pid::from_raw(pid), signal).ok();
    }
}

#[cfg(test)]
mod tests;
