//! Hashes as Nix writes them: `sha256-…=`, in base 16, in Nix's own base 32.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};

const BASE32: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A hash with the name of its algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sri {
    algorithm: String,
    bytes: Vec<u8>,
}

impl Sri {
    /// What stands for a hash that nobody knows yet.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.bytes.iter().all(|it| *it == 0)
    }

    /// Every way to write it, always in the same order.
    #[must_use]
    pub fn spellings(&self) -> Vec<String> {
        let hex: String = self.bytes.iter().map(|it| format!("{it:02x}")).collect();
        let own = base32(&self.bytes);
        let named = |it: &str| format!("{}:{it}", self.algorithm);
        vec![
            self.to_string(),
            named(&hex),
            named(&own),
            named(&base64(&self.bytes)),
            hex,
            own,
            base64(&self.bytes),
        ]
    }
}

impl FromStr for Sri {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Sri> {
        let (algorithm, rest) = text.split_once('-').context("no algorithm in the hash")?;
        let bytes = decode_base64(rest).with_context(|| format!("`{text}` is no hash"))?;
        if bytes.len() < 16 {
            bail!("`{text}` is no hash");
        }
        Ok(Sri { algorithm: algorithm.to_owned(), bytes })
    }
}

impl fmt::Display for Sri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.algorithm, base64(&self.bytes))
    }
}

/// The bytes of a text in base 64.
#[must_use]
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for char in text.trim_end_matches('=').bytes() {
        bits = (bits << 6) | u32::try_from(BASE64.iter().position(|it| *it == char)?).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

fn base64(bytes: &[u8]) -> String {
    let mut res = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for n in 0..4_usize {
            let digit = (bits >> (18 - 6 * n)) & 63;
            res.push(if n > chunk.len() { '=' } else { char::from(BASE64[digit as usize]) });
        }
    }
    res
}

/// Nix's own: five bits for each letter, the last bits first.
fn base32(bytes: &[u8]) -> String {
    let length = (bytes.len() * 8).div_ceil(5);
    let digit = |n: usize| {
        let (at, shift) = (n * 5 / 8, n * 5 % 8);
        let low = u32::from(bytes[at]) >> shift;
        let high = bytes.get(at + 1).map_or(0, |it| u32::from(*it) << (8 - shift));
        char::from(BASE32[((low | high) & 31) as usize])
    };
    (0..length).rev().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling() {
        // `nix hash convert` says so, of the empty file.
        let hash: Sri = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap();
        let own = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let spellings = hash.spellings();
        assert_eq!(spellings[0], "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert!(
            spellings.contains(&own.to_owned()) && spellings.contains(&format!("sha256:{hex}")),
            "{spellings:?}"
        );
        assert!(format!("sha256-{}=", "A".repeat(43)).parse::<Sri>().unwrap().is_zero());
        assert!("sha256-!".parse::<Sri>().is_err() && "nonsense".parse::<Sri>().is_err());
    }
}
