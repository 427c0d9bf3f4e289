//! Changes to files of this machine, and commands around them, as a value: shown first, done in one step, undoable.
//!
//! The step is a script for `sh`, through `sudo` where a file is not the user's: what is shown is what runs. A file is
//! replaced by rename, with the mode and the owner that it had, and only if it still is what was shown.

pub mod apply;
pub mod receipt;
pub mod settings;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::format::diff;
use crate::host::Host;
use crate::nix_conf::Conf;
use crate::plan::quoted;

/// A name beside a file, while it is made.
const DRAFT: &str = "xtask-new";

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A file becomes another. Nothing before means that there was none, nothing after that there will be none.
    File { path: String, old: Option<String>, new: Option<String> },
    /// A command, after all files.
    Run(Vec<String>),
}

/// Things to do together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changeset {
    /// What it is for, in a few words.
    pub title: String,
    pub changes: Vec<Change>,
    /// A command needs root, whoever owns the files.
    pub root: bool,
    /// It takes others back, and is not taken back itself.
    pub is_undo: bool,
}

impl Changeset {
    #[must_use]
    pub fn new(title: impl Into<String>) -> Changeset {
        Changeset { title: title.into(), ..Changeset::default() }
    }

    /// Plans to edit a file of the machine, unless that would not change it.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn edit(&mut self, host: &Host, path: &str, edit: impl Fn(&str) -> String) -> anyhow::Result<()> {
        let earlier =
            self.changes.iter().position(|it| matches!(it, Change::File { path: p, .. } if p == path));
        let (old, before) =
            if let Some(Change::File { old, new, .. }) = earlier.map(|it| self.changes.remove(it)) {
                (old, new)
            } else {
                let old = read(&host.path(path))?;
                (old.clone(), old)
            };
        let new = Some(edit(before.as_deref().unwrap_or_default()));
        // An empty text of a file that is not there is no change either.
        if new.as_deref().unwrap_or_default() != old.as_deref().unwrap_or_default() {
            self.changes.push(Change::File { path: path.to_owned(), old, new });
        }
        Ok(())
    }

    /// Plans a command that only root may run.
    pub fn run_as_root(&mut self, words: Vec<String>) {
        self.root = true;
        self.changes.push(Change::Run(words));
    }

    /// Plans a command.
    pub fn run(&mut self, words: &[&str]) {
        self.changes.push(Change::Run(words.iter().map(|it| (*it).to_owned()).collect()));
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How it changes files that will be there, as unified diffs.
    #[must_use]
    pub fn diffs(&self) -> Vec<String> {
        let mut res = Vec::new();
        for it in &self.changes {
            if let Change::File { path, old, new: Some(new) } = it {
                let diff = diff(old.as_deref().unwrap_or_default(), new, path);
                res.push(diff.lines().map(without_secret).collect::<Vec<_>>().join("\n"));
            }
        }
        res
    }

    /// Whether only root can do it.
    #[must_use]
    pub fn needs_root(&self, host: &Host) -> bool {
        let files = self.changes.iter().filter_map(|it| match it {
            Change::File { path, .. } => Some(host.path(path)),
            Change::Run(_) => None,
        });
        self.root || files.into_iter().any(|it| !is_ours(&it))
    }

    /// The script. It reads the texts from a directory, in which they have the numbers of their changes.
    #[must_use]
    pub fn script(&self, host: &Host, texts: &Utf8Path) -> String {
        // A signal must run what follows `EXIT` as well.
        let mut res = String::from("set -eu\ntrap 'exit 1' HUP INT TERM\n");
        for (n, it) in self.changes.iter().enumerate() {
            let Change::File { path, old, new } = it else { continue };
            let real = real(&host.path(path));
            let file = quoted(real.as_str());
            let (before, after) = (text(texts, n, "old"), text(texts, n, "new"));
            let complain =
                |what: &str| format!("{{ echo {} >&2; exit 1; }}\n", quoted(&format!("{path} {what}")));
            res += &match old {
                Some(_) => format!("cmp -s {before} {file} || {}", complain("has changed")),
                None => format!("test ! -e {file} || {}", complain("is there now")),
            };
            let Some(_) = new else {
                res += &format!("rm -f {file}\n");
                continue;
            };
            if old.is_none() {
                res += &format!("mkdir -p {}\n", quoted(real.parent().unwrap_or(&real).as_str()));
            }
            res += &format!("draft={}\ntrap 'rm -f \"$draft\"' EXIT\n", quoted(&format!("{real}.{DRAFT}")));
            res += &match old {
                // The copy has the mode and the owner.
                Some(_) => format!("cp -p {file} \"$draft\"\ncat {after} > \"$draft\"\n"),
                None => format!("install -m 644 {after} \"$draft\"\n"),
            };
            res += &format!("mv -f \"$draft\" {file}\n");
        }
        for it in &self.changes {
            if let Change::Run(words) = it {
                let words: Vec<String> = words.iter().map(|it| quoted(it)).collect();
                res += &format!("{}\n", words.join(" "));
            }
        }
        res
    }

    /// Writes the texts that the script reads.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn stage(&self, texts: &Utf8Path) -> anyhow::Result<()> {
        crate::files::create_dir(texts)?;
        for (n, it) in self.changes.iter().enumerate() {
            let Change::File { old, new, .. } = it else { continue };
            for (kind, content) in [("old", old), ("new", new)] {
                if let Some(content) = content {
                    crate::files::write_atomic(&texts.join(format!("{n}.{kind}")), content.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    /// Whether all files still are what this was planned for.
    ///
    /// # Errors
    /// Names the first one that is not. `kept` is where the texts from before are.
    pub fn fits(&self, host: &Host, kept: &Utf8Path) -> anyhow::Result<()> {
        for it in &self.changes {
            let Change::File { path, old, .. } = it else { continue };
            if read(&host.path(path))? != *old {
                bail!("`{path}` has been changed since: edit it by hand; how it was before is in `{kept}`");
            }
        }
        Ok(())
    }

    /// Whether settings would have an effect: a line of another file may have the last word.
    ///
    /// # Errors
    /// Names that line. `main` is the file that Nix begins with.
    pub fn holds(&self, host: &Host, main: &str, lists: &[(&str, Vec<String>)]) -> anyhow::Result<()> {
        let Some(Change::File { path, new: Some(new), .. }) = self.changes.first() else { return Ok(()) };
        let conf = Conf::with_text(host, main, path, new);
        for (name, words) in lists {
            let have = conf.words(name, &[]);
            let missing = words.iter().find(|it| !have.contains(it));
            let Some(missing) = missing else { continue };
            match conf.last(name) {
                Some(it) if it.place.file != *path => bail!(
                    "`{missing}` in {path} would have no effect: {} says `{} = …`, which replaces it; write \
                     `extra-{}` there",
                    it.place,
                    it.name,
                    it.name
                ),
                _ => bail!("{path} is not read: {main} does not include it; add `!include {path}` to {main}"),
            }
        }
        Ok(())
    }

    /// The files that are as planned already, after something went wrong.
    #[must_use]
    pub fn done(&self, host: &Host) -> Changeset {
        let is_done = |it: &&Change| match it {
            Change::File { path, new, .. } => read(&host.path(path)).is_ok_and(|it| it == *new),
            Change::Run(_) => true,
        };
        Changeset { changes: self.changes.iter().filter(is_done).cloned().collect(), ..self.clone() }
    }

    /// Whether it changes files, which is what can be undone.
    #[must_use]
    pub fn has_files(&self) -> bool {
        self.changes.iter().any(|it| matches!(it, Change::File { .. }))
    }

    /// Whether all files are as planned.
    ///
    /// # Errors
    /// Names the first one that is not.
    pub fn verify(&self, host: &Host) -> anyhow::Result<()> {
        for it in &self.changes {
            let Change::File { path, new, .. } = it else { continue };
            if read(&host.path(path))? != *new {
                bail!("`{path}` is not as it was to be");
            }
        }
        Ok(())
    }
}

/// A line of a diff, for people; a token of GitHub is nobody's business.
fn without_secret(line: &str) -> String {
    match line.split_once('=') {
        Some((name, _)) if name.contains("access-tokens") => format!("{name}= …"),
        _ => line.to_owned(),
    }
}

/// The content of a file; nothing when there is none.
fn read(path: &Utf8Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read `{path}`")),
    }
}

/// Where a file really is: what is replaced is not a link to it.
fn real(path: &Utf8Path) -> Utf8PathBuf {
    path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned())
}

/// Whether we may replace a file without its owner being changed.
fn is_ours(path: &Utf8Path) -> bool {
    use unix::unistd::{AccessFlags, access, geteuid};
    let user = geteuid();
    let path = real(path);
    let owned = path.metadata().map_or(true, |it| it.uid() == user.as_raw());
    let dir = path.ancestors().skip(1).find(|it| it.is_dir());
    user.is_root() || (owned && dir.is_some_and(|it| access(it.as_std_path(), AccessFlags::W_OK).is_ok()))
}

fn text(texts: &Utf8Path, n: usize, kind: &str) -> String {
    quoted(texts.join(format!("{n}.{kind}")).as_str())
}

#[cfg(test)]
mod tests;
