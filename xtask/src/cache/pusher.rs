//! Runs `xtask-cache` and shows what it does.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Destination;
use super::display::{Display, Event, Plan};
use crate::companion::{Background, Companion};
use crate::context::Context;
use crate::files::write_atomic;
use crate::nix::process::Exit;
use crate::plan::{Settings, Step};
use crate::report::{Report, Table, bytes, count, seconds};
use crate::ui::name_of;

const COMPANION: &str = "xtask-cache";

/// What came of it. An error that is not of one path is in `error`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Summary {
    plan: Plan,
    pub pushed: Vec<Moved>,
    planned: Vec<Moved>,
    failed: Vec<Failed>,
    sent: u64,
    retries: u64,
    error: Option<String>,
    #[serde(skip)]
    took: Duration,
    #[serde(skip)]
    json: Value,
}

#[derive(Debug, Deserialize)]
pub struct Moved {
    pub path: String,
    nar_size: u64,
    file_size: u64,
}

#[derive(Debug, Deserialize)]
struct Failed {
    path: String,
    error: String,
}

/// Pushes paths, as Nix describes them.
///
/// # Errors
/// When the companion cannot be run.
pub fn push(
    cx: &mut Context,
    destination: &Destination,
    paths: &Map<String, Value>,
    dry_run: bool,
) -> anyhow::Result<Summary> {
    let job = destination.job(cx, paths, dry_run)?;
    run(cx, destination, "push", &job)
}

/// Runs the companion to its end.
///
/// # Errors
/// When it cannot be run, or was interrupted.
pub fn run(cx: &mut Context, to: &Destination, verb: &str, job: &Value) -> anyhow::Result<Summary> {
    let companion = Companion::ready(cx, COMPANION)?;
    let started = Instant::now();
    let mut display = Display::new(&to.url);
    let exit = companion.run(cx, &[], &[verb.to_owned()], job.to_string().as_bytes(), &mut |cx, told| {
        display.told(cx, told);
    })?;
    Summary::of(&exit, started.elapsed())
}

/// Makes a key pair: the public half, as `NAME:BASE64`.
///
/// # Errors
/// When the file cannot be written.
pub fn keygen(cx: &mut Context, name: &str, file: &camino::Utf8Path) -> anyhow::Result<String> {
    let companion = Companion::ready(cx, COMPANION)?;
    let job = json!({"name": name, "file": file}).to_string();
    let exit = companion.run::<Event>(cx, &[], &["keygen".to_owned()], job.as_bytes(), &mut |_, _| ())?;
    let answer: Value = serde_json::from_str(&exit.stdout).context("unexpected answer of xtask-cache")?;
    if let Some(error) = answer["error"].as_str() {
        bail!("{error}");
    }
    answer["public_key"].as_str().map(str::to_owned).context("xtask-cache made no key")
}

/// A push of what is built, while it is built.
#[derive(Debug)]
pub struct Watcher {
    background: Background,
    started: Instant,
    /// The cache.
    to: String,
    /// While it is there, more may come.
    marker: Utf8PathBuf,
}

/// The job of the watcher: all that is built, or only for some derivations. `until` is a file after whose end no more
/// is waited for.
///
/// # Errors
/// When there is no Nix.
pub fn watch_job(
    cx: &mut Context,
    destination: &Destination,
    drvs: &[String],
    until: Option<&str>,
) -> anyhow::Result<Value> {
    let push = destination.job(cx, &Map::new(), false)?;
    let name_format = cx.nix()?.names_json_format();
    let program = cx.nix()?.program.to_string();
    let words = |step: Step| {
        let mut res = vec![program.clone()];
        res.extend(step.argv(&Settings { offline: true, ..Settings::default() }));
        res
    };
    let valid = words(Step::PathInfo { paths: Vec::new(), name_format, cache: None });
    let closure = words(Step::Closure { paths: Vec::new(), name_format });
    Ok(json!({"push": push, "valid": valid, "closure": closure, "drvs": drvs, "until": until}))
}

