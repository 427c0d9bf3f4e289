//! What Nix did and when, from its events: activities carry no time, so the time of their arrival is passed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::ends::Ends;
use super::place::{UNNAMED, place};
use crate::monitor::Change;
use crate::nix::event::{Activity, Event, Progress};

/// More samples of the load than this are thinned out, so that a day costs no more than a minute.
const SAMPLES: usize = 1200;

/// All that is recorded of one run of xtask, over its calls of Nix. Times count from its beginning.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    pub builds: Vec<Build>,
    pub transfers: Vec<Transfer>,
    pub stretches: Vec<Stretch>,
    /// How many cores the machine had busy until then.
    pub load: Vec<(Duration, f64)>,
    /// The derivations that were asked for.
    pub wanted: BTreeSet<String>,
    pub ends: Ends,
    /// How long builds took as Nix reported at the end, in whole seconds.
    pub reported: BTreeMap<String, Duration>,
    open: BTreeMap<u64, Open>,
    running: BTreeMap<String, usize>,
    jiffies: Option<(u64, u64)>,
    every: Duration,
}

/// What an activity that has not ended is.
#[derive(Debug)]
enum Open {
    /// One of the activities of a build: a remote one has two.
    Build {
        build: usize,
        inner: bool,
    },
    Transfer(usize),
    /// The bytes of a transfer as they come over the network.
    Wire(usize),
    Substitute(String),
    Stretch(usize),
    /// The totals of all builds.
    Count,
}

#[derive(Debug, Clone)]
pub struct Build {
    pub drv: String,
    /// A place; empty for this machine.
    pub host: String,
    pub start: Duration,
    pub end: Duration,
    /// On another machine: from when to when the builder itself ran; the rest is copying.
    pub inner: Option<(Duration, Duration)>,
    pub phases: Vec<(String, Duration)>,
    /// When it was last heard of.
    pub heard: Duration,
    pub end_kind: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Built,
    Failed,
    /// Nobody's fault: another one failed, or we were interrupted.
    Stopped,
}

#[derive(Debug, Clone)]
pub struct Transfer {
    pub path: String,
    pub kind: Direction,
    /// Where from, or with [`Direction::Upload`] where to.
    pub place: String,
    pub start: Duration,
    pub end: Duration,
    /// Bytes as a NAR, so many as came.
    pub bytes: u64,
    /// Bytes on the network, where they are known.
    pub wire: Option<u64>,
    pub whole: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From a cache.
    Download,
    /// From another machine's store.
    Fetch,
    /// To another machine's store.
    Send,
    /// To a cache.
    Upload,
}

/// Time that Nix spent on neither builds nor copies.
#[derive(Debug, Clone)]
pub struct Stretch {
    pub kind: Kind,
    pub text: String,
    pub start: Duration,
    pub end: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Evaluation,
    /// Caches are asked what they have.
    Query,
    /// Another process builds, or uploads to the builder.
    Waiting,
    /// Sources are fetched, machines are connected to.
    Other,
}

impl Recorder {
    #[must_use]
    pub fn new(began: Instant) -> Recorder {
        Recorder {
            began,
            builds: Vec::new(),
            transfers: Vec::new(),
            stretches: Vec::new(),
            load: Vec::new(),
            wanted: BTreeSet::new(),
            ends: Ends::default(),
            reported: BTreeMap::new(),
            open: BTreeMap::new(),
            running: BTreeMap::new(),
            jiffies: None,
            every: Duration::from_millis(250),
        }
    }

    /// Since the beginning.
    #[must_use]
    pub fn at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// An event, and what the monitor concluded from it.
    pub fn event(&mut self, event: &Event, change: Option<&Change>, now: Instant) {
        let at = self.at(now);
        if let Some(change) = change {
            self.change(change, at);
        }
        match event {
            Event::Start { id, parent, activity } => {
                self.ends.other();
                self.start(*id, *parent, activity, at);
            }
            Event::Stop { id } => self.stop(*id, at),
            Event::Phase { id, .. } | Event::Log { id, .. } => {
                self.ends.other();
                if let Some(Open::Build { build, .. }) = self.open.get(id) {
                    let build = &mut self.builds[*build];
                    build.heard = at;
                    if let Event::Phase { phase, .. } = event {
                        build.phases.push((phase.clone(), at));
                    }
                }
            }
            Event::Progress { id, progress } => self.progress(*id, *progress, at),
            Event::Tick | Event::Stopping | Event::Message { .. } | Event::Plain(_) | Event::Ignored => {}
        }
    }

