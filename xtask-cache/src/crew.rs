//! Several threads that work on a heap of tasks, each of which may bring more.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

struct Heap<T, R> {
    tasks: VecDeque<T>,
    /// Tasks that somebody is at.
    busy: usize,
    done: Vec<R>,
}

/// Does all tasks, and those that they bring, with at most `threads` at a time. The results are in no order.
pub fn work<T: Send, R: Send>(
    threads: usize,
    tasks: impl IntoIterator<Item = T>,
    each: impl Fn(T) -> (R, Vec<T>) + Sync,
) -> Vec<R> {
    let heap = Mutex::new(Heap { tasks: tasks.into_iter().collect(), busy: 0, done: Vec::new() });
    let changed = Condvar::new();
    let worker = || {
        let mut at = heap.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(task) = at.tasks.pop_front() {
                at.busy += 1;
                drop(at);
                let (result, more) = each(task);
                at = heap.lock().unwrap_or_else(PoisonError::into_inner);
                at.busy -= 1;
                at.done.push(result);
                at.tasks.extend(more);
                changed.notify_all();
            } else if at.busy == 0 {
                return;
            } else {
                at = changed.wait(at).unwrap_or_else(PoisonError::into_inner);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(worker);
        }
    });
    heap.into_inner().unwrap_or_else(PoisonError::into_inner).done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_task_brings_is_done_too() {
        // Each number brings the two below it: the binary tree of depth ten.
        let more = |n: u32| if n == 0 { Vec::new() } else { vec![n - 1, n - 1] };
        let done = work(4, [9_u32], |n| (n, more(n)));
        assert_eq!(done.len(), 1023);
        assert_eq!(done.iter().filter(|it| **it == 0).count(), 512);
        assert!(work(4, Vec::<u32>::new(), |n| (n, Vec::new())).is_empty());
    }
}
