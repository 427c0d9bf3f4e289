//! Starting the companion that writes, as root, showing what it does, and saying what came of it.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use unix::unistd::Uid;

use super::image::Image;
use super::list::json_of;
use crate::companion::{Companion, Told};
use crate::context::Context;
use crate::disks::Disk;
use crate::host::Os;
use crate::nix::process::Exit;
use crate::plan::CommandLine;
use crate::report::{Report, Table, bytes, seconds};

/// How often somebody without a terminal hears of it.
const NEWS: Duration = Duration::from_secs(10);

/// What the companion tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    Check,
    Write,
    Verify,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Event {
    phase: Phase,
    done: u64,
    total: u64,
}

/// How far the companion is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    phase: Option<(Phase, Instant)>,
    news: Option<Instant>,
    took: Duration,
}

/// What came of a run of the companion.
#[derive(Debug)]
pub(super) enum Answer<T> {
    Good(T),
    Bad { error: String, interrupted: bool },
}

#[derive(Debug, Deserialize)]
struct Refused {
    error: String,
    interrupted: bool,
}

#[derive(Debug, Deserialize)]
struct Done {
    write_seconds: f64,
    verify_seconds: f64,
    ejected: bool,
    warnings: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) companion: &'a Companion,
    pub(super) image: &'a Image,
    pub(super) disk: &'a Disk,
    pub(super) eject: bool,
}

impl<T: DeserializeOwned> Answer<T> {
    pub(super) fn of(exit: &Exit) -> Answer<T> {
        let last = exit.stdout.lines().last().unwrap_or_default();
        if let Ok(Refused { error, interrupted }) = serde_json::from_str(last) {
            return Answer::Bad { error, interrupted: interrupted || exit.interrupted };
        }
        match (serde_json::from_str(last), exit.code) {
            (Ok(answer), Some(0)) => Answer::Good(answer),
            (_, Some(code)) => Answer::Bad {
                error: format!("xtask-disk ended with exit code {code} and did not say why"),
                interrupted: exit.interrupted,
            },
            (_, None) => {
                Answer::Bad { error: "xtask-disk was killed".to_owned(), interrupted: exit.interrupted }
            }
        }
    }
}

impl Progress {
    pub(super) fn hear(&mut self, cx: &mut Context, told: &Told<Event>) {
        let Told::Event(Event { phase, done, total }) = *told else { return };
        let now = Instant::now();
        let since = match self.phase {
            Some((it, since)) if it == phase => since,
            _ => {
                self.news = Some(now);
                now
            }
        };
        self.phase = Some((phase, since));
        self.took = now - since;
        let text = line(phase, done, total, self.took);
        cx.ui.progress(&text);
        if !cx.ui.is_live() && self.news.is_some_and(|it| it.elapsed() > NEWS) {
            cx.ui.status(&text);
            self.news = Some(now);
        }
    }

    /// How long the last phase took.
    pub(super) fn seconds(&self) -> f64 {
        self.took.as_secs_f64()
    }

    /// Whether anything was written.
    fn touched(&self) -> bool {
        self.phase.is_some_and(|it| it.0 != Phase::Check)
    }
}

fn line(phase: Phase, done: u64, total: u64, took: Duration) -> String {
    let what = match phase {
        Phase::Check => "check ",
        Phase::Write => "write ",
        Phase::Verify => "verify",
    };
    let mut res = format!("{what}  {} of {}", bytes(done), bytes(total));
    let millis = took.as_millis().max(1);
    let speed = u128::from(done) * 1000 / millis;
    // The first few say nothing about the rest.
    if millis > 500 && speed > 0 {
        let left = u128::from(total.saturating_sub(done)) / speed;
        let speed = bytes(u64::try_from(speed).unwrap_or(u64::MAX));
        res.push_str(&format!(", {speed}/s, {} left", whole_seconds(left)));
    }
    res
}

/// A guess is not better for its tenths.
fn whole_seconds(left: u128) -> String {
    if left < 60 { format!("{left} s") } else { format!("{} min {:02} s", left / 60, left % 60) }
}

