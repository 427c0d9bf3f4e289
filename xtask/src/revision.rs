//! The content of a git work tree as one short text: what an evaluation depends on, without evaluating.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use xshell::{Cmd, Shell, cmd};

/// Changes whenever a tracked file of the repository around `dir` changes. `None` where that cannot be told:
/// outside of git, and with submodules that are dirty.
///
/// Nix itself sees the same files: tracked ones, with edits that are not committed.
#[must_use]
pub fn of_tree(sh: &Shell, dir: &Utf8Path) -> Option<String> {
    let top = work_tree(dir)?;
    let args = ["--no-optional-locks", "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=no"];
    let status = outside_hook(cmd!(sh, "git -C {top} {args...}")).quiet().ignore_stderr().output().ok()?;
    let status = String::from_utf8(status.stdout).ok()?;
    let mut hash = Sha256::new();
    let mut entries = status.split('\0');
    while let Some(entry) = entries.next() {
        hash.update(entry);
        hash.update([0]);
        let fields = match entry.as_bytes().first() {
            Some(b'1') => 9,
            Some(b'2') => {
                // The old name of a renamed file is an entry of its own.
                hash.update(entries.next().unwrap_or_default());
                10
            }
            Some(b'u') => 11,
            _ => continue,
        };
        let mut fields = entry.splitn(fields, ' ');
        if !fields.nth(2)?.starts_with('N') {
            return None;
        }
        content(&top.join(fields.last()?), &mut hash);
    }
    Some(hex(&hash.finalize()))
}

/// The commit that is checked out, in short, and whether tracked files differ from it. `None` outside of git and
/// before the first commit.
#[must_use]
pub fn commit(sh: &Shell, dir: &Utf8Path) -> Option<(String, bool)> {
    let git = |args: &[&str]| {
        let git = outside_hook(cmd!(sh, "git -C {dir} --no-optional-locks {args...}"));
        git.quiet().ignore_stderr().read().ok()
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some((commit, !changes.is_empty()))
}

/// What a file holds; a deleted one, a link and a directory are told apart.
fn content(path: &Utf8Path, hash: &mut Sha256) {
    match fs::read_link(path) {
        Ok(target) => hash.update(target.as_os_str().as_encoded_bytes()),
        Err(_) => match fs::read(path) {
            Ok(content) => {
                hash.update(content.len().to_le_bytes());
                hash.update(content);
            }
            Err(error) => hash.update(error.kind().to_string()),
        },
    }
}

/// A git that looks at the directory it is told, also when we run in a hook: there git says by these which repository
/// and which index a hook is for, and a git that is to work on another tree would write to that index.
pub fn outside_hook(git: Cmd<'_>) -> Cmd<'_> {
    let told = ["GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"];
    told.into_iter().fold(git, Cmd::env_remove)
}

/// The top of the git work tree that a directory is in.
#[must_use]
pub fn work_tree(dir: &Utf8Path) -> Option<Utf8PathBuf> {
    dir.ancestors().find(|it| it.join(".git").exists()).map(Utf8Path::to_owned)
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tracked_change_counts_and_no_other() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let sh = Shell::new().unwrap();
        sh.change_dir(dir);
        assert_eq!(of_tree(&sh, dir), None);
        cmd!(sh, "git init --quiet .").run().unwrap();
        let mut seen = Vec::new();
        let mut step = |what: &str, new: bool| {
            let revision = of_tree(&sh, dir).unwrap();
            assert_eq!(!seen.contains(&revision), new, "{what}");
            seen.push(revision);
        };
        step("empty", true);
        fs::write(dir.join("a b"), "1").unwrap();
        step("untracked file", false);
        cmd!(sh, "git add -N .").quiet().run().unwrap();
        step("intent to add", true);
        fs::write(dir.join("a b"), "2").unwrap();
        step("edited", true);
        cmd!(sh, "git -c user.name=a -c user.email=a@b commit --quiet -am x").quiet().run().unwrap();
        step("committed", true);
        fs::write(dir.join("a b"), "3").unwrap();
        step("edited again", true);
        fs::write(dir.join("a b"), "4").unwrap();
        step("edited once more", true);
        let old = "a b";
        cmd!(sh, "git mv {old} c").quiet().run().unwrap();
        step("renamed", true);
        fs::remove_file(dir.join("c")).unwrap();
        step("deleted", true);
        fs::create_dir(dir.join("sub")).unwrap();
        assert_eq!(of_tree(&sh, &dir.join("sub")), of_tree(&sh, dir));
    }
}
