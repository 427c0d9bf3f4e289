//! What the last `build` made: what `cache push` pushes when nothing is named.

use std::fs;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::files::write_atomic;
use crate::memory;
use crate::nix::store_path::StorePath;
use crate::outcome::Outcome;

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    paths: Vec<StorePath>,
}

fn file(cx: &Context) -> Utf8PathBuf {
    cx.state().join("last-build.json")
}

/// Remembers the outputs that are there now.
///
/// # Errors
/// When it cannot be written, and there is an older one, which would be pushed instead.
pub fn remember(cx: &Context, outcome: &Outcome) -> anyhow::Result<()> {
    let record = Record { version: FORMAT, paths: outputs(outcome) };
    let written = write_atomic(&file(cx), &serde_json::to_vec(&record)?);
    if file(cx).exists() {
        return written;
    }
    memory::forgive(cx, written);
    Ok(())
}

/// The outputs of those packages that are built.
#[must_use]
pub fn outputs(outcome: &Outcome) -> Vec<StorePath> {
    let built = outcome.products.iter().filter(|it| !it.real.is_empty());
    let packages = built.filter_map(|it| it.selected.package.as_ref().ok());
    packages.flat_map(|it| it.outs.values().cloned()).collect()
}

/// What was remembered; nothing, when nothing was built here or the file is damaged.
#[must_use]
pub fn recall(cx: &Context) -> Vec<StorePath> {
    let record = fs::read(file(cx)).ok().and_then(|it| serde_json::from_slice::<Record>(&it).ok());
    record.filter(|it| it.version == FORMAT).map(|it| it.paths).unwrap_or_default()
}
