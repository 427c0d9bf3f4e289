//! Where archives wait to be uploaded, and what was uploaded: so that the next push goes on where one was killed.
//!
//! A slot of the directory belongs to one process, by a lock that ends with it. Its journal has a JSON object in
//! each line; what cannot be read, or is not so, is ignored.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::bucket::{Begun, Resume};
use crate::failure::Failure;
use crate::hash::{self, Sha256};
use crate::narinfo::hash_part;

const FORMAT: u32 = 1;
/// Pushes to one cache at once, from one machine.
const SLOTS: u32 = 64;

/// An archive that was compressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    pub path: String,
    /// Of the archive as it was compressed: the path may have been built anew since.
    pub nar_hash: String,
    pub file_hash: String,
    pub file_size: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Version(u32),
    /// A file of the slot holds it.
    Staged(Packed),
    /// The cache has the archive.
    Uploaded(Packed),
    Upload {
        key: String,
        id: String,
    },
    Part {
        id: String,
        number: u32,
        etag: String,
    },
}

/// A slot of the staging directory.
#[derive(Debug)]
pub struct Staging {
    dir: Utf8PathBuf,
    journal: Mutex<File>,
    /// Closed, and so given back, when the process ends.
    _lock: File,
    staged: BTreeMap<String, Packed>,
    uploaded: BTreeMap<String, Packed>,
    uploads: BTreeMap<String, Begun>,
    /// Another process began, and did not finish.
    pub resumed: bool,
}

impl Staging {
    /// The first slot for this cache that no other process has.
    pub fn open(dir: &Utf8Path, cache: &str) -> anyhow::Result<Staging> {
        let name = Sha256::of(cache.as_bytes()).hex();
        for n in 0..SLOTS {
            let slot = dir.join(format!("{}-{n}", &name[..12]));
            fs::create_dir_all(&slot)
                .with_context(|| format!("cannot create the staging directory `{slot}`"))?;
            let lock =
                File::create(slot.join("lock")).with_context(|| format!("cannot write in `{slot}`"))?;
            if lock.try_lock().is_ok() {
                return Staging::resume(slot, lock);
            }
        }
        anyhow::bail!("{SLOTS} pushes to `{cache}` are running on this machine already")
    }

    fn resume(dir: Utf8PathBuf, lock: File) -> anyhow::Result<Staging> {
        let path = dir.join("journal");
        if !is_ours(&path) {
            // Of another version, or nonsense. There may be none at all.
            drop(fs::remove_file(&path));
        }
        let resumed = path.exists();
        let (mut staged, mut uploaded) = (BTreeMap::new(), BTreeMap::new());
        let mut uploads: BTreeMap<String, Begun> = BTreeMap::new();
        for line in lines(&path) {
            match line {
                Line::Version(_) => {}
                Line::Staged(it) => drop(staged.insert(it.path.clone(), it)),
                Line::Uploaded(it) => drop(uploaded.insert(it.path.clone(), it)),
                Line::Upload { key, id } => drop(uploads.insert(key, Begun { id, ..Begun::default() })),
                Line::Part { id, number, etag } => {
                    for upload in uploads.values_mut().filter(|it| it.id == id) {
                        upload.etags.insert(number, etag.clone());
                    }
                }
            }
        }
        staged.retain(|_, it| file_of(&dir, it).metadata().is_ok_and(|meta| meta.len() == it.file_size));
        sweep(&dir, &staged)?;
        let journal = OpenOptions::new().create(true).append(true).open(&path);
        let journal = journal.with_context(|| format!("cannot write `{path}`"))?;
        let res =
            Staging { dir, journal: Mutex::new(journal), _lock: lock, staged, uploaded, uploads, resumed };
        res.note(&Line::Version(FORMAT)).map_err(anyhow::Error::from)?;
        Ok(res)
    }

    /// A complete archive of this very content, if one was left behind; checked by its hash.
    #[must_use]
    pub fn staged(&self, path: &str, nar_hash: &str) -> Option<(Packed, Utf8PathBuf)> {
        let packed = self.staged.get(path).filter(|it| it.nar_hash == nar_hash)?;
        let file = file_of(&self.dir, packed);
        let (found, size) = hash::of_reader(&mut File::open(&file).ok()?).ok()?;
        (found.hex() == packed.file_hash && size == packed.file_size).then(|| (packed.clone(), file))
    }

    /// What is known to have been uploaded; the cache may have lost it since.
    #[must_use]
    pub fn uploaded(&self, path: &str, nar_hash: &str) -> Option<&Packed> {
        self.uploaded.get(path).filter(|it| it.nar_hash == nar_hash)
    }

    /// Where an archive is written before its hash is known.
    #[must_use]
    pub fn draft(&self, hash_part: &str) -> Utf8PathBuf {
        self.dir.join(format!("{hash_part}.draft"))
    }

    /// A draft is complete.
    pub fn stage(&self, draft: &Utf8Path, packed: &Packed) -> Result<Utf8PathBuf, Failure> {
        let file = file_of(&self.dir, packed);
        fs::rename(draft, &file).map_err(|it| Failure::local(&format!("cannot write `{file}`"), &it))?;
        self.note(&Line::Staged(packed.clone()))?;
        Ok(file)
    }

    /// The cache has it; its file is not needed any more.
    pub fn done(&self, packed: &Packed) -> Result<(), Failure> {
        self.note(&Line::Uploaded(packed.clone()))?;
        // Small archives never had one.
        drop(fs::remove_file(file_of(&self.dir, packed)));
        Ok(())
    }

    /// All that was begun has ended well: nothing needs to be remembered.
    pub fn finish(self) -> anyhow::Result<()> {
        // The lock's file stays, or another process could lock one of the same name.
        fs::remove_file(self.dir.join("journal")).context("cannot delete the journal")?;
        sweep(&self.dir, &BTreeMap::new())
    }

