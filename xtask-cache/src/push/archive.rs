//! One archive: read from the store, hashed, compressed, and compared with what Nix has recorded.

use std::fs::File;
use std::io::{self, ErrorKind, Write};

use camino::{Utf8Path, Utf8PathBuf};

use crate::hash::{HashingWriter, Sha256};
use crate::nar;

/// Archives of at most this size never touch the disk: 4 MB.
pub(super) const SMALL: u64 = 4 << 20;

/// A path that is to be archived.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// `/nix/store/…`
    pub(super) path: &'a str,
    /// Where its files really are.
    pub(super) real: &'a Utf8Path,
    pub(super) nar_hash: Sha256,
    pub(super) nar_size: u64,
    pub(super) level: i32,
    pub(super) case_hack: bool,
}

/// Compressed.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) content: Place,
    pub(super) file_hash: Sha256,
    pub(super) file_size: u64,
}

#[derive(Debug)]
pub(super) enum Place {
    Memory(Vec<u8>),
    File(Utf8PathBuf),
}

/// Why there is no archive.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The staging directory is full.
    Full,
    Other(String),
}

impl Source<'_> {
    /// Makes the archive: in memory when it is small, else in a draft file. `count` hears how many bytes were read.
    pub(super) fn pack(&self, draft: &Utf8Path, count: &dyn Fn(u64)) -> Result<Archive, Trouble> {
        if self.nar_size <= SMALL {
            let (content, file_hash, file_size) = self.compress(Vec::new(), count)?;
            return Ok(Archive { content: Place::Memory(content), file_hash, file_size });
        }
        let packed =
            File::create(draft).map_err(|it| trouble(draft, &it)).and_then(|it| self.compress(it, count));
        match packed {
            Ok((_, file_hash, file_size)) => {
                Ok(Archive { content: Place::File(draft.to_owned()), file_hash, file_size })
            }
            Err(error) => {
                drop(std::fs::remove_file(draft));
                Err(error)
            }
        }
    }

    fn compress<W: Write>(&self, out: W, count: &dyn Fn(u64)) -> Result<(W, Sha256, u64), Trouble> {
        let (result, nar_hash, nar_size) = {
            let encoder = zstd::stream::write::Encoder::new(HashingWriter::new(Marking(out)), self.level);
            let encoder = encoder.map_err(|it| Trouble::Other(it.to_string()))?;
            let mut nar = HashingWriter::new(Counting { inner: encoder, count });
            let written = nar::Writer::new(self.case_hack).write(self.real.as_std_path(), &mut nar);
            let (counting, hash, size) = nar.finish();
            (written.and_then(|()| counting.inner.finish()), hash, size)
        };
        let out =
            result.map_err(|error| match error.get_ref().and_then(|it| it.downcast_ref::<NoRoom>()) {
                Some(_) => Trouble::Full,
                None if error.kind() == ErrorKind::NotFound => Trouble::Other(format!(
                    "`{}` is gone; was the garbage collected meanwhile? Build it again",
                    self.real
                )),
                None => Trouble::Other(format!("cannot read `{}`: {error}", self.real)),
            })?;
        if nar_hash != self.nar_hash || nar_size != self.nar_size {
            return Err(Trouble::Other(format!(
                "the store has another content than Nix has recorded ({nar_hash} instead of {}): it is damaged; \
                 run `nix store repair {}`",
                self.nar_hash, self.path
            )));
        }
        let (out, file_hash, file_size) = out.finish();
        Ok((out.0, file_hash, file_size))
    }
}

fn trouble(file: &Utf8Path, error: &io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Trouble::Full,
        _ => Trouble::Other(format!("cannot write `{file}`: {error}")),
    }
}

/// There is no more space where we write; as an error that cannot be one of reading.
#[derive(Debug)]
struct NoRoom;

impl std::fmt::Display for NoRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no space left")
    }
}

impl std::error::Error for NoRoom {}

/// Marks errors of writing.
struct Marking<W>(W);

impl<W: Write> Write for Marking<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => io::Error::other(NoRoom),
            _ => error,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

struct Counting<'a, W> {
    inner: W,
    count: &'a dyn Fn(u64),
}

impl<W: Write> Write for Counting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.inner.write(bytes)?;
        (self.count)(size as u64);
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
