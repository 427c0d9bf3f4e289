//! A layer of an image: the digest of its content, and for which machines its programs are.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use crate::revision::hex;

/// ELF's numbers of machines that are not this computer's processor: programs for these belong to whatever loads them.
const DEVICES: [u16; 3] = [190, 224, 247];

/// How a file that gzip made begins.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What was found in a layer.
#[derive(Debug)]
pub(super) struct Layer {
    /// The digest of the plain tar archive.
    pub(super) diff_id: String,
    /// ELF's numbers of machines, each with the first file that is for it.
    pub(super) machines: BTreeMap<u16, String>,
}

/// Reads a layer, plain or compressed, to its end.
pub(super) fn read(source: &mut dyn Read) -> io::Result<Layer> {
    let mut source = plain(source)?;
    let mut content = Hashing::new(&mut source);
    let machines = machines(&mut content)?;
    // The archive ends before its file does.
    io::copy(&mut content, &mut io::sink())?;
    Ok(Layer { diff_id: content.digest(), machines })
}

fn machines(content: &mut dyn Read) -> io::Result<BTreeMap<u16, String>> {
    let mut res = BTreeMap::new();
    let mut archive = tar::Archive::new(content);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut head = Vec::new();
        (&mut entry).take(20).read_to_end(&mut head)?;
        if let Some(machine) = machine(&head).filter(|it| !DEVICES.contains(it)) {
            let name = || String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            res.entry(machine).or_insert_with(name);
        }
    }
    Ok(res)
}

/// The machine that an ELF file is for.
fn machine(head: &[u8]) -> Option<u16> {
    let bytes = [*head.get(18)?, *head.get(19)?];
    head.starts_with(b"\x7fELF").then(|| match head[5] {
        2 => u16::from_be_bytes(bytes),
        _ => u16::from_le_bytes(bytes),
    })
}

/// What people call a machine.
pub(super) fn machine_name(machine: u16) -> String {
    let name = match machine {
        3 => "i386",
        8 => "mips",
        20 => "powerpc",
        21 => "powerpc64",
        22 => "s390x",
        40 => "32-bit arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv",
        258 => "loongarch",
        other => return format!("machine {other}"),
    };
    name.to_owned()
}

/// What a stream holds, without the gzip around it.
pub(super) fn plain<'a>(source: &'a mut dyn Read) -> io::Result<Box<dyn Read + 'a>> {
    let mut head = Vec::new();
    (&mut *source).take(4).read_to_end(&mut head)?;
    let compressed = head.starts_with(&GZIP);
    if head.starts_with(b"\x28\xb5\x2f\xfd") || head.starts_with(b"\xfd7zX") {
        return Err(io::Error::other("it is compressed by something else than gzip"));
    }
    let whole = BufReader::with_capacity(1 << 16, io::Cursor::new(head).chain(source));
    Ok(if compressed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

/// `sha256:…`
pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

/// A stream that knows what has passed.
pub(super) struct Hashing<R> {
    inner: R,
    hash: Sha256,
    pub(super) size: u64,
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(inner: R) -> Hashing<R> {
        Hashing { inner, hash: Sha256::new(), size: 0 }
    }

    pub(super) fn digest(self) -> String {
        format!("sha256:{}", hex(&self.hash.finalize()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_in_both_byte_orders() {
        let head = |order: u8, bytes: [u8; 2]| {
            let mut head = b"\x7fELF\x02".to_vec();
            head.push(order);
            head.resize(18, 0);
            head.extend(bytes);
            head
        };
        assert_eq!(machine(&head(1, [183, 0])), Some(183));
        assert_eq!(machine(&head(2, [0, 22])), Some(22));
        assert_eq!(machine(b"\x7fELF"), None);
        assert_eq!(machine(&[0; 20]), None);
    }
}
