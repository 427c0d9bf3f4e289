//! What Nix is doing, concluded from its events: which builds run, what is downloaded, what failed and why.
//! Draws nothing.

mod blame;
mod change;
#[cfg(test)]
mod recorded;
mod said;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::history::Expected;
use crate::nix::event::{Activity, Event, Progress};

use blame::{Blame, derivation_in};
pub use change::Change;
pub use said::{BUSY_CACHE, Kind, Said};

/// How many of a builder's last lines are kept for the report of its failure.
pub const TAIL: usize = 40;

/// The state of one or more calls of Nix.
#[derive(Debug, Default)]
pub struct Monitor {
    pub builds: BTreeMap<u64, Build>,
    /// Derivations that were built to the end in this run, with how long each took.
    pub built: BTreeMap<String, Duration>,
    /// Store paths that were copied here in this run.
    pub copied: BTreeSet<String>,
    /// Builds on other machines: the machine, and how long the build itself took there, without the copying.
    pub remote: BTreeMap<String, Remote>,
    pub failures: Vec<Failure>,
    /// Derivations that could not be built because something that they need had failed.
    pub victims: BTreeSet<String>,
    /// Errors of Nix itself that name no derivation, such as those of evaluation, in order.
    pub errors: Vec<String>,
    pub warnings: BTreeSet<String>,
    /// All that may tell why it failed, in order.
    pub said: Vec<Said>,
    /// Derivations that Nix said it would build.
    pub planned: Vec<String>,
    /// Bytes that it said it would download, when they are unpacked.
    pub download: u64,
    /// What Nix is busy with when it neither builds nor copies.
    pub talk: Option<String>,
    copies: BTreeMap<u64, (String, Progress)>,
    talks: BTreeMap<u64, String>,
    totals: BTreeMap<u64, Progress>,
    builds_total: BTreeSet<u64>,
    ended: BTreeMap<String, Build>,
    /// Ends of builds that Nix has counted, and that are not yet known to be those of a certain build.
    succeeded: u64,
    failed: u64,
    /// Builds that have stopped, one way or the other: only an error message tells which.
    undecided: BTreeMap<String, Duration>,
}

/// A build on another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    pub machine: String,
    pub took: Option<Duration>,
}

/// A build that runs, or ran.
#[derive(Debug, Clone)]
pub struct Build {
    pub drv: String,
    /// Empty for this machine.
    pub machine: String,
    pub phase: Option<String>,
    pub since: Instant,
    /// From earlier runs.
    pub expected: Option<Expected>,
    pub took: Option<Duration>,
    pub tail: VecDeque<String>,
    pub lines: usize,
}

/// A derivation that failed by its own fault; those that only depended on it are not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub drv: String,
    pub reason: String,
    /// Nix's own message.
    pub said: String,
    pub tail: Vec<String>,
    pub lines: usize,
}

impl Monitor {
    /// Takes an event in, and says what it changed.
    pub fn event(&mut self, event: &Event, now: Instant) -> Option<Change> {
        match event {
            Event::Start { id, parent, activity } => self.start(*id, *parent, activity, now),
            Event::Stop { id } => self.stop(*id, now),
            Event::Log { id, line } => self.log(*id, line),
            Event::Phase { id, phase } => {
                let drv = self.builds.get(id).map(|it| it.drv.clone())?;
                self.builds
                    .values_mut()
                    .filter(|it| it.drv == drv)
                    .for_each(|it| it.phase = Some(phase.clone()));
                None
            }
            Event::Progress { id, progress } => self.progress(*id, *progress, now),
            Event::Message { level, text, root } => self.message(*level, text, root.as_deref()),
            Event::Plain(text) => {
                said::talk(&mut self.said, text);
                Some(Change::Plain(text.clone()))
            }
            Event::Tick | Event::Stopping | Event::Ignored => None,
        }
    }

    /// Remembers how long a build that runs took before.
    pub fn expect(&mut self, drv: &str, expected: Option<Expected>) {
        self.builds.values_mut().filter(|it| it.drv == drv).for_each(|it| it.expected = expected);
    }

