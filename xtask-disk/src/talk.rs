//! What is said while it runs, and being told to stop.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Nobody looks more often.
const INTERVAL: Duration = Duration::from_millis(100);

/// That somebody wants it to end: by a signal, by closing stdin, or by being gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

/// The error of who was told to stop.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Stop {
    pub(crate) fn on_signals(&self) -> anyhow::Result<()> {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&self.0)).context("cannot handle signals")?;
        }
        Ok(())
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// [`Interrupted`], when it is time to stop.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Interrupted.into()) } else { Ok(()) }
    }
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// The image is read to its end. The disk is not touched.
    Check,
    /// From its first event on, what was on the disk is lost.
    Write,
    Verify,
}

#[derive(Debug, Serialize)]
struct Event {
    phase: Phase,
    done: u64,
    /// Bytes of `done` in all.
    total: u64,
}

#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) stop: Stop,
    last: Mutex<Option<(Phase, Instant)>>,
}

impl Talk {
    pub(crate) fn new(stop: Stop) -> Talk {
        Talk { stop, last: Mutex::new(None) }
    }

    /// Tells how far it is: when a phase begins, and now and then.
    ///
    /// # Errors
    /// [`Interrupted`], when it is time to stop; also when nobody listens any more.
    pub(crate) fn progress(&self, phase: Phase, done: u64, total: u64) -> anyhow::Result<()> {
        self.stop.check()?;
        let Ok(mut last) = self.last.lock() else { return Ok(()) };
        if last.is_some_and(|(it, at)| it == phase && at.elapsed() < INTERVAL) {
            return Ok(());
        }
        *last = Some((phase, Instant::now()));
        let line = serde_json::to_string(&Event { phase, done, total })?;
        writeln!(std::io::stderr(), "{line}").map_err(|_| Interrupted.into())
    }
}
