//! Nix's signing keys: ed25519, as `NAME:BASE64`. The secret one holds the public one in its second half.

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camino::Utf8Path;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::job::PushJob;
use crate::machine::Machine;

/// What is trusted: a name and 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub name: String,
    bytes: Vec<u8>,
}

impl PublicKey {
    /// Reads `NAME:BASE64`.
    pub fn parse(text: &str) -> anyhow::Result<PublicKey> {
        let text = text.trim();
        let (name, base64) =
            text.split_once(':').with_context(|| format!("`{text}` is not `NAME:BASE64`"))?;
        let bytes = STANDARD.decode(base64).with_context(|| format!("the key `{name}` is not base64"))?;
        if name.is_empty() || bytes.len() != 32 {
            bail!("`{text}` is no public key: that is a name and 32 bytes of base64");
        }
        Ok(PublicKey { name: name.to_owned(), bytes })
    }

    /// Whether a signature, `NAME:BASE64`, is of this key and of this text.
    #[must_use]
    pub fn verifies(&self, text: &str, signature: &str) -> bool {
        let Some((name, base64)) = signature.split_once(':') else { return false };
        let Ok(bytes) = STANDARD.decode(base64) else { return false };
        let key = UnparsedPublicKey::new(&ED25519, &self.bytes);
        name == self.name && key.verify(text.as_bytes(), &bytes).is_ok()
    }
}

/// `NAME:BASE64`
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, STANDARD.encode(&self.bytes))
    }
}

/// What signs. Never printed.
pub struct SecretKey {
    name: String,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.name)
    }
}

impl SecretKey {
    /// The key of a job: in a file, or in a variable, as services of CI give secrets.
    pub fn of(job: &PushJob, machine: &Machine) -> anyhow::Result<SecretKey> {
        match (&job.key_file, &job.key_variable) {
            (Some(file), _) => SecretKey::read(file),
            // The text is not repeated.
            (None, Some(name)) => machine.env(name).and_then(SecretKey::parse).with_context(|| {
                format!("`{name}` holds no signing key: that is `NAME:` and 64 bytes of base64")
            }),
            (None, None) => bail!("nobody says which key signs"),
        }
    }

    /// Reads a key file. Others than its owner must not be able to.
    pub fn read(file: &Utf8Path) -> anyhow::Result<SecretKey> {
        let meta = file.metadata().with_context(|| {
            format!("cannot read the signing key `{file}`; `cargo xtask cache keygen NAME` makes one")
        })?;
        let mode = meta.mode() & 0o777;
        if mode & 0o077 != 0 {
            bail!("the signing key `{file}` can be read by others (mode {mode:04o}); run `chmod 600 {file}`");
        }
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read the signing key `{file}`"))?;
        // The cause is not told: it could quote the key.
        SecretKey::parse(&text).ok_or_else(|| {
            anyhow::anyhow!("`{file}` is no signing key: that is `NAME:` and 64 bytes of base64")
        })
    }

    /// Reads `NAME:BASE64`.
    #[must_use]
    pub fn parse(text: &str) -> Option<SecretKey> {
        let (name, base64) = text.trim().split_once(':')?;
        let bytes = STANDARD.decode(base64).ok()?;
        let (seed, public) = bytes.split_at_checked(32)?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?;
        (!name.is_empty()).then(|| SecretKey { name: name.to_owned(), pair })
    }

    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey { name: self.name.clone(), bytes: self.pair.public_key().as_ref().to_vec() }
    }

    /// The signature of a text, as `NAME:BASE64`.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        format!("{}:{}", self.name, STANDARD.encode(self.pair.sign(text.as_bytes())))
    }
}

/// Makes a key pair, and writes the secret half to a new file that only its owner can read.
pub fn generate(name: &str, file: &Utf8Path) -> anyhow::Result<PublicKey> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).ok().context("this machine has no randomness to make a key of")?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok().context("cannot make a key")?;
    let public = PublicKey { name: name.to_owned(), bytes: pair.public_key().as_ref().to_vec() };
    let secret = STANDARD.encode([&seed[..], &public.bytes].concat());
    let mut output = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("cannot create `{file}`"))?;
    output
        .write_all(format!("{name}:{secret}").as_bytes())
        .and_then(|()| output.sync_all())
        .inspect_err(|_| drop(std::fs::remove_file(file)))
        .with_context(|| format!("cannot write `{file}`"))?;
    Ok(public)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_pair_signs_and_verifies() {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(dir.path()).unwrap().join("key");
        let public = generate("lab-1", &file).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(generate("lab-1", &file).is_err(), "it is overwritten");
        let secret = SecretKey::read(&file).unwrap();
        assert_eq!(secret.public(), public);
        assert_eq!(PublicKey::parse(&public.to_string()).unwrap(), public);
        assert_eq!(format!("{secret:?}"), "SecretKey(lab-1)");
        let signature = secret.sign("1;text");
        assert!(signature.starts_with("lab-1:"));
        assert!(public.verifies("1;text", &signature));
        assert!(!public.verifies("1;other", &signature));
        assert!(!public.verifies("1;text", &signature.replace("lab-1", "lab-2")));
        assert!(!public.verifies("1;text", "nonsense"));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(dir.path()).unwrap().join("key");
        generate("lab-1", &file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = SecretKey::read(&file).unwrap_err().to_string();
        assert!(error.ends_with(&format!("(mode 0640); run `chmod 600 {file}`")), "{error}");
    }

    #[test]
    fn nonsense_is_refused_without_being_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(dir.path()).unwrap().join("key");
        for text in ["", "hunter2", "lab-1:aHVudGVyMg==", ":AAAA"] {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            let error = format!("{:#}", SecretKey::read(&file).unwrap_err());
            assert!(error.contains("is no signing key") && !error.contains("hunter2"), "{error}");
        }
        for text in ["", "a", "a:b", ":", "a:AAAA"] {
            assert!(PublicKey::parse(text).is_err(), "{text}");
        }
    }
}
