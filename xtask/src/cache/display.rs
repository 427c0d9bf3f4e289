//! What a push says while it runs, shown and recorded.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::companion::Told;
use crate::context::Context;
use crate::report::{bytes, count, seconds};
use crate::ui::name_of;

/// How often it is told how far a push is, where there are no bars.
const SELDOM: Duration = Duration::from_secs(10);

/// What the companion says.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Event {
    Warning { text: String },
    Plan(Plan),
    Progress(Progress),
    Pushed { path: String, nar_size: u64, file_size: u64, began: u64, ended: u64 },
    Failed { path: String, error: String },
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Plan {
    push: usize,
    bytes: u64,
    there: usize,
    upstream: usize,
    who: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Progress {
    paths: usize,
    of: usize,
    done: u64,
    total: u64,
    sent: u64,
}

/// Listens to a push.
pub(super) struct Display {
    /// The cache.
    to: String,
    told: Instant,
    started: Instant,
}

impl Display {
    pub(super) fn new(to: &str) -> Display {
        Display { to: to.to_owned(), told: Instant::now(), started: Instant::now() }
    }

    pub(super) fn told(&mut self, cx: &mut Context, told: Told<Event>) {
        match told {
            Told::Event(Event::Warning { text }) => cx.ui.warning(&text),
            Told::Event(Event::Plan(plan)) => {
                self.started = Instant::now();
                cx.ui.status(&plan.line());
            }
            Told::Event(Event::Pushed { path, nar_size, file_size, began, ended }) => {
                let ago = |it| Instant::now().checked_sub(Duration::from_millis(it));
                let (since, until) = (ago(began), ago(ended));
                if let (Some(since), Some(until)) = (since, until) {
                    cx.recording.with(|it| it.uploaded(&path, &self.to, since, until, nar_size, file_size));
                }
                if cx.ui.style().verbose {
                    cx.ui.status(&format!("pushed {} ({})", name_of(&path), bytes(file_size)));
                }
            }
            Told::Tick => {}
            Told::Event(Event::Failed { path, error }) => {
                if cx.ui.style().verbose {
                    cx.ui.status(&format!("failed {}: {error}", name_of(&path)));
                }
            }
            Told::Event(Event::Progress(progress)) => {
                let line = progress.line(self.started.elapsed());
                if cx.ui.is_live() {
                    cx.ui.progress(&line);
                } else if self.told.elapsed() > SELDOM {
                    self.told = Instant::now();
                    cx.ui.status(&line);
                }
            }
        }
    }
}

impl Plan {
    /// `12 paths to push, 340 MB, 80 already there, 900 upstream`
    fn line(&self) -> String {
        let who = self.who.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        format!(
            "{} to push, {}, {} already there, {} upstream{who}",
            count(self.push, "path"),
            bytes(self.bytes),
            self.there,
            self.upstream
        )
    }
}

impl Progress {
    /// `push 12/40 paths, 61 %, 120 MB sent, 14 s left`
    fn line(&self, since: Duration) -> String {
        let share = self.done * 100 / self.total.max(1);
        let left = match self.done {
            0 => String::new(),
            done => {
                let rest = u128::from(self.total.saturating_sub(done));
                let left = since.as_millis() * rest / u128::from(done);
                let left = Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX));
                format!(", {} left", seconds(left))
            }
        };
        format!("push {}/{} paths, {share} %, {} sent{left}", self.paths, self.of, bytes(self.sent))
    }
}
