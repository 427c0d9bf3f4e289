//! What to do about errors that Nix explains badly, with the command that repairs them.

use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use crate::context::Context;
use crate::plan::quoted;
use crate::revision;

/// A sentence with a command, when the error is one that we know a cure for.
#[must_use]
pub fn hint(cx: &Context, error: &str) -> Option<String> {
    if error.contains("requires lock file changes") {
        let dir = in_quotes(error, "flake '").map_or(".", |it| flake_dir(cx, it));
        // Our own Nix is not on PATH.
        let nix = cx.nix_found().filter(|it| it.store_root.is_some()).map_or("nix", |it| it.program.as_str());
        return Some(format!(
            "flake.lock is missing or does not match flake.nix; run `{} flake lock {}`, look at the change, commit it",
            quoted(nix),
            quoted(dir)
        ));
    }
    untracked(cx, error)
}

/// Nix sees only what git knows. 2.34 says so itself; 2.26 claims that the file does not exist.
fn untracked(cx: &Context, error: &str) -> Option<String> {
    let file = missing_source(error)?;
    let top = revision::work_tree(&cx.workspace.root)?;
    if !top.join(file).exists() {
        return None;
    }
    let sh = &cx.sh;
    let known =
        cmd!(sh, "git -C {top} ls-files --error-unmatch -- {file}").quiet().ignore_stdout().ignore_stderr();
    if known.run().is_ok() {
        return None;
    }
    let path = top.join(file);
    Some(format!(
        "git does not know `{}`, so Nix cannot see it; run `git add --intent-to-add {}`",
        path.strip_prefix(&cx.dir).unwrap_or(&path),
        quoted(path.strip_prefix(&cx.dir).unwrap_or(&path).as_str())
    ))
}

/// The path below the flake's source in the store that an error says does not exist.
fn missing_source(error: &str) -> Option<&Utf8Path> {
    let missing = |it: &&str| it.contains("does not exist") || it.contains("No such file or directory");
    error.lines().filter(missing).find_map(|line| {
        let (_, rest) = line.split_once("-source/")?;
        let end = rest.find(['\'', '"'])?;
        Some(Utf8Path::new(&rest[..end]))
    })
}

fn in_quotes<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split('\'').next()
}

/// `git+file:///w?dir=aleph` is the directory `aleph` to a user who stands in `/w`.
fn flake_dir<'a>(cx: &Context, url: &'a str) -> &'a str {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let path = url.split_once(':').map_or(url, |(_, it)| it.trim_start_matches("//"));
    let dir = query.split('&').find_map(|it| it.strip_prefix("dir=")).unwrap_or("");
    let whole: Utf8PathBuf = Utf8Path::new(path).join(dir);
    if whole.join("") == cx.dir.join("") {
        "."
    } else if dir.is_empty() {
        path
    } else {
        dir
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_file_is_found_in_either_wording() {
        let hash = "0123456789abcdfghijklmnpqrsvwxyz";
        for error in [
            format!("path '/nix/store/{hash}-source/lib/a b.nix' does not exist"),
            format!(
                "error: while x\nopening file '/nix/store/{hash}-source/lib/a b.nix': No such file or directory"
            ),
            format!("path \"/nix/store/{hash}-source/lib/a b.nix\" does not exist"),
        ] {
            assert_eq!(missing_source(&error), Some(Utf8Path::new("lib/a b.nix")), "{error}");
        }
        assert_eq!(missing_source("path '/nix/store/x-source/a.nix' is fine"), None);
        assert_eq!(missing_source("file 'nar/x' does not exist"), None);
    }
}