impl Watcher {
    /// # Errors
    /// When the companion does not compile.
    pub fn start(cx: &mut Context, destination: &Destination, drvs: &[String]) -> anyhow::Result<Watcher> {
        let companion = Companion::ready(cx, COMPANION)?;
        let marker = cx.state().join(format!("watch-{}", std::process::id()));
        write_atomic(&marker, b"")?;
        let job = watch_job(cx, destination, drvs, Some(marker.as_str()))?;
        let background = companion.start(cx, &["watch".to_owned()], job.to_string().into_bytes());
        Ok(Watcher { background, started: Instant::now(), to: destination.url.clone(), marker })
    }

    /// Waits until all that was built is pushed.
    ///
    /// # Errors
    /// When it could not be run, or was interrupted.
    pub fn end(self, cx: &mut Context) -> anyhow::Result<Summary> {
        std::fs::remove_file(&self.marker).with_context(|| format!("cannot delete `{}`", self.marker))?;
        let mut display = Display::new(&self.to);
        let exit = self.background.end(cx, &mut |cx, told| display.told(cx, told))?;
        Summary::of(&exit, self.started.elapsed())
    }
}

impl Summary {
    fn of(exit: &Exit, took: Duration) -> anyhow::Result<Summary> {
        if exit.interrupted {
            bail!("interrupted; what the cache has is complete, and the next push goes on from there");
        }
        let json: Value = match serde_json::from_str(&exit.stdout) {
            Ok(json) => json,
            Err(_) => bail!("xtask-cache ended before it was done ({})", ending(exit)),
        };
        let mut res: Summary =
            serde_json::from_value(json.clone()).context("unexpected answer of xtask-cache")?;
        res.took = took;
        res.json = json;
        Ok(res)
    }

    #[must_use]
    pub fn ok(&self) -> bool {
        self.error.is_none() && self.failed.is_empty()
    }

    /// What went wrong, in lines.
    #[must_use]
    pub fn troubles(&self, cx: &Context) -> Vec<String> {
        let mut res: Vec<String> = self
            .failed
            .iter()
            .map(|it| format!("{}: {}", cx.ui.paint("31;1", name_of(&it.path)), it.error))
            .collect();
        res.extend(self.error.iter().map(|it| format!("{} {it}", cx.ui.paint("31;1", "error:"))));
        res
    }

    /// The result as a line.
    #[must_use]
    pub fn line(&self) -> String {
        let again = match self.retries {
            0 => String::new(),
            n => format!(" ({n} requests had to be repeated)"),
        };
        format!(
            "pushed {}, {} sent in {}{again}",
            count(self.pushed.len(), "path"),
            bytes(self.sent),
            seconds(self.took)
        )
    }

    #[must_use]
    pub fn report(&self, cx: &Context) -> Report {
        let mut table = Table::new(&["path", "size", "compressed"]);
        let moved = if self.planned.is_empty() { &self.pushed } else { &self.planned };
        for it in moved {
            let packed = if it.file_size > 0 { bytes(it.file_size) } else { "-".to_owned() };
            table.rows.push(vec![it.path.clone(), bytes(it.nar_size), packed]);
        }
        let mut notes = self.troubles(cx);
        if !self.pushed.is_empty() {
            notes.push(self.line());
        }
        let mut json = json!({"version": 1, "ok": self.ok(), "seconds": self.took.as_secs_f64()});
        if let (Value::Object(json), Value::Object(more)) = (&mut json, &self.json) {
            json.extend(more.clone());
        }
        let lines = moved.iter().map(|it| it.path.clone()).collect();
        // Thousands of rows tell nobody anything.
        let table = if table.rows.len() > 40 { Table::default() } else { table };
        Report { ok: self.ok(), code: None, lines, notes, table, json }
    }
}

fn ending(exit: &Exit) -> String {
    exit.code.map_or_else(|| "it was killed".to_owned(), |it| format!("exit code {it}"))
}
