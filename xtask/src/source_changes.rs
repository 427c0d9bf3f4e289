//! Which files differ between two sources in the store.

use std::collections::BTreeSet;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

/// The files that differ, relative, each with `+` (new), `-` (gone) or `~` in front. `None` where one of the two
/// cannot be read.
#[must_use]
pub fn between(before: &Utf8Path, after: &Utf8Path) -> Option<Vec<String>> {
    let mut res = Vec::new();
    walk(before, after, Utf8Path::new(""), &mut res)?;
    Some(res)
}

fn walk(before: &Utf8Path, after: &Utf8Path, path: &Utf8Path, res: &mut Vec<String>) -> Option<()> {
    let (left, right) = (kind(before)?, kind(after)?);
    if left == Kind::Directory && right == Kind::Directory {
        let (old, new) = (names(before)?, names(after)?);
        for name in old.union(&new) {
            let path = path.join(name);
            match (old.contains(name), new.contains(name)) {
                (true, true) => walk(&before.join(name), &after.join(name), &path, res)?,
                (true, false) => res.push(format!("- {path}")),
                _ => res.push(format!("+ {path}")),
            }
        }
        return Some(());
    }
    // Of a single file the store keeps nothing but its name.
    if left != right || fs::read(before).ok() != fs::read(after).ok() {
        res.push(format!(
            "~ {}",
            if path == "" { after.file_name().unwrap_or_default() } else { path.as_str() }
        ));
    }
    Some(())
}

#[derive(PartialEq, Eq)]
enum Kind {
    Directory,
    /// With whether it can be executed.
    File(bool),
    Link(Utf8PathBuf),
}

fn kind(path: &Utf8Path) -> Option<Kind> {
    let metadata = path.symlink_metadata().ok()?;
    Some(if metadata.is_dir() {
        Kind::Directory
    } else if metadata.is_symlink() {
        Kind::Link(path.read_link_utf8().ok()?)
    } else {
        Kind::File(crate::host::is_executable(path))
    })
}

fn names(dir: &Utf8Path) -> Option<BTreeSet<String>> {
    let entries = dir.read_dir_utf8().ok()?;
    entries.map(|it| it.ok().map(|it| it.file_name().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_change() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        for (file, text) in [
            ("a/same", "1"),
            ("b/same", "1"),
            ("a/src/changed", "1"),
            ("b/src/changed", "2"),
            ("a/gone", ""),
            ("b/new", ""),
            ("a/became", ""),
            ("b/became/a-directory", ""),
        ] {
            fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
            fs::write(dir.join(file), text).unwrap();
        }
        std::os::unix::fs::symlink("x", dir.join("a/link")).unwrap();
        std::os::unix::fs::symlink("y", dir.join("b/link")).unwrap();
        let found = between(&dir.join("a"), &dir.join("b")).unwrap();
        assert_eq!(found, ["~ became", "- gone", "~ link", "+ new", "~ src/changed"]);
        assert_eq!(between(&dir.join("a"), &dir.join("nowhere")), None);
    }
}
