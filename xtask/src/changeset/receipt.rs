//! What was changed on this machine, kept so that `setup undo` can take it back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::{Change, Changeset};
use crate::files::write_atomic;

const FORMAT: u32 = 1;

/// `receipt.json`, in a directory with the texts from before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    version: u32,
    pub title: String,
    files: Vec<File>,
    /// Commands that make the files take effect, and so are needed again.
    commands: Vec<Vec<String>>,
    root: bool,
    pub undone: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    path: String,
    old: Option<String>,
    new: Option<String>,
}

impl Receipt {
    #[must_use]
    pub fn of(set: &Changeset) -> Receipt {
        let mut res = Receipt {
            version: FORMAT,
            title: set.title.clone(),
            files: Vec::new(),
            commands: Vec::new(),
            root: set.root,
            undone: false,
        };
        for it in set.changes.iter().cloned() {
            match it {
                Change::File { path, old, new } => res.files.push(File { path, old, new }),
                Change::Run(words) => res.commands.push(words),
            }
        }
        res
    }

    /// The changes that take it back, in the other order.
    #[must_use]
    pub fn reverse(&self) -> Changeset {
        let files = self.files.iter().rev().cloned();
        let files = files.map(|it| Change::File { path: it.path, old: it.new, new: it.old });
        let commands = self.commands.iter().filter(|it| is_restart(it)).cloned().map(Change::Run);
        Changeset {
            title: format!("undo: {}", self.title),
            changes: files.chain(commands).collect(),
            root: self.root,
            is_undo: true,
        }
    }

    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, dir: &Utf8Path) -> anyhow::Result<()> {
        write_atomic(&dir.join("receipt.json"), &serde_json::to_vec_pretty(self)?)
    }
}

/// What was done once need not be done again to take it back, but a daemon that has read its settings must read them
/// anew.
fn is_restart(words: &[String]) -> bool {
    words.iter().any(|it| it == "restart" || it == "kickstart")
}

/// A directory for the next changes: they are numbered.
///
/// # Errors
/// When it cannot be made.
pub fn next(state: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let dir = state.join("changes");
    let last = numbers(&dir).into_iter().max().unwrap_or(0);
    let res = dir.join((last + 1).to_string());
    crate::files::create_dir(&res)?;
    // Settings may have tokens in them.
    fs::set_permissions(&res, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot make `{res}` private"))?;
    Ok(res)
}

/// The latest changes that were not taken back, and where they are kept.
///
/// # Errors
/// When there are none.
pub fn latest(state: &Utf8Path) -> anyhow::Result<(Utf8PathBuf, Receipt)> {
    let dir = state.join("changes");
    let mut all = numbers(&dir);
    all.sort_unstable();
    for number in all.into_iter().rev() {
        let dir = dir.join(number.to_string());
        // One without a receipt was never done; a damaged one cannot be trusted to say what to do.
        let Ok(text) = fs::read(dir.join("receipt.json")) else { continue };
        let receipt: Receipt = serde_json::from_slice(&text)
            .with_context(|| format!("`{dir}/receipt.json` is damaged; what it changed is beside it"))?;
        if receipt.version == FORMAT && !receipt.undone {
            return Ok((dir, receipt));
        }
    }
    bail!(
        "there is nothing to undo: no changes of `cargo xtask setup` or `doctor --fix` are known in `{dir}`"
    )
}

fn numbers(dir: &Utf8Path) -> Vec<u32> {
    let entries = dir.read_dir_utf8().ok().into_iter().flatten().flatten();
    entries.filter_map(|it| it.file_name().parse().ok()).collect()
}
