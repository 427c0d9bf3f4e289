//! Strings of the manifest that have a form of their own: globs, versions, public keys, registries.

use std::fmt;

use glob::{Pattern, PatternError};
use serde::Deserialize as _;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::registry::Registry;

/// Globs relative to the root, without a slash at their ends.
pub(super) fn globs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let globs = deserializer.deserialize_seq(Texts(check_glob))?;
    Ok(globs.iter().map(|it| it.trim_end_matches('/').to_owned()).collect())
}

/// Public keys as Nix writes them.
pub(super) fn public_keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(Texts(check_public_key))
}

/// A level of zstd. Those above 19 need as much memory to read as to write.
pub(super) fn compression_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let level = i32::deserialize(deserializer)?;
    if (1..=19).contains(&level) {
        return Ok(level);
    }
    Err(de::Error::custom(format!("`{level}` is no level of zstd here: those are 1 (quick) to 19 (small)")))
}

/// A version of Nix.
pub(super) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Text(check_version).deserialize(deserializer)
}

/// A registry of container images.
pub(super) fn registry<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Text(|it| it.parse::<Registry>().map(drop)).deserialize(deserializer).map(Some)
}

/// Says what is wrong with a text, if anything.
type Check = fn(&str) -> Result<(), String>;

fn check_glob(text: &str) -> Result<(), String> {
    if text.is_empty() || text.starts_with('/') || text.split('/').any(|it| it == "." || it == "..") {
        return Err(format!("bad glob `{text}`: write it relative to the root, without `./` or `..`"));
    }
    let bad = |it: PatternError| format!("bad glob `{text}`: {} (at character {})", it.msg, it.pos + 1);
    Pattern::new(text).map(drop).map_err(bad)
}

fn check_version(text: &str) -> Result<(), String> {
    if text.split('.').all(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit())) {
        return Ok(());
    }
    Err(format!("`{text}` is not a version of Nix; write it like \"2.26\""))
}

fn check_public_key(text: &str) -> Result<(), String> {
    match text.split_once(':') {
        Some((name, key)) if !name.is_empty() && !key.is_empty() => Ok(()),
        _ => Err(format!("`{text}` is not a public key; write it like \"name:base64\"")),
    }
}

/// A string that must pass a check. Checked by the visitor, because only then toml says where it stands.
struct Text(Check);

impl<'de> DeserializeSeed<'de> for Text {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        (self.0)(text).map_err(E::custom)?;
        Ok(text.to_owned())
    }
}

/// Strings that must pass a check.
struct Texts(Check);

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element_seed(Text(self.0))? {
            texts.push(text);
        }
        Ok(texts)
    }
}
