//! The archive of a path as a cache has it: read once, its hashes compared with what its narinfo says.

use std::io::{self, Read};

use crate::hash::{self, Hasher, Sha256};
use crate::narinfo::NarInfo;

/// What came of looking at an archive.
#[derive(Debug)]
pub struct Checked {
    /// Compressed bytes that were read.
    pub read: u64,
    pub problem: Option<Problem>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// It cannot be unpacked here, so only what is compressed was looked at.
    Compression,
    Content(String),
}

/// Reads an archive to its end.
pub fn check(reader: Box<dyn Read>, info: &NarInfo) -> Checked {
    let mut counted = Counted { inner: reader, hasher: Hasher::default(), read: 0 };
    let unpacked = match info.compression.as_str() {
        "zstd" => unpack(&mut counted, zstd::Decoder::new),
        "xz" => unpack(&mut counted, |it| Ok(liblzma::read::XzDecoder::new_multi_decoder(it))),
        "none" => hash::of_reader(&mut counted).map(Some),
        _ => Ok(None),
    };
    // What follows the compressed stream belongs to the file, too.
    let rest = io::copy(&mut counted, &mut io::sink());
    let (read, file_hash) = (counted.read, counted.hasher.finish());
    let problem = match (unpacked, rest) {
        (Err(error), _) => Some(Problem::Content(format!("it cannot be unpacked: {error}"))),
        (_, Err(error)) => Some(Problem::Content(format!("it cannot be read to its end: {error}"))),
        (Ok(unpacked), Ok(_)) => compare(info, read, file_hash, unpacked),
    };
    Checked { read, problem }
}

fn unpack<'a, D: Read>(
    counted: &'a mut Counted,
    decoder: impl FnOnce(&'a mut Counted) -> io::Result<D>,
) -> io::Result<Option<(Sha256, u64)>> {
    hash::of_reader(&mut decoder(counted)?).map(Some)
}

fn compare(info: &NarInfo, read: u64, file_hash: Sha256, unpacked: Option<(Sha256, u64)>) -> Option<Problem> {
    if info.file_size.is_some_and(|it| it != read) || info.file_hash.is_some_and(|it| it != file_hash) {
        return Some(Problem::Content("it is not the file that the narinfo speaks of".to_owned()));
    }
    let Some((nar_hash, nar_size)) = unpacked else { return Some(Problem::Compression) };
    if nar_size != info.nar_size {
        let what = format!("unpacked it has {nar_size} bytes, and should have {}", info.nar_size);
        return Some(Problem::Content(what));
    }
    (nar_hash != info.nar_hash)
        .then(|| Problem::Content(format!("its hash is {nar_hash}, and should be {}", info.nar_hash)))
}

/// Counts and hashes what passes.
struct Counted {
    inner: Box<dyn Read>,
    hasher: Hasher,
    read: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..size]);
        self.read += size as u64;
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAR: &[u8] = b"as if this were a NAR, and not too short to be compressed compressed compressed";

    fn info(compression: &str, file: &[u8]) -> NarInfo {
        NarInfo::parse(&format!(
            "StorePath: /nix/store/{}-x\nURL: nar/x\nCompression: {compression}\nFileHash: {}\nFileSize: {}\n\
             NarHash: {}\nNarSize: {}\n",
            "a".repeat(32),
            Sha256::of(file),
            file.len(),
            Sha256::of(NAR),
            NAR.len()
        ))
        .unwrap()
    }

    fn xz() -> Vec<u8> {
        let mut res = Vec::new();
        liblzma::read::XzEncoder::new(NAR, 1).read_to_end(&mut res).unwrap();
        res
    }

    #[test]
    fn what_is_whole() {
        for (compression, file) in
            [("none", NAR.to_vec()), ("zstd", zstd::encode_all(NAR, 3).unwrap()), ("xz", xz())]
        {
            let checked = check(Box::new(io::Cursor::new(file.clone())), &info(compression, &file));
            assert_eq!((checked.problem, checked.read), (None, file.len() as u64), "{compression}");
        }
    }

    #[test]
    fn what_is_not() {
        let file = zstd::encode_all(NAR, 3).unwrap();
        let problem =
            |bytes: &[u8], info: &NarInfo| match check(Box::new(io::Cursor::new(bytes.to_vec())), info)
                .problem
            {
                Some(Problem::Content(text)) => text,
                other => panic!("{other:?}"),
            };
        let sound = info("zstd", &file);
        let mut flipped = file.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for bytes in [&file[..file.len() - 3], b"", flipped.as_slice(), &[&file[..], b"x"].concat()] {
            problem(bytes, &sound);
        }
        let other = NarInfo { nar_hash: Sha256::of(b"x"), ..sound.clone() };
        assert!(problem(&file, &other).starts_with("its hash is sha256:"));
        let other = NarInfo { nar_size: 3, ..sound.clone() };
        assert_eq!(problem(&file, &other), format!("unpacked it has {} bytes, and should have 3", NAR.len()));
        let other = NarInfo { compression: "br".to_owned(), ..sound };
        assert_eq!(check(Box::new(io::Cursor::new(file)), &other).problem, Some(Problem::Compression));
    }
}
