//! What the user sees. The only file that prints, with `ui/screen.rs`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::columns;
use crate::monitor::{Change, Monitor};
use crate::nix::process::Interrupt;
use crate::plan::CommandLine;
use crate::report::{Hint, Report, Table, seconds};
use bars::Bars;

mod bars;
mod screen;

/// How much to say, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    pub quiet: bool,
    pub verbose: bool,
    pub json: bool,
    /// The terminal can do more than print one line after the other.
    pub moves: bool,
    /// Colours are wanted, and there are some.
    pub colour: bool,
    /// The terminal has more signs than those of ASCII.
    pub unicode: bool,
    /// Where nothing moves on the screen: how long it may be silent before a line says that work goes on.
    pub heartbeat: Option<Duration>,
}

/// Talks to the user: results on stdout, talk on stderr.
#[derive(Debug)]
pub struct Ui {
    style: Style,
    bars: Option<RefCell<Bars>>,
    stderr_is_terminal: bool,
    stdout_is_terminal: bool,
    colour: bool,
    warned: RefCell<BTreeSet<String>>,
    talked: Cell<Instant>,
    interrupt: Option<Interrupt>,
    /// Why a part of the result did not reach who waits for it.
    lost: RefCell<Option<std::io::Error>>,
    /// What a dry run has told, where that becomes part of the JSON.
    planned: RefCell<Vec<String>>,
}

impl Ui {
    #[must_use]
    pub fn new(style: Style) -> Ui {
        let terminal = std::io::stderr().is_terminal();
        Ui {
            style,
            bars: (terminal && !style.quiet && style.moves)
                .then(|| RefCell::new(Bars::new(style.unicode, style.colour))),
            stderr_is_terminal: terminal,
            stdout_is_terminal: std::io::stdout().is_terminal(),
            colour: terminal && style.colour,
            warned: RefCell::default(),
            talked: Cell::new(Instant::now()),
            interrupt: None,
            lost: RefCell::default(),
            planned: RefCell::default(),
        }
    }

    /// Shows from now on that we are told to stop, until we have.
    pub fn heed(&mut self, interrupt: Interrupt) {
        self.interrupt = Some(interrupt);
    }

    #[must_use]
    pub fn style(&self) -> Style {
        self.style
    }

    /// Something the user would want to know while waiting.
    pub fn status(&self, text: &str) {
        if !self.style.quiet {
            self.talk(text);
        }
    }

    /// Said once, however often it is found.
    pub fn warning(&self, text: &str) {
        if !self.warned.borrow_mut().insert(text.to_owned()) {
            return;
        }
        self.talk(&format!("{} {text}", self.paint("33", "warning:")));
    }

    /// A command that is about to run, for those who want to learn it.
    pub fn command(&self, command: &CommandLine<'_>) {
        if self.style.verbose {
            self.line(&self.paint("2", &format!("$ {command}")));
        }
    }

    /// A command that would run, under `--dry-run`: that is the result.
    pub fn planned(&self, command: &CommandLine<'_>) {
        self.planned_script(&command.to_string());
    }

    /// Lines for a shell that would run, under `--dry-run`.
    pub fn planned_script(&self, script: &str) {
        if self.style.json {
            self.planned.borrow_mut().push(script.to_owned());
        } else {
            self.data(script);
        }
    }

    /// Tells what changed, to those who do not see the bars.
    pub fn change(&self, change: &Change) {
        match change {
            Change::Warning(text) => {
                // Every command in a tree that is being worked on says so.
                // The second advises an option of Nix, of which there is no use here; the third is what `--src` is for. What is not accepted from a
                // `nixConfig` we have said ourselves, with the difference; what becomes of a lock we tell as a table.
                let dull = text.ends_with("is dirty")
                    || text.starts_with("updating lock file")
                    || text.starts_with("creating lock file")
                    || text.starts_with("The check omitted these")
                    || text.starts_with("not writing modified lock file")
                    || text.contains("; retrying in ")
                    || text.contains("untrusted flake configuration setting");
                if !dull || self.style.verbose {
                    self.warning(text);
                }
            }
            Change::Plain(text) => self.status(text),
            Change::Line { drv, line } if self.style.verbose => {
                self.line(&format!("{}> {line}", name_of(drv)));
            }
            Change::Failed { drv, took } => {
                let text =
                    format!("{}  {} after {}", self.paint("31", "failed"), name_of(drv), seconds(*took));
                self.status(&text);
            }
            _ if self.bars.is_some() => {}
            Change::Started { drv, machine, expected } => {
                let on = if machine.is_empty() { String::new() } else { format!(" on {machine}") };
                let may_take = expected.map(|it| format!(" ({})", it.text())).unwrap_or_default();
                self.status(&format!("build   {}{on}{may_take}", name_of(drv)));
            }
            Change::Finished { drv, took } => {
                self.status(&format!("done    {} in {}", name_of(drv), seconds(*took)));
            }
            Change::Cancelled { drv } => self.status(&format!("stopped {}", name_of(drv))),
            Change::Line { .. } | Change::Copying { .. } => {}
        }
    }

