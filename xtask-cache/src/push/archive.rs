//! One archive: read from the store, hashed, compressed, and compared with what Nix has recorded.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};

use camino::{Utf8Path, Utf8PathBuf};
use zstd::bulk::Compressor;
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder;

use crate::hash::{HashingWriter, Sha256};
use crate::nar;

/// Archives of at most this size never touch the disk: 4 MB.
pub(super) const SMALL: u64 = 4 << 20;

/// What each thread of zstd takes at a time, in bytes: memory is some three times that for each.
const PIECE: u32 = 4 << 20;
/// Between what is read and zstd, which wants no small pieces: 128 KB.
const BUFFER: usize = 1 << 17;

/// A path that is to be archived.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// `/nix/store/…`
    pub(super) path: &'a str,
    /// Where its files really are.
    pub(super) real: &'a Utf8Path,
    pub(super) nar_hash: Sha256,
    pub(super) nar_size: u64,
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

/// Makes archives, one at a time; keeps what is expensive to get from one to the next.
pub(super) struct Packer {
    nar: nar::Writer,
    /// The archive, where it is small.
    plain: Vec<u8>,
    zstd: Compressor<'static>,
    level: i32,
}

impl Packer {
    pub(super) fn new(level: i32, case_hack: bool) -> io::Result<Packer> {
        let (nar, zstd) = (nar::Writer::new(case_hack), Compressor::new(level)?);
        Ok(Packer { nar, plain: Vec::new(), zstd, level })
    }

    /// Makes the archive: in memory when it is small, else in a draft file, with so many threads of zstd. `count`
    /// hears how many bytes were read.
    pub(super) fn pack(
        &mut self,
        source: &Source<'_>,
        draft: &Utf8Path,
        threads: usize,
        count: &dyn Fn(u64),
    ) -> Result<Archive, Trouble> {
        if source.nar_size <= SMALL {
            return self.small(source, count);
        }
        let draft_file = File::create(draft).map_err(|it| trouble(draft, &it));
        let packed = draft_file.and_then(|it| self.large(source, it, threads, count));
        packed.inspect_err(|_| drop(std::fs::remove_file(draft))).map(|(file_hash, file_size)| Archive {
            content: Place::File(draft.to_owned()),
            file_hash,
            file_size,
        })
    }

    fn small(&mut self, source: &Source<'_>, count: &dyn Fn(u64)) -> Result<Archive, Trouble> {
        self.plain.clear();
        let mut plain = Bounded::new(&mut self.plain, source.nar_size, count);
        let written = self.nar.write(source.real.as_std_path(), &mut plain);
        let over = plain.over;
        source.check(written, over, &|| (Sha256::of(&self.plain), self.plain.len() as u64))?;
        let packed = self.zstd.compress(&self.plain).map_err(|it| Trouble::Other(it.to_string()))?;
        let (file_hash, file_size) = (Sha256::of(&packed), packed.len() as u64);
        Ok(Archive { content: Place::Memory(packed), file_hash, file_size })
    }

    fn large(
        &mut self,
        source: &Source<'_>,
        out: File,
        threads: usize,
        count: &dyn Fn(u64),
    ) -> Result<(Sha256, u64), Trouble> {
        let encoder = self.encoder(Marking(out), threads).map_err(|it| Trouble::Other(it.to_string()))?;
        let nar = HashingWriter::new(Bounded::new(encoder, source.nar_size, count));
        let mut nar = BufWriter::with_capacity(BUFFER, nar);
        let written = self.nar.write(source.real.as_std_path(), &mut nar).and_then(|()| nar.flush());
        let (bounded, hash, size) = nar.into_parts().0.finish();
        let over = bounded.over;
        let finished = written.and_then(|()| bounded.inner.finish());
        let out = source.check(finished, over, &|| (hash, size))?;
        let (_, file_hash, file_size) = out.finish();
        Ok((file_hash, file_size))
    }

    /// With threads of its own, also where it is one: then what comes out is the same however many there are.
    fn encoder<W: Write>(&self, out: W, threads: usize) -> io::Result<Encoder<'static, HashingWriter<W>>> {
        let mut res = Encoder::new(HashingWriter::new(out), self.level)?;
        res.set_parameter(CParameter::JobSize(PIECE))?;
        res.multithread(u32::try_from(threads).unwrap_or(1).max(1))?;
        Ok(res)
    }
}

impl Source<'_> {
    /// Whether what was read is what Nix has recorded.
    fn check<T>(
        &self,
        read: io::Result<T>,
        over: bool,
        found: &dyn Fn() -> (Sha256, u64),
    ) -> Result<T, Trouble> {
        if over {
            return Err(self.damaged("it is longer"));
        }
        let res = read.map_err(|error| match error.get_ref().and_then(|it| it.downcast_ref::<NoRoom>()) {
            Some(_) => Trouble::Full,
            None if error.kind() == ErrorKind::NotFound => Trouble::Other(format!(
                "`{}` is gone; was the garbage collected meanwhile? Build it again",
                self.real
            )),
            None => Trouble::Other(format!("cannot read `{}`: {error}", self.real)),
        })?;
        let (hash, size) = found();
        if hash != self.nar_hash || size != self.nar_size {
            return Err(self.damaged(&format!("{hash} instead of {}", self.nar_hash)));
        }
        Ok(res)
    }

    fn damaged(&self, how: &str) -> Trouble {
        Trouble::Other(format!(
            "the store has another content than Nix has recorded ({how}): it is damaged; run `nix store repair {}`",
            self.path
        ))
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

/// Counts, and takes no more than there should be: what is damaged may be of any size.
struct Bounded<'a, W> {
    inner: W,
    left: u64,
    over: bool,
    count: &'a dyn Fn(u64),
}

impl<'a, W> Bounded<'a, W> {
    fn new(inner: W, left: u64, count: &'a dyn Fn(u64)) -> Bounded<'a, W> {
        Bounded { inner, left, over: false, count }
    }
}

impl<W: Write> Write for Bounded<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.over |= bytes.len() as u64 > self.left;
        if self.over {
            return Err(io::Error::other("longer than recorded"));
        }
        let size = self.inner.write(bytes)?;
        self.left -= size as u64;
        (self.count)(size as u64);
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
