//! What may be done next: pure, so that the one rule that matters can be tested on its own. A narinfo may be written
//! when its archive is there, and the narinfos of all that it refers to.

use std::collections::{BTreeMap, VecDeque};

/// Something to do, for the path of that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Make its archive and upload it.
    Archive(usize),
    /// Write its narinfo.
    Info(usize),
}

#[derive(Debug, Default)]
pub(super) struct Order {
    /// The largest last, where they are taken from.
    archives: Vec<usize>,
    infos: VecDeque<usize>,
    /// What each path still waits for: its archive, and references.
    waiting: Vec<usize>,
    /// Who refers to it.
    referrers: Vec<Vec<usize>>,
    /// Handed out, and neither done nor failed.
    running: usize,
}

impl Order {
    /// Paths with their sizes, and what each refers to. References that are not among them are in the cache.
    pub(super) fn new<'a>(paths: &[(&'a str, u64, &'a [String])]) -> Order {
        let numbers: BTreeMap<&str, usize> = paths.iter().enumerate().map(|(n, it)| (it.0, n)).collect();
        let mut res = Order {
            archives: (0..paths.len()).collect(),
            waiting: vec![1; paths.len()],
            referrers: vec![Vec::new(); paths.len()],
            ..Order::default()
        };
        res.archives.sort_by_key(|n| (paths[*n].1, std::cmp::Reverse(*n)));
        for (n, (_, _, references)) in paths.iter().enumerate() {
            for m in references.iter().filter_map(|it| numbers.get(it.as_str())).filter(|m| **m != n) {
                res.waiting[n] += 1;
                res.referrers[*m].push(n);
            }
        }
        res
    }

    /// The next thing to do: narinfos first, then the largest archive that there is room for.
    pub(super) fn next(&mut self, room: impl Fn(usize) -> bool) -> Option<Work> {
        let work = if let Some(n) = self.infos.pop_front() {
            Work::Info(n)
        } else {
            let at = self.archives.iter().rposition(|n| room(*n))?;
            Work::Archive(self.archives.remove(at))
        };
        self.running += 1;
        Some(work)
    }

    /// Nothing is left that could be done, now or later.
    pub(super) fn is_over(&self) -> bool {
        self.running == 0 && self.archives.is_empty() && self.infos.is_empty()
    }

    /// Puts an archive back, for later.
    pub(super) fn again(&mut self, n: usize) {
        self.running -= 1;
        self.archives.push(n);
    }

    pub(super) fn done(&mut self, work: Work) {
        self.running -= 1;
        match work {
            Work::Archive(n) => self.one_less(n),
            Work::Info(n) => {
                for referrer in std::mem::take(&mut self.referrers[n]) {
                    self.one_less(referrer);
                }
            }
        }
    }

    /// What refers to it will never be done.
    pub(super) fn failed(&mut self) {
        self.running -= 1;
    }

    /// Nothing more is begun.
    pub(super) fn stop(&mut self) {
        self.archives.clear();
        self.infos.clear();
    }

    fn one_less(&mut self, n: usize) {
        self.waiting[n] -= 1;
        if self.waiting[n] == 0 {
            self.infos.push_back(n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` needs `b` and itself, `b` needs `c` and `x`, which is in the cache.
    fn chain() -> Order {
        let references =
            [vec!["b".to_owned(), "a".to_owned()], vec!["c".to_owned(), "x".to_owned()], Vec::new()];
        Order::new(&[("a", 10, &references[0]), ("b", 30, &references[1]), ("c", 20, &references[2])])
    }

    fn any(order: &mut Order) -> Option<Work> {
        order.next(|_| true)
    }

    #[test]
    fn the_largest_archive_first_and_no_narinfo_before_its_references() {
        let mut order = chain();
        let archives: Vec<Work> = (0..3).map_while(|_| any(&mut order)).collect();
        assert_eq!(archives, [Work::Archive(1), Work::Archive(2), Work::Archive(0)]);
        order.done(Work::Archive(0));
        order.done(Work::Archive(1));
        assert_eq!(any(&mut order), None);
        order.done(Work::Archive(2));
        for n in [2, 1, 0] {
            assert_eq!(any(&mut order), Some(Work::Info(n)));
            assert_eq!(any(&mut order), None);
            assert!(!order.is_over());
            order.done(Work::Info(n));
        }
        assert!(order.is_over());
    }

    #[test]
    fn what_failed_holds_back_what_needs_it_and_nothing_else() {
        let mut order = chain();
        let handed_out = (0..3).filter_map(|_| any(&mut order)).count();
        assert_eq!(handed_out, 3);
        order.failed();
        order.done(Work::Archive(0));
        order.done(Work::Archive(2));
        assert_eq!(any(&mut order), Some(Work::Info(2)));
        order.done(Work::Info(2));
        assert!(order.is_over());
    }

    #[test]
    fn where_there_is_no_room_the_next_one_that_fits() {
        let mut order = chain();
        assert_eq!(order.next(|n| n == 0), Some(Work::Archive(0)));
        assert_eq!(order.next(|_| false), None);
        assert!(!order.is_over());
        order.again(0);
        order.stop();
        assert!(order.is_over());
    }
}
