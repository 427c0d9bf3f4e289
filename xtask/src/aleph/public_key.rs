//! A public key of SSH, as it stands in a `.pub` file.

use std::fmt;
use std::str::FromStr;

/// `ssh-ed25519 AAAA… you@laptop`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(String);

/// The kinds that OpenSSH takes today.
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

impl PublicKey {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicKey, String> {
        let text = text.trim();
        // What was pasted by mistake must not be repeated.
        if text.contains("PRIVATE KEY") {
            return Err("that is a private key: keep it to yourself, and give the file that ends in `.pub`"
                .to_owned());
        }
        if text.lines().count() > 1 {
            return Err("that is more than one line; give one key".to_owned());
        }
        let mut words = text.split_whitespace();
        let (kind, body) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if !KINDS.contains(&kind) {
            return Err("that is no public key of SSH; write it as in `~/.ssh/id_ed25519.pub`: ssh-ed25519 AAAA… you@laptop".to_owned());
        }
        // The body begins with the length of the kind, and the kind again.
        let inner = decode(body).ok_or_else(|| format!("the {kind} key is cut off, or not base64"))?;
        let length = inner.get(..4).and_then(|it| <[u8; 4]>::try_from(it).ok()).map(u32::from_be_bytes);
        let length = length.and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
        let named = inner.get(4..4 + length.min(64)).unwrap_or_default();
        let least = if kind == "ssh-ed25519" { 51 } else { 64 };
        if named != kind.as_bytes() || inner.len() < least {
            return Err(format!("the {kind} key is cut off, or of another kind"));
        }
        if text.chars().any(char::is_control) {
            return Err("there is an unprintable sign in the key".to_owned());
        }
        Ok(PublicKey(text.to_owned()))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    if text.is_empty() || !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
        return None;
    }
    let mut res = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for byte in body.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            res.push(u8::try_from((bits >> held) & 0xff).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    Some(res)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@laptop";

    #[test]
    fn keys_and_what_is_none() {
        assert_eq!(format!("  {GOOD}\n").parse::<PublicKey>().unwrap().as_str(), GOOD);
        for (text, says) in [
            ("", "that is no public key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret", "that is a private key"),
            ("ssh-dss AAAAB3NzaC1kc3M= x", "that is no public key"),
            ("ssh-ed25519", "is cut off, or not base64"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAB x", "is cut off, or of another kind"),
            (&GOOD.replace("ssh-ed25519", "ssh-rsa"), "is cut off, or of another kind"),
            (&format!("{GOOD}\n{GOOD}"), "more than one line"),
            (&GOOD.replace("me@", "\u{7}"), "unprintable"),
        ] {
            let error = text.parse::<PublicKey>().unwrap_err();
            assert!(error.contains(says) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
