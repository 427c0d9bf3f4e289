//! What Nix is doing, concluded from its events: which builds run, what is downloaded, what failed and why.
//! Draws nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::nix::event::{Activity, Event, Progress};

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
    pub failures: Vec<Failure>,
    /// Derivations that could not be built because something that they need had failed.
    pub victims: BTreeSet<String>,
    /// Errors of Nix itself that name no derivation, such as those of evaluation, in order.
    pub errors: Vec<String>,
    pub warnings: BTreeSet<String>,
    /// Derivations that Nix said it would build.
    pub planned: usize,
    /// What Nix is busy with when it neither builds nor copies.
    pub talk: Option<String>,
    copies: BTreeMap<u64, (String, Progress)>,
    talks: BTreeMap<u64, String>,
    totals: BTreeMap<u64, Progress>,
    builds_total: BTreeSet<u64>,
    ended: BTreeMap<String, Build>,
    /// Ends of builds that Nix has counted, and that no `stop` was matched with yet.
    succeeded: u64,
    failed: u64,
}

/// A build that runs, or ran.
#[derive(Debug, Clone)]
pub struct Build {
    pub drv: String,
    /// Empty for this machine.
    pub machine: String,
    pub phase: Option<String>,
    pub since: Instant,
    pub took: Option<Duration>,
    pub tail: VecDeque<String>,
    pub lines: usize,
}

/// A derivation that failed by its own fault; those that only depended on it are not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub drv: String,
    pub reason: String,
    pub tail: Vec<String>,
    pub lines: usize,
}

