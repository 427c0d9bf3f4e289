//! What was built: the image file in an output, its hash, and a copy of it with a checksum beside it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::files::{create_dir, write_atomic};
use crate::report::bytes;
use crate::revision::hex;

/// Read and written at once.
const CHUNK: usize = 1 << 20;

/// An image in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Where it really is.
    pub file: Utf8PathBuf,
    pub size: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// What is known of a result, for those who find the file later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub output: String,
    /// The attribute of the flake that was built.
    pub attr: String,
    pub configuration: Option<String>,
    pub system: String,
    /// The commit, in short; `None` outside of git.
    pub revision: Option<String>,
    /// Tracked files differ from that commit.
    pub dirty: bool,
    pub store_path: String,
    /// The file's name, for an image.
    pub file: Option<String>,
    /// Bytes: of the file, or of the closure where there is no file.
    pub size: u64,
    pub sha256: Option<String>,
}

/// The file of a disk image in an output: what NixOS calls it has changed over the releases.
///
/// # Errors
/// When there is none, or more than one.
pub fn image_in(output: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let mut found = Vec::new();
    for dir in [output.join("sd-image"), output.to_owned()] {
        let Ok(entries) = dir.read_dir_utf8() else { continue };
        let names = entries.flatten().map(|it| it.path().to_owned());
        found.extend(names.filter(|it| it.is_file() && is_image(it)));
        if !found.is_empty() {
            break;
        }
    }
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => bail!("there is no image in `{output}`: neither `sd-image/*.img` nor `sd-image/*.img.zst`"),
        [..] => {
            let names: Vec<&str> = found.iter().filter_map(|it| it.file_name()).collect();
            bail!("there are several images in `{output}`: {}", names.join(", "))
        }
    }
}

fn is_image(file: &Utf8Path) -> bool {
    file.as_str().ends_with(".img") || file.as_str().ends_with(".img.zst")
}

impl Image {
    /// Reads a whole image. `None` when `stop` says so.
    ///
    /// # Errors
    /// When it cannot be read, or is empty.
    pub fn read(file: Utf8PathBuf, stop: &dyn Fn() -> bool) -> anyhow::Result<Option<Image>> {
        let Some((size, sha256)) = pass(&file, None, stop)? else { return Ok(None) };
        if size == 0 {
            bail!("the image `{file}` is empty");
        }
        Ok(Some(Image { file, size, sha256 }))
    }

    #[must_use]
    pub fn name(&self) -> &str {
        self.file.file_name().unwrap_or_default()
    }

    /// As `sha256sum -c` reads it.
    fn checksum(&self) -> String {
        format!("{}  {}\n", self.sha256, self.name())
    }

    /// Puts a copy into a directory, with `NAME.sha256` as `sha256sum -c` reads it and `NAME.json`. All of them
    /// appear as a whole, and no checksum ever stands beside an image that it is not of. `None` when `stop` says so.
    ///
    /// # Errors
    /// When the directory cannot be written, or the copy is not the image.
    pub fn copy_to(
        &self,
        dir: &Utf8Path,
        manifest: &Manifest,
        stop: &dyn Fn() -> bool,
    ) -> anyhow::Result<Option<Utf8PathBuf>> {
        create_dir(dir)?;
        let copy = dir.join(self.name());
        if copy.is_dir() {
            bail!("`{copy}` is a directory, and in the way of the image");
        }
        let beside = |ending: &str| Utf8PathBuf::from(format!("{copy}.{ending}"));
        let draft = beside(&format!("{}.tmp", std::process::id()));
        let written = self.write(&draft, stop).inspect_err(|_| drop(fs::remove_file(&draft)))?;
        if !written {
            drop(fs::remove_file(&draft));
            return Ok(None);
        }
        for old in [beside("sha256"), beside("json")] {
            if old.symlink_metadata().is_ok() {
                fs::remove_file(&old).with_context(|| format!("cannot remove `{old}`"))?;
            }
        }
        fs::rename(&draft, &copy).with_context(|| format!("cannot write `{copy}`"))?;
        write_atomic(&beside("sha256"), self.checksum().as_bytes())?;
        write_atomic(&beside("json"), &manifest.text()?)?;
        Ok(Some(copy))
    }

