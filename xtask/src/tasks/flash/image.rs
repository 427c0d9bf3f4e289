//! The image that is flashed: which one, and whether it is one.

use std::time::SystemTime;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::write::{Answer, Progress};
use crate::companion::Companion;
use crate::context::Context;
use crate::disks::Need;
use crate::report::{bytes, count};

/// Where `build-aleph` leaves images, and where `nix build` links them, below the workspace's root.
const PLACES: &[&str] = &["target/xtask/aleph", "result*/sd-image"];
const ENDINGS: &[&str] = &[".img", ".img.zst", ".img.xz", ".img.gz"];

/// An image that was read to its end and found to be one.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: Utf8PathBuf,
    pub(super) found: Found,
    /// A checksum file beside it agrees.
    pub(super) checksum: bool,
    pub(super) seconds: f64,
}

/// As the companion tells it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Found {
    pub(super) format: String,
    /// Bytes that it takes on the disk.
    pub(super) size: u64,
    pub(super) sha256: String,
    pub(super) table: Table,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Table {
    kind: String,
    sector: u64,
    partitions: Vec<Partition>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Partition {
    start: u64,
    end: u64,
    bootable: bool,
}

/// The image that the user names, or else the newest.
pub(super) fn choose(cx: &Context, named: Option<&Utf8Path>) -> anyhow::Result<Utf8PathBuf> {
    if let Some(named) = named {
        let path = cx.dir.join(named);
        if path.is_dir() {
            bail!("`{named}` is a directory; name the image in it");
        }
        let path = path.canonicalize_utf8().with_context(|| format!("there is no image `{named}`"))?;
        if !path.is_file() {
            bail!(
                "`{named}` is a device or a pipe; an image is a file, which is read twice: copy it into one first"
            );
        }
        return Ok(path);
    }
    let newest = newest(&cx.workspace.root)?;
    cx.ui.status(&format!("the newest image is `{newest}`"));
    Ok(newest)
}

/// The newest image that was built here. What is in the store has no age: that of the link to it counts.
fn newest(root: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let mut found: Vec<(SystemTime, Utf8PathBuf)> = Vec::new();
    for place in PLACES {
        let pattern = format!("{}/{place}/*", glob::Pattern::escape(root.as_str()));
        let files = glob::glob(&pattern).with_context(|| format!("cannot look for `{pattern}`"))?;
        for file in files.filter_map(|it| Utf8PathBuf::from_path_buf(it.ok()?).ok()) {
            let Some(link) = file.parent().and_then(Utf8Path::parent) else { continue };
            let dated = if link.is_symlink() { link } else { &file };
            if ENDINGS.iter().any(|it| file.as_str().ends_with(it))
                && let Ok(time) = dated.symlink_metadata().and_then(|it| it.modified())
            {
                found.push((time, file));
            }
        }
    }
    let newest = found.into_iter().max().map(|it| it.1);
    newest.with_context(|| {
        format!(
            "there is no image in {}; name one, or `cargo xtask build-aleph sdimage`",
            PLACES.join(" or ")
        )
    })
}

impl Image {
    /// Reads it to its end.
    ///
    /// # Errors
    /// When it is none that could be flashed.
    pub(super) fn inspect(
        cx: &mut Context,
        companion: &Companion,
        path: Utf8PathBuf,
    ) -> anyhow::Result<Image> {
        let wanted = checksum(&path)?;
        let job = format!("{}\n", json!({"image": path, "file_sha256": wanted}));
        let mut progress = Progress::default();
        let exit =
            companion.run_held(cx, &[], &["inspect".to_owned()], job.as_bytes(), &mut |cx, told| {
                progress.hear(cx, &told);
            })?;
        let seconds = progress.seconds();
        match Answer::of(&exit) {
            Answer::Good(found) => Ok(Image { path, found, checksum: wanted.is_some(), seconds }),
            Answer::Bad { interrupted: true, .. } => bail!("interrupted; nothing was written"),
            Answer::Bad { error, .. } => bail!("`{path}` cannot be flashed: {error}"),
        }
    }

    pub(super) fn need(&self) -> Need {
        Need { size: self.found.size, sector: self.found.table.sector }
    }

    pub(super) fn describe(&self) -> String {
        let Found { format, size, table, .. } = &self.found;
        let parts = count(table.partitions.len(), "partition");
        let checksum = if self.checksum { ", as its checksum file says" } else { "" };
        let name = self.path.file_name().unwrap_or_default();
        format!(
            "{name} is {format}, {} on the disk, {} with {parts}{checksum}",
            bytes(*size),
            table.kind.to_uppercase()
        )
    }
}

/// The SHA-256 that the file beside an image gives it.
fn checksum(image: &Utf8Path) -> anyhow::Result<Option<String>> {
    let file = Utf8PathBuf::from(format!("{image}.sha256"));
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{file}`")),
    };
    let name = image.file_name().unwrap_or_default();
    let hash = hash_for(&text, name);
    hash.map(Some).with_context(|| {
        format!("`{file}` has no SHA-256 of `{name}`; delete it if it belongs to something else")
    })
}

/// Finds a file among the lines of `sha256sum`; a hash alone is of whatever file it lies beside.
fn hash_for(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (hash, file) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), name));
        let file = file.trim_start().trim_start_matches('*');
        let is_hash = hash.len() == 64 && hash.bytes().all(|it| it.is_ascii_hexdigit());
        (is_hash && Utf8Path::new(file).file_name() == Some(name)).then(|| hash.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_files() {
        let hash = "ab".repeat(32);
        let other = "cd".repeat(32);
        for (text, want) in [
            (format!("{hash}  a.img.zst\n"), true),
            (format!("{hash} *a.img.zst\n"), true),
            (format!("{hash}  /somewhere/a.img.zst"), true),
            (format!("{other}  b.img\n{hash}  a.img.zst\n"), true),
            (format!("{hash}\n"), true),
            (format!("{hash}  b.img\n"), false),
            ("abcd  a.img.zst\n".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(hash_for(&text, "a.img.zst"), want.then(|| hash.clone()), "{text}");
        }
    }
}
