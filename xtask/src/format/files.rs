//! The files behind the names: links followed, duplicates dropped, contents replaced in one step.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Outcome, Problem};

/// Beyond this no file was written by people, and formatting it would take minutes.
const MAX_SIZE: u64 = 16 << 20;

/// A file to format.
#[derive(Debug)]
pub(super) struct Target {
    /// As it was named.
    pub(super) name: Utf8PathBuf,
    /// The file itself: `name` unless that is a link.
    pub(super) real: Utf8PathBuf,
    pub(super) metadata: Metadata,
}

/// Finds the file behind each name. One that is named twice is there once: by its own name if that is among them,
/// otherwise by the first link.
pub(super) fn resolve(names: &[Utf8PathBuf], root: &Utf8Path) -> Vec<(Utf8PathBuf, Result<Target, Outcome>)> {
    let root = root.canonicalize_utf8().unwrap_or_else(|_| root.to_owned());
    let found: Vec<_> = names.iter().map(|it| (it, find(it, &root))).collect();
    let is_link = |it: &Target| it.name != it.real;
    let mut own: HashMap<(u64, u64), &Utf8Path> = HashMap::new();
    for (name, target) in &found {
        if let Ok(it) = target
            && !is_link(it)
        {
            own.entry(identity(it)).or_insert(name);
        }
    }
    let own: HashSet<(u64, u64)> = own.into_keys().collect();
    let (mut seen_names, mut seen_links) = (HashSet::new(), HashSet::new());
    let mut res = Vec::with_capacity(found.len());
    for (name, target) in found {
        let is_new = match &target {
            Ok(it) if is_link(it) => !own.contains(&identity(it)) && seen_links.insert(identity(it)),
            _ => seen_names.insert(name.clone()),
        };
        if is_new {
            res.push((name.clone(), target));
        }
    }
    res
}

fn identity(target: &Target) -> (u64, u64) {
    (target.metadata.dev(), target.metadata.ino())
}

fn find(name: &Utf8Path, root: &Utf8Path) -> Result<Target, Outcome> {
    let refuse = |message: String| Outcome::Refused(Problem::whole(message));
    let mut metadata =
        fs::symlink_metadata(name).map_err(|err| refuse(format!("cannot read the file: {err}")))?;
    let mut real = name.to_owned();
    if metadata.is_symlink() {
        let to = fs::read_link(name).map_or_else(|_| String::new(), |it| it.display().to_string());
        real = name.canonicalize_utf8().map_err(|err| match err.kind() {
            io::ErrorKind::NotFound => {
                refuse(format!("a broken link: `{to}` does not exist; remove the link or make its target"))
            }
            _ => refuse(format!("cannot follow the link to `{to}`: {err}")),
        })?;
        if !real.starts_with(root) {
            return Err(Outcome::Skipped(format!("a link out of the workspace, to `{to}`")));
        }
        metadata = fs::metadata(&real).map_err(|err| refuse(format!("cannot read the file: {err}")))?;
    }
    if metadata.is_dir() {
        return Err(refuse("a directory, not a Nix file".to_owned()));
    }
    if !metadata.is_file() {
        return Err(refuse("neither a file nor a link to one".to_owned()));
    }
    if metadata.len() > MAX_SIZE {
        return Err(refuse(format!(
            "larger than {} MiB; split it, or keep it out of the files to format",
            MAX_SIZE >> 20
        )));
    }
    Ok(Target { name: name.to_owned(), real, metadata })
}

/// Replaces `old` by `new` in one step, keeping mode and owner.
///
/// # Errors
/// When the file is read-only, is no longer what was read, or cannot be replaced; it is untouched then.
pub(super) fn replace(target: &Target, old: &[u8], new: &str) -> Result<(), Problem> {
    let fail = |what: &str, err: &io::Error| Problem::whole(format!("{what}: {err}"));
    if target.metadata.permissions().readonly() {
        return Err(Problem::whole("the file is read-only; allow writing with `chmod u+w`"));
    }
    let (Some(dir), Some(file)) = (target.real.parent(), target.real.file_name()) else {
        return Err(Problem::whole("the file has no name"));
    };
    // The name is hidden and does not end in `.nix`: nothing else takes it for a file of the workspace.
    let temporary = dir.join(format!(".{file}.xtask-{}", std::process::id()));
    let written = write_like(&temporary, new, &target.metadata)
        .map_err(|err| fail("cannot write beside the file", &err))
        .and_then(|()| match fs::read(&target.real) {
            Ok(now) if now == old => Ok(()),
            Ok(_) => Err(Problem::whole("the file changed while it was formatted; run again")),
            Err(err) => Err(fail("cannot read the file again", &err)),
        })
        .and_then(|()| {
            fs::rename(&temporary, &target.real).map_err(|err| fail("cannot replace the file", &err))
        });
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_like(path: &Utf8Path, text: &str, like: &Metadata) -> io::Result<()> {
    fs::write(path, text)?;
    let now = fs::metadata(path)?;
    if (now.uid(), now.gid()) != (like.uid(), like.gid()) {
        std::os::unix::fs::chown(path, Some(like.uid()), Some(like.gid()))?;
    }
    // After the owner: changing that clears bits of the mode.
    fs::set_permissions(path, fs::Permissions::from_mode(like.mode() & 0o7777))
}
