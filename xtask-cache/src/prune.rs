//! Deletes from a cache what nobody needs any more: mark and sweep, from the paths that are to stay.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::bucket::{Bucket, Content, Entry};
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
    /// Store paths that came back, because somebody has pushed meanwhile what needs them.
    pub back: Vec<String>,
    /// Keys of the narinfos that go, in waves.
    #[serde(skip)]
    waves: Vec<Vec<String>>,
    /// What they say.
    #[serde(skip)]
    dead: BTreeMap<String, NarInfo>,
    /// The keys of all narinfos that were there.
    #[serde(skip)]
    seen: BTreeSet<String>,
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
    let narinfos = narinfos(cache)?;
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
    let seen: BTreeSet<String> = narinfos.iter().map(|it| it.key.clone()).collect();
    let mut infos = read(cache, seen.iter().cloned(), threads, tell)?;
    let kept = mark(&infos, marked);
    let dead: BTreeMap<String, NarInfo> = infos.extract_if(.., |key, _| !kept.contains(key)).collect();
    let needed: BTreeSet<&str> = infos.values().map(|it| it.url.as_str()).collect();
    // A young archive without narinfo is one whose narinfo is on its way.
    let unneeded = archives.iter().filter(|it| !needed.contains(it.key.as_str()) && !young(it));
    let archives = unneeded.map(|it| (it.key.clone(), it.size)).collect();
    let waves = waves(&dead);
    let paths = waves.iter().flatten().map(|it| dead[it].store_path.clone()).collect();
    Ok(Plan { kept: infos.len(), paths, archives, back: Vec::new(), waves, dead, seen })
}

fn narinfos(cache: &Bucket) -> Result<Vec<Entry>, Failure> {
    let mut res = Vec::new();
    cache.list("", true, &mut |page| {
        res.extend(page.into_iter().filter(|it| it.key.ends_with(".narinfo")));
        true
    })?;
    Ok(res)
}

fn read(
    cache: &Bucket,
    keys: impl Iterator<Item = String>,
    threads: usize,
    tell: &(dyn Fn(usize) + Sync),
) -> Result<BTreeMap<String, NarInfo>, Failure> {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let read = crew::work(threads, keys, |key| {
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
fn waves(dead: &BTreeMap<String, NarInfo>) -> Vec<Vec<String>> {
    let references = |key: &String| {
        let of = dead[key].references.iter().map(|it| key_of(&format!("{STORE}/{it}")));
        of.filter(|it| it != key && dead.contains_key(it)).collect::<Vec<_>>()
    };
    let mut referrers: BTreeMap<String, usize> = dead.keys().map(|it| (it.clone(), 0)).collect();
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

/// Deletes what was planned: every narinfo before any archive. Who pushes meanwhile has seen what is deleted now, and
/// may refer to it: what is new is looked for before the archives go, and what it needs is put back.
///
/// # Errors
/// When the cache refuses. What was deleted by then is gone; what is left is whole.
pub fn sweep(
    cache: &Bucket,
    plan: &mut Plan,
    threads: usize,
    tell: &(dyn Fn(usize) + Sync),
) -> Result<(), Failure> {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let delete = |keys: &[String]| {
        let results = crew::work(threads, keys, |key| {
            let result = cache.delete(key);
            tell(count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1);
            (result, Vec::new())
        });
        results.into_iter().collect::<Result<Vec<()>, Failure>>()
    };
    for wave in &plan.waves {
        delete(wave)?;
    }
    put_back(cache, plan, threads)?;
    let archives: Vec<String> = plan.archives.iter().map(|it| it.0.clone()).collect();
    delete(&archives)?;
    let gone: BTreeSet<&str> = archives.iter().map(String::as_str).collect();
    let lost = new_infos(cache, plan, threads)?.values().filter(|it| gone.contains(it.url.as_str())).count();
    if lost > 0 {
        return Err(Failure::new(
            Kind::Other,
            format!(
                "{lost} paths were pushed while their old archives were deleted, and lack them now; run `cargo xtask \
                 cache repair` where they were pushed from"
            ),
        ));
    }
    Ok(())
}

/// What the narinfos say that were not there when it was planned, or are there again.
fn new_infos(cache: &Bucket, plan: &Plan, threads: usize) -> Result<BTreeMap<String, NarInfo>, Failure> {
    let keys = narinfos(cache)?.into_iter().map(|it| it.key);
    let keys = keys.filter(|it| !plan.seen.contains(it) || plan.dead.contains_key(it));
    read(cache, keys, threads, &|_| ())
}

/// What new paths need stays, and all that this needs; what is needed by others comes before these.
fn put_back(cache: &Bucket, plan: &mut Plan, threads: usize) -> Result<(), Failure> {
    let new = new_infos(cache, plan, threads)?;
    let references = new.values().flat_map(|it| &it.references);
    let mut back = mark(&plan.dead, references.map(|it| key_of(&format!("{STORE}/{it}"))).collect());
    // Those have been pushed again already.
    back.retain(|it| !new.contains_key(it));
    let mut urls: BTreeSet<&str> = new.values().map(|it| it.url.as_str()).collect();
    for key in plan.waves.iter().rev().flatten().filter(|it| back.contains(*it)) {
        let info = &plan.dead[key];
        cache.put(key, Content::bytes(info.to_string().as_bytes()))?;
        urls.insert(&info.url);
        plan.back.push(info.store_path.clone());
    }
    let stays = |path: &String| back.contains(&key_of(path)) || new.contains_key(&key_of(path));
    plan.paths.retain(|it| !stays(it));
    plan.archives.retain(|it| !urls.contains(it.0.as_str()));
    plan.dead.retain(|key, _| !back.contains(key) && !new.contains_key(key));
    plan.seen.extend(back.into_iter().chain(new.into_keys()));
    Ok(())
}
