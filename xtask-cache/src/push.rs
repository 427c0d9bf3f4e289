//! Pushes a closure, so that a reader never sees a hole: a narinfo comes after its archive and after the narinfos of
//! all that it refers to, whenever we die.

mod archive;
mod engine;
mod order;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use engine::{Engine, Outcome};

use crate::bucket::{Access, Bucket, Content, Patience};
use crate::failure::{Failure, Kind};
use crate::job::{Event, PathInfo, Plan, Progress, PushJob, PushedPath, Summary};
use crate::keys::SecretKey;
use crate::lookup;
use crate::machine::Machine;
use crate::narinfo::{STORE, hash_part};
use crate::staging::Staging;

/// Bytes of archives that we count on in a second when we compare with the end of the credentials: 10 MB.
const SLOW: u64 = 10_000_000;
/// How often it is told how far a push is.
const TICK: Duration = Duration::from_millis(200);
/// What a path costs besides its bytes: as much time as so many of them. Else thousands of small ones would come at
/// the end, when nothing seems to be left.
const EACH: u64 = 50_000;
const CACHE_INFO: &str = "nix-cache-info";

/// Pushes what the cache lacks. What went wrong is in the summary.
///
/// # Errors
/// When the push cannot begin: no key, no credentials, no cache.
pub fn push(
    job: &PushJob,
    machine: &Machine,
    patience: Patience,
    tell: &mut dyn FnMut(Event),
) -> anyhow::Result<Summary> {
    let key = SecretKey::of(job, machine)?;
    for path in job.paths.keys() {
        anyhow::ensure!(
            hash_part(path).is_some(),
            "`{path}` is no path of {STORE}; its hash would mean nothing elsewhere"
        );
    }
    let bucket = Bucket::open(&job.to, Access::Write, machine, patience, job.jobs.max(lookup::AT_ONCE))?;
    let has_info = check_cache(&bucket)?;
    let (plan, mut missing, there) = plan(job, &bucket, machine, patience, tell)?;
    tell(Event::Plan(plan.clone()));
    let mut summary = Summary { plan, ..Summary::default() };
    if job.dry_run {
        let planned = missing.iter().map(|(path, info)| PushedPath {
            path: (*path).to_owned(),
            nar_size: info.nar_size,
            file_size: 0,
        });
        summary.planned = planned.collect();
        return Ok(summary);
    }
    warn_of_expiry(&bucket, summary.plan.bytes, machine, tell);
    if !has_info {
        let text = format!("StoreDir: {STORE}\nWantMassQuery: 1\n");
        bucket.put(CACHE_INFO, Content::bytes(text.as_bytes()))?;
    }
    if missing.is_empty() {
        return Ok(summary);
    }
    let staging = Staging::open(&job.staging.dir, &job.to)?;
    while summary.ok() && !missing.is_empty() {
        let outcome = run(job, &bucket, &key, &staging, missing, tell)?;
        summary.pushed.extend(outcome.pushed);
        summary.failed = outcome.failed;
        summary.error = outcome.fatal.map(|it| it.text);
        missing = if summary.ok() { gone(job, &bucket, &there, tell)? } else { Vec::new() };
    }
    summary.sent = bucket.sent();
    summary.retries = bucket.retries();
    if summary.ok() {
        staging.finish()?;
    }
    Ok(summary)
}

/// What the cache had when we began and has no more: somebody prunes it. What we have pushed may need it.
fn gone<'a>(
    job: &'a PushJob,
    bucket: &Bucket,
    there: &BTreeSet<String>,
    tell: &mut dyn FnMut(Event),
) -> Result<Missing<'a>, Failure> {
    let asked: Vec<&str> = there.iter().map(String::as_str).collect();
    let still = lookup::present(bucket, &asked)?;
    let gone = job.paths.iter().filter(|it| there.contains(it.0) && !still.contains(it.0));
    let gone: Missing<'a> = gone.map(|it| (it.0.as_str(), it.1)).collect();
    if !gone.is_empty() {
        let text = format!(
            "{} paths have been deleted from the cache since we began; they are pushed again",
            gone.len()
        );
        tell(Event::Warning { text });
    }
    Ok(gone)
}

/// Whether the cache says that it is one. One for another store is refused.
fn check_cache(bucket: &Bucket) -> Result<bool, Failure> {
    let Some(text) = bucket.get(CACHE_INFO)? else { return Ok(false) };
    let text = String::from_utf8_lossy(&text);
    let store = text.lines().find_map(|it| it.strip_prefix("StoreDir:")).map(str::trim);
    match store {
        Some(STORE) => Ok(true),
        Some(other) => Err(Failure::new(
            Kind::Other,
            format!("`{}` is a cache for the store {other}, not for {STORE}", bucket.url),
        )),
        None => Err(Failure::new(
            Kind::Other,
            format!("`{}` has a nix-cache-info that names no store", bucket.url),
        )),
    }
}

