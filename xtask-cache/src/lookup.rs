//! Which paths a cache has: one list of all its narinfos, or a question for each path, whichever takes less time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::bucket::Bucket;
use crate::failure::{Failure, Kind};
use crate::job::PathInfo;
use crate::narinfo::key_of;

/// Questions at once.
pub const AT_ONCE: usize = 32;
const ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// Those of the paths that the cache has a narinfo of.
pub fn present(bucket: &Bucket, paths: &[&str]) -> Result<BTreeSet<String>, Failure> {
    if bucket.can_list()
        && paths.len() > AT_ONCE
        && let Some(keys) = listed(bucket, paths)?
    {
        return Ok(paths.iter().filter(|it| keys.contains(&key_of(it))).map(|it| (*it).to_owned()).collect());
    }
    ask_each(paths, |path| Ok(bucket.size(&key_of(path))?.is_some()))
}

/// The keys of all narinfos; `None` when asking for each path is quicker, or lists are not allowed. Pages come one
/// after the other, answers [`AT_ONCE`]: how long either takes is found out by the first page and one question.
fn listed(bucket: &Bucket, paths: &[&str]) -> Result<Option<BTreeSet<String>>, Failure> {
    let mut keys = BTreeSet::new();
    let (mut pages, mut asked) = (0, Ok(None));
    let start = Instant::now();
    let result = bucket.list("", true, &mut |entries| {
        pages += 1;
        let page = start.elapsed();
        let last = entries.last().map(|it| it.key.clone()).unwrap_or_default();
        keys.extend(entries.into_iter().map(|it| it.key).filter(|it| it.ends_with(".narinfo")));
        if pages > 1 {
            return true;
        }
        let start = Instant::now();
        asked = bucket.size(&key_of(paths[0]));
        asked.is_ok() && list_is_quicker(position(&last), page, start.elapsed(), paths.len())
    });
    asked?;
    match result {
        Ok(all) => Ok(all.then_some(keys)),
        Err(failure) if failure.kind == Kind::Denied => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether to go on with a list of which a page has taken so long and led so far, or to ask for each path.
fn list_is_quicker(position: f64, page: Duration, question: Duration, paths: usize) -> bool {
    let pages = 1.0 / position.max(1e-6) - 1.0;
    pages * page.as_secs_f64() <= whole(paths) / whole(AT_ONCE) * question.as_secs_f64()
}

/// Counts of paths are far below what a float holds.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn whole(n: usize) -> f64 {
    n as f64
}

/// How far through all possible hashes a key is, from 0 to 1: they are spread evenly.
fn position(key: &str) -> f64 {
    let digit = |it: u8| whole(ALPHABET.iter().position(|letter| *letter >= it).unwrap_or(31));
    key.bytes()
        .take(4)
        .enumerate()
        .map(|(n, it)| digit(it) / 32_f64.powi(i32::try_from(n).unwrap_or(0) + 1))
        .sum()
}

/// Those of `missing` that an upstream cache serves. A cache that has a path has all that it needs, so only the tops
/// are asked for, and what is below those that are not there.
pub fn upstream(
    bucket: &Bucket,
    missing: &BTreeSet<String>,
    paths: &BTreeMap<String, PathInfo>,
) -> Result<BTreeSet<String>, Failure> {
    let needed: BTreeSet<&str> = missing
        .iter()
        .flat_map(|it| paths[it].references.iter().filter(move |reference| *reference != it))
        .map(String::as_str)
        .collect();
    let mut wave: Vec<&str> = missing.iter().map(String::as_str).filter(|it| !needed.contains(it)).collect();
    let mut asked: BTreeSet<&str> = wave.iter().copied().collect();
    let mut found = BTreeSet::new();
    while !wave.is_empty() {
        let there = ask_each(&wave, |path| Ok(bucket.size(&key_of(path))?.is_some()))?;
        let below = wave.iter().filter(|it| !there.contains(**it)).flat_map(|it| &paths[*it].references);
        let next: Vec<&str> = below.map(String::as_str).filter(|it| missing.contains(*it)).collect();
        for path in &there {
            with_all_below(path, missing, paths, &mut found);
        }
        wave = next.into_iter().filter(|it| !found.contains(*it) && asked.insert(it)).collect();
    }
    Ok(found)
}

fn with_all_below(
    path: &str,
    missing: &BTreeSet<String>,
    paths: &BTreeMap<String, PathInfo>,
    found: &mut BTreeSet<String>,
) {
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        if missing.contains(&path) && found.insert(path.clone()) {
            open.extend(paths[&path].references.iter().cloned());
        }
    }
}

/// Asks for many at once.
pub fn ask_each(
    paths: &[&str],
    ask: impl Fn(&str) -> Result<bool, Failure> + Sync,
) -> Result<BTreeSet<String>, Failure> {
    let next = AtomicUsize::new(0);
    let result = Mutex::new(Ok(BTreeSet::new()));
    let locked = || result.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let work = || {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            let there = ask(path);
            let mut result = locked();
            match (there, result.as_mut()) {
                (Ok(true), Ok(found)) => drop(found.insert((*path).to_owned())),
                (Ok(false), Ok(_)) => {}
                (Err(failure), Ok(_)) => *result = Err(failure),
                (_, Err(_)) => return,
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE.min(paths.len())).for_each(|_| drop(scope.spawn(work))));
    result.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions() {
        assert!(position("0000") < 0.001 && position("zzzz") > 0.999);
        assert!((position("g000") - 0.5).abs() < 0.04);
        assert!(position("1") > position("0zzz"));
    }

    /// A list of 10 pages in all, and 5,000 paths: 156 rounds of questions.
    #[test]
    fn whichever_is_quicker() {
        let ms = Duration::from_millis;
        assert!(list_is_quicker(0.1, ms(100), ms(20), 5000));
        assert!(!list_is_quicker(0.1, ms(100), ms(20), 500));
        assert!(!list_is_quicker(0.001, ms(100), ms(20), 5000));
        assert!(list_is_quicker(1.0, ms(900), ms(1), 33));
    }
}
