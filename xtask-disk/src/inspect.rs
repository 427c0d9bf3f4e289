//! What an image is, found by reading it to its end before any disk is touched: a broken one costs nothing.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, anyhow, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::buffers::pipeline;
use crate::format::{self, Format};
use crate::table::Table;
use crate::talk::{Phase, Talk};

#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    image: PathBuf,
    /// The SHA-256 of the file itself that it must have, in hexadecimal.
    file_sha256: Option<String>,
}

/// What an image is.
#[derive(Debug, Serialize)]
pub(crate) struct Image {
    format: Format,
    /// Bytes that it takes on the disk.
    size: u64,
    /// Of these bytes, in hexadecimal.
    sha256: String,
    table: Table,
}

pub(crate) fn inspect(job: &Job, talk: &Talk) -> anyhow::Result<Image> {
    let (head, file_size) = format::head(&job.image)?;
    if head.is_empty() {
        bail!("it is empty");
    }
    let format = format::of(&head)?;
    if let Some(name) = says_raw(&job.image).filter(|_| format != Format::Raw) {
        bail!("its name says that it is raw (`.{name}`), and it is compressed by {format}; rename it");
    }
    let of_file = Mutex::new(Sha256::new());
    let read = AtomicU64::new(0);
    let tap = |bytes: &[u8]| {
        read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if job.file_sha256.is_some()
            && let Ok(mut hash) = of_file.lock()
        {
            hash.update(bytes);
        }
    };
    let mut reader = format::open(&job.image, format, Box::new(tap))?;
    let mut image = Sha256::new();
    let mut size = 0;
    let mut table = None;
    pipeline(
        &mut |buffer| buffer.read_from(&mut *reader).map_err(|error| damaged(format, &error)),
        &mut |buffer| {
            if size == 0 {
                table = Some(first(format, buffer)?);
            }
            image.update(&**buffer);
            size += buffer.len() as u64;
            talk.progress(Phase::Check, read.load(Ordering::Relaxed), file_size)
        },
    )?;
    drop(reader);
    if let Some(want) = &job.file_sha256 {
        let hash = of_file.into_inner().map_err(|_| anyhow!("the hash of the file is lost"))?;
        let is = hex(&hash.finalize());
        if !want.eq_ignore_ascii_case(&is) {
            bail!("its SHA-256 is {is}, and must be {want}: it is damaged or another one; get it again");
        }
    }
    let table = table.context("it is empty")?;
    table.check(size)?;
    Ok(Image { format, size, sha256: hex(&image.finalize()), table })
}

/// The ending of a file's name that promises raw bytes.
fn says_raw(path: &Path) -> Option<&str> {
    path.extension()
        .and_then(|it| it.to_str())
        .filter(|it| ["img", "raw"].contains(&it.to_lowercase().as_str()))
}

/// Looks at the first bytes of what is to be written.
fn first(format: Format, head: &[u8]) -> anyhow::Result<Table> {
    if head.is_empty() {
        bail!("it is empty when decompressed");
    }
    let inner = format::of(head).context("what is compressed in it is no image");
    let inner = if format == Format::Raw { format::of(head) } else { inner }?;
    if inner != Format::Raw {
        bail!("it is compressed twice: by {format}, and in there by {inner}; decompress it once");
    }
    Table::read(head)
}

fn damaged(format: Format, error: &std::io::Error) -> anyhow::Error {
    match (format, error.kind()) {
        (Format::Raw, _) => anyhow!("it cannot be read: {error}"),
        (_, std::io::ErrorKind::UnexpectedEof) => {
            anyhow!("it is cut off: the {format} data has no end ({error})")
        }
        _ => anyhow!("it is damaged: the {format} data is wrong ({error})"),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}