impl Writer<'_> {
    /// What comes before the companion on the command line.
    fn through(cx: &Context) -> anyhow::Result<&'static [&'static str]> {
        if Uid::effective().is_root() {
            return Ok(&[]);
        }
        if cx.host.which("sudo").is_none() {
            bail!("writing to a disk takes root, and there is no sudo on PATH; run this as root");
        }
        Ok(&["sudo"])
    }

    /// Prints what would be done, as root.
    pub(super) fn plan(&self, cx: &mut Context) -> anyhow::Result<()> {
        let through = Writer::through(cx)?;
        let print = |command: &Vec<String>| {
            let words: Vec<String> =
                through.iter().map(|it| (*it).to_owned()).chain(command.clone()).collect();
            cx.ui.planned(&CommandLine(&words[0], &words[1..]));
        };
        self.before(cx).iter().for_each(print);
        self.companion.planned(cx, through, &["write".to_owned(), self.disk.path.clone()]);
        self.after(cx).iter().for_each(print);
        Ok(())
    }

    /// Takes what is on the disk out of use.
    fn before(&self, cx: &Context) -> Vec<Vec<String>> {
        let words = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
        match cx.host.os {
            Os::Linux => self.disk.mounts.iter().map(|it| words(&["umount", it])).collect(),
            Os::MacOs => vec![words(&["diskutil", "unmountDisk", &self.disk.path])],
        }
    }

    /// Lets the system look at the disk again.
    fn after(&self, cx: &Context) -> Vec<Vec<String>> {
        let words = match cx.host.os {
            Os::Linux => ["blockdev", "--rereadpt", &self.disk.path],
            Os::MacOs if self.eject => ["diskutil", "eject", &self.disk.path],
            Os::MacOs => return Vec::new(),
        };
        vec![words.iter().map(|it| (*it).to_owned()).collect()]
    }

    fn job(&self, cx: &Context) -> String {
        let Disk { raw_path, number, size, sector, facts, eject, .. } = self.disk;
        let found = &self.image.found;
        let job = json!({
            "disk": {"path": raw_path, "number": number, "size": size, "sector": sector, "facts": facts},
            "image": {
                "path": self.image.path, "format": found.format, "size": found.size, "sha256": found.sha256,
            },
            "before": self.before(cx),
            "after": self.after(cx),
            "eject": eject.as_ref().filter(|_| self.eject),
        });
        format!("{job}\n")
    }

    pub(super) fn run(&self, cx: &mut Context) -> anyhow::Result<Report> {
        let through = Writer::through(cx)?;
        let (args, job) = (["write".to_owned(), self.disk.path.clone()], self.job(cx));
        let mut progress = Progress::default();
        let exit = self.companion.run_held(cx, through, &args, job.as_bytes(), &mut |cx, told| {
            progress.hear(cx, &told);
        })?;
        let name = &self.disk.name;
        match Answer::of(&exit) {
            Answer::Good(done) => Ok(self.good(cx, &done)),
            Answer::Bad { interrupted: true, .. } if !progress.touched() => {
                bail!("interrupted; nothing was written")
            }
            Answer::Bad { error, .. } if !progress.touched() => bail!("{error}; nothing was written"),
            Answer::Bad { interrupted: true, .. } => {
                Ok(self.bad(cx, &format!("interrupted while writing to {name}")))
            }
            Answer::Bad { error, .. } => Ok(self.bad(cx, &error)),
        }
    }

    fn bad(&self, cx: &Context, error: &str) -> Report {
        let name = &self.disk.name;
        let end = format!("{name} is not bootable: flash again");
        let notes = vec![format!("{} {error}\n{end}", cx.ui.paint("31;1", "error:"))];
        let mut json = self.json();
        json["ok"] = false.into();
        json["error"] = format!("{error}; {end}").into();
        Report { notes, json, ..Report::default() }
    }

    fn good(&self, cx: &Context, done: &Done) -> Report {
        let Disk { name, path, .. } = self.disk;
        if !done.ejected {
            for warning in &done.warnings {
                cx.ui.warning(&format!("{warning}; plug {name} in again to see what is on it"));
            }
        }
        let time = |it: f64| seconds(Duration::try_from_secs_f64(it).unwrap_or_default());
        let mut table = Table::new(&["disk", "image", "size", "write", "verify", "sha256"]);
        table.rows.push(vec![
            path.clone(),
            self.image.path.file_name().unwrap_or_default().to_owned(),
            bytes(self.image.found.size),
            time(done.write_seconds),
            time(done.verify_seconds),
            self.image.found.sha256.clone(),
        ]);
        let notes = vec![format!("everything was read back and is right; {name} is safe to remove")];
        let mut json = self.json();
        json["verified"] = true.into();
        json["ejected"] = done.ejected.into();
        json["seconds"]["write"] = done.write_seconds.into();
        json["seconds"]["verify"] = done.verify_seconds.into();
        Report { ok: true, lines: vec![path.clone()], notes, table, json, ..Report::default() }
    }

    fn json(&self) -> serde_json::Value {
        let found = &self.image.found;
        json!({
            "version": 1,
            "ok": true,
            "error": null,
            "disk": json_of(self.disk),
            "image": {
                "path": self.image.path,
                "format": found.format,
                "size": found.size,
                "sha256": found.sha256,
                "table": found.table,
                "checksum_file": self.image.checksum,
            },
            "verified": false,
            "ejected": false,
            "seconds": {"check": self.image.seconds, "write": null, "verify": null},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_in_words() {
        let line = |done, millis| line(Phase::Write, done, 4_000_000_000, Duration::from_millis(millis));
        assert_eq!(line(0, 0), "write   0 B of 4.0 GB");
        assert_eq!(line(85_000_000, 1000), "write   85 MB of 4.0 GB, 85 MB/s, 46 s left");
        assert_eq!(line(4_000_000_000, 50_000), "write   4.0 GB of 4.0 GB, 80 MB/s, 0 s left");
    }
}