    fn write(&self, draft: &Utf8Path, stop: &dyn Fn() -> bool) -> anyhow::Result<bool> {
        let mut target = File::create(draft).with_context(|| format!("cannot write `{draft}`"))?;
        let Some((size, sha256)) = pass(&self.file, Some(&mut target), stop)? else { return Ok(false) };
        target.sync_all().with_context(|| format!("cannot write `{draft}`"))?;
        let there = draft.metadata().map(|it| it.len())?;
        if (size, &sha256) != (self.size, &self.sha256) || there != size {
            bail!("`{}` changed while it was copied", self.file);
        }
        Ok(true)
    }
}

impl Manifest {
    pub const VERSION: u32 = 1;

    fn text(&self) -> anyhow::Result<Vec<u8>> {
        Ok(format!("{}\n", serde_json::to_string_pretty(self)?).into_bytes())
    }

    /// Keeps it, and a link to an image with its checksum, where `flash` finds the newest one. Links to images that
    /// were built before go.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn keep(&self, dir: &Utf8Path, image: Option<&Image>) -> anyhow::Result<()> {
        write_atomic(&dir.join(format!("{}.json", self.output)), &self.text()?)?;
        let Some(image) = image else { return Ok(()) };
        for entry in dir.read_dir_utf8().with_context(|| format!("cannot read `{dir}`"))?.flatten() {
            let old = entry.path();
            if old.is_symlink() && is_image(old) {
                drop(fs::remove_file(format!("{old}.sha256")));
                fs::remove_file(old).with_context(|| format!("cannot remove `{old}`"))?;
            }
        }
        let link = dir.join(image.name());
        write_atomic(&Utf8PathBuf::from(format!("{link}.sha256")), image.checksum().as_bytes())?;
        symlink(&image.file, &link).with_context(|| format!("cannot make the link `{link}`"))
    }

    /// The last one that was kept; a damaged one is as good as none.
    #[must_use]
    pub fn last(dir: &Utf8Path, output: &str) -> Option<Manifest> {
        let text = fs::read(dir.join(format!("{output}.json"))).ok()?;
        serde_json::from_slice(&text).ok().filter(|it: &Manifest| it.version == Manifest::VERSION)
    }
}