    fn note(&self, line: &Line) -> Result<(), Failure> {
        let path = self.dir.join("journal");
        let failure = |it: std::io::Error| Failure::local(&format!("cannot write `{path}`"), &it);
        let mut text = serde_json::to_vec(line).map_err(|it| failure(it.into()))?;
        text.push(b'\n');
        // In one call, so that no other thread and no death of ours comes in between.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text).map_err(failure)
    }
}

impl Resume for Staging {
    fn begun(&self, key: &str) -> Option<Begun> {
        self.uploads.get(key).cloned()
    }

    fn begin(&self, key: &str, id: &str) -> Result<(), Failure> {
        self.note(&Line::Upload { key: key.to_owned(), id: id.to_owned() })
    }

    fn part(&self, id: &str, number: u32, etag: &str) -> Result<(), Failure> {
        self.note(&Line::Part { id: id.to_owned(), number, etag: etag.to_owned() })
    }
}

/// Of a path's own: another one may have the same content, and be done with it sooner.
fn file_of(dir: &Utf8Path, packed: &Packed) -> Utf8PathBuf {
    // A journal is not trusted to name files elsewhere.
    let hex = packed.file_hash.len() == 64 && packed.file_hash.bytes().all(|it| it.is_ascii_hexdigit());
    let path = hash_part(&packed.path).filter(|_| hex);
    dir.join(path.map_or_else(|| "none".to_owned(), |it| format!("{it}-{}.zst", packed.file_hash)))
}

/// Whether it begins as ours do.
fn is_ours(path: &Utf8Path) -> bool {
    let mut first = Vec::new();
    let read = File::open(path).and_then(|it| BufReader::new(it).read_until(b'\n', &mut first));
    read.is_ok() && matches!(serde_json::from_slice(&first), Ok(Line::Version(FORMAT)))
}

fn lines(path: &Utf8Path) -> Vec<Line> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let lines = BufReader::new(file).split(b'\n').map_while(Result::ok);
    lines.filter_map(|it| serde_json::from_slice(&it).ok()).collect()
}

/// Deletes what a dead process has left and nobody can use.
fn sweep(dir: &Utf8Path, staged: &BTreeMap<String, Packed>) -> anyhow::Result<()> {
    for entry in dir.read_dir_utf8().with_context(|| format!("cannot read `{dir}`"))? {
        let path = entry?.into_path();
        let ours = ["journal", "lock"].contains(&path.file_name().unwrap_or_default());
        if !ours && !staged.values().any(|it| file_of(dir, it) == path) {
            fs::remove_file(&path).with_context(|| format!("cannot delete `{path}`"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> String {
        format!("/nix/store/{}-{name}", &Sha256::of(name.as_bytes()).hex()[..32])
    }

    fn packed(path: &str, content: &[u8]) -> Packed {
        let file_hash = Sha256::of(content).hex();
        Packed { path: path.to_owned(), nar_hash: "n".to_owned(), file_hash, file_size: content.len() as u64 }
    }

    fn stage(staging: &Staging, name: &str, content: &[u8]) -> Packed {
        let draft = staging.draft(name);
        fs::write(&draft, content).unwrap();
        let packed = packed(&path(name), content);
        staging.stage(&draft, &packed).unwrap();
        packed
    }

    #[test]
    fn what_was_left_behind_is_found_again_and_only_when_it_is_whole() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let first = Staging::open(dir, "s3://a").unwrap();
        let (good, damaged) = (stage(&first, "good", b"1234"), stage(&first, "damaged", b"5678"));
        let done = stage(&first, "done", b"90");
        first.done(&done).unwrap();
        first.begin("nar/x", "id").unwrap();
        first.part("id", 2, "etag").unwrap();
        fs::write(first.draft("half"), b"x").unwrap();
        fs::write(file_of(&first.dir, &damaged), b"5670").unwrap();
        let slot = first.dir.clone();
        drop(first);
        let mut journal = OpenOptions::new().append(true).open(slot.join("journal")).unwrap();
        journal.write_all(b"{\"staged\":{\"path\":\"to").unwrap();
        let second = Staging::open(dir, "s3://a").unwrap();
        assert_eq!(second.staged(&path("good"), "n").unwrap().0, good);
        assert!(second.staged(&path("good"), "other").is_none(), "it was built anew");
        assert!(second.staged(&path("damaged"), "n").is_none());
        assert_eq!(second.uploaded(&path("done"), "n"), Some(&done));
        assert_eq!(second.begun("nar/x").unwrap().etags[&2], "etag");
        assert!(!second.draft("half").exists());
        second.finish().unwrap();
        assert!(Staging::open(dir, "s3://a").unwrap().staged(&path("good"), "n").is_none());
    }

    /// The same content under two names: who is done first does not take it from the other.
    #[test]
    fn two_paths_do_not_share() {
        let temp = tempfile::tempdir().unwrap();
        let staging = Staging::open(Utf8Path::from_path(temp.path()).unwrap(), "s3://a").unwrap();
        let (first, second) = (stage(&staging, "a", b"1234"), stage(&staging, "b", b"1234"));
        staging.done(&first).unwrap();
        assert!(!file_of(&staging.dir, &first).exists() && file_of(&staging.dir, &second).exists());
    }

    #[test]
    fn two_at_once_do_not_share() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let (a, b) = (Staging::open(dir, "s3://a").unwrap(), Staging::open(dir, "s3://a").unwrap());
        let c = Staging::open(dir, "s3://b").unwrap();
        assert!(a.dir != b.dir && a.dir != c.dir && b.dir != c.dir);
    }
}
