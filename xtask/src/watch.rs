//! Who listens while Nix runs: the monitor, the logs, the display, the history and the recording.

use std::time::{Duration, Instant, SystemTime};

use camino::Utf8PathBuf;

use crate::history::{Expected, History, Key, package_name};
use crate::locks::calendar;
use crate::logs::Logs;
use crate::monitor::{Change, Monitor};
use crate::nix::event::Event;
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
    /// Not yet written down.
    held: Option<(Key, Duration, Instant)>,
}

/// What is told to end within so short a time may have ended earlier: Nix 2.26 tells the ends of what was asked for
/// only when all of it is done.
const TOGETHER: Duration = Duration::from_millis(20);

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

    /// Nix has ended.
    pub fn end(mut self, monitor: &mut Monitor) {
        let now = Instant::now();
        self.ui.clear();
        for change in monitor.end() {
            self.recording.with(|it| it.change(&change, it.at(now)));
            self.tell(&change, now);
        }
        let kept = self.history.end();
        self.kept(kept);
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

impl PastBuilds {
    #[must_use]
    pub fn new(path: Utf8PathBuf) -> PastBuilds {
        PastBuilds { path, known: None, running: Vec::new(), held: None }
    }

    /// What a build that starts may take.
    fn started(&mut self, nix: &Nix, drv: &str, machine: &str) -> Option<Expected> {
        let text = std::fs::read_to_string(nix.real(drv)).ok()?;
        let key = Key {
            name: package_name(name_of(drv)).to_owned(),
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
        let (_, key) = self.running.swap_remove(at);
        // How long a failure took says nothing about what a success will take.
        let Change::Finished { took, .. } = change else { return Ok(()) };
        let alone = self.held.as_ref().is_none_or(|it| now.saturating_duration_since(it.2) > TOGETHER);
        let held = self.held.replace((key, *took, now));
        match held {
            Some(held) if alone && held.1 > Duration::ZERO => self.write(&held),
            _ => {
                if !alone && let Some(it) = &mut self.held {
                    it.1 = Duration::ZERO;
                }
                Ok(())
            }
        }
    }

    fn write(&self, held: &(Key, Duration, Instant)) -> anyhow::Result<()> {
        let Some(history) = &self.known else { return Ok(()) };
        history.add(&held.0, held.1, calendar::seconds(SystemTime::now()))
    }

    /// Writes down the last one.
    fn end(&mut self) -> anyhow::Result<()> {
        self.held.take().map_or(Ok(()), |it| self.write(&it))
    }
}