/// Reads a file to its end: its size and SHA-256. It is written to `copy` on the way.
fn pass(
    file: &Utf8Path,
    mut copy: Option<&mut File>,
    stop: &dyn Fn() -> bool,
) -> anyhow::Result<Option<(u64, String)>> {
    let mut source = File::open(file).with_context(|| format!("cannot read `{file}`"))?;
    let mut buffer = vec![0; CHUNK];
    let mut hash = Sha256::new();
    let mut size = 0_u64;
    loop {
        if stop() {
            return Ok(None);
        }
        let read = source.read(&mut buffer).with_context(|| format!("cannot read `{file}`"))?;
        if read == 0 {
            return Ok(Some((size, hex(&hash.finalize()))));
        }
        hash.update(&buffer[..read]);
        size += read as u64;
        if let Some(copy) = &mut copy {
            copy.write_all(&buffer[..read])
                .with_context(|| format!("cannot write the image after {}", bytes(size)))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Utf8PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8PathBuf::from(temp.path().to_str().unwrap());
        (temp, dir)
    }

    fn manifest() -> Manifest {
        Manifest {
            version: Manifest::VERSION,
            output: "sdimage".to_owned(),
            attr: ".a".to_owned(),
            configuration: None,
            system: "aarch64-linux".to_owned(),
            revision: Some("abc".to_owned()),
            dirty: true,
            store_path: "/nix/store/x".to_owned(),
            file: Some("a.img".to_owned()),
            size: 5,
            sha256: None,
        }
    }

    #[test]
    fn the_image_is_found_by_pattern() {
        let (_temp, dir) = place();
        assert!(image_in(&dir).unwrap_err().to_string().starts_with("there is no image in `"));
        fs::create_dir_all(dir.join("sd-image")).unwrap();
        fs::write(dir.join("other.img"), "x").unwrap();
        assert_eq!(image_in(&dir).unwrap(), dir.join("other.img"));
        for name in ["esp.offset", "aleph.img.zst", "aleph.img.sha256"] {
            fs::write(dir.join("sd-image").join(name), "x").unwrap();
        }
        assert_eq!(image_in(&dir).unwrap(), dir.join("sd-image/aleph.img.zst"));
        fs::write(dir.join("sd-image/b.img"), "x").unwrap();
        let error = image_in(&dir).unwrap_err().to_string();
        assert!(error.ends_with(": aleph.img.zst, b.img"), "{error}");
    }

    #[test]
    fn a_copy_is_whole_or_not_there() {
        let (_temp, dir) = place();
        fs::write(dir.join("a.img"), "image").unwrap();
        let image = Image::read(dir.join("a.img"), &|| false).unwrap().unwrap();
        assert_eq!(image.size, 5);
        let out = dir.join("out");
        fs::create_dir(&out).unwrap();
        fs::write(out.join("a.img.sha256"), "an old one").unwrap();
        assert_eq!(image.copy_to(&out, &manifest(), &|| true).unwrap(), None);
        assert_eq!(out.read_dir_utf8().unwrap().count(), 1);
        assert_eq!(image.copy_to(&out, &manifest(), &|| false).unwrap(), Some(out.join("a.img")));
        let sum = "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d  a.img\n";
        assert_eq!(fs::read_to_string(out.join("a.img.sha256")).unwrap(), sum);
        let told: Manifest = serde_json::from_slice(&fs::read(out.join("a.img.json")).unwrap()).unwrap();
        assert_eq!(told, manifest());
        assert_eq!(out.read_dir_utf8().unwrap().count(), 3);
        // The store's files are never changed by anybody, but this one is not in the store.
        fs::write(dir.join("a.img"), "other").unwrap();
        assert!(image.copy_to(&dir.join("new"), &manifest(), &|| false).is_err());
        assert_eq!(dir.join("new").read_dir_utf8().unwrap().count(), 0);
    }

    #[test]
    fn what_was_kept_is_found_again() {
        let (_temp, dir) = place();
        assert_eq!(Manifest::last(&dir, "sdimage"), None);
        fs::write(dir.join("a.img"), "image").unwrap();
        let image = Image::read(dir.join("a.img"), &|| false).unwrap().unwrap();
        let kept = dir.join("kept");
        manifest().keep(&kept, Some(&image)).unwrap();
        manifest().keep(&kept, Some(&image)).unwrap();
        assert_eq!(Manifest::last(&kept, "sdimage"), Some(manifest()));
        assert_eq!(fs::read_to_string(kept.join("a.img")).unwrap(), "image");
        // The next one has another name, and takes its place.
        fs::rename(dir.join("a.img"), dir.join("b.img.zst")).unwrap();
        let image = Image::read(dir.join("b.img.zst"), &|| false).unwrap().unwrap();
        manifest().keep(&kept, Some(&image)).unwrap();
        let mut names: Vec<_> =
            kept.read_dir_utf8().unwrap().map(|it| it.unwrap().file_name().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["b.img.zst", "b.img.zst.sha256", "sdimage.json"]);
        fs::write(kept.join("sdimage.json"), "{").unwrap();
        assert_eq!(Manifest::last(&kept, "sdimage"), None);
    }
}
