//! The `.nix` files that are ours to format.

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use crate::context::Context;
use crate::revision::{self, outside_hook};

/// The tracked files of the workspace, or what the user names: a file whatever git says of it, and of a directory
/// what is tracked in it.
///
/// # Errors
/// When a named path does not exist, or git cannot be asked.
pub fn find(cx: &Context, paths: &[Utf8PathBuf]) -> anyhow::Result<Vec<Utf8PathBuf>> {
    if paths.is_empty() {
        return below(cx, &cx.workspace.root);
    }
    let mut res = Vec::new();
    for path in paths {
        let path = cx.dir.join(path);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => res.extend(below(cx, &path)?),
            Ok(_) => res.push(path),
            Err(error) => bail!("cannot read `{path}`: {error}"),
        }
    }
    res.sort();
    res.dedup();
    Ok(res)
}

fn below(cx: &Context, dir: &Utf8Path) -> anyhow::Result<Vec<Utf8PathBuf>> {
    if revision::work_tree(dir).is_none() {
        return walk(dir);
    }
    let sh = &cx.sh;
    let failed = || format!("cannot ask git for the files in `{dir}`");
    let listed = outside_hook(cmd!(sh, "git -C {dir} ls-files -z --cached -- *.nix"));
    let output = listed.quiet().ignore_status().output().with_context(failed)?;
    if !output.status.success() {
        bail!("{}: {}", failed(), String::from_utf8_lossy(&output.stderr).trim());
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut res: Vec<Utf8PathBuf> = names
        .split_terminator('\0')
        .map(|it| dir.join(it))
        .filter(|it| it.symlink_metadata().is_ok())
        .collect();
    // A file in conflict is listed more than once, one after the other; git sorts.
    res.dedup();
    Ok(res)
}

/// Without git: everything but what is hidden or made.
fn walk(dir: &Utf8Path) -> anyhow::Result<Vec<Utf8PathBuf>> {
    let mut res = Vec::new();
    for entry in dir.read_dir_utf8().with_context(|| format!("cannot read `{dir}`"))? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if kind.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules"].contains(&name) {
                res.extend(walk(entry.path())?);
            }
        } else if Utf8Path::new(name).extension() == Some("nix") {
            res.push(entry.into_path());
        }
    }
    res.sort();
    Ok(res)
}

/// A path as the user would type it from where he stands.
#[must_use]
pub fn shown(cx: &Context, path: &Utf8Path) -> String {
    path.strip_prefix(&cx.dir).unwrap_or(path).to_string()
}