    fn start(&mut self, id: u64, parent: u64, activity: &Activity, now: Instant) -> Option<Change> {
        match activity {
            Activity::Build { drv, machine } => {
                let build = Build {
                    drv: drv.clone(),
                    machine: machine.clone(),
                    phase: None,
                    since: now,
                    expected: None,
                    took: None,
                    tail: VecDeque::new(),
                    lines: 0,
                };
                // A remote build is two activities: the outer one includes the copying, the inner one has the log.
                let seen = self.builds.values().any(|it| it.drv == *drv);
                self.builds.insert(id, build);
                if !machine.is_empty() {
                    self.remote.insert(drv.clone(), Remote { machine: machine.clone(), took: None });
                }
                (!seen).then(|| Change::Started {
                    drv: drv.clone(),
                    machine: machine.clone(),
                    expected: None,
                })
            }
            Activity::CopyPath { path, .. } => {
                self.copies.insert(id, (path.clone(), Progress::default()));
                Some(Change::Copying { path: path.clone() })
            }
            Activity::Builds if parent == 0 => {
                self.builds_total.insert(id);
                None
            }
            Activity::Talk(text) => {
                self.talks.insert(id, text.clone());
                self.talk = Some(text.clone());
                None
            }
            _ => None,
        }
    }

    fn stop(&mut self, id: u64, now: Instant) -> Option<Change> {
        if let Some((path, progress)) = self.copies.remove(&id) {
            if progress.expected == 0 || progress.done >= progress.expected {
                self.copied.insert(path);
            }
            return None;
        }
        if self.talks.remove(&id).is_some() {
            self.talk = self.talks.values().next_back().cloned();
            return None;
        }
        let mut build = self.builds.remove(&id)?;
        let took = now.saturating_duration_since(build.since);
        build.took = Some(took);
        let drv = build.drv.clone();
        if self.builds.values().any(|it| it.drv == drv) {
            // The inner half of a remote build: its log belongs to the outer half.
            self.remote.entry(drv.clone()).and_modify(|it| it.took = Some(took));
            self.builds.values_mut().filter(|it| it.drv == drv).for_each(|it| {
                it.tail.clone_from(&build.tail);
                it.lines = build.lines;
            });
            return None;
        }
        self.ended.insert(drv.clone(), build);
        // `stop` has no status, and those of the builds that were asked for come at the very end, in any order.
        match (self.succeeded, self.failed) {
            (0, 0) => Some(Change::Cancelled { drv }),
            (_, 0) => {
                self.succeeded -= 1;
                self.built.insert(drv.clone(), took);
                Some(Change::Finished { drv, took })
            }
            _ if self.failures.iter().any(|it| it.drv == drv) => {
                self.failed -= 1;
                Some(Change::Failed { drv, took })
            }
            _ => {
                self.undecided.insert(drv, took);
                None
            }
        }
    }

    /// Nix has said all it had to say: what is left undecided has not failed.
    pub fn end(&mut self) -> Vec<Change> {
        let mut res = Vec::new();
        for (drv, took) in std::mem::take(&mut self.undecided) {
            if self.succeeded == 0 {
                res.push(Change::Cancelled { drv });
                continue;
            }
            self.succeeded -= 1;
            self.built.insert(drv.clone(), took);
            res.push(Change::Finished { drv, took });
        }
        res
    }

    fn log(&mut self, id: u64, line: &str) -> Option<Change> {
        let build = self.builds.get_mut(&id)?;
        if build.tail.len() == TAIL {
            build.tail.pop_front();
        }
        build.tail.push_back(line.to_owned());
        build.lines += 1;
        Some(Change::Line { drv: build.drv.clone(), line: line.to_owned() })
    }

    fn progress(&mut self, id: u64, progress: Progress, now: Instant) -> Option<Change> {
        if let Some((_, known)) = self.copies.get_mut(&id) {
            *known = progress;
            return None;
        }
        if !self.builds_total.contains(&id) {
            return None;
        }
        let before = self.totals.insert(id, progress).unwrap_or_default();
        let succeeded = progress.done.saturating_sub(before.done);
        let failed = progress.failed.saturating_sub(before.failed);
        // Where only one build runs, it is the one that has ended, whenever its `stop` may come.
        match self.only_build() {
            Some(drv) if succeeded + failed == 1 => {
                let took = self.settle(&drv, now);
                if failed == 1 {
                    return Some(Change::Failed { drv, took });
                }
                self.built.insert(drv.clone(), took);
                Some(Change::Finished { drv, took })
            }
            _ => {
                self.succeeded += succeeded;
                self.failed += failed;
                None
            }
        }
    }

    fn only_build(&self) -> Option<String> {
        let drv = &self.builds.values().next()?.drv;
        let alone = self.builds.values().all(|it| it.drv == *drv) && self.succeeded + self.failed == 0;
        alone.then(|| drv.clone())
    }

