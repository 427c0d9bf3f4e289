//! Whether a cache keeps what it promises: each path signed by a known key, its archive there and whole, and all that
//! it refers to, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::archive;
use crate::bucket::Bucket;
use crate::crew;
use crate::failure::Failure;
use crate::keys::PublicKey;
use crate::narinfo::{NarInfo, STORE, hash_part, key_of};

/// What is wrong, in kinds that call for different cures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A path that was asked for, or that another refers to, has no narinfo.
    Hole,
    /// The narinfo cannot be read, or is that of another path.
    Unreadable,
    /// It speaks of another store than `/nix/store`.
    WrongStore,
    Unsigned,
    /// Signed, but by none of the keys that are trusted here.
    UnknownSigner,
    NarMissing,
    NarSize,
    /// The archive's content is not what the narinfo says.
    NarContent,
    /// Cannot be unpacked here, so its content was not looked at.
    Unchecked,
    /// An archive that no narinfo speaks of.
    Orphan,
}

impl Fault {
    /// Whether a reader of the cache would notice.
    #[must_use]
    pub fn is_serious(self) -> bool {
        !matches!(self, Fault::Orphan | Fault::Unchecked)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub fault: Fault,
    /// The store path, or the key of the file where no path is known.
    pub at: String,
    pub what: String,
}

/// What is to be verified.
#[derive(Debug)]
pub struct Job<'a> {
    pub cache: &'a Bucket,
    /// Caches that may have what this one lacks.
    pub upstream: &'a [Bucket],
    pub keys: &'a [PublicKey],
    /// Store paths, with all that they need; `None`: all that the cache has.
    pub paths: Option<&'a [String]>,
    /// Download every archive and look at its content.
    pub deep: bool,
    pub threads: usize,
}

/// What was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    pub paths: usize,
    /// Bytes of archives that were downloaded and compared.
    pub read: u64,
    pub findings: Vec<Finding>,
}

/// Looks at the cache. `tell` hears how many paths have been looked at.
///
/// # Errors
/// When the cache cannot be asked: nothing is then known.
pub fn verify(job: &Job<'_>, tell: &(dyn Fn(usize) + Sync)) -> Result<Verdict, Failure> {
    let listed = if job.paths.is_none() { Some(Listed::of(job.cache)?) } else { None };
    let first: Vec<String> = match (&listed, job.paths) {
        (Some(listed), _) => listed.narinfos.iter().cloned().collect(),
        (None, paths) => paths.unwrap_or_default().iter().map(|it| key_of(it)).collect(),
    };
    let asked: BTreeMap<String, String> =
        job.paths.unwrap_or_default().iter().map(|it| (key_of(it), it.clone())).collect();
    let visit = Visit { job, listed: listed.as_ref(), asked: Mutex::new(asked), done: Mutex::new(0), tell };
    let results = crew::work(job.threads, first, |key| match visit.path(&key) {
        Ok((seen, more)) => (Ok(seen), more),
        Err(failure) => (Err(failure), Vec::new()),
    });
    let mut res = Verdict::default();
    let mut archives = BTreeSet::new();
    for seen in results {
        let seen = seen?;
        res.paths += usize::from(seen.url.is_some());
        res.read += seen.read;
        archives.extend(seen.url);
        res.findings.extend(seen.findings);
    }
    if let Some(listed) = &listed {
        let orphans = listed.archives.iter().filter(|it| !archives.contains(it.0.as_str()));
        res.findings.extend(orphans.map(|(key, size)| Finding {
            fault: Fault::Orphan,
            at: key.clone(),
            what: format!("no narinfo speaks of this archive of {size} bytes"),
        }));
    }
    res.findings.sort();
    res.findings.dedup();
    Ok(res)
}

/// The files of a cache that can be listed.
struct Listed {
    narinfos: BTreeSet<String>,
    /// With their sizes.
    archives: BTreeMap<String, u64>,
}

impl Listed {
    fn of(cache: &Bucket) -> Result<Listed, Failure> {
        let mut res = Listed { narinfos: BTreeSet::new(), archives: BTreeMap::new() };
        cache.list("", true, &mut |page| {
            res.narinfos.extend(page.into_iter().map(|it| it.key).filter(|it| it.ends_with(".narinfo")));
            true
        })?;
        cache.list("nar/", false, &mut |page| {
            res.archives.extend(page.into_iter().map(|it| (it.key, it.size)));
            true
        })?;
        Ok(res)
    }
}

struct Visit<'a> {
    job: &'a Job<'a>,
    listed: Option<&'a Listed>,
    /// Paths that are looked at or will be, by the key of their narinfo.
    asked: Mutex<BTreeMap<String, String>>,
    done: Mutex<usize>,
    tell: &'a (dyn Fn(usize) + Sync),
}

