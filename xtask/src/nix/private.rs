//! The private Nix: where it is, whether it is whole, and how it gets there without ever being half there.

use std::fmt;
use std::fs::{File, TryLockError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::nix::discover::Notice;
use crate::nix::{Flavour, Nix, Origin, Version, provision, sandbox};

const FORMAT: u32 = 1;

/// The Debian suite that a private Nix comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    Trixie,
    Sid,
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Suite::Trixie => "trixie",
            Suite::Sid => "sid",
        })
    }
}

/// Where the private Nix of a suite is.
#[derive(Debug, Clone)]
pub struct Place {
    pub suite: Suite,
    /// The program, its libraries and configuration; made and replaced as a whole.
    pub dir: Utf8PathBuf,
    /// Its store; outlives the program.
    pub store: Utf8PathBuf,
}

/// `version.json`: written last, so a directory without it was never finished.
#[derive(Debug, Serialize, Deserialize)]
struct Receipt {
    format: u32,
    suite: Suite,
    /// The program works only where it was made for.
    dir: Utf8PathBuf,
    program_size: u64,
    version: Version,
    flavour: Flavour,
}

impl Place {
    /// The place in this user's cache directory.
    ///
    /// # Errors
    /// When the cache directory is unknown or its name cannot be written into `nix.conf`.
    pub fn new(host: &Host, suite: Suite) -> anyhow::Result<Place> {
        let cache = host.cache_dir()?;
        let cache = host.cwd.join(cache);
        // Nix refuses a store below a symbolic link, and people do move their caches to other disks.
        let cache = cache.canonicalize_utf8().unwrap_or(cache);
        // `sandbox-paths` is split at blanks and `=`, and `store` may be read as a URL.
        let bad = cache.as_str().chars().find(|it| !(it.is_alphanumeric() || "/._-+@~,".contains(*it)));
        if let Some(bad) = bad {
            bail!(
                "our own Nix cannot be in `{cache}`: Nix's configuration cannot name a path with `{bad}`; \
                 set XDG_CACHE_HOME to another directory, for example XDG_CACHE_HOME=/var/tmp/cache"
            );
        }
        let dir = cache.join("nix").join(suite.to_string());
        Ok(Place { suite, store: Utf8PathBuf::from(format!("{dir}-store")), dir })
    }

    /// The Nix that is there, if it is whole. Starts no process.
    #[must_use]
    pub fn open(&self) -> Option<Nix> {
        let receipt: Receipt =
            serde_json::from_slice(&std::fs::read(self.dir.join("version.json")).ok()?).ok()?;
        let program = self.program_size()?;
        let whole = receipt.format == FORMAT
            && receipt.suite == self.suite
            && receipt.dir == self.dir
            && receipt.program_size == program
            && ["bin/nix", "conf/nix.conf", "root/usr/bin/bash-static"]
                .iter()
                .all(|it| self.dir.join(it).exists());
        whole.then(|| Nix {
            program: self.dir.join("bin/nix"),
            version: receipt.version,
            flavour: receipt.flavour,
            origin: Origin::Private(self.suite),
            store_root: Some(self.store.clone()),
        })
    }

    fn program_size(&self) -> Option<u64> {
        Some(self.dir.join("root/usr/bin/nix").metadata().ok()?.len())
    }
}

/// The private Nix of a suite; made first where it is missing or damaged.
///
/// # Errors
/// When it cannot be made. Nothing half-made is left, and what was there before is kept.
pub fn ensure(host: &Host, suite: Suite, say: &mut dyn FnMut(Notice)) -> anyhow::Result<Nix> {
    let place = Place::new(host, suite)?;
    if let Some(nix) = place.open() {
        return Ok(nix);
    }
    // Only now is it known whether its parents are symbolic links.
    let cache = host.cache_dir()?;
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot create `{cache}`"))?;
    let place = Place::new(host, suite)?;
    let nix = make(host, &place, say).map_err(|err| explain(err, &place))?;
    // Once, while the user waits anyway: later only what is cheap is looked at.
    sandbox::prove(host, &nix)?;
    Ok(nix)
}