    /// Draws the state of affairs; called ten times a second.
    pub fn draw(&mut self, monitor: &Monitor, now: Instant) {
        if let Some(bars) = &mut self.bars {
            let stopping = self.interrupt.as_ref().is_some_and(|it| it.signal().is_some());
            bars.get_mut().draw(monitor, now, stopping);
        } else if self.is_overdue(now) {
            self.status(&bars::heartbeat(monitor, now));
        }
    }

    /// Whether whoever reads the log may think that nothing happens any more.
    fn is_overdue(&self, now: Instant) -> bool {
        let silence = now.saturating_duration_since(self.talked.get());
        self.style.heartbeat.is_some_and(|it| silence >= it)
    }

    /// A line for the service that runs us, which is no talk.
    pub fn mark(&self, line: &str) {
        self.talk(line);
    }

    /// What is going on, in a line that is replaced by the next one; only on a terminal.
    pub fn progress(&mut self, text: &str) {
        if let Some(bars) = &mut self.bars {
            bars.get_mut().show(vec![text.to_owned()], Instant::now());
        } else if self.is_overdue(Instant::now()) {
            self.status(text);
        }
    }

    /// Whether [`Ui::progress`] is seen; who does not see it is told by lines, now and then.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.bars.is_some()
    }

    /// Whether somebody is there to answer.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// For a question that comes after long work.
    ///
    /// # Errors
    /// When there is no terminal.
    pub fn expect_answer(&self, question: &str, instead: &str) -> anyhow::Result<()> {
        if !self.can_ask() {
            bail!("{question} Nobody can be asked without a terminal; {instead}");
        }
        Ok(())
    }

    /// Asks for a line. `instead` is what to type where nobody can be asked.
    ///
    /// # Errors
    /// When there is no terminal, the user ends the input, or wants us to stop.
    pub fn ask(&mut self, question: &str, instead: &str, interrupt: &Interrupt) -> anyhow::Result<String> {
        self.clear();
        self.expect_answer(question, instead)?;
        drop(write!(std::io::stderr(), "{question} "));
        let (sender, line) = channel();
        // Ctrl-C does not end a read: it is left to wait, and ends with the process.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line);
            // Who has been interrupted does not listen any more.
            drop(sender.send(read.map(|size| (size > 0).then_some(line))));
        });
        loop {
            match line.recv_timeout(Duration::from_millis(50)) {
                Ok(line) => {
                    let line = line.context("cannot read the answer")?;
                    return Ok(line.context("no answer")?.trim().to_owned());
                }
                Err(_) if interrupt.signal().is_some() => bail!("interrupted"),
                Err(_) => {}
            }
        }
    }

    /// Takes the bars away, so that what follows stands alone.
    pub fn clear(&mut self) {
        if let Some(bars) = &mut self.bars {
            bars.get_mut().clear();
        }
    }

    /// Tells the result.
    pub fn finish(&mut self, report: &Report) -> ExitCode {
        self.clear();
        if !self.style.quiet || !report.ok {
            report.notes.iter().for_each(|it| self.talk(it));
        }
        if self.style.json {
            // A child whose exit code is the result has told its own.
            if report.code.is_none() || !report.json.is_null() {
                self.data(&format!("{:#}", self.json(report)));
            }
        } else {
            if !self.style.quiet || !report.ok {
                self.table(&report.table);
            }
            // On a terminal the table, or a note, has told it already.
            let told = |line: &&String| {
                let noted = !self.style.quiet && report.notes.iter().any(|it| it.contains(line.as_str()));
                self.stdout_is_terminal && (!report.table.rows.is_empty() || noted)
            };
            report.lines.iter().filter(|it| !told(it)).for_each(|it| self.data(it));
        }
        let code = report.code.unwrap_or(u8::from(!report.ok));
        match self.lost.take() {
            Some(error) => {
                self.talk(&format!("{} cannot write the result: {error}", self.paint("31;1", "error:")));
                ExitCode::from(code.max(1))
            }
            None => ExitCode::from(code),
        }
    }

    /// The one object that is printed, with what a dry run has told.
    fn json(&self, report: &Report) -> Value {
        let mut planned = self.planned.take();
        let mut res = report.json.clone();
        if res.is_null() {
            planned.extend(report.lines.iter().cloned());
            return json!({"version": 1, "ok": report.ok, "dry_run": planned});
        }
        if let Some(object) = res.as_object_mut().filter(|_| !planned.is_empty()) {
            object.insert("dry_run".to_owned(), planned.into());
        }
        res
    }

    /// A table, in the room there is.
    fn table(&self, table: &Table) {
        let lines = table.lines_within(self.columns());
        lines.head.iter().for_each(|it| self.line(&self.paint("2", it)));
        lines.rows.iter().for_each(|it| self.line(it));
    }

    /// Tells a result in the middle of a task: all of it is talk, the task's own result is still to come.
    pub fn tell(&mut self, report: &Report) {
        self.clear();
        if self.style.quiet && report.ok {
            return;
        }
        report.notes.iter().for_each(|it| self.talk(it));
        self.table(&report.table);
        if report.table.rows.is_empty() {
            report.lines.iter().for_each(|it| self.talk(it));
        }
    }

    /// Tells why a task could not be done.
    pub fn fail(&mut self, error: &anyhow::Error) -> ExitCode {
        self.fail_with(error, &[])
    }

    /// The same, and what to do about it.
    pub fn fail_with(&mut self, error: &anyhow::Error, hints: &[Hint]) -> ExitCode {
        self.clear();
        if self.style.json {
            self.data(&format!(
                "{:#}",
                json!({"version": 1, "ok": false, "error": format!("{error:#}"), "hints": hints})
            ));
        }
        self.talk(&format!("{} {error:#}", self.paint("31;1", "error:")));
        hints.iter().filter(|it| !it.plain).for_each(|it| self.talk(&self.hint(it)));
        ExitCode::from(1)
    }

    /// A hint as it is told.
    #[must_use]
    pub fn hint(&self, hint: &Hint) -> String {
        format!("{} {}; {}", self.paint("36", "hint:"), hint.cause, hint.cure)
    }

    /// Text in a colour, where the terminal has them.
    #[must_use]
    pub fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// How wide lines may be: without a terminal, nobody folds them.
    fn columns(&self) -> usize {
        if self.stderr_is_terminal { screen::size().columns } else { usize::MAX }
    }

    fn talk(&self, text: &str) {
        self.line(&columns::fold(text, self.columns()));
    }

    /// Talk that is left as it is.
    fn line(&self, text: &str) {
        self.talked.set(Instant::now());
        let ascii = (self.stderr_is_terminal && !self.style.unicode).then(|| columns::ascii(text));
        let text = ascii.as_deref().unwrap_or(text);
        // Nobody is there to be told that stderr is closed.
        self.above(|| drop(writeln!(std::io::stderr(), "{text}")));
    }

    fn data(&self, text: &str) {
        self.above(|| {
            let mut out = std::io::stdout();
            match writeln!(out, "{text}").and_then(|()| out.flush()) {
                // A reader that goes away has what it wanted.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                    let _ = self.lost.borrow_mut().get_or_insert(error);
                }
                _ => {}
            }
        });
    }

    /// Prints above what moves.
    fn above(&self, print: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.borrow_mut().above(print),
            None => print(),
        }
    }
}

/// What people call a derivation: its name without the store, the hash and the ending.
#[must_use]
pub fn name_of(path: &str) -> &str {
    let base = path.rsplit('/').next().unwrap_or(path);
    let name = base.split_once('-').map_or(base, |(_, name)| name);
    name.strip_suffix(".drv").unwrap_or(name)
}
