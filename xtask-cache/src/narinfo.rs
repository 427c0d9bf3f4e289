//! What a binary cache says about a store path: `HASH.narinfo`, a text of `Key: value` lines.

use std::fmt;

use anyhow::{Context as _, bail};

use crate::hash::Sha256;
use crate::keys::{PublicKey, SecretKey};

/// Where stores are. The hash of every path depends on it.
pub const STORE: &str = "/nix/store";

/// One path of a cache. Keys that we do not know are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NarInfo {
    /// `/nix/store/HASH-NAME`
    pub store_path: String,
    /// Where the archive is, relative to the cache: `nar/….nar.zst`.
    pub url: String,
    pub compression: String,
    /// Of the compressed archive. Caches need not say them.
    pub file_hash: Option<Sha256>,
    pub file_size: Option<u64>,
    pub nar_hash: Sha256,
    pub nar_size: u64,
    /// Names without `/nix/store/`, sorted.
    pub references: Vec<String>,
    /// The name of the derivation that made it, without `/nix/store/`.
    pub deriver: Option<String>,
    pub signatures: Vec<String>,
    /// How its content names it, if it does.
    pub ca: Option<String>,
    /// What else there is, as it stands.
    pub other: Vec<(String, String)>,
}

impl NarInfo {
    /// Reads a narinfo. The message says which line is wrong.
    pub fn parse(text: &str) -> anyhow::Result<NarInfo> {
        let mut fields = Vec::new();
        for (n, line) in text.lines().enumerate().filter(|it| !it.1.is_empty()) {
            let (key, value) = line.split_once(':').with_context(|| format!("line {}: no key", n + 1))?;
            fields.push((key.to_owned(), value.trim().to_owned()));
        }
        let mut take = |key: &str| {
            let at = fields.iter().position(|it| it.0 == key)?;
            Some(fields.remove(at).1)
        };
        let mut need = |key: &str| take(key).with_context(|| format!("there is no `{key}`"));
        let store_path = need("StorePath")?;
        let hash_part = hash_part(&store_path);
        if hash_part.is_none() {
            bail!("`{store_path}` is no path of {STORE}");
        }
        let url = need("URL")?;
        let nar_hash = need("NarHash")?;
        let nar_hash = Sha256::parse(&nar_hash).with_context(|| format!("`{nar_hash}` is no SHA-256"))?;
        let nar_size = need("NarSize")?;
        let nar_size = nar_size.parse().with_context(|| format!("`{nar_size}` is no size"))?;
        let references = take("References").unwrap_or_default();
        let file_hash = take("FileHash");
        let file_size = take("FileSize");
        Ok(NarInfo {
            store_path,
            url,
            // The oldest caches do not say.
            compression: take("Compression").unwrap_or_else(|| "bzip2".to_owned()),
            file_hash: file_hash
                .map(|it| Sha256::parse(&it).with_context(|| format!("`{it}` is no SHA-256")))
                .transpose()?,
            file_size: file_size
                .map(|it| it.parse().with_context(|| format!("`{it}` is no size")))
                .transpose()?,
            nar_hash,
            nar_size,
            references: references.split_ascii_whitespace().map(str::to_owned).collect(),
            deriver: take("Deriver").filter(|it| it != "unknown-deriver"),
            ca: take("CA"),
            signatures: std::iter::from_fn(|| take("Sig")).collect(),
            other: fields,
        })
    }

    /// `HASH.narinfo`, its name in the cache.
    #[must_use]
    pub fn key(&self) -> String {
        key_of(&self.store_path)
    }

    /// What a signature signs: the path, what it contains, and what it needs.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let references: Vec<String> = self.references.iter().map(|it| format!("{STORE}/{it}")).collect();
        format!("1;{};{};{};{}", self.store_path, self.nar_hash, self.nar_size, references.join(","))
    }

    /// Adds our signature; another one by a key of the same name is replaced.
    pub fn sign(&mut self, key: &SecretKey) {
        let signature = key.sign(&self.fingerprint());
        let name = signature.split(':').next().unwrap_or_default().to_owned();
        self.signatures.retain(|it| it.split(':').next() != Some(name.as_str()));
        self.signatures.push(signature);
    }

    /// Whether one of these keys has signed it. What its content names needs no signature, but that is for whoever
    /// has the content to check.
    #[must_use]
    pub fn signed_by<'a>(&self, keys: &'a [PublicKey]) -> Option<&'a PublicKey> {
        let text = self.fingerprint();
        keys.iter().find(|key| self.signatures.iter().any(|it| key.verifies(&text, it)))
    }
}