fn make(host: &Host, place: &Place, say: &mut dyn FnMut(Notice)) -> anyhow::Result<Nix> {
    let parent = place.dir.parent().context("the cache directory has no parent")?;
    std::fs::create_dir_all(parent).with_context(|| format!("cannot create `{parent}`"))?;
    let _lock = lock(&Utf8PathBuf::from(format!("{}.lock", place.dir)), say)?;
    if let Some(nix) = place.open() {
        return Ok(nix);
    }
    sweep(parent, place)?;
    let scratch = Scratch(Utf8PathBuf::from(format!("{}.new-{}", place.dir, std::process::id())));
    std::fs::create_dir(&scratch.0).with_context(|| format!("cannot create `{}`", scratch.0))?;
    let made = provision::make(host, place, &scratch.0, say)?;
    let receipt = Receipt {
        format: FORMAT,
        suite: place.suite,
        dir: place.dir.clone(),
        program_size: scratch.0.join("root/usr/bin/nix").metadata()?.len(),
        version: made.version,
        flavour: made.flavour,
    };
    std::fs::write(scratch.0.join("version.json"), serde_json::to_vec_pretty(&receipt)?)?;
    let old = Scratch(Utf8PathBuf::from(format!("{}.old-{}", place.dir, std::process::id())));
    if place.dir.exists() {
        std::fs::rename(&place.dir, &old.0).with_context(|| format!("cannot move `{}` away", place.dir))?;
    }
    std::fs::rename(&scratch.0, &place.dir).with_context(|| format!("cannot create `{}`", place.dir))?;
    place.open().with_context(|| format!("`{}` vanished while it was made", place.dir))
}

/// Waits for other runs that make the same Nix, and says so.
fn lock(file: &Utf8Path, say: &mut dyn FnMut(Notice)) -> anyhow::Result<File> {
    let lock = File::options().create(true).append(true).open(file);
    let lock = lock.with_context(|| format!("cannot write `{file}`"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say(Notice::Status("another cargo xtask is getting Nix; waiting".to_owned()));
            lock.lock().with_context(|| format!("cannot lock `{file}`"))?;
        }
        Err(TryLockError::Error(err)) => {
            return Err(err).with_context(|| format!("cannot lock `{file}`"));
        }
    }
    Ok(lock)
}

/// Removes what killed runs left. Only called under the lock.
fn sweep(parent: &Utf8Path, place: &Place) -> anyhow::Result<()> {
    for entry in parent.read_dir_utf8().with_context(|| format!("cannot read `{parent}`"))? {
        let path = entry?.into_path();
        let rest = path.as_str().strip_prefix(place.dir.as_str()).unwrap_or_default();
        if rest.starts_with(".new-") || rest.starts_with(".old-") {
            remove(&path).with_context(|| format!("cannot remove what a killed run left: `{path}`"))?;
        }
    }
    Ok(())
}

/// Removes a directory that a dying child of a killed run may still write into.
fn remove(dir: &Utf8Path) -> std::io::Result<()> {
    let mut tries = 0;
    loop {
        match std::fs::remove_dir_all(dir) {
            Err(err) if err.kind() == std::io::ErrorKind::DirectoryNotEmpty && tries < 40 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => return other,
        }
    }
}

fn explain(err: anyhow::Error, place: &Place) -> anyhow::Error {
    let said = format!("{err:#}");
    // The third is what tar says where the beginning of a file has just fitted; the last apt's own, before it downloads.
    let full =
        ["No space left on device", "Disk quota exceeded", "Wrote only ", "You don't have enough free space"];
    if full.iter().any(|it| said.contains(it)) {
        return err.context(format!(
            "the disk of `{}` is full: our own Nix needs 250 MB while it is made; free some, or set XDG_CACHE_HOME",
            place.dir
        ));
    }
    err.context(format!("cannot get our own Nix from Debian {}", place.suite))
}

