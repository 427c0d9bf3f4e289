//! When builds really ended. Nix 2.26 tells the end of what was asked for only when all of it is done; but it counts
//! each build in the moment in which it ends, so the times are known, and which build they belong to is found out.

use std::collections::BTreeMap;
use std::time::Duration;

/// What is told in one stream: counts, and stops of builds by their place in the list.
#[derive(Debug, Default)]
pub struct Ends {
    counted: Option<Duration>,
    stopped: Vec<usize>,
    /// Counts that no stop followed.
    pub open: Vec<Duration>,
    /// Builds whose stop came when it was too late.
    pub late: Vec<usize>,
    done: u64,
}

/// A build whose end is not known: it ended after `from` and before `before`.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub build: usize,
    pub from: Duration,
    pub before: Option<Duration>,
}

impl Ends {
    /// Nix has counted `done` builds.
    pub fn count(&mut self, done: u64, at: Duration) {
        let more = done.saturating_sub(self.done);
        if more == 0 {
            return;
        }
        self.done = done;
        self.other();
        self.counted = Some(at);
        for _ in 1..more {
            self.open.push(at);
        }
    }

    pub fn stop(&mut self, build: usize) {
        self.stopped.push(build);
    }

    /// Anything else: a count is followed by the one stop that it stands for at once, or never.
    pub fn other(&mut self) {
        let stopped = std::mem::take(&mut self.stopped);
        match (self.counted.take(), stopped.as_slice()) {
            (Some(_), [_]) => {}
            (count, _) => {
                self.open.extend(count);
                self.late.extend(stopped);
            }
        }
    }

    /// A new stream counts from zero.
    pub fn restart(&mut self) {
        self.other();
        self.done = 0;
    }
}

/// Which count is whose: each goes to the build that had to end first, of those that can have ended by then.
#[must_use]
pub fn settle(counts: &[Duration], candidates: &[Candidate]) -> BTreeMap<usize, Duration> {
    let mut left = candidates.to_vec();
    let mut res = BTreeMap::new();
    for at in counts {
        let urgency = |it: &Candidate| (it.before.unwrap_or(Duration::MAX), it.from);
        let fits = left.iter().enumerate().filter(|it| it.1.from <= *at);
        let Some((place, _)) = fits.min_by_key(|it| urgency(it.1)) else { continue };
        res.insert(left.swap_remove(place).build, *at);
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// As recorded of 2.26 with three packages: a ends and b starts, c ends, b ends, and all are told.
    #[test]
    fn three_told_at_the_end() {
        let mut ends = Ends::default();
        for (done, at) in [(1, 4960), (2, 5370), (3, 7460)] {
            ends.count(done, ms(at));
            if done < 3 {
                ends.other();
            }
        }
        for build in [2, 1, 0] {
            ends.stop(build);
        }
        ends.restart();
        assert_eq!(
            (ends.open.as_slice(), ends.late.as_slice()),
            (&[ms(4960), ms(5370), ms(7460)][..], &[2, 1, 0][..])
        );
        let candidate =
            |build, from, before: Option<u64>| Candidate { build, from: ms(from), before: before.map(ms) };
        // c has printed a line at 5300; b started at 4970, when a was done.
        let candidates = [candidate(0, 4430, Some(4970)), candidate(1, 4970, None), candidate(2, 4450, None)];
        let want = BTreeMap::from([(0, ms(4960)), (1, ms(7460)), (2, ms(5370))]);
        assert_eq!(settle(&ends.open, &candidates), want);
    }

    #[test]
    fn what_is_told_at_once_is_right() {
        let mut ends = Ends::default();
        ends.count(1, ms(5));
        ends.stop(0);
        ends.count(2, ms(9));
        ends.stop(1);
        ends.restart();
        assert!(ends.open.is_empty() && ends.late.is_empty());
    }
}
