//! Large files go to S3 in parts: several at once, and those that have arrived are not sent again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::Utf8Path;

use super::answer::Part;
use super::s3::S3;
use super::{Bucket, Content, Place};
use crate::failure::{Failure, Kind};
use crate::hash::{self, Sha256};

/// A part, and what fits into one request: 64 MB. S3 allows 10,000 parts, so files of up to 640 GB.
pub const PART: u64 = 64 << 20;
/// Parts of one file that are sent at once.
const AT_ONCE: usize = 4;

/// Remembers an upload that has begun, so that another process can go on with it.
pub trait Resume: Sync {
    /// The upload of this key that began before.
    fn begun(&self, key: &str) -> Option<Begun>;
    fn begin(&self, key: &str, id: &str) -> Result<(), Failure>;
    /// A part has arrived.
    fn part(&self, id: &str, number: u32, etag: &str) -> Result<(), Failure>;
}

/// An upload in parts that began before.
#[derive(Debug, Clone, Default)]
pub struct Begun {
    pub id: String,
    /// What the server called the parts that have arrived.
    pub etags: BTreeMap<u32, String>,
}

impl Bucket {
    /// Uploads a file, in parts where it is large.
    pub fn upload(
        &self,
        key: &str,
        file: &Utf8Path,
        size: u64,
        sha256: Sha256,
        resume: &dyn Resume,
    ) -> Result<(), Failure> {
        match &self.place {
            Place::S3(s3) if size > PART => match in_parts(s3, key, file, size, resume, true) {
                // It was ended behind our back: once more, from the beginning.
                Err(failure) if failure.kind == Kind::Gone => in_parts(s3, key, file, size, resume, false),
                other => other,
            },
            _ => self.put(key, Content::file(file, 0, size, sha256)),
        }
    }
}

fn in_parts(
    s3: &S3,
    key: &str,
    file: &Utf8Path,
    size: u64,
    resume: &dyn Resume,
    go_on: bool,
) -> Result<(), Failure> {
    let count = usize::try_from(size.div_ceil(PART)).unwrap_or(usize::MAX);
    let length = |n: usize| PART.min(size - n as u64 * PART);
    let begun = if go_on { resume.begun(key) } else { None };
    let arrived = begun.as_ref().map(|it| s3.parts(key, &it.id)).transpose()?.flatten();
    let (id, etags) = if let (Some(begun), Some(parts)) = (begun, arrived) {
        // Not every server names the parts in its list; then what we have written down must do.
        let name = |it: Part| Some((it.number, it.etag.or(begun.etags.get(&it.number).cloned())?));
        let good = |it: &Part| {
            (1..=count).contains(&(it.number as usize)) && it.size == length(it.number as usize - 1)
        };
        (begun.id.clone(), parts.into_iter().filter(good).filter_map(name).collect())
    } else {
        let id = s3.create_upload(key)?;
        resume.begin(key, &id)?;
        (id, BTreeMap::new())
    };
    let etags = Mutex::new(etags);
    let failure = Mutex::new(None);
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let number = u32::try_from(n + 1).unwrap_or(u32::MAX);
            let over = n >= count || locked(&failure).is_some();
            if over {
                return;
            }
            if locked(&etags).contains_key(&number) {
                continue;
            }
            let sent =
                send_part(s3, key, &id, number, &Slice { file, from: n as u64 * PART, size: length(n) });
            match sent.and_then(|etag| resume.part(&id, number, &etag).map(|()| etag)) {
                Ok(etag) => drop(locked(&etags).insert(number, etag)),
                Err(error) => *locked(&failure) = Some(error),
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE.min(count)).for_each(|_| drop(scope.spawn(work))));
    if let Some(failure) = locked(&failure).take() {
        return Err(failure);
    }
    let parts: Vec<(u32, String)> = std::mem::take(&mut *locked(&etags)).into_iter().collect();
    s3.complete_upload(key, &id, &parts).or_else(|failure| match s3.size(key)? {
        // Who was cut off after it was done has asked again, and was told that there is no such upload.
        Some(there) if there == size => Ok(()),
        _ => Err(failure),
    })
}

/// Part of a file, in bytes.
struct Slice<'a> {
    file: &'a Utf8Path,
    from: u64,
    size: u64,
}

fn send_part(s3: &S3, key: &str, id: &str, number: u32, part: &Slice<'_>) -> Result<String, Failure> {
    let Slice { file, from, size } = *part;
    let unknown = Content::file(file, from, size, Sha256([0; 32]));
    let read = unknown.reader().and_then(|mut it| hash::of_reader(&mut it));
    let (sha256, _) = read.map_err(|it| Failure::local(&format!("cannot read `{file}`"), &it))?;
    s3.put_part(key, id, number, Content::file(file, from, size, sha256))
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
