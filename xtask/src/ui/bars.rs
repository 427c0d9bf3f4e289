//! The moving part of the display: one line of totals, one line for each running build.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::monitor::{Build, Monitor};
use crate::report::{bytes, seconds};

use super::name_of;

/// More builds than this are summed up, so that the display fits the smallest terminal.
const ROWS: usize = 8;

#[derive(Debug)]
pub(super) struct Bars {
    /// All rows are one message, so that they appear and go together.
    bar: Option<ProgressBar>,
    since: Instant,
}

impl Bars {
    pub(super) fn new() -> Bars {
        Bars { bar: None, since: Instant::now() }
    }

    pub(super) fn draw(&mut self, monitor: &Monitor, now: Instant) {
        if self.bar.is_none() {
            self.since = now;
        }
        let mut lines = vec![totals(monitor, now.saturating_duration_since(self.since))];
        let mut builds: Vec<&Build> = Vec::new();
        for build in monitor.builds.values() {
            // A remote build is two activities of one derivation.
            if !builds.iter().any(|it| it.drv == build.drv) {
                builds.push(build);
            }
        }
        builds.sort_by_key(|it| it.since);
        lines.extend(builds.iter().take(ROWS).map(|it| row(it, now)));
        if builds.len() > ROWS {
            lines.push(format!("and {} more", builds.len() - ROWS));
        }
        self.show(&lines.join("\n    "));
    }

    pub(super) fn show(&mut self, text: &str) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(20));
            bar.set_style(
                ProgressStyle::with_template("{spinner} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        bar.set_message(text.to_owned());
        bar.tick();
    }

    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    pub(super) fn suspend(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

fn totals(monitor: &Monitor, time: std::time::Duration) -> String {
    let mut parts = Vec::new();
    if !monitor.planned.is_empty() {
        parts.push(format!("built {} of {}", monitor.built.len(), monitor.planned.len()));
    }
    let copies = monitor.bytes();
    if copies.running > 0 {
        parts.push(format!(
            "copying {}: {} of {}",
            copies.running,
            bytes(copies.done),
            bytes(copies.expected)
        ));
    }
    if parts.is_empty() {
        parts.push(monitor.talk.clone().unwrap_or_else(|| "evaluating".to_owned()));
    }
    if !monitor.failures.is_empty() {
        parts.push(format!("{} failed", monitor.failures.len()));
    }
    format!("{}, {}", parts.join(", "), seconds(time))
}

/// One line that says that work goes on, and which.
pub(super) fn heartbeat(monitor: &Monitor, now: Instant) -> String {
    let mut builds: Vec<&Build> = monitor.builds.values().filter(|it| it.took.is_none()).collect();
    builds.sort_by_key(|it| it.since);
    builds.dedup_by(|one, other| one.drv == other.drv);
    match builds.split_first() {
        Some((first, others)) => {
            let others =
                if others.is_empty() { String::new() } else { format!(", and {} more", others.len()) };
            format!("still   {}{others}", row(first, now))
        }
        None => format!("still   {}", totals(monitor, std::time::Duration::ZERO).trim_end_matches(", 0.0 s")),
    }
}

fn row(build: &Build, now: Instant) -> String {
    let name = name_of(&build.drv);
    let phase = build.phase.as_deref().unwrap_or("building");
    let running = now.saturating_duration_since(build.since);
    let mut time = seconds(running);
    if let Some(expected) = &build.expected {
        let late = if running > expected.longest { ", before" } else { " of" };
        time.push_str(&format!("{late} {}", expected.range()));
    }
    match build.machine.as_str() {
        "" => format!("{name}  {phase}  {time}"),
        machine => format!("{name}  {phase} on {machine}  {time}"),
    }
}
