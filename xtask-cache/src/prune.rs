//! Deletes from a cache what nobody needs any more: mark and sweep, from the paths that are to stay.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::bucket::{Bucket, Entry};
use crate::crew;
use crate::failure::{Failure, Kind};
use crate::narinfo::{NarInfo, STORE, key_of};

/// What stays.
#[derive(Debug)]
pub struct Keep<'a> {
    /// These store paths, and all that they need.
    pub paths: &'a [String],
    /// What is younger, and all that it needs.
    pub younger_than: Duration,
    pub now: SystemTime,
}

/// What would be deleted.
#[derive(Debug, Default, Serialize)]
pub struct Plan {
    pub kept: usize,
    /// Store paths; each goes before what it refers to, so that no reader sees a hole.
    pub paths: Vec<String>,
    /// Keys and bytes of archives that no narinfo will speak of.
    pub archives: Vec<(String, u64)>,
    /// Waves of keys of narinfos.
    #[serde(skip)]
    waves: Vec<Vec<String>>,
}

impl Plan {
    /// Bytes that will be free.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.archives.iter().map(|it| it.1).sum()
    }
}

/// Looks at the whole cache and decides. Nothing is deleted.
///
/// # Errors
/// When the cache cannot be asked, or has a narinfo that cannot be read: what that needs, nobody knows.
pub fn plan(
    cache: &Bucket,
    keep: &Keep<'_>,
    threads: usize,
    tell: &(dyn Fn(usize) + Sync),
) -> Result<Plan, Failure> {
    let mut narinfos: Vec<Entry> = Vec::new();
    cache.list("", true, &mut |page| {
        narinfos.extend(page.into_iter().filter(|it| it.key.ends_with(".narinfo")));
        true
    })?;
    let mut archives: Vec<Entry> = Vec::new();
    cache.list("nar/", false, &mut |page| {
        archives.extend(page);
        true
    })?;
    let young = |it: &Entry| {
        it.modified.is_none_or(|it| keep.now.duration_since(it).unwrap_or_default() < keep.younger_than)
    };
    let mut marked: Vec<String> = narinfos.iter().filter(|it| young(it)).map(|it| it.key.clone()).collect();
    marked.extend(keep.paths.iter().map(|it| key_of(it)));
    let infos = read(cache, &narinfos, threads, tell)?;
    let kept = mark(&infos, marked);
    let dead: BTreeMap<&String, &NarInfo> = infos.iter().filter(|it| !kept.contains(it.0.as_str())).collect();
    let needed: BTreeSet<&str> =
        infos.iter().filter(|it| kept.contains(it.0.as_str())).map(|it| it.1.url.as_str()).collect();
    // A young archive without narinfo is one whose narinfo is on its way.
    let unneeded = archives.iter().filter(|it| !needed.contains(it.key.as_str()) && !young(it));
    let unneeded = unneeded.map(|it| (it.key.clone(), it.size)).collect();
    let waves = waves(&dead);
    let paths = waves.iter().flatten().map(|it| dead[it].store_path.clone()).collect();
    Ok(Plan { kept: infos.len() - dead.len(), paths, archives: unneeded, waves })
}

fn read(
    cache: &Bucket,
    narinfos: &[Entry],
    threads: usize,
    tell: &(dyn Fn(usize) + Sync),
) -> Result<BTreeMap<String, NarInfo>, Failure> {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let read = crew::work(threads, narinfos.iter().map(|it| it.key.clone()), |key| {
        tell(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1);
        let found = cache.get(&key).map(|text| {
            // One that is gone by now has been deleted by another.
            text.map(|it| NarInfo::parse(&String::from_utf8_lossy(&it)))
        });
        ((key, found), Vec::new())
    });
    let mut res = BTreeMap::new();
    for (key, found) in read {
        match found? {
            None => {}
            Some(Ok(info)) => drop(res.insert(key, info)),
            Some(Err(error)) => {
                return Err(Failure::new(
                    Kind::Other,
                    format!(
                        "{key} cannot be read: {error:#}; nobody knows what it needs, so nothing is deleted; see \
                         `cargo xtask cache verify`"
                    ),
                ));
            }
        }
    }
    Ok(res)
}

/// The keys of all that is marked, and of what that refers to.
fn mark(infos: &BTreeMap<String, NarInfo>, mut marked: Vec<String>) -> BTreeSet<String> {
    let mut res = BTreeSet::new();
    while let Some(key) = marked.pop() {
        let Some(info) = infos.get(&key) else { continue };
        if res.insert(key) {
            marked.extend(info.references.iter().map(|it| key_of(&format!("{STORE}/{it}"))));
        }
    }
    res
}

/// Those that nobody refers to first, then what only they had referred to. A circle goes at once.
fn waves(dead: &BTreeMap<&String, &NarInfo>) -> Vec<Vec<String>> {
    let references = |key: &String| {
        let of = dead[key].references.iter().map(|it| key_of(&format!("{STORE}/{it}")));
        of.filter(|it| it != key && dead.contains_key(it)).collect::<Vec<_>>()
    };
    let mut referrers: BTreeMap<String, usize> = dead.keys().map(|it| ((*it).clone(), 0)).collect();
    for key in dead.keys() {
        for it in references(key) {
            referrers.entry(it).and_modify(|it| *it += 1);
        }
    }
    let mut res = Vec::new();
    while !referrers.is_empty() {
        let mut wave: Vec<String> = referrers.iter().filter(|it| *it.1 == 0).map(|it| it.0.clone()).collect();
        if wave.is_empty() {
            wave = referrers.keys().cloned().collect();
        }
        for key in &wave {
            referrers.remove(key);
            for it in references(key) {
                referrers.entry(it).and_modify(|it| *it -= 1);
            }
        }
        res.push(wave);
    }
    res
}

/// Deletes what was planned: every narinfo before any archive.
///
/// # Errors
/// When the cache refuses. What was deleted by then is gone; what is left is whole.
pub fn sweep(
    cache: &Bucket,
    plan: &Plan,
    threads: usize,
    tell: &(dyn Fn(usize) + Sync),
) -> Result<(), Failure> {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let archives = plan.archives.iter().map(|it| it.0.clone()).collect();
    for wave in plan.waves.iter().chain([&archives]) {
        let results = crew::work(threads, wave, |key| {
            let result = cache.delete(key);
            tell(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1);
            (result, Vec::new())
        });
        results.into_iter().collect::<Result<Vec<()>, Failure>>()?;
    }
    Ok(())
}
