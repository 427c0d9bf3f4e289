//! SHA-256 as S3 and Nix spell it.

use std::fmt;
use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};

/// Nix's own alphabet, without letters that could make a word.
const ALPHABET: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Sha256 {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Lower-case hexadecimal, as S3 wants it.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// 52 characters of Nix's base 32, without `sha256:`.
    #[must_use]
    pub fn nix32(&self) -> String {
        let digit = |n: usize| {
            let (byte, shift) = (n * 5 / 8, n * 5 % 8);
            let low = self.0[byte] >> shift;
            let high = self
                .0
                .get(byte + 1)
                .map_or(0, |it| it.checked_shl(8 - u32::try_from(shift).unwrap_or(0)).unwrap_or(0));
            char::from(ALPHABET[usize::from((low | high) & 31)])
        };
        (0..52).rev().map(digit).collect()
    }

    /// Reads any of Nix's spellings: `sha256-BASE64`, `sha256:BASE32`, `sha256:HEX`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Sha256> {
        if let Some(base64) = text.strip_prefix("sha256-") {
            return STANDARD.decode(base64).ok()?.try_into().ok().map(Sha256);
        }
        let digits = text.strip_prefix("sha256:")?;
        match digits.len() {
            52 => from_nix32(digits),
            64 => from_hex(digits),
            _ => None,
        }
    }
}

/// Lower-case hexadecimal. Each request needs some hundred digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |it: u8| char::from(b"0123456789abcdef"[usize::from(it)]);
    bytes.iter().flat_map(|it| [digit(it >> 4), digit(it & 15)]).collect()
}

fn from_hex(digits: &str) -> Option<Sha256> {
    let mut res = [0; 32];
    for (n, byte) in res.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(Sha256(res))
}

fn from_nix32(digits: &str) -> Option<Sha256> {
    let mut res = [0_u8; 32];
    for (n, letter) in digits.bytes().rev().enumerate() {
        let digit = u16::try_from(ALPHABET.iter().position(|it| *it == letter)?).ok()?;
        let (byte, shift) = (n * 5 / 8, n * 5 % 8);
        let [low, high] = (digit << shift).to_le_bytes();
        res[byte] |= low;
        match res.get_mut(byte + 1) {
            Some(next) => *next |= high,
            None if high != 0 => return None,
            None => {}
        }
    }
    Some(Sha256(res))
}

/// `sha256:BASE32`, as in a narinfo.
impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.nix32())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hashes what comes in pieces.
pub struct Hasher(Context);

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher(Context::new(&SHA256))
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    #[must_use]
    pub fn finish(self) -> Sha256 {
        let mut res = [0; 32];
        res.copy_from_slice(self.0.finish().as_ref());
        Sha256(res)
    }
}

/// Hashes and counts what is written through it.
#[derive(Debug)]
pub struct HashingWriter<W> {
    pub inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> HashingWriter<W> {
    pub fn new(inner: W) -> HashingWriter<W> {
        HashingWriter { inner, hasher: Hasher::default(), size: 0 }
    }

    /// What was written, and its hash and size in bytes.
    #[must_use]
    pub fn finish(self) -> (W, Sha256, u64) {
        (self.inner, self.hasher.finish(), self.size)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..size]);
        self.size += size as u64;
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads to the end: the hash, and the size in bytes.
pub fn of_reader(reader: &mut dyn Read) -> io::Result<(Sha256, u64)> {
    let mut sink = HashingWriter::new(io::sink());
    let mut buffer = vec![0; 1 << 17];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            size => sink.write_all(&buffer[..size])?,
        }
    }
    let (_, hash, size) = sink.finish();
    Ok((hash, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `nix hash convert` of the SHA-256 of nothing.
    #[test]
    fn spellings() {
        let hash = Sha256::of(b"");
        let spelled = [
            "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ];
        for text in spelled {
            assert_eq!(Sha256::parse(text), Some(hash), "{text}");
        }
        assert_eq!(hash.to_string(), spelled[0]);
        assert_eq!(format!("sha256:{}", hash.hex()), spelled[2]);
        for n in 0..=255 {
            let hash = Sha256::of(&[n]);
            assert_eq!(Sha256::parse(&hash.to_string()), Some(hash));
        }
    }

    #[test]
    fn nonsense() {
        for text in [
            "",
            "sha256:",
            "sha256-AAAA",
            "md5:x",
            "sha256:Omdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
        ] {
            assert_eq!(Sha256::parse(text), None, "{text}");
        }
    }
}
