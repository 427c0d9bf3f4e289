//! What caches can serve: each path, and all that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bucket::Bucket;
use crate::crew;
use crate::failure::Failure;
use crate::narinfo::{NarInfo, STORE, key_of};

/// What became of the question for one path.
#[derive(Debug, Clone)]
pub enum State {
    /// By which cache, the first that has it.
    Served { cache: usize, info: Box<NarInfo> },
    /// No cache has it.
    Missing,
    /// A cache says something that cannot be right, and no other has it.
    Unreadable(String),
    /// Those that could be asked do not have it; another one did not answer.
    Unknown,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// By store path.
    pub states: BTreeMap<String, State>,
    /// Caches that do not answer, by their place in the list, and why.
    pub dead: BTreeMap<usize, Failure>,
}

/// What one path leads to in the survey.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub paths: BTreeSet<String>,
    pub missing: BTreeSet<String>,
    pub unknown: BTreeSet<String>,
    /// Bytes to download, where caches say so, and bytes unpacked.
    pub file_size: u64,
    pub nar_size: u64,
}

/// Asks the caches, in their order, for the paths and all that these refer to; `threads` at a time. `tell` hears how
/// many have been asked for.
pub fn survey(caches: &[Bucket], paths: &[String], threads: usize, tell: &(dyn Fn(usize) + Sync)) -> Survey {
    let dead: Mutex<BTreeMap<usize, Failure>> = Mutex::default();
    let seen: Mutex<BTreeSet<String>> = Mutex::new(paths.iter().cloned().collect());
    let first: Vec<String> = locked(&seen).iter().cloned().collect();
    let found = crew::work(threads, first, |path| {
        let state = ask(caches, &path, &dead);
        let mut more = Vec::new();
        if let State::Served { info, .. } = &state {
            let mut seen = locked(&seen);
            let paths = info.references.iter().map(|it| format!("{STORE}/{it}"));
            more.extend(paths.filter(|it| seen.insert(it.clone())));
            tell(seen.len());
        }
        ((path, state), more)
    });
    let dead = dead.into_inner().unwrap_or_else(PoisonError::into_inner);
    Survey { states: found.into_iter().collect(), dead }
}

fn ask(caches: &[Bucket], path: &str, dead: &Mutex<BTreeMap<usize, Failure>>) -> State {
    let mut res = State::Missing;
    for (cache, bucket) in caches.iter().enumerate() {
        if locked(dead).contains_key(&cache) {
            res = worse(res, State::Unknown);
            continue;
        }
        match bucket.get(&key_of(path)) {
            Ok(Some(text)) => match NarInfo::parse(&String::from_utf8_lossy(&text)) {
                Ok(info) => return State::Served { cache, info: Box::new(info) },
                Err(error) => res = State::Unreadable(format!("{error:#}")),
            },
            Ok(None) => {}
            Err(failure) => {
                res = worse(res, State::Unknown);
                locked(dead).entry(cache).or_insert(failure);
            }
        }
    }
    res
}

/// What is wrong outweighs what is not known.
fn worse(old: State, new: State) -> State {
    if matches!(old, State::Missing) { new } else { old }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Survey {
    /// All that a path needs, as far as caches tell: what is behind a missing one, nobody knows.
    #[must_use]
    pub fn reach(&self, path: &str) -> Reach {
        let mut res = Reach::default();
        let mut next = vec![path.to_owned()];
        while let Some(path) = next.pop() {
            if !res.paths.insert(path.clone()) {
                continue;
            }
            match self.states.get(&path) {
                Some(State::Served { info, .. }) => {
                    res.nar_size += info.nar_size;
                    res.file_size += info.file_size.unwrap_or(info.nar_size);
                    next.extend(info.references.iter().map(|it| format!("{STORE}/{it}")));
                }
                Some(State::Missing | State::Unreadable(_)) => drop(res.missing.insert(path)),
                Some(State::Unknown) | None => drop(res.unknown.insert(path)),
            }
        }
        res
    }
}
