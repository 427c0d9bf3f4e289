//! A flake of the workspace: a directory with a `flake.nix`.

use std::fs;
use std::io;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::flake_source::FlakeSource;
use flake_lock::Lock;

/// A directory with a `flake.nix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flake {
    /// The last component of the directory, or all of it where two flakes would have the same name; `.` is the root.
    pub name: String,
    /// Relative to the root of the workspace; `.` is the root.
    pub dir: Utf8PathBuf,
}

impl Flake {
    /// A file of the flake relative to the root, as messages name it.
    #[must_use]
    pub fn file(&self, name: &str) -> Utf8PathBuf {
        if self.dir == "." { Utf8PathBuf::from(name) } else { self.dir.join(name) }
    }

    /// What `flake.nix` says by itself, without evaluation.
    pub fn source(&self, root: &Utf8Path) -> anyhow::Result<FlakeSource> {
        let file = self.file("flake.nix");
        let text = fs::read_to_string(root.join(&file)).with_context(|| format!("cannot read `{file}`"))?;
        FlakeSource::parse(&text, &file)
    }

    /// What `flake.lock` pins; `None` when there is no such file.
    pub fn lock(&self, root: &Utf8Path) -> anyhow::Result<Option<Lock>> {
        let file = self.file("flake.lock");
        match fs::read_to_string(root.join(&file)) {
            Ok(text) => Lock::parse(&text, &file).map(Some),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(err).with_context(|| format!("cannot read `{file}`")),
        }
    }
}

/// The flakes in these directories, relative to the root and `.` for itself: the root first, then by path.
#[must_use]
pub fn name_flakes(mut dirs: Vec<Utf8PathBuf>) -> Vec<Flake> {
    dirs.sort_by(|a, b| (a != ".").cmp(&(b != ".")).then_with(|| a.cmp(b)));
    dirs.dedup();
    let last = |dir: &Utf8Path| dir.file_name().unwrap_or(".").to_owned();
    let names: Vec<String> = dirs.iter().map(|it| last(it)).collect();
    let unique = |name: &String| names.iter().filter(|it| *it == name).count() == 1;
    let flakes = names.iter().zip(&dirs).map(|(name, dir)| Flake {
        name: if unique(name) { name.clone() } else { dir.to_string() },
        dir: dir.clone(),
    });
    flakes.collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(dirs: &str, expect: Expect) {
        let flakes = name_flakes(dirs.split(' ').map(Utf8PathBuf::from).collect());
        let shown: Vec<String> =
            flakes.iter().map(|it| format!("{}={}", it.name, it.file("flake.nix"))).collect();
        expect.assert_eq(&shown.join(" "));
    }

    #[test]
    fn names_are_short_where_they_can_be() {
        check("b a/x .", expect![".=flake.nix x=a/x/flake.nix b=b/flake.nix"]);
        check("x a/x b/y", expect!["a/x=a/x/flake.nix y=b/y/flake.nix x=x/flake.nix"]);
        check("a/x b/x", expect!["a/x=a/x/flake.nix b/x=b/x/flake.nix"]);
    }
}
