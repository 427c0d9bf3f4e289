//! Pushes what is built while it is built: looks which paths are new in the store, asks Nix which of them are valid,
//! and pushes their closures.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::bucket::Patience;
use crate::job::{Event, PathInfo, PushJob, Summary, WatchJob};
use crate::machine::Machine;
use crate::narinfo::{STORE, hash_part};
use crate::push::push;

/// How often the store is looked at. It is one `readdir`.
const PAUSE: Duration = Duration::from_secs(1);
/// Paths in one question to Nix: a command line is only so long.
const AT_ONCE: usize = 500;

/// Watches until it is told to end, or forever. A push that fails is tried again with the next one, and at the end.
///
/// # Errors
/// When the store cannot be read, or the last push cannot begin.
pub fn watch(
    job: &WatchJob,
    machine: &Machine,
    patience: Patience,
    tell: &mut dyn FnMut(Event),
) -> anyhow::Result<Summary> {
    let parent = std::os::unix::process::parent_id();
    let mut seen = names(job)?;
    // Built, and not known to be in the cache.
    let mut open: BTreeSet<String> = BTreeSet::new();
    let mut total = Summary::default();
    loop {
        let gone = job.until.as_ref().is_some_and(|it| !it.exists());
        // Who started us may have died.
        let last = gone || std::os::unix::process::parent_id() != parent;
        let fresh: Vec<String> = names(job)?.into_iter().filter(|it| !seen.contains(it)).collect();
        let built = valid(job, &fresh)?;
        // What is not valid yet is being built: it is looked at again.
        if let Some(ours) = ours(job, &built, last)? {
            seen.extend(built.into_keys());
            open.extend(ours);
        }
        if !open.is_empty() {
            match push_closure(job, &open, machine, patience, tell) {
                Ok(summary) if summary.ok() => {
                    open.clear();
                    add(&mut total, summary);
                }
                Ok(summary) if last => add(&mut total, summary),
                Ok(summary) => add(&mut total, Summary { failed: Vec::new(), error: None, ..summary }),
                Err(error) if last => return Err(error),
                Err(error) => tell(Event::Warning { text: format!("not pushed yet: {error:#}") }),
            }
        }
        if last {
            return Ok(total);
        }
        std::thread::sleep(PAUSE);
    }
}

fn add(total: &mut Summary, more: Summary) {
    total.plan.push += more.plan.push;
    total.plan.bytes += more.plan.bytes;
    total.plan.there += more.plan.there;
    total.plan.upstream += more.plan.upstream;
    total.plan.who = more.plan.who;
    total.pushed.extend(more.pushed);
    total.failed.extend(more.failed);
    total.sent += more.sent;
    total.retries += more.retries;
    total.error = more.error;
}

/// The store paths that have files, but for derivations and what is being written.
fn names(job: &WatchJob) -> anyhow::Result<BTreeSet<String>> {
    let dir = &job.push.store;
    let mut res = BTreeSet::new();
    for entry in dir.read_dir_utf8().with_context(|| format!("cannot read the store `{dir}`"))? {
        let entry = entry?;
        let path = format!("{STORE}/{}", entry.file_name());
        let odd = [".drv", ".lock", ".chroot", ".check", ".tmp"].iter().any(|it| path.ends_with(it));
        if !odd && hash_part(&path).is_some() {
            res.insert(path);
        }
    }
    Ok(res)
}

/// Those that are valid.
fn valid(job: &WatchJob, paths: &[String]) -> anyhow::Result<BTreeMap<String, PathInfo>> {
    let mut res = BTreeMap::new();
    for some in paths.chunks(AT_ONCE) {
        res.extend(ask(&job.valid, some)?);
    }
    Ok(res)
}

/// Those that were built, and for us. What was copied here to be evaluated has no deriver, and is of no use to
/// others. `None` while it cannot be told: derivations are written when Nix has evaluated.
fn ours(
    job: &WatchJob,
    built: &BTreeMap<String, PathInfo>,
    last: bool,
) -> anyhow::Result<Option<Vec<String>>> {
    let mut derived = built.iter().filter_map(|(path, it)| Some((path, it.deriver.as_ref()?))).peekable();
    if job.drvs.is_empty() || derived.peek().is_none() {
        return Ok(Some(derived.map(|it| it.0.clone()).collect()));
    }
    let there = valid(job, &job.drvs)?;
    if there.len() < job.drvs.len() && !last {
        return Ok(None);
    }
    let there: Vec<String> = there.into_keys().collect();
    let mut needed = BTreeSet::new();
    for some in there.chunks(AT_ONCE) {
        needed.extend(ask(&job.closure, some)?.into_keys());
    }
    Ok(Some(derived.filter(|it| needed.contains(it.1)).map(|it| it.0.clone()).collect()))
}

fn push_closure(
    job: &WatchJob,
    open: &BTreeSet<String>,
    machine: &Machine,
    patience: Patience,
    tell: &mut dyn FnMut(Event),
) -> anyhow::Result<Summary> {
    let roots: Vec<String> = open.iter().cloned().collect();
    let mut paths = BTreeMap::new();
    for some in roots.chunks(AT_ONCE) {
        paths.extend(ask(&job.closure, some)?);
    }
    push(&PushJob { paths, ..job.push.clone() }, machine, patience, tell)
}

/// What Nix knows of paths. What is not valid is null; a newer Nix says more than paths.
#[expect(clippy::disallowed_methods, reason = "a short command whose output is read; there is no shell here")]
fn ask(command: &[String], paths: &[String]) -> anyhow::Result<BTreeMap<String, PathInfo>> {
    let (program, args) = command.split_first().context("the job names no command")?;
    let output = Command::new(program).args(args).args(paths).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run `{program}`"))?;
    if !output.status.success() {
        bail!("`{program}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let answer: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("unexpected answer of `{program}`"))?;
    Ok(answer.into_iter().filter_map(|(path, it)| Some((path, serde_json::from_value(it).ok()?))).collect())
}