type Missing<'a> = Vec<(&'a str, &'a PathInfo)>;

fn plan<'a>(
    job: &'a PushJob,
    bucket: &Bucket,
    machine: &Machine,
    patience: Patience,
    tell: &mut dyn FnMut(Event),
) -> Result<(Plan, Missing<'a>, BTreeSet<String>), Failure> {
    let all: Vec<&str> = job.paths.keys().map(String::as_str).collect();
    let mut there = lookup::present(bucket, &all)?;
    there.retain(|it| !job.again.contains(it));
    let mut missing: BTreeSet<String> = all.iter().map(|it| (*it).to_owned()).collect();
    missing.retain(|it| !there.contains(it));
    let mut upstream = 0;
    for url in &job.upstream {
        if missing.is_empty() {
            break;
        }
        let quick = Patience { total: Duration::from_secs(10), ..patience };
        let served = Bucket::open(url, Access::Read, machine, quick, lookup::AT_ONCE)
            .and_then(|it| lookup::upstream(&it, &missing, &job.paths));
        match served {
            Ok(mut served) => {
                // Readers who see what is wrong here do not look there.
                served.retain(|it| !job.again.contains(it));
                upstream += served.len();
                missing.retain(|it| !served.contains(it));
            }
            Err(failure) => tell(Event::Warning {
                text: format!("cannot ask `{url}` what it serves, so all of it is pushed: {failure}"),
            }),
        }
    }
    let missing: Missing<'a> =
        job.paths.iter().filter(|it| missing.contains(it.0)).map(|it| (it.0.as_str(), it.1)).collect();
    let plan = Plan {
        push: missing.len(),
        bytes: missing.iter().map(|it| it.1.nar_size).sum(),
        there: there.len(),
        upstream,
        who: bucket.who(),
    };
    Ok((plan, missing, there))
}

fn warn_of_expiry(bucket: &Bucket, bytes: u64, machine: &Machine, tell: &mut dyn FnMut(Event)) {
    let Some(end) = bucket.expires() else { return };
    let left = end.duration_since((machine.now)()).unwrap_or_default();
    if left.as_secs() < bytes / SLOW {
        let who = bucket.who().unwrap_or_default();
        let minutes = left.as_secs() / 60;
        let text = format!(
            "the credentials ({who}) end in {minutes} min, maybe before all is pushed; the next push would go on"
        );
        tell(Event::Warning { text });
    }
}

fn run(
    job: &PushJob,
    bucket: &Bucket,
    key: &SecretKey,
    staging: &Staging,
    missing: Missing<'_>,
    tell: &mut dyn FnMut(Event),
) -> anyhow::Result<Outcome> {
    let (sender, events) = channel();
    let total: u64 = missing.iter().map(|it| it.1.nar_size).sum();
    let of = missing.len();
    let mut progress = Progress { of, total: total + of as u64 * EACH, ..Progress::default() };
    let engine = Engine::new(job, bucket, key, staging, missing, sender)?;
    let (read, arrived) = (engine.read.clone(), engine.arrived.clone());
    std::thread::scope(|scope| {
        let engine = scope.spawn(move || engine.run());
        let mut tell = |event: Event| {
            if job.each || !matches!(event, Event::Pushed { .. }) {
                tell(event);
            }
        };
        follow(&events, &mut tell, &mut |pushed| {
            progress.paths += usize::from(pushed);
            // A path may be read more than once, where there was no room.
            let done =
                u64::midpoint(read.load(Ordering::Relaxed).min(total), arrived.load(Ordering::Relaxed));
            progress.done = done.min(total) + progress.paths as u64 * EACH;
            progress.sent = bucket.sent();
            progress.clone()
        });
        Ok(engine.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Hands on what happens, and five times a second how far it is.
fn follow(events: &Receiver<Event>, tell: &mut dyn FnMut(Event), progress: &mut dyn FnMut(bool) -> Progress) {
    let mut told = Instant::now();
    loop {
        match events.recv_timeout(TICK) {
            Ok(event) => {
                progress(matches!(event, Event::Pushed { .. }));
                tell(event);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if told.elapsed() >= TICK {
            tell(Event::Progress(progress(false)));
            told = Instant::now();
        }
    }
}
