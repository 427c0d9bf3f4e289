//! The archive that an image is in, read in one pass: texts are kept, of everything else only what was found.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

use anyhow::{Context as _, bail};
use camino::Utf8Path;

use super::layer::{self, Hashing, Layer};

/// Manifests and configurations are far smaller.
const LONGEST_TEXT: u64 = 8 << 20;

#[derive(Debug)]
pub(super) struct Archive {
    /// Bytes of the file.
    pub(super) size: u64,
    pub(super) compressed: bool,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
enum Entry {
    /// JSON, by the look of it.
    Text(Vec<u8>),
    Blob(Blob),
    /// The name of another entry.
    Link(String),
}

/// Anything else, as if it were a layer.
#[derive(Debug)]
pub(super) struct Blob {
    /// Of the bytes in the archive.
    pub(super) digest: String,
    /// What is in it, or why that cannot be told.
    pub(super) layer: Result<Layer, String>,
}

impl Archive {
    pub(super) fn text(&self, name: &str) -> Option<&[u8]> {
        match self.entry(name)? {
            Entry::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn blob(&self, name: &str) -> Option<&Blob> {
        match self.entry(name)? {
            Entry::Blob(blob) => Some(blob),
            _ => None,
        }
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        match self.entries.get(&clean(name))? {
            Entry::Link(target) => self.entries.get(target),
            entry => Some(entry),
        }
    }
}

/// A file that can be stopped being read.
struct Stoppable<'a> {
    file: File,
    stop: &'a dyn Fn() -> bool,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.stop)() {
            // Not the kind `Interrupted`: that would be tried again.
            return Err(io::Error::other("interrupted"));
        }
        self.file.read(buffer)
    }
}

pub(super) fn read(path: &Utf8Path, stop: &dyn Fn() -> bool) -> anyhow::Result<Archive> {
    let file = File::open(path).context("cannot open it")?;
    let about = file.metadata().context("cannot read it")?;
    if !about.is_file() {
        bail!("it is a directory, not the archive of an image");
    }
    let mut file = Stoppable { file, stop };
    let mut head = Vec::new();
    (&mut file).take(2).read_to_end(&mut head).context("cannot read it")?;
    if head == b"#!" {
        bail!("it is a script, perhaps of `streamLayeredImage`; make an archive, by `buildLayeredImage`");
    }
    let compressed = head == layer::GZIP;
    let mut whole = io::Cursor::new(head).chain(file);
    let source = layer::plain(&mut whole).context("cannot read it")?;
    let mut tar = tar::Archive::new(source);
    let mut entries = BTreeMap::new();
    for entry in tar.entries().context("cannot read it")? {
        let entry = match entry {
            // What the reader says then is about the text that it took for a header.
            Err(_) if entries.is_empty() && !stop() => bail!("it is not the archive of an image"),
            entry => entry.context("it is damaged")?,
        };
        let name = clean(&String::from_utf8_lossy(&entry.path_bytes()));
        if let Some(found) = one(entry, &name).with_context(|| format!("it is damaged at `{name}`"))? {
            entries.insert(name, found);
        }
    }
    if entries.is_empty() {
        bail!("it is not the archive of an image: there is nothing in it");
    }
    // What follows the last entry tells whether the compression is whole.
    let mut source = tar.into_inner();
    io::copy(&mut source, &mut io::sink()).context("it is damaged")?;
    drop(source);
    Ok(Archive { size: about.len(), compressed, entries })
}

pub(super) fn decompress(path: &Utf8Path, to: &Utf8Path, stop: &dyn Fn() -> bool) -> io::Result<()> {
    let mut file = Stoppable { file: File::open(path)?, stop };
    io::copy(&mut layer::plain(&mut file)?, &mut File::create(to)?).map(drop)
}

fn one(mut entry: tar::Entry<'_, impl Read>, name: &str) -> io::Result<Option<Entry>> {
    let kind = entry.header().entry_type();
    if kind.is_symlink() || kind.is_hard_link() {
        let target = entry.link_name_bytes().map(|it| String::from_utf8_lossy(&it).into_owned());
        let above = name.rsplit_once('/').filter(|_| kind.is_symlink()).map(|it| it.0);
        return Ok(target.map(|it| Entry::Link(clean(&format!("{}/{it}", above.unwrap_or_default())))));
    }
    if !kind.is_file() {
        return Ok(None);
    }
    let size = entry.size();
    let mut head = Vec::new();
    (&mut entry).take(512).read_to_end(&mut head)?;
    let is_archive = head.get(257..262) == Some(b"ustar");
    let is_json = head.starts_with(b"{") || head.starts_with(b"[");
    if is_json && !is_archive && size <= LONGEST_TEXT {
        entry.read_to_end(&mut head)?;
        return complete(size, head.len() as u64).map(|()| Some(Entry::Text(head)));
    }
    let mut bytes = Hashing::new(io::Cursor::new(head).chain(entry));
    let layer = layer::read(&mut bytes).map_err(|it| it.to_string());
    io::copy(&mut bytes, &mut io::sink())?;
    complete(size, bytes.size)?;
    Ok(Some(Entry::Blob(Blob { digest: bytes.digest(), layer })))
}

/// A file that is cut off just ends.
fn complete(wanted: u64, read: u64) -> io::Result<()> {
    if wanted == read {
        return Ok(());
    }
    Err(io::Error::other(format!("it ends after {read} of {wanted} bytes")))
}

/// A path without `.` and `..`.
fn clean(path: &str) -> String {
    let mut res: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(res.pop()),
            part => res.push(part),
        }
    }
    res.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (path, want) in
            [("./a//b", "a/b"), ("a/../b/layer.tar", "b/layer.tar"), ("/a", "a"), ("../a", "a")]
        {
            assert_eq!(clean(path), want);
        }
    }
}