/// The text, in the order in which Nix writes it.
impl fmt::Display for NarInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "StorePath: {}", self.store_path)?;
        writeln!(f, "URL: {}", self.url)?;
        writeln!(f, "Compression: {}", self.compression)?;
        if let Some(hash) = self.file_hash {
            writeln!(f, "FileHash: {hash}")?;
        }
        if let Some(size) = self.file_size {
            writeln!(f, "FileSize: {size}")?;
        }
        writeln!(f, "NarHash: {}", self.nar_hash)?;
        writeln!(f, "NarSize: {}", self.nar_size)?;
        writeln!(f, "References: {}", self.references.join(" "))?;
        if let Some(deriver) = &self.deriver {
            writeln!(f, "Deriver: {deriver}")?;
        }
        for signature in &self.signatures {
            writeln!(f, "Sig: {signature}")?;
        }
        if let Some(ca) = &self.ca {
            writeln!(f, "CA: {ca}")?;
        }
        self.other.iter().try_for_each(|(key, value)| writeln!(f, "{key}: {value}"))
    }
}

/// The 32 characters that name a path in a cache; `None` when it is no store path, or none of `/nix/store`.
#[must_use]
pub fn hash_part(store_path: &str) -> Option<&str> {
    let base = store_path.strip_prefix(STORE)?.strip_prefix('/')?;
    let (hash, name) = base.split_once('-')?;
    let good = hash.len() == 32 && hash.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    (good && !name.is_empty() && !name.contains('/')).then_some(hash)
}

/// `HASH.narinfo` of a store path.
#[must_use]
pub fn key_of(store_path: &str) -> String {
    format!("{}.narinfo", hash_part(store_path).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Nix 2.26 wrote and signed it.
    const REAL: &str = "\
StorePath: /nix/store/vzsgha6alxid8ppkhssr14s36yc1ca9h-b
URL: nar/1zrwcdr4zmpa9j2ya9jfqs0gsyiyqxcvm9hn1cqcsf4sw5z7rq3a.nar.zst
Compression: zstd
FileHash: sha256:1zrwcdr4zmpa9j2ya9jfqs0gsyiyqxcvm9hn1cqcsf4sw5z7rq3a
FileSize: 157
NarHash: sha256:0ry8a5j1g2f7144615v2vkrcgdjgij0nrn525lf8rmv9vgw2iyzi
NarSize: 208
References: ggbqg8lqjwj75wznkv03h0x2bjr2in0j-a vzsgha6alxid8ppkhssr14s36yc1ca9h-b
Deriver: pd9456h67zg1ka2a80i6dqcdmpgawi0g-b.drv
Sig: lab-1:Ir5haJW1NRj3jwOWDn4J/aI325uDa50q2a1v1CP6Q9GDM07yE2VRubLtykiynu71u4BGU2rlHHH44+mJY9cKDg==
";
    const KEY: &str = "lab-1:G5NUn2WFE++gzpoe7hRetcJE9AgV9vQPosipEelZBEY=";

    #[test]
    fn a_real_one_is_read_written_and_verified() {
        let info = NarInfo::parse(REAL).unwrap();
        assert_eq!(info.to_string(), REAL);
        assert_eq!(info.key(), "vzsgha6alxid8ppkhssr14s36yc1ca9h.narinfo");
        let keys = [PublicKey::parse(KEY).unwrap()];
        assert_eq!(info.signed_by(&keys), Some(&keys[0]));
        let mut other = info;
        other.references.pop();
        assert_eq!(other.signed_by(&keys), None, "it is good for other references");
    }

    #[test]
    fn what_we_do_not_know_is_kept() {
        let text = format!("{REAL}CA: fixed:r:sha256:x\nFuture: some: thing\n");
        let info = NarInfo::parse(&text).unwrap();
        assert_eq!(info.other, [("Future".to_owned(), "some: thing".to_owned())]);
        assert_eq!(info.to_string(), text);
    }

    #[test]
    fn nonsense_is_named() {
        for (from, to, want) in [
            ("URL: ", "Url: ", "there is no `URL`"),
            (
                "/nix/store/vz",
                "/other/vz",
                "`/other/vzsgha6alxid8ppkhssr14s36yc1ca9h-b` is no path of /nix/store",
            ),
            ("NarSize: 208", "NarSize: many", "`many` is no size: invalid digit found in string"),
            (
                "NarHash: sha256:",
                "NarHash: sha1:",
                "`sha1:0ry8a5j1g2f7144615v2vkrcgdjgij0nrn525lf8rmv9vgw2iyzi` is no SHA-256",
            ),
            ("Compression: zstd", "<html>", "line 3: no key"),
        ] {
            let error = NarInfo::parse(&REAL.replace(from, to)).unwrap_err();
            assert_eq!(format!("{error:#}"), want);
        }
        assert!(NarInfo::parse("").is_err());
    }

    #[test]
    fn signing_again_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let file = camino::Utf8Path::from_path(dir.path()).unwrap().join("key");
        let public = crate::keys::generate("lab-9", &file).unwrap();
        let key = SecretKey::read(&file).unwrap();
        let mut info = NarInfo::parse(REAL).unwrap();
        let other = crate::keys::generate("lab-2", &file.with_extension("2")).unwrap();
        assert_eq!(info.signed_by(&[other]), None);
        info.sign(&key);
        info.sign(&key);
        assert_eq!(info.signatures.len(), 2);
        assert_eq!(info.signed_by(std::slice::from_ref(&public)), Some(&public));
    }
}
