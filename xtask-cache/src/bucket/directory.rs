//! A cache in a directory: what Nix calls `file://`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Content, Entry};
use crate::failure::{Failure, Kind};
use crate::hash::HashingWriter;

#[derive(Debug)]
pub(super) struct Directory {
    root: Utf8PathBuf,
    pub(super) sent: AtomicU64,
    /// Makes names of files that are being written differ.
    count: AtomicU64,
}

impl Directory {
    pub(super) fn new(root: Utf8PathBuf) -> Directory {
        Directory { root, sent: AtomicU64::new(0), count: AtomicU64::new(0) }
    }

    pub(super) fn open(&self, key: &str) -> Result<Option<File>, Failure> {
        missing_is_none(File::open(self.root.join(key)), &self.root.join(key), "read")
    }

    pub(super) fn size(&self, key: &str) -> Result<Option<u64>, Failure> {
        let path = self.root.join(key);
        Ok(missing_is_none(path.metadata(), &path, "read")?.map(|it| it.len()))
    }

    /// Nobody sees the file before it is whole, and what its hash says.
    pub(super) fn put(&self, key: &str, content: &Content<'_>) -> Result<(), Failure> {
        let path = self.root.join(key);
        let n = self.count.fetch_add(1, Ordering::Relaxed);
        let temporary = Utf8PathBuf::from(format!("{path}.{}-{n}.tmp", std::process::id()));
        let failure = |it: io::Error| Failure::local(&format!("cannot write `{path}`"), &it);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(failure)?;
        }
        let written = write(&temporary, content)
            .map_err(failure)
            .and_then(|()| fs::rename(&temporary, &path).map_err(failure));
        written.inspect_err(|_| drop(fs::remove_file(&temporary)))?;
        self.sent.fetch_add(content.size, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), Failure> {
        let path = self.root.join(key);
        missing_is_none(fs::remove_file(&path), &path, "delete").map(drop)
    }

    /// Every file below, sorted; those that are being written are left out.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Entry>, Failure> {
        let mut res = Vec::new();
        let mut dirs = vec![self.root.clone()];
        while let Some(dir) = dirs.pop() {
            let Some(entries) = missing_is_none(dir.read_dir_utf8(), &dir, "read")? else { continue };
            for entry in entries {
                let failure = |it: io::Error| Failure::local(&format!("cannot read `{dir}`"), &it);
                let entry = entry.map_err(failure)?;
                // Gone since it was listed.
                let Some(meta) = missing_is_none(entry.metadata(), entry.path(), "read")? else { continue };
                if meta.is_dir() {
                    dirs.push(entry.into_path());
                    continue;
                }
                let path = entry.path();
                let key = path.strip_prefix(&self.root).unwrap_or(path).as_str();
                if key.starts_with(prefix) && !key.ends_with(".tmp") {
                    res.push(Entry { key: key.to_owned(), size: meta.len(), modified: meta.modified().ok() });
                }
            }
        }
        res.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(res)
    }
}

fn write(path: &Utf8Path, content: &Content<'_>) -> io::Result<()> {
    let mut output = HashingWriter::new(File::create(path)?);
    let mut input = content.reader()?.take(content.size);
    io::copy(&mut input, &mut output)?;
    let (_, hash, size) = output.finish();
    if hash != content.sha256 || size != content.size {
        return Err(io::Error::other("what was to be written has changed meanwhile"));
    }
    Ok(())
}

fn missing_is_none<T>(result: io::Result<T>, path: &Utf8Path, doing: &str) -> Result<Option<T>, Failure> {
    match result {
        Ok(it) => Ok(Some(it)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Failure::new(Kind::Local, format!("cannot {doing} `{path}`: {error}"))),
    }
}
