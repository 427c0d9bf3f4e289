//! Which store paths are valid, and how large they are: asked of Nix, and remembered, because neither ever changes
//! while a path exists.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::files::write_atomic;
use crate::memory;
use crate::nix::store_path::StorePath;
use crate::plan::{Settings, Step};

const FORMAT: u32 = 1;
/// More than these are not remembered; then all are forgotten.
const KEPT: usize = 500;

/// Sizes in bytes (of the NAR) of valid paths.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Sizes {
    version: u32,
    store: Option<String>,
    sizes: BTreeMap<StorePath, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PathInfo {
    nar_size: u64,
}

/// Both versions answer with an object by path; a newer one adds keys that are no paths.
type Answer = BTreeMap<String, serde_json::Value>;

/// Bytes of the largest path that is remembered in a state directory.
#[must_use]
pub fn largest(state: &camino::Utf8Path) -> Option<u64> {
    let known: Sizes = serde_json::from_slice(&fs::read(state.join("sizes.json")).ok()?).ok()?;
    known.sizes.into_values().max().filter(|_| known.version == FORMAT)
}

impl Sizes {
    /// Those of `paths` that are valid. `just_built` means that Nix has just said that all are: then only what we
    /// have never seen is asked for.
    ///
    /// # Errors
    /// When Nix cannot be asked.
    pub fn of(cx: &mut Context, paths: &[StorePath], just_built: bool) -> anyhow::Result<Sizes> {
        let file = cx.state().join("sizes.json");
        let store = cx.nix()?.store_root.as_ref().map(ToString::to_string);
        let mut known: Sizes =
            fs::read(&file).ok().and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default();
        if known.version != FORMAT || known.store != store || known.sizes.len() > KEPT || !just_built {
            known = Sizes { version: FORMAT, store, sizes: BTreeMap::new() };
        }
        // Nix does not look: a path that was deleted behind its back is still valid to it.
        let mut there = Vec::new();
        for path in paths {
            if cx.nix()?.real(path.as_str()).symlink_metadata().is_ok() {
                there.push(path);
            }
        }
        let new: Vec<String> =
            there.iter().filter(|it| !known.sizes.contains_key(**it)).map(ToString::to_string).collect();
        if !new.is_empty() {
            let name_format = cx.nix()?.names_json_format();
            let answer: Answer =
                cx.query(&Step::PathInfo { paths: new, cache: None, name_format }, &Settings::default())?;
            for (path, info) in answer {
                // A path that is not valid is null.
                if let (Ok(path), Ok(info)) = (path.parse(), serde_json::from_value::<PathInfo>(info)) {
                    known.sizes.insert(path, info.nar_size);
                }
            }
            memory::forgive(cx, write_atomic(&file, &serde_json::to_vec(&known)?));
        }
        known.sizes.retain(|path, _| there.contains(&path));
        Ok(known)
    }

    /// The size of a path, if it is valid.
    #[must_use]
    pub fn get(&self, path: &StorePath) -> Option<u64> {
        self.sizes.get(path).copied()
    }
}
