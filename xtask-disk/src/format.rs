//! How the bytes of an image are packed, told by their first few, never by the file's name.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

/// The largest window that a zstd image may ask for, as a power of two: what the format's own tools take, too.
const WINDOW_LOG: u32 = 27;
/// The most memory that an xz image may ask for, in bytes: `xz -9` asks for 65 MiB.
const XZ_MEMORY: u64 = 128 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Raw,
    Zstd,
    Xz,
    Gzip,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Raw => "raw",
            Format::Zstd => "zstd",
            Format::Xz => "xz",
            Format::Gzip => "gzip",
        })
    }
}

/// Packed bytes that can be unpacked, by how they begin.
const PACKED: &[(&[u8], Format)] =
    &[(b"\x28\xb5\x2f\xfd", Format::Zstd), (b"\xfd7zXZ\0", Format::Xz), (b"\x1f\x8b", Format::Gzip)];

/// What is no disk image and begins so.
const OTHERS: &[(&[u8], &str)] = &[
    (b"BZh", "compressed by bzip2; unpack it with `bunzip2`"),
    (b"PK\x03\x04", "a zip archive; unpack it with `unzip`"),
    (b"\x04\x22\x4d\x18", "compressed by lz4; unpack it with `lz4 -d`"),
    (b"LZIP", "compressed by lzip; unpack it with `lzip -d`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it with `7z x`"),
    (b"\x3a\xff\x26\xed", "an Android sparse image; unpack it with `simg2img`"),
    (b"QFI\xfb", "a disk of QEMU; unpack it with `qemu-img convert -O raw`"),
    (b"KDMV", "a disk of VMware; unpack it with `qemu-img convert -O raw`"),
    (b"vhdxfile", "a disk of Hyper-V; unpack it with `qemu-img convert -O raw`"),
    (b"\x7fELF", "a program"),
    (b"hsqs", "a squashfs file system, not a disk"),
];

/// Where an ISO image says what it is.
const ISO: (usize, &[u8]) = (0x8001, b"CD001");
const TAR: (usize, &[u8]) = (257, b"ustar");

/// How a file's bytes are packed.
///
/// # Errors
/// When they are something that is no image, with what to do.
pub(crate) fn of(head: &[u8]) -> anyhow::Result<Format> {
    if let Some((_, format)) = PACKED.iter().find(|it| head.starts_with(it.0)) {
        return Ok(*format);
    }
    if let Some((_, what)) = OTHERS.iter().find(|it| head.starts_with(it.0)) {
        bail!("it is {what}");
    }
    if head.get(TAR.0..).is_some_and(|it| it.starts_with(TAR.1)) {
        bail!("it is a tar archive; unpack it with `tar -xf`");
    }
    if head.get(ISO.0..).is_some_and(|it| it.starts_with(ISO.1)) {
        bail!(
            "it is an ISO image, which is for PCs; the Aleph boots from the image that `build-aleph sdimage` makes"
        );
    }
    Ok(Format::Raw)
}

/// Hears the bytes of a file as they are read.
pub(crate) type Listener<'a> = Box<dyn FnMut(&[u8]) + Send + 'a>;

/// The file, decompressed as it is read. `tap` sees the bytes of the file itself.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn open<'a>(
    path: &Path,
    format: Format,
    tap: Listener<'a>,
) -> anyhow::Result<Box<dyn Read + Send + 'a>> {
    let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
    let file = Tap { file, tap };
    Ok(match format {
        Format::Raw => Box::new(file),
        Format::Zstd => {
            let mut decoder = zstd::Decoder::new(file).context("cannot start zstd")?;
            decoder.window_log_max(WINDOW_LOG).context("cannot start zstd")?;
            Box::new(decoder)
        }
        Format::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)
                .context("cannot start xz")?;
            Box::new(liblzma::read::XzDecoder::new_stream(file, stream))
        }
        Format::Gzip => {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(1 << 20, file)))
        }
    })
}

/// Archives may be made of several parts.
const CONCATENATED: u32 = liblzma::stream::CONCATENATED;

/// The first bytes of a file, enough for [`of`], and its size.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn head(path: &Path) -> anyhow::Result<(Vec<u8>, u64)> {
    let read = || -> std::io::Result<(Vec<u8>, u64)> {
        let mut file = File::open(path)?;
        let size = file.seek(std::io::SeekFrom::End(0))?;
        file.rewind()?;
        let mut head = Vec::new();
        file.take(1 << 16).read_to_end(&mut head)?;
        Ok((head, size))
    };
    read().with_context(|| format!("cannot read `{}`", path.display()))
}

struct Tap<'a> {
    file: File,
    tap: Listener<'a>,
}

impl Read for Tap<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buffer)?;
        (self.tap)(&buffer[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_first_bytes() {
        assert_eq!(of(b"\x28\xb5\x2f\xfd....").unwrap(), Format::Zstd);
        assert_eq!(of(b"\xfd7zXZ\0").unwrap(), Format::Xz);
        assert_eq!(of(b"\x1f\x8b\x08").unwrap(), Format::Gzip);
        assert_eq!(of(&vec![0; 65536]).unwrap(), Format::Raw);
        let at = |(at, magic): (usize, &[u8])| {
            let mut head = vec![0; 65536];
            head[at..at + magic.len()].copy_from_slice(magic);
            of(&head).unwrap_err().to_string()
        };
        assert!(at(ISO).starts_with("it is an ISO image"), "{}", at(ISO));
        assert_eq!(at(TAR), "it is a tar archive; unpack it with `tar -xf`");
        assert_eq!(at((0, b"BZh9")), "it is compressed by bzip2; unpack it with `bunzip2`");
    }
}
