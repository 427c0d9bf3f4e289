//! A program that is not Nix, on the machine or in the store, that is run to its end: skopeo, docker.

use std::time::Duration;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use crate::context::Context;
use crate::nix::event::Event;
use crate::nix::process::{self, Command, Exit};
use crate::plan::{CommandLine, Settings, Step};

/// In what skopeo says before it tries again.
const RETRYING: &str = "retrying in ";

#[derive(Debug, Clone)]
pub struct Tool {
    /// As it is typed.
    pub name: String,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Machine(Utf8PathBuf),
    /// A store path with `bin/NAME`. Only Nix knows the way into a private store.
    Store(String),
}

/// What came of a run.
#[derive(Debug)]
pub struct Done {
    pub exit: Exit,
    /// What it said on stderr.
    pub talk: Vec<String>,
}

impl Tool {
    /// The one on the user's `PATH`.
    #[must_use]
    pub fn on_path(cx: &Context, name: &str) -> Option<Tool> {
        let program = cx.host.which(name)?;
        Some(Tool { name: name.to_owned(), place: Place::Machine(program) })
    }

    /// The one in a store path.
    #[must_use]
    pub fn in_store(name: &str, path: &str) -> Tool {
        Tool { name: name.to_owned(), place: Place::Store(path.to_owned()) }
    }

    /// Nix itself, where its words are wanted and not its events.
    ///
    /// # Errors
    /// When there is none.
    pub fn nix(cx: &mut Context) -> anyhow::Result<Tool> {
        Ok(Tool { name: "nix".to_owned(), place: Place::Machine(cx.nix()?.program.clone()) })
    }

    /// Whether the user can start it by its name.
    #[must_use]
    pub fn is_on_path(&self) -> bool {
        matches!(self.place, Place::Machine(_))
    }

    fn words(&self, cx: &mut Context, args: &[String]) -> anyhow::Result<(Utf8PathBuf, Vec<String>)> {
        match &self.place {
            Place::Machine(program) => Ok((program.clone(), args.to_vec())),
            Place::Store(path) => {
                let command = [&[format!("{path}/bin/{}", self.name)], args].concat();
                let step = Step::Exec { path: path.clone(), command };
                Ok((cx.nix()?.program.clone(), step.argv(&Settings::default())))
            }
        }
    }

    /// Prints the command instead of running it.
    ///
    /// # Errors
    /// When it takes Nix, and there is none.
    pub fn planned(&self, cx: &mut Context, args: &[String]) -> anyhow::Result<()> {
        let (program, args) = self.words(cx, args)?;
        let program = if self.is_on_path() { self.name.as_str() } else { program.as_str() };
        cx.ui.planned(&CommandLine(program, &args));
        Ok(())
    }

    /// Runs it where the user stands, with the user's environment. That it failed is in what comes back.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn run(&self, cx: &mut Context, args: &[String]) -> anyhow::Result<Done> {
        self.run_with(cx, args, &[], None, &mut || ())
    }

    /// Runs it in a directory, and shows each line that it says on stderr as it says it.
    ///
    /// # Errors
    /// As [`Tool::run`].
    pub fn run_aloud(&self, cx: &mut Context, dir: &Utf8Path, args: &[String]) -> anyhow::Result<Done> {
        let (program, args) = self.words(cx, args)?;
        cx.ui.command(&CommandLine(program.as_str(), &args));
        let command = Command { program: &program, args: &args, dir, env: &cx.host.env, input: &[] };
        let mut talk = Vec::new();
        let ui = &cx.ui;
        let exit = process::run(&command, &cx.interrupt, &mut |event| {
            let Event::Plain(line) = event else { return };
            ui.mark(line);
            talk.push(line.clone());
        })
        .with_context(|| format!("cannot run {}", self.name))?;
        Ok(Done { exit, talk })
    }

    /// As [`Tool::run`], with something to read on its stdin; it is stopped when it says nothing on stderr for so long. `stopping`
    /// is called when it is, to end those who would keep its output open.
    ///
    /// # Errors
    /// As [`Tool::run`].
    pub fn run_with(
        &self,
        cx: &mut Context,
        args: &[String],
        input: &[u8],
        silence: Option<Duration>,
        stopping: &mut dyn FnMut(),
    ) -> anyhow::Result<Done> {
        let (program, args) = self.words(cx, args)?;
        cx.ui.command(&CommandLine(program.as_str(), &args));
        let dir: &Utf8Path = &cx.host.cwd;
        let command = Command { program: &program, args: &args, dir, env: &cx.host.env, input };
        let mut talk = Vec::new();
        let verbose = cx.ui.style().verbose;
        let ui = &cx.ui;
        let exit = process::run_within(&command, silence, &cx.interrupt, &mut |event| {
            if *event == Event::Stopping {
                stopping();
            }
            let Event::Plain(line) = event else { return };
            // Who waits wants to know why it takes so long.
            if verbose || line.contains(RETRYING) {
                ui.status(&message(line));
            }
            talk.push(line.clone());
        })
        .with_context(|| format!("cannot run {}", self.name))?;
        Ok(Done { exit, talk })
    }
}

impl Done {
    /// Why it failed in the end, in its own words.
    #[must_use]
    pub fn why(&self) -> String {
        let last = self.talk.iter().filter(|it| !it.contains(RETRYING)).map(|it| message(it));
        let lines: Vec<String> = last.filter(|it| !it.is_empty()).collect();
        let last = lines[lines.len().saturating_sub(5)..].join("\n");
        match (last.is_empty(), self.exit.code) {
            (false, _) => last,
            (true, Some(code)) => format!("it ended with exit code {code} and said nothing"),
            (true, None) => "it was killed".to_owned(),
        }
    }
}

/// The message of a line as Go's loggers write it: `time="…" level=fatal msg="…"`.
fn message(line: &str) -> String {
    let quoted = line.starts_with("time=").then(|| line.split_once(" msg=")).flatten().map(|it| it.1);
    let plain = quoted.and_then(|it| serde_json::from_str(it).ok());
    plain.unwrap_or_else(|| line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_loggers() {
        for (line, want) in [
            (r#"time="2026-01-01T00:00:00Z" level=fatal msg="a \"b\": c""#, r#"a "b": c"#),
            (r#"time="x" level=fatal msg=short"#, r#"time="x" level=fatal msg=short"#),
            ("plain", "plain"),
        ] {
            assert_eq!(message(line), want);
        }
    }
}
