//! Who listens while Nix runs: the monitor, the logs, the display, the history and the recording.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use camino::Utf8PathBuf;
use serde::Deserialize;

use crate::history::{Expected, History, Key};
use crate::locks::calendar;
use crate::logs::Logs;
use crate::monitor::{Change, Monitor};
use crate::nix::event::Event;
use crate::nix::store_path::name_and_version;
use crate::nix::{Nix, derivation};
use crate::timings::{Recording, place};
use crate::ui::{Ui, name_of};

#[derive(Debug)]
pub struct Watch<'a> {
    pub ui: &'a mut Ui,
    pub nix: &'a Nix,
    pub recording: &'a Recording,
    pub logs: Logs,
    pub history: PastBuilds,
    /// Where the kernel counts what the cores do; absent where there is no such file.
    pub stat: Utf8PathBuf,
}

/// The history, read when the first build starts.
#[derive(Debug)]
pub struct PastBuilds {
    path: Utf8PathBuf,
    known: Option<History>,
    running: Vec<(String, Key)>,
    /// Not yet written down: how long they took, and when that was told.
    held: Vec<(String, Key, Duration, Instant)>,
}

/// What is told to end within so short a time may have ended earlier: Nix 2.26 tells the ends of what was asked for
/// only when all of it is done.
const TOGETHER: Duration = Duration::from_millis(20);

/// From here on a time in whole seconds is good enough to estimate from.
const EXACT: Duration = Duration::from_secs(4);

impl Watch<'_> {
    pub fn event(&mut self, monitor: &mut Monitor, event: &Event) {
        let now = Instant::now();
        let mut change = monitor.event(event, now);
        self.recording.with(|it| it.event(event, change.as_ref(), now));
        if let Some(change) = &mut change {
            if let Change::Started { drv, machine, expected } = change {
                *expected = self.history.started(self.nix, drv, machine);
                monitor.expect(drv, *expected);
            }
            self.tell(change, now);
        }
        if *event == Event::Tick {
            self.ui.draw(monitor, now);
            if self.recording.is_on() {
                self.sample(now);
            }
        }
    }

    /// Nix has ended, and printed its answer.
    pub fn end(mut self, monitor: &mut Monitor, answer: &str) {
        let now = Instant::now();
        let reported = reported(answer);
        self.ui.clear();
        for change in monitor.end() {
            self.recording.with(|it| it.change(&change, it.at(now)));
            self.tell(&change, now);
        }
        let kept = self.history.write(&reported);
        self.kept(kept);
        for (drv, took) in &reported {
            // Whole seconds: only better than what was measured where that is much longer.
            if let Some(known) = monitor.built.get_mut(drv).filter(|it| **it > *took + Duration::from_secs(1))
            {
                *known = *took;
            }
        }
        self.recording.with(|it| it.reported.extend(reported));
        self.recording.with(|it| it.call_ended(now));
        self.logs.warnings().iter().for_each(|it| self.ui.warning(it));
    }

    fn tell(&mut self, change: &Change, now: Instant) {
        self.logs.change(change);
        self.ui.change(change);
        let kept = self.history.change(change, now);
        self.kept(kept);
    }

    /// A history that cannot be written must not stop a build.
    fn kept(&self, result: anyhow::Result<()>) {
        if let Err(error) = result {
            self.ui.warning(&format!("cannot keep the history of builds: {error:#}"));
        }
    }

    /// How busy the machine is: the line `cpu` has ticks by what they were spent on, the fourth and fifth on nothing.
    ///
    /// Source: proc(5), `/proc/stat`.
    fn sample(&self, now: Instant) {
        let Ok(text) = std::fs::read_to_string(&self.stat) else { return };
        let ticks = text.lines().next().and_then(|it| it.strip_prefix("cpu ")).unwrap_or_default();
        let ticks: Vec<u64> = ticks.split_whitespace().take(8).filter_map(|it| it.parse().ok()).collect();
        let cores = text.lines().skip(1).take_while(|it| it.starts_with("cpu")).count();
        if let [_, _, _, idle, waiting, ..] = ticks[..] {
            let total = ticks.iter().sum::<u64>();
            self.recording.with(|it| it.load(total - idle - waiting, total, cores, now));
        }
    }
}

/// How long builds took, as 2.26 answers to `build` in whole seconds; newer ones do not say.
fn reported(answer: &str) -> BTreeMap<String, Duration> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Built {
        drv_path: String,
        start_time: u64,
        stop_time: u64,
    }
    let built: Vec<serde_json::Value> = serde_json::from_str(answer).unwrap_or_default();
    let built = built.into_iter().filter_map(|it| serde_json::from_value::<Built>(it).ok());
    built
        .filter(|it| it.start_time > 0)
        .map(|it| (it.drv_path, Duration::from_secs(it.stop_time.saturating_sub(it.start_time))))
        .collect()
}

impl PastBuilds {
    #[must_use]
    pub fn new(path: Utf8PathBuf) -> PastBuilds {
        PastBuilds { path, known: None, running: Vec::new(), held: Vec::new() }
    }

    /// What a build that starts may take.
    fn started(&mut self, nix: &Nix, drv: &str, machine: &str) -> Option<Expected> {
        let text = std::fs::read_to_string(nix.real(drv)).ok()?;
        let key = Key {
            name: name_and_version(name_of(drv)).0.to_owned(),
            system: derivation::system(&text)?.to_owned(),
            host: place(machine),
        };
        let history = self.known.get_or_insert_with(|| History::read(&self.path));
        let expected = history.expect(&key);
        self.running.push((drv.to_owned(), key));
        expected
    }

    fn change(&mut self, change: &Change, now: Instant) -> anyhow::Result<()> {
        let (Change::Finished { drv, .. } | Change::Failed { drv, .. } | Change::Cancelled { drv }) = change
        else {
            return Ok(());
        };
        let Some(at) = self.running.iter().position(|it| it.0 == *drv) else { return Ok(()) };
        let (drv, key) = self.running.swap_remove(at);
        // How long a failure took says nothing about what a success will take.
        let Change::Finished { took, .. } = change else { return Ok(()) };
        let last = self.held.last().map(|it| it.3);
        let written = match last {
            Some(last) if now.saturating_duration_since(last) > TOGETHER => self.write(&BTreeMap::new()),
            _ => Ok(()),
        };
        self.held.push((drv, key, *took, now));
        written
    }

    /// Writes down what was told alone, and of what was told together that which Nix has reported.
    fn write(&mut self, reported: &BTreeMap<String, Duration>) -> anyhow::Result<()> {
        let held = std::mem::take(&mut self.held);
        let Some(history) = &self.known else { return Ok(()) };
        let alone = held.len() == 1;
        for (drv, key, took, _) in &held {
            let took = if alone { Some(took) } else { reported.get(drv).filter(|it| **it >= EXACT) };
            if let Some(took) = took {
                history.add(key, *took, calendar::seconds(SystemTime::now()))?;
            }
        }
        Ok(())
    }
}
