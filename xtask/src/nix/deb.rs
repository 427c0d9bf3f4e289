//! Debian packages: checked against the signed lists, then unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::sync::Mutex;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use xshell::{Shell, cmd};

/// What the signed lists say about a package file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub size: u64,
    pub sha256: String,
}

/// The signed lists: file name as apt stores it -> entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Index(BTreeMap<String, Entry>);

impl Index {
    /// Reads stanzas as `apt-cache show` prints them.
    #[must_use]
    pub fn parse(text: &str) -> Index {
        let mut res = BTreeMap::new();
        for stanza in text.split("\n\n") {
            let field = |key: &str| stanza.lines().find_map(|it| it.strip_prefix(key)?.strip_prefix(": "));
            let all =
                (field("Package"), field("Version"), field("Architecture"), field("Size"), field("SHA256"));
            let (Some(package), Some(version), Some(arch), Some(size), Some(sha256)) = all else {
                continue;
            };
            let Ok(size) = size.trim().parse() else { continue };
            let file = format!("{package}_{}_{arch}.deb", version.replace(':', "%3a"));
            res.insert(file, Entry { size, sha256: sha256.trim().to_lowercase() });
        }
        Index(res)
    }

    /// Checks a downloaded file: its name (package, version, architecture), size and SHA-256 are those of the lists.
    ///
    /// # Errors
    /// When the file is not exactly what Debian signed; the message names it.
    pub fn verify(&self, file: &Utf8Path) -> anyhow::Result<()> {
        let name = file.file_name().unwrap_or_default();
        let Some(entry) = self.0.get(name) else {
            bail!("refused `{name}`: Debian's signed package list has no such file");
        };
        let (size, sha256) = measure(file)?;
        if (size, &sha256) != (entry.size, &entry.sha256) {
            bail!(
                "refused `{name}`: it is damaged or was changed; the signed list says {} bytes, SHA-256 {}, the file has \
                 {size} bytes, SHA-256 {sha256}",
                entry.size,
                entry.sha256
            );
        }
        Ok(())
    }
}

fn measure(file: &Utf8Path) -> anyhow::Result<(u64, String)> {
    let mut reader = std::fs::File::open(file).with_context(|| format!("cannot read `{file}`"))?;
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let n = reader.read(&mut buffer).with_context(|| format!("cannot read `{file}`"))?;
        if n == 0 {
            break;
        }
        size += n as u64;
        hash.update(&buffer[..n]);
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        write!(hex, "{byte:02x}")?;
    }
    Ok((size, hex))
}

/// Verifies each file and right after that unpacks it below `root`, two at a time.
///
/// # Errors
/// When one file is refused or cannot be unpacked; the others are then left alone.
pub fn unpack(index: &Index, files: &BTreeSet<Utf8PathBuf>, root: &Utf8Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(root).with_context(|| format!("cannot create `{root}`"))?;
    let queue = Mutex::new(files.iter());
    let next = || queue.lock().ok().and_then(|mut it| it.next());
    let work = || -> anyhow::Result<()> {
        let sh = Shell::new()?;
        while let Some(file) = next() {
            unpack_one(&sh, index, file, root).inspect_err(|_| while next().is_some() {})?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let res = work();
        let other = other.join().map_err(|_| anyhow::anyhow!("an unpacking thread died"))?;
        res.and(other)
    })
}

fn unpack_one(sh: &Shell, index: &Index, file: &Utf8Path, root: &Utf8Path) -> anyhow::Result<()> {
    index.verify(file)?;
    let output = cmd!(sh, "dpkg-deb -x {file} {root}").env("LC_ALL", "C").quiet().ignore_status().output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("cannot unpack `{file}`: {}", stderr.trim().replace('\n', "; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
Package: libattr1
Version: 1:2.5.2-3
Architecture: amd64
Depends: libc6 (>= 2.4)
Description: extended attributes
 Size: not this one
Size: 5
SHA256: 2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824

Package: half
Version: 1

";

    fn index_and_file(name: &str, content: &str) -> (Index, tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8PathBuf::from_path_buf(dir.path().join(name)).unwrap();
        std::fs::write(&file, content).unwrap();
        (Index::parse(SHOWN), dir, file)
    }

    #[test]
    fn a_file_that_debian_signed_is_accepted() {
        let (index, _dir, file) = index_and_file("libattr1_1%3a2.5.2-3_amd64.deb", "hello");
        index.verify(&file).unwrap();
    }

    #[test]
    fn a_changed_a_cut_and_an_unknown_file_are_refused_by_name() {
        for (name, content, expect) in [
            (
                "libattr1_1%3a2.5.2-3_amd64.deb",
                "hellO",
                "refused `libattr1_1%3a2.5.2-3_amd64.deb`: it is damaged",
            ),
            ("libattr1_1%3a2.5.2-3_amd64.deb", "hell", "the file has 4 bytes"),
            ("libattr1_1%3a2.5.2-2_amd64.deb", "hello", "has no such file"),
            ("half_1_amd64.deb", "hello", "has no such file"),
        ] {
            let (index, _dir, file) = index_and_file(name, content);
            let err = index.verify(&file).unwrap_err().to_string();
            assert!(err.contains(expect), "{err}");
        }
    }

    #[test]
    fn nothing_of_a_refused_file_is_unpacked() {
        let (index, dir, file) = index_and_file("libattr1_1%3a2.5.2-3_amd64.deb", "hellO");
        let root = Utf8PathBuf::from_path_buf(dir.path().join("root")).unwrap();
        assert!(unpack(&index, &BTreeSet::from([file]), &root).is_err());
        assert_eq!(root.read_dir_utf8().unwrap().count(), 0);
    }
}