    /// Takes a build off the list of those that run. Of the two halves of a remote build, one has the log.
    fn settle(&mut self, drv: &str, now: Instant) -> Duration {
        let (halves, others) = std::mem::take(&mut self.builds).into_iter().partition(|it| it.1.drv == drv);
        self.builds = others;
        let halves: BTreeMap<u64, Build> = halves;
        let since = halves.values().map(|it| it.since).min().unwrap_or(now);
        if let Some(build) = halves.into_values().max_by_key(|it| it.lines) {
            self.ended.insert(drv.to_owned(), build);
        }
        now.saturating_duration_since(since)
    }

    fn message(&mut self, level: u64, text: &str, root: Option<&str>) -> Option<Change> {
        let level = if text.trim_start().starts_with(BUSY_CACHE) { 1 } else { level };
        said::hear(&mut self.said, level, root.unwrap_or(text), text);
        match level {
            // Under `--dry-run` it is told as loudly as an error.
            0 if self.plan(text.trim()) => None,
            0 => self.error(root.unwrap_or(text)),
            1 => {
                let text = text.trim().trim_start_matches("warning:").trim().to_owned();
                self.warnings.insert(text.clone()).then_some(Change::Warning(text))
            }
            _ => {
                self.plan(text.trim());
                None
            }
        }
    }

    /// What Nix says before it starts: what it will build and what it will download. Whether that is what it said.
    fn plan(&mut self, text: &str) -> bool {
        if text.ends_with("will be built:") {
            self.planned.clear();
        } else if text.ends_with("unpacked):") {
            self.download = unpacked(text).unwrap_or_default();
        } else if text.starts_with("/nix/store/") && text.ends_with(".drv") {
            self.planned.push(text.to_owned());
        } else {
            return text.starts_with("/nix/store/") && !text.contains(char::is_whitespace);
        }
        true
    }

    /// What an error is about. It may tell which of several builds has failed.
    fn error(&mut self, text: &str) -> Option<Change> {
        let text = text.trim().trim_start_matches("error:").trim();
        match Blame::of(text) {
            Blame::Own { drv, reason } => return self.blame(drv, reason, text),
            // `build of 'A.drv^out', 'B.drv^out' failed` names all that was asked for and not made, whatever the reason.
            Blame::Dependency if text.starts_with("build of ") => {}
            Blame::Dependency => self.victims.extend(derivation_in(text.lines().next().unwrap_or_default())),
            Blame::Nobody if self.errors.iter().any(|it| it == text) => {}
            Blame::Nobody => self.errors.push(text.to_owned()),
        }
        None
    }

    fn blame(&mut self, drv: String, reason: String, said: &str) -> Option<Change> {
        if self.failures.iter().any(|it| it.drv == drv) {
            return None;
        }
        // A single failure is only told at the very end, after its build has stopped.
        let running = self.builds.values().find(|it| it.drv == drv && !it.tail.is_empty());
        let build = running.or(self.ended.get(&drv));
        self.built.remove(&drv);
        // A daemon, and Nix's prose, cite the last lines in the message.
        let cited = blame::cited(said);
        let own = build.filter(|it| it.lines > 0);
        self.failures.push(Failure {
            reason,
            said: said.to_owned(),
            lines: own.map_or(cited.len(), |it| it.lines),
            tail: own.map_or(cited, |it| it.tail.iter().cloned().collect()),
            drv: drv.clone(),
        });
        let took = self.undecided.remove(&drv)?;
        self.failed = self.failed.saturating_sub(1);
        Some(Change::Failed { drv, took })
    }

    /// Bytes that were copied and that are to be copied, over the running copies.
    #[must_use]
    pub fn bytes(&self) -> Progress {
        let mut res = Progress::default();
        for (_, progress) in self.copies.values() {
            res.done += progress.done;
            res.expected += progress.expected;
            res.running += 1;
        }
        res
    }
}

/// The bytes in `these 9 paths will be fetched (1.9 KiB download, 4.1 MiB unpacked):`. 2.26 always says MiB.
fn unpacked(text: &str) -> Option<u64> {
    let words = text.strip_suffix(" unpacked):")?.rsplit_once(", ")?.1;
    let (number, unit) = words.split_once(' ')?;
    let power = ["B", "KiB", "MiB", "GiB", "TiB"].iter().position(|it| *it == unit)?;
    // In tenths or hundredths, so that no float is needed.
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = u32::try_from(part.len()).ok()?;
    let scaled: u64 = format!("{whole}{part}").parse().ok()?;
    Some(
        scaled.checked_mul(1024_u64.checked_pow(u32::try_from(power).ok()?)?)?
            / 10_u64.checked_pow(digits)?,
    )
}

#[cfg(test)]
mod tests;
