//! Finds the flakes of a workspace by walking its tree, leaving out whatever cannot have one.

use std::fs::{self, DirEntry};
use std::io;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use glob::{MatchOptions, Pattern};

use super::manifest::Manifest;
use super::nearest::{did_you_mean, nearest};

/// A star stays within one directory, as in a shell.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The directories with a flake that the manifest names, relative to the root; `.` is the root itself.
pub(super) fn find_flakes(root: &Utf8Path, manifest: &Manifest) -> anyhow::Result<Vec<Utf8PathBuf>> {
    let mut walk = Walk { ignore: patterns(&manifest.ignore)?, found: Vec::new() };
    walk.directory(root, Utf8Path::new(""))?;
    for wanted in manifest.flakes.iter().filter(|it| Pattern::escape(it) == **it) {
        let dir = Utf8Path::new(wanted.strip_suffix("flake.nix").unwrap_or(wanted).trim_end_matches('/'));
        if !walk.found.iter().any(|it| it == dir) {
            let near = did_you_mean(&nearest(dir.as_str(), walk.found.iter().map(|it| it.as_str())));
            bail!("`flakes` in xtask.toml names `{wanted}`, but there is no such flake{near}");
        }
    }
    let wanted = patterns(&manifest.flakes)?;
    let matches = |dir: &Utf8Path| {
        let file = dir.join("flake.nix");
        wanted
            .iter()
            .any(|it| it.matches_with(file.as_str(), OPTIONS) || it.matches_with(dir.as_str(), OPTIONS))
    };
    let found = walk.found.into_iter().filter(|it| matches(it));
    Ok(found.map(|it| if it == "" { Utf8PathBuf::from(".") } else { it }).collect())
}

struct Walk {
    ignore: Vec<Pattern>,
    found: Vec<Utf8PathBuf>,
}

impl Walk {
    /// Looks at one directory and all below it; `dir` is relative to the root and empty for the root itself.
    fn directory(&mut self, root: &Utf8Path, dir: &Utf8Path) -> anyhow::Result<()> {
        let entries: Vec<DirEntry> = match fs::read_dir(root.join(dir)).and_then(Iterator::collect) {
            Ok(entries) => entries,
            // Somebody else's directory (a database's, a container's) or one that is just going away.
            Err(err) if is_passed_over(&err) && dir != "" => return Ok(()),
            Err(err) => {
                return Err(err).with_context(|| format!("cannot read the directory `{}`", root.join(dir)));
            }
        };
        // A workspace inside the workspace has its own manifest and is driven with `-C`.
        if dir != "" && entries.iter().any(|it| it.file_name() == "xtask.toml") {
            return Ok(());
        }
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let path = dir.join(name);
            if name == "flake.nix" && entry.path().is_file() && !self.is_ignored(&path) {
                self.found.push(dir.to_owned());
            } else if entry.file_type().is_ok_and(|it| it.is_dir())
                && !is_skipped(name)
                && !self.is_ignored(&path)
            {
                self.directory(root, &path)?;
            }
        }
        Ok(())
    }

    fn is_ignored(&self, path: &Utf8Path) -> bool {
        self.ignore.iter().any(|it| it.matches_with(path.as_str(), OPTIONS))
    }
}

/// What is hidden or made by a build. `result` links are links, and those are never followed.
fn is_skipped(name: &str) -> bool {
    name.starts_with('.') || name == "target" || name == "node_modules"
}

fn is_passed_over(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound)
}

fn patterns(globs: &[String]) -> anyhow::Result<Vec<Pattern>> {
    let compile = |it: &String| Pattern::new(it).with_context(|| format!("bad glob `{it}` in xtask.toml"));
    globs.iter().map(compile).collect()
}