/// What one narinfo showed.
#[derive(Default)]
struct Seen {
    /// Its archive.
    url: Option<String>,
    read: u64,
    findings: Vec<Finding>,
}

impl Seen {
    fn add(&mut self, fault: Fault, at: &str, what: impl Into<String>) {
        self.findings.push(Finding { fault, at: at.to_owned(), what: what.into() });
    }
}

impl Visit<'_> {
    /// Looks at one narinfo and its archive; brings the keys of what it refers to.
    fn path(&self, key: &str) -> Result<(Seen, Vec<String>), Failure> {
        {
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            *done += 1;
            (self.tell)(*done);
        }
        let mut seen = Seen::default();
        let known = self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        let name = known.as_deref().unwrap_or(key);
        let Some(text) = self.job.cache.get(key)? else {
            if !self.upstream_has(key)? {
                seen.add(Fault::Hole, name, "the cache has no narinfo of it");
            }
            return Ok((seen, Vec::new()));
        };
        let info = match NarInfo::parse(&String::from_utf8_lossy(&text)) {
            Ok(info) => info,
            Err(error) => {
                let foreign = String::from_utf8_lossy(&text)
                    .lines()
                    .any(|it| it.starts_with("StorePath: ") && !it.starts_with("StorePath: /nix/store/"));
                let fault = if foreign { Fault::WrongStore } else { Fault::Unreadable };
                let file = if name == key { String::new() } else { format!("{key}: ") };
                seen.add(fault, name, format!("{file}{error:#}"));
                return Ok((seen, Vec::new()));
            }
        };
        if info.key() != key {
            seen.add(Fault::Unreadable, name, format!("{key} speaks of {}", info.store_path));
        }
        self.signature(&info, &mut seen);
        self.archive(&info, &mut seen)?;
        seen.url = Some(info.url.clone());
        Ok((seen, self.references(&info)))
    }

    fn signature(&self, info: &NarInfo, seen: &mut Seen) {
        if info.signed_by(self.job.keys).is_some() {
            return;
        }
        let names: Vec<&str> =
            info.signatures.iter().map(|it| it.split(':').next().unwrap_or_default()).collect();
        match names.as_slice() {
            // What its content names needs no signature.
            [] if info.ca.is_some() => {}
            [] => seen.add(Fault::Unsigned, &info.store_path, "nobody has signed it"),
            names => seen.add(
                Fault::UnknownSigner,
                &info.store_path,
                format!("signed by {}, and not validly by a trusted key", names.join(", ")),
            ),
        }
    }

    fn archive(&self, info: &NarInfo, seen: &mut Seen) -> Result<(), Failure> {
        let size = match self.listed {
            Some(listed) => match listed.archives.get(&info.url) {
                Some(size) => Some(*size),
                // Pushed since it was listed, or not below `nar/`.
                None => self.job.cache.size(&info.url)?,
            },
            None => self.job.cache.size(&info.url)?,
        };
        let Some(size) = size else {
            seen.add(Fault::NarMissing, &info.store_path, format!("its archive {} is not there", info.url));
            return Ok(());
        };
        if let Some(want) = info.file_size.filter(|it| *it != size) {
            let what = format!("its archive {} has {size} bytes, and should have {want}", info.url);
            seen.add(Fault::NarSize, &info.store_path, what);
            return Ok(());
        }
        if !self.job.deep {
            return Ok(());
        }
        let Some(reader) = self.job.cache.open_file(&info.url)? else {
            seen.add(Fault::NarMissing, &info.store_path, format!("its archive {} is not there", info.url));
            return Ok(());
        };
        let checked = archive::check(reader, info);
        seen.read += checked.read;
        match checked.problem {
            Some(archive::Problem::Compression) => {
                let what = format!("compressed with {}, which cannot be looked into", info.compression);
                seen.add(Fault::Unchecked, &info.store_path, what);
            }
            Some(archive::Problem::Content(what)) => {
                seen.add(Fault::NarContent, &info.store_path, format!("its archive {}: {what}", info.url));
            }
            None => {}
        }
        Ok(())
    }

    /// The keys of what it refers to that nobody has looked at yet.
    fn references(&self, info: &NarInfo) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut res = Vec::new();
        for path in info.references.iter().map(|it| format!("{STORE}/{it}")) {
            let Some(hash) = hash_part(&path) else { continue };
            let key = format!("{hash}.narinfo");
            // What is listed is looked at anyway.
            if self.listed.is_some_and(|it| it.narinfos.contains(&key)) || asked.contains_key(&key) {
                continue;
            }
            asked.insert(key.clone(), path);
            res.push(key);
        }
        res
    }

    fn upstream_has(&self, key: &str) -> Result<bool, Failure> {
        for cache in self.job.upstream {
            if cache.get(key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
