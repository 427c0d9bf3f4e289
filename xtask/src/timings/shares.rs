//! Where the time went: every moment counts once.

use std::time::Duration;

use super::conclude::secs;
use super::data::Shares;
use super::recorder::{Kind, Recorder};

/// In the order in which they count when they happen at once.
const KINDS: usize = 5;

/// The seconds of a run by what they were spent on.
#[must_use]
pub fn shares(recorder: &Recorder, took: Duration) -> Shares {
    let builds = recorder.builds.iter().map(|it| (0, it.start, it.end));
    let transfers = recorder.transfers.iter().map(|it| (1, it.start, it.end));
    let stretches = recorder.stretches.iter().filter(|it| it.kind != Kind::Other).map(|it| {
        let kind = match it.kind {
            Kind::Evaluation => 2,
            Kind::Waiting => 3,
            Kind::Query | Kind::Other => 4,
        };
        (kind, it.start, it.end)
    });
    let mut edges: Vec<(Duration, usize, i32)> = builds
        .chain(transfers)
        .chain(stretches)
        .filter(|(_, start, end)| start < end)
        .flat_map(|(kind, start, end)| [(start.min(took), kind, 1), (end.min(took), kind, -1)])
        .collect();
    edges.sort_unstable();
    let mut running = [0_i32; KINDS];
    let mut spent = [Duration::ZERO; KINDS];
    let mut since = Duration::ZERO;
    for (at, kind, change) in edges {
        if let Some(first) = running.iter().position(|it| *it > 0) {
            spent[first] += at.saturating_sub(since);
        }
        since = at;
        running[kind] += change;
    }
    let [building, transferring, evaluating, waiting, asking] = spent.map(secs);
    let other = secs(took.saturating_sub(spent.iter().sum()));
    Shares { building, transferring, evaluating, waiting, asking, other }
}