    /// How a build has ended is not told by its own activity.
    pub fn change(&mut self, change: &Change, at: Duration) {
        let (drv, took, end) = match change {
            Change::Started { drv, machine, .. } => {
                self.running.insert(drv.clone(), self.builds.len());
                self.builds.push(Build {
                    drv: drv.clone(),
                    host: place(machine),
                    start: at,
                    end: at,
                    inner: None,
                    phases: Vec::new(),
                    heard: at,
                    end_kind: End::Stopped,
                });
                return;
            }
            Change::Finished { drv, took } => (drv, Some(*took), End::Built),
            Change::Failed { drv, took } => (drv, Some(*took), End::Failed),
            Change::Cancelled { drv } => (drv, None, End::Stopped),
            _ => return,
        };
        let Some(build) = self.running.remove(drv).and_then(|it| self.builds.get_mut(it)) else { return };
        build.end_kind = end;
        match took {
            Some(took) => build.end = build.start + took,
            None if build.end == build.start => build.end = at,
            None => {}
        }
    }

    fn start(&mut self, id: u64, parent: u64, activity: &Activity, at: Duration) {
        let open = match activity {
            Activity::Build { drv, .. } => {
                let Some(build) = self.running.get(drv).copied() else { return };
                let inner =
                    self.open.values().any(|it| matches!(it, Open::Build { build: it, .. } if *it == build));
                if inner {
                    self.builds[build].inner = Some((at, at));
                }
                Open::Build { build, inner }
            }
            Activity::CopyPath { path, from, to } => {
                let cache = match self.open.get(&parent) {
                    Some(Open::Substitute(cache)) => Some(cache.as_str()),
                    _ => None,
                };
                let (kind, uri) = direction(cache, from, to);
                self.transfers.push(Transfer {
                    path: path.clone(),
                    kind,
                    place: self.named(place(uri)),
                    start: at,
                    end: at,
                    bytes: 0,
                    wire: None,
                    whole: false,
                });
                Open::Transfer(self.transfers.len() - 1)
            }
            Activity::Transfer { .. } => match self.open.get(&parent) {
                Some(Open::Transfer(transfer)) => Open::Wire(*transfer),
                _ => return,
            },
            Activity::Substitute { cache } => Open::Substitute(cache.clone()),
            Activity::Query => self.stretch(Kind::Query, "asking the caches", at),
            Activity::Talk(text) => self.stretch(kind_of(text), &hide_queries(text), at),
            Activity::Builds if parent == 0 => Open::Count,
            Activity::Builds | Activity::CopyPaths | Activity::Other => return,
        };
        self.open.insert(id, open);
    }

    /// A builder that is not named is the one that builds, if there is one.
    fn named(&self, place: String) -> String {
        let mut hosts = self.running.values().map(|it| &self.builds[*it].host).filter(|it| !it.is_empty());
        match hosts.next() {
            Some(host) if place == UNNAMED && hosts.all(|it| it == host) => host.clone(),
            _ => place,
        }
    }

    fn stretch(&mut self, kind: Kind, text: &str, at: Duration) -> Open {
        self.stretches.push(Stretch { kind, text: text.to_owned(), start: at, end: at });
        Open::Stretch(self.stretches.len() - 1)
    }

    fn stop(&mut self, id: u64, at: Duration) {
        match self.open.remove(&id) {
            Some(Open::Build { build, inner: true }) => {
                if let Some(inner) = &mut self.builds[build].inner {
                    inner.1 = at;
                }
            }
            // It may turn out later how it ended, but not that it took longer.
            Some(Open::Build { build, inner: false }) => {
                self.ends.stop(build);
                let build = &mut self.builds[build];
                if build.end == build.start {
                    build.end = at;
                }
            }
            Some(Open::Transfer(transfer)) => {
                let transfer = &mut self.transfers[transfer];
                transfer.end = at;
                transfer.whole = true;
            }
            Some(Open::Stretch(stretch)) => self.stretches[stretch].end = at,
            Some(Open::Wire(_) | Open::Substitute(_) | Open::Count) | None => {}
        }
    }