/// A directory that goes away with its owner.
struct Scratch(Utf8PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // After the final rename there is nothing to remove; on a failure the next run sweeps again.
        let _ = remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &tempfile::TempDir) -> Place {
        let mut host = Host::current().unwrap();
        host.env.insert("XDG_CACHE_HOME".into(), dir.path().into());
        Place::new(&host, Suite::Trixie).unwrap()
    }

    fn furnish(place: &Place, receipt: &str) {
        for file in ["root/usr/bin/nix", "root/usr/bin/bash-static", "bin/nix", "conf/nix.conf"] {
            let file = place.dir.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "12345").unwrap();
        }
        std::fs::write(place.dir.join("version.json"), receipt).unwrap();
    }

    /// The end of the disk may be in the middle of the last file that is unpacked.
    #[test]
    fn a_disk_that_is_full_in_any_words() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&dir);
        for said in [
            "tar: ./usr/lib/libc.so.6: Cannot write: No space left on device",
            "tar: ./usr/share/doc/libcom-err2/copyright: Wrote only 2560 of 6635 bytes",
            "E: You don't have enough free space in /x/apt/cache/archives/.",
        ] {
            let told = format!("{:#}", explain(anyhow::anyhow!("cannot unpack `x.deb`: {said}"), &place));
            assert!(told.starts_with("the disk of `") && told.contains("is full: "), "{told}");
        }
        let told = format!("{:#}", explain(anyhow::anyhow!("no network"), &place));
        assert!(told.starts_with("cannot get our own Nix"), "{told}");
    }

    #[test]
    fn only_a_whole_copy_in_its_own_place_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&dir);
        let here = place.dir.clone();
        let receipt = |format: u32, suite: &str, dir: &Utf8Path, size: u64| {
            format!(
                r#"{{"format":{format},"suite":"{suite}","dir":"{dir}","program_size":{size},"version":"2.26.3","flavour":"upstream"}}"#
            )
        };
        let check = |receipt: &str, whole: bool| {
            furnish(&place, receipt);
            assert_eq!(place.open().is_some(), whole, "{receipt}");
        };
        check(&receipt(FORMAT, "trixie", &here, 5), true);
        check(&receipt(FORMAT + 1, "trixie", &here, 5), false);
        check(&receipt(FORMAT, "sid", &here, 5), false);
        check(&receipt(FORMAT, "trixie", Utf8Path::new("/moved"), 5), false);
        check(&receipt(FORMAT, "trixie", &here, 6), false);
        check("", false);
        check("{}", false);
        check(&receipt(FORMAT, "trixie", &here, 5), true);
        std::fs::remove_file(here.join("root/usr/bin/bash-static")).unwrap();
        assert_eq!(place.open(), None);
    }

    #[test]
    fn a_cache_directory_that_nix_cannot_name_is_refused_with_the_cure() {
        let mut host = Host::current().unwrap();
        host.env.insert("XDG_CACHE_HOME".into(), "/home/A User/cache".into());
        let err = Place::new(&host, Suite::Trixie).unwrap_err().to_string();
        assert_eq!(
            err,
            "our own Nix cannot be in `/home/A User/cache/elodin-xtask`: Nix's configuration cannot name a path with \
             ` `; set XDG_CACHE_HOME to another directory, for example XDG_CACHE_HOME=/var/tmp/cache"
        );
    }

    #[test]
    fn leftovers_are_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(&dir);
        let parent = place.dir.parent().unwrap();
        for name in ["trixie.new-1", "trixie.old-2", "trixie-store", "trixie", "sid.new-3"] {
            std::fs::create_dir_all(parent.join(name).join("deep/er")).unwrap();
        }
        sweep(parent, &place).unwrap();
        let mut left: Vec<String> =
            parent.read_dir_utf8().unwrap().map(|it| it.unwrap().file_name().to_owned()).collect();
        left.sort();
        assert_eq!(left, ["sid.new-3", "trixie", "trixie-store"]);
    }
}