/// What changed by an event, for those who print lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Started {
        drv: String,
        machine: String,
    },
    Line {
        drv: String,
        line: String,
    },
    Finished {
        drv: String,
        took: Duration,
    },
    Failed {
        drv: String,
        took: Duration,
    },
    /// The build was stopped because another one had failed, or because we were told to.
    Cancelled {
        drv: String,
    },
    Copying {
        path: String,
    },
    Warning(String),
    /// Not in Nix's log format: a child of Nix speaks.
    Plain(String),
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
            Event::Progress { id, progress } => {
                self.progress(*id, *progress);
                None
            }
            Event::Message { level, text, root } => self.message(*level, text, root.as_deref()),
            Event::Plain(text) => Some(Change::Plain(text.clone())),
            Event::Tick | Event::Ignored => None,
        }
    }

    fn start(&mut self, id: u64, parent: u64, activity: &Activity, now: Instant) -> Option<Change> {
        match activity {
            Activity::Build { drv, machine } => {
                let build = Build {
                    drv: drv.clone(),
                    machine: machine.clone(),
                    phase: None,
                    since: now,
                    took: None,
                    tail: VecDeque::new(),
                    lines: 0,
                };
                // A remote build is two activities: the outer one includes the copying, the inner one has the log.
                let seen = self.builds.values().any(|it| it.drv == *drv);
                self.builds.insert(id, build);
                (!seen).then(|| Change::Started { drv: drv.clone(), machine: machine.clone() })
            }
            Activity::CopyPath { path } => {
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
            Activity::Builds | Activity::CopyPaths | Activity::Other => None,
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
            self.builds.values_mut().filter(|it| it.drv == drv).for_each(|it| {
                it.tail.clone_from(&build.tail);
                it.lines = build.lines;
            });
            return None;
        }
        self.ended.insert(drv.clone(), build);
        // `stop` has no status, but Nix raises its counts just before the stop of a build that ended by itself.
        if self.succeeded > 0 {
            self.succeeded -= 1;
            self.built.insert(drv.clone(), took);
            return Some(Change::Finished { drv, took });
        }
        if self.failed > 0 {
            self.failed -= 1;
            return Some(Change::Failed { drv, took });
        }
        Some(Change::Cancelled { drv })
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

    fn progress(&mut self, id: u64, progress: Progress) {
        if let Some((_, known)) = self.copies.get_mut(&id) {
            *known = progress;
        } else if self.builds_total.contains(&id) {
            let before = self.totals.insert(id, progress).unwrap_or_default();
            self.succeeded += progress.done.saturating_sub(before.done);
            self.failed += progress.failed.saturating_sub(before.failed);
        }
    }

    fn message(&mut self, level: u64, text: &str, root: Option<&str>) -> Option<Change> {
        match level {
            0 => {
                self.error(root.unwrap_or(text));
                None
            }
            1 => {
                let text = text.trim().trim_start_matches("warning:").trim().to_owned();
                self.warnings.insert(text.clone()).then_some(Change::Warning(text))
            }
            _ => {
                let text = text.trim();
                if text.ends_with("will be built:") {
                    self.planned = 0;
                } else if text.starts_with("/nix/store/") && text.ends_with(".drv") {
                    self.planned += 1;
                }
                None
            }
        }
    }

    fn error(&mut self, text: &str) {
        let text = text.trim().trim_start_matches("error:").trim();
        match Blame::of(text) {
            Blame::Own { drv, reason } => {
                if self.failures.iter().any(|it| it.drv == drv) {
                    return;
                }
                // A single failure is only told at the very end, after its build has stopped.
                let running = self.builds.values().find(|it| it.drv == drv && !it.tail.is_empty());
                let build = running.or(self.ended.get(&drv));
                self.built.remove(&drv);
                self.failures.push(Failure {
                    reason,
                    tail: build.map(|it| it.tail.iter().cloned().collect()).unwrap_or_default(),
                    lines: build.map_or(0, |it| it.lines),
                    drv,
                });
            }
            Blame::Dependency => self.victims.extend(derivation_in(text.lines().next().unwrap_or_default())),
            Blame::Nobody => {
                if !self.errors.iter().any(|it| it == text) {
                    self.errors.push(text.to_owned());
                }
            }
        }
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

/// Whose fault an error message says it is.
#[derive(Debug, PartialEq, Eq)]
enum Blame {
    Own {
        drv: String,
        reason: String,
    },
    /// The derivation named is a victim: the culprit has a message of its own.
    Dependency,
    Nobody,
}

impl Blame {
    fn of(text: &str) -> Blame {
        let first = text.lines().next().unwrap_or_default();
        // `build of 'A.drv^out', 'B.drv^out' failed` sums up what was already told.
        let cascade = first.contains("dependencies of derivation")
            || first.contains("dependency of derivation")
            || text.contains("dependency failed")
            || text.contains("dependencies failed")
            || (first.starts_with("build of ") && first.ends_with(" failed"));
        if cascade {
            return Blame::Dependency;
        }
        let Some(drv) = derivation_in(first) else { return Blame::Nobody };
        let words =
            ["builder for", "Cannot build", "hash mismatch", "timed out", "failed", "required to build"];
        if !words.iter().any(|it| first.contains(it)) {
            return Blame::Nobody;
        }
        let reason = match text.split_once("Reason:") {
            Some((_, reason)) => {
                reason.lines().next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
            }
            None => first.trim_end_matches(';').replace(&format!("'{drv}'"), "").replace("  ", " "),
        };
        let reason = reason.trim_start_matches("builder for failed with").trim();
        let reason = reason.trim_start_matches("builder failed with").trim();
        let mut reason = if reason.starts_with("exit code") {
            format!("its builder ended with {reason}")
        } else {
            reason.to_owned()
        };
        // A hash mismatch says the two hashes in the lines that follow, and they are what one needs.
        if first.contains("hash mismatch") {
            for line in text.lines().skip(1) {
                reason.push_str(&format!("\n  {}", line.trim()));
            }
        }
        Blame::Own { drv, reason }
    }
}

/// The first `/nix/store/….drv` of a line, in either kind of quotes.
fn derivation_in(line: &str) -> Option<String> {
    let start = line.find("/nix/store/")?;
    let path = line[start..].split(['\'', '"', ' ', '^', ';', ',']).next()?;
    path.ends_with(".drv").then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::nix::event;

    /// Plays a recorded stream and says what was concluded.
    #[expect(clippy::needless_pass_by_value, reason = "the snapshot is written at the call")]
    fn check(recorded: &str, expect: Expect) {
        let path = format!("{}/tests/fixtures/logs/{recorded}.err", env!("CARGO_MANIFEST_DIR"));
        let mut monitor = Monitor::default();
        for line in std::fs::read(path).unwrap().split(|it| *it == b'\n') {
            monitor.event(&event::parse(line), Instant::now());
        }
        let short = |drv: &str| drv[44..].to_owned();
        let mut res = format!("planned {}\n", monitor.planned);
        for drv in monitor.built.keys() {
            res.push_str(&format!("built {}\n", short(drv)));
        }
        for path in &monitor.copied {
            res.push_str(&format!("copied {}\n", short(path)));
        }
        for it in &monitor.failures {
            res.push_str(&format!(
                "failed {}: {} ({} lines, last {:?})\n",
                short(&it.drv),
                it.reason,
                it.lines,
                it.tail.last()
            ));
        }
        for it in &monitor.errors {
            res.push_str(&format!("error {it}\n"));
        }
        res.push_str(&format!("running {}", monitor.builds.len()));
        expect.assert_eq(&res);
    }

    #[test]
    fn success() {
        check(
            "success-trixie",
            expect![[r#"
            planned 12
            built leaf-3.drv
            built mid-1.drv
            built mid-2.drv
            built leaf-2.drv
            built top-2.drv
            built leaf-5.drv
            built leaf-6.drv
            built all.drv
            built mid-3.drv
            built leaf-4.drv
            built leaf-1.drv
            built top-1.drv
            running 0"#]],
        );
        check(
            "success-sid",
            expect![[r#"
            planned 12
            built leaf-1.drv
            built all.drv
            built mid-2.drv
            built leaf-5.drv
            built leaf-2.drv
            built leaf-3.drv
            built top-2.drv
            built mid-1.drv
            built leaf-6.drv
            built mid-3.drv
            built top-1.drv
            built leaf-4.drv
            running 0"#]],
        );
        check(
            "uptodate-trixie",
            expect![[r#"
            planned 0
            running 0"#]],
        );
        check(
            "substitute-http-sid",
            expect![[r#"
            planned 0
            copied top-1
            copied mid-1
            copied leaf-5
            copied mid-2
            copied two
            copied all
            copied leaf-3
            copied leaf-1
            copied top-2
            copied mid-3
            running 0"#]],
        );
    }

    #[test]
    fn failures() {
        check(
            "fail-trixie",
            expect![[r#"
            planned 1
            failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
            running 0"#]],
        );
        check(
            "fail-sid",
            expect![[r#"
            planned 1
            failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
            running 0"#]],
        );
        check(
            "failtop-keepgoing-trixie",
            expect![[r#"
            planned 4
            built leaf-3.drv
            failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
            failed fail-2.drv: its builder ended with exit code 2 (31 lines, last Some("error: boom 2"))
            running 0"#]],
        );
        check(
            "failtop-keepgoing-sid",
            expect![[r#"
            planned 4
            built leaf-3.drv
            failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
            failed fail-2.drv: its builder ended with exit code 2 (31 lines, last Some("error: boom 2"))
            running 0"#]],
        );
        check(
            "failtop-trixie",
            expect![[r#"
            planned 4
            failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
            running 0"#]],
        );
        check(
            "failtop-sid",
            expect![[r#"
            planned 4
            failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
            running 0"#]],
        );
        check(
            "daemon-trixie",
            expect![[r#"
            planned 7
            built leaf-2.drv
            built leaf-1.drv
            built leaf-3.drv
            built mid-1.drv
            failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
            failed fail-2.drv: its builder ended with exit code 2 (31 lines, last Some("error: boom 2"))
            running 0"#]],
        );
        check(
            "daemon-sid",
            expect![[r#"
            planned 7
            built leaf-1.drv
            built leaf-2.drv
            built leaf-3.drv
            built mid-1.drv
            failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
            failed fail-2.drv: its builder ended with exit code 2 (31 lines, last Some("error: boom 2"))
            running 0"#]],
        );
        check(
            "eval-thrown-trixie",
            expect![[r#"
            planned 0
            error custom message
            second line
            running 0"#]],
        );
        check(
            "eval-thrown-sid",
            expect![[r#"
            planned 0
            error custom message
            second line
            running 0"#]],
        );
        check(
            "sigint-trixie",
            expect![[r#"
            planned 1
            error interrupted by the user
            running 0"#]],
        );
        check(
            "sigint-sid",
            expect![[r#"
            planned 1
            error interrupted by the user
            running 0"#]],
        );
    }

    #[test]
    fn a_remote_build_counts_once() {
        check(
            "remote-build-trixie",
            expect![[r#"
            planned 4
            built phases.drv
            built leaf-1.drv
            built mid-1.drv
            built leaf-2.drv
            error message from builder
            error bad JSON log message from the derivation builder: [json.exception.parse_error.101] parse error at line 1, column 4: syntax error while parsing object key - invalid literal; last read: '{ no'; expected string literal
            running 0"#]],
        );
        check(
            "remote-build-sid",
            expect![[r#"
            planned 4
            built mid-1.drv
            built leaf-2.drv
            built phases.drv
            built leaf-1.drv
            copied leaf-1
            copied mid-1
            copied phases
            copied leaf-2
            error message from builder
            error bad JSON log message from the derivation builder: [json.exception.parse_error.101] parse error at line 1, column 4: syntax error while parsing object key - invalid literal; last read: '{ no'; expected string literal
            running 0"#]],
        );
    }
}