    fn progress(&mut self, id: u64, progress: Progress, at: Duration) {
        match self.open.get(&id) {
            Some(Open::Transfer(transfer)) => self.transfers[*transfer].bytes = progress.done,
            Some(Open::Count) => self.ends.count(progress.done, at),
            Some(Open::Wire(transfer)) => self.transfers[*transfer].wire = Some(progress.done),
            _ => {}
        }
    }

    /// A call of Nix begins that only evaluates: it has no activity that says so.
    pub fn evaluates(&mut self, what: &str, now: Instant) {
        let at = self.at(now);
        let stretch = self.stretch(Kind::Evaluation, what, at);
        self.open.insert(0, stretch);
    }

    /// A call of Nix has ended, and with it all that it did.
    pub fn call_ended(&mut self, now: Instant) {
        let at = self.at(now);
        self.ends.restart();
        self.running.clear();
        for (_, open) in std::mem::take(&mut self.open) {
            match open {
                Open::Build { build, .. } if self.builds[build].end == self.builds[build].start => {
                    self.builds[build].end = at;
                }
                Open::Transfer(transfer) => self.transfers[transfer].end = at,
                Open::Stretch(stretch) => self.stretches[stretch].end = at,
                _ => {}
            }
        }
    }

    /// A path was sent to a cache by us, not by Nix; `wire` is what went over the network.
    pub fn uploaded(&mut self, path: &str, to: &str, since: Instant, until: Instant, bytes: u64, wire: u64) {
        self.transfers.push(Transfer {
            path: path.to_owned(),
            kind: Direction::Upload,
            place: place(to),
            start: self.at(since),
            end: self.at(until),
            bytes,
            wire: Some(wire),
            whole: true,
        });
    }

    /// What the kernel has counted: `busy` and `total` ticks of all cores together, of which there are `cores`.
    pub fn load(&mut self, busy: u64, total: u64, cores: usize, now: Instant) {
        let at = self.at(now);
        let Some((old_busy, old_total)) = self.jiffies else {
            self.jiffies = Some((busy, total));
            self.load.push((at, 0.0));
            return;
        };
        let last = self.load.last().map_or(Duration::ZERO, |it| it.0);
        if at < last + self.every || total <= old_total {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
        let share = busy.saturating_sub(old_busy) as f64 / (total - old_total) as f64;
        #[expect(clippy::cast_precision_loss, reason = "no machine has so many cores")]
        self.load.push((at, share * cores as f64));
        self.jiffies = Some((busy, total));
        if self.load.len() > SAMPLES {
            self.every *= 2;
            let pairs = self.load[1..].chunks(2).map(|it| match it {
                [a, b] => (b.0, f64::midpoint(a.1, b.1)),
                _ => it[0],
            });
            self.load = std::iter::once(self.load[0]).chain(pairs).collect();
        }
    }
}

/// Which way a copy goes, and the store at the other end.
fn direction<'a>(cache: Option<&'a str>, from: &'a str, to: &'a str) -> (Direction, &'a str) {
    let machine = |it: &str| it.starts_with("ssh") || it == "daemon" || it.starts_with("unix");
    match (cache, from) {
        (Some(cache), _) => (Direction::Download, if cache.is_empty() { from } else { cache }),
        (None, "local" | "" | "daemon") if machine(to) => (Direction::Send, to),
        (None, "local" | "" | "daemon") => (Direction::Upload, to),
        (None, _) if machine(from) => (Direction::Fetch, from),
        (None, _) => (Direction::Download, from),
    }
}

fn kind_of(text: &str) -> Kind {
    match text.split(' ').next() {
        Some("evaluating") => Kind::Evaluation,
        Some("waiting") => Kind::Waiting,
        Some("querying") => Kind::Query,
        _ => Kind::Other,
    }
}

/// The options of a URL say how it is reached; there may be secrets in them.
fn hide_queries(text: &str) -> String {
    let mut parts = text.split('\'');
    let mut res = parts.next().unwrap_or_default().to_owned();
    for (n, part) in parts.enumerate() {
        let url = n % 2 == 0 && part.contains("://");
        let part = if url { place(part) } else { part.to_owned() };
        res.push_str(&format!("'{part}"));
    }
    res
}
