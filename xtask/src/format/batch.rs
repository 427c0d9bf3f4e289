//! Many files at once: the biggest first, every core busy to the end, and none held up by one that takes for ever.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

use super::cache::{self, Cache, Digest, Stamp, Verdict};
use super::files::{self, Target};
use super::{FileReport, Options, Outcome, Problem, engine};

/// A job goes from one state to the next, and whoever moves it decides: the thread that works on it, or the one that
/// ran out of patience.
const WAITING: u8 = 0;
const RUNNING: u8 = 1;
const FINISHED: u8 = 2;
const ABANDONED: u8 = 3;

/// What all threads share; it outlives the batch if one of them is abandoned.
struct Shared {
    jobs: Vec<Job>,
    next: AtomicUsize,
    known: HashMap<Digest, Verdict>,
    check: bool,
}

struct Job {
    target: Target,
    state: AtomicU8,
}

enum Message {
    Started(usize),
    Done(usize, Done),
}

struct Done {
    outcome: Outcome,
    old: String,
    /// Of the content that was judged; `None` when it could not be read.
    digest: Option<Digest>,
}

/// Formats the files, or only looks when `check` is set. Each file is its own: whatever is wrong with one is in its
/// report. The reports come in the order of `files`; a file that is named twice has one.
///
/// What the cache knows is not formatted again, and not even read if its size, times and inode are the same.
#[must_use]
pub fn run(files: &[Utf8PathBuf], options: &Options, cache: &mut Cache) -> Vec<FileReport> {
    let mut reports = Vec::with_capacity(files.len());
    let mut todo = Vec::new();
    for (path, found) in files::resolve(files, &options.root) {
        let outcome = match found {
            Err(outcome) => outcome,
            Ok(target) => {
                let stamp = Stamp::of(&target.metadata, options.now);
                if let Some(verdict) = cache.by_stamp(&target.real, stamp) {
                    verdict.clone().into()
                } else {
                    todo.push((reports.len(), target));
                    // Until it is known.
                    Outcome::Clean
                }
            }
        };
        reports.push(FileReport { path, outcome, old: String::new() });
    }
    todo.sort_by_key(|(_, it)| Reverse(it.metadata.len()));
    let (places, targets): (Vec<usize>, Vec<Target>) = todo.into_iter().unzip();
    let jobs = targets.into_iter().map(|target| Job { target, state: AtomicU8::new(WAITING) }).collect();
    let known = if places.is_empty() { HashMap::new() } else { cache.contents() };
    let shared = Arc::new(Shared { jobs, next: AtomicUsize::new(0), known, check: options.check });
    for (index, done) in work(&shared, options).into_iter().enumerate() {
        let (Some(place), Some(job)) = (places.get(index), shared.jobs.get(index)) else {
            continue;
        };
        remember(cache, &job.target, &done, options);
        if let Some(report) = reports.get_mut(*place) {
            (report.outcome, report.old) = (done.outcome, done.old);
        }
    }
    reports
}

fn remember(cache: &mut Cache, target: &Target, done: &Done, options: &Options) {
    let verdict = match &done.outcome {
        Outcome::Clean => Verdict::Clean,
        Outcome::NeedsAlejandra4(spots) => Verdict::NeedsAlejandra4(spots.clone()),
        _ => return,
    };
    if let Some(digest) = done.digest {
        cache.learn(digest, verdict);
        cache.see(&target.real, Stamp::of(&target.metadata, options.now), digest);
    }
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Outcome {
        match verdict {
            Verdict::Clean => Outcome::Clean,
            Verdict::NeedsAlejandra4(spots) => Outcome::NeedsAlejandra4(spots),
        }
    }
}

/// Does all jobs and returns what came of each, in their order.
fn work(shared: &Arc<Shared>, options: &Options) -> Vec<Done> {
    let (sender, receiver) = mpsc::channel();
    let count = shared.jobs.len();
    let mut results: Vec<Option<Done>> = (0..count).map(|_| None).collect();
    let started = (0..options.threads.max(1).min(count)).filter(|_| start(shared, &sender)).count();
    if started > 0 {
        collect(shared, &sender, &receiver, &mut results, options.time_limit);
    }
    let missing = || {
        failed(Problem::whole("no thread could be started to format this file; free memory and run again"))
    };
    results.into_iter().map(|it| it.unwrap_or_else(missing)).collect()
}

fn start(shared: &Arc<Shared>, sender: &Sender<Message>) -> bool {
    let (shared, sender) = (Arc::clone(shared), sender.clone());
    engine::spawn(move || worker(&shared, &sender)).is_ok()
}

fn collect(
    shared: &Arc<Shared>,
    sender: &Sender<Message>,
    receiver: &Receiver<Message>,
    results: &mut [Option<Done>],
    limit: Duration,
) {
    let mut left = results.len();
    let mut running: Vec<(usize, Instant)> = Vec::new();
    while left > 0 {
        let patience = running.iter().map(|(_, since)| limit.saturating_sub(since.elapsed())).min();
        match receiver.recv_timeout(patience.unwrap_or(limit)) {
            Ok(Message::Started(index)) => running.push((index, Instant::now())),
            Ok(Message::Done(index, done)) => {
                running.retain(|it| it.0 != index);
                results[index] = Some(done);
                left -= 1;
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                for (index, since) in std::mem::take(&mut running) {
                    if since.elapsed() < limit || !advance(&shared.jobs[index], ABANDONED) {
                        running.push((index, since));
                        continue;
                    }
                    // Its thread is lost until the process ends; another one takes its place.
                    results[index] = Some(failed(engine::too_slow(limit)));
                    left -= 1;
                    if !start(shared, sender) && running.is_empty() {
                        return;
                    }
                }
            }
        }
    }
}

fn failed(problem: Problem) -> Done {
    Done { outcome: Outcome::Refused(problem), old: String::new(), digest: None }
}

/// Moves a running job on; false when somebody else did.
fn advance(job: &Job, to: u8) -> bool {
    job.state.compare_exchange(RUNNING, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

fn worker(shared: &Shared, sender: &Sender<Message>) {
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = shared.jobs.get(index) else { return };
        job.state.store(RUNNING, Ordering::Release);
        if sender.send(Message::Started(index)).is_err() {
            return;
        }
        let (mut done, bytes) = judge(shared, &job.target);
        if !advance(job, FINISHED) {
            return;
        }
        if let Outcome::Changed { new } = &done.outcome
            && !shared.check
            && let Err(problem) = files::replace(&job.target, &bytes, new)
        {
            done.outcome = Outcome::Refused(problem);
        }
        if sender.send(Message::Done(index, done)).is_err() {
            return;
        }
    }
}

fn judge(shared: &Shared, target: &Target) -> (Done, Vec<u8>) {
    let bytes = match fs::read(&target.real) {
        Ok(it) => it,
        Err(err) => {
            return (failed(Problem::whole(format!("cannot read the file: {err}"))), Vec::new());
        }
    };
    let digest = cache::digest(&bytes);
    let outcome = shared.known.get(&digest).map_or_else(|| engine::judge(&bytes), |it| it.clone().into());
    let old = match &outcome {
        Outcome::Changed { .. } => String::from_utf8_lossy(&bytes).into_owned(),
        _ => String::new(),
    };
    (Done { outcome, old, digest: Some(digest) }, bytes)
}
