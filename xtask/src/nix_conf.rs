//! Nix's settings as files have them: which files there are, in which order Nix reads them, which line wins.
//!
//! Nix reads the machine's `nix.conf`, then the user's files, then `NIX_CONFIG`; a later line replaces an earlier one,
//! and a name with `extra-` before it adds to what was there. The daemon reads the machine's alone.

pub mod edit;
mod line;

use std::fmt;
use std::fs;
use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};

use self::line::Line;
use crate::host::Host;

/// Where the machine's settings begin.
pub const SYSTEM: &str = "/etc/nix/nix.conf";
/// Files that include each other are read no deeper than this.
const DEEPEST: usize = 10;

/// Old names that Nix still takes, and the ones they mean.
const ALIASES: &[(&str, &str)] = &[
    ("binary-caches", "substituters"),
    ("binary-cache-public-keys", "trusted-public-keys"),
    ("trusted-binary-caches", "trusted-substituters"),
    ("build-cores", "cores"),
    ("build-extra-platforms", "extra-platforms"),
    ("build-max-jobs", "max-jobs"),
    ("build-use-chroot", "sandbox"),
    ("build-use-sandbox", "sandbox"),
];

/// A line that sets something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// As it is written, with `extra-` or without.
    pub name: String,
    pub words: Vec<String>,
    pub place: Place,
}

/// Where a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As users name it: `/etc/nix/nix.conf`, `~/.config/nix/nix.conf`, `NIX_CONFIG`.
    pub file: String,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What is wrong with a file; with any of these Nix refuses to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub what: String,
}

/// Settings in the order in which Nix reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conf {
    pub assignments: Vec<Assignment>,
    pub problems: Vec<Problem>,
    /// The files that were read.
    pub files: Vec<String>,
}

impl Conf {
    /// What the daemon reads: a `nix.conf` of the machine and what it includes.
    #[must_use]
    pub fn system(host: &Host, file: &str) -> Conf {
        Reader { host, changed: None, conf: Conf::default() }.files(&[(file.into(), host.path(file))])
    }

    /// The same as if a file of the machine had another content.
    #[must_use]
    pub fn with_text(host: &Host, file: &str, changed: &str, text: &str) -> Conf {
        let reader = Reader { host, changed: Some((changed, text)), conf: Conf::default() };
        reader.files(&[(file.into(), host.path(file))])
    }

    /// What the user adds to it: files in the home, and `NIX_CONFIG`.
    #[must_use]
    pub fn user(host: &Host) -> Conf {
        // The first has the last word.
        let files: Vec<_> = user_files(host).into_iter().rev().filter(|it| it.1.exists()).collect();
        Reader { host, changed: None, conf: Conf::default() }.files(&files).and(Conf::variable(host))
    }

    /// What `NIX_CONFIG` says; our own Nix reads no files of the user's.
    #[must_use]
    pub fn variable(host: &Host) -> Conf {
        let mut reader = Reader { host, changed: None, conf: Conf::default() };
        if let Some(text) = host.env("NIX_CONFIG") {
            let name = Utf8Path::new("NIX_CONFIG");
            reader.text(name, name, text, 0);
        }
        reader.conf
    }

    /// Both, one after the other.
    #[must_use]
    pub fn and(mut self, later: Conf) -> Conf {
        self.assignments.extend(later.assignments);
        self.problems.extend(later.problems);
        self.files.extend(later.files);
        self
    }

    /// The words of a list, beginning with those that hold where no file says anything.
    #[must_use]
    pub fn words(&self, name: &str, default: &[&str]) -> Vec<String> {
        let mut res: Vec<String> = default.iter().map(|it| (*it).to_owned()).collect();
        for it in &self.assignments {
            let (plain, adds) = plain_name(&it.name);
            if plain != name {
                continue;
            }
            if !adds {
                res.clear();
            }
            res.extend(it.words.iter().cloned());
        }
        res
    }

    /// The line that has the last word about a setting that is no list.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&Assignment> {
        self.assignments.iter().rfind(|it| plain_name(&it.name) == (name, false))
    }

    /// Lines that have no effect because of a later one, with that one. A later line that says the same is no loss.
    #[must_use]
    pub fn overridden(&self) -> Vec<(&Assignment, &Assignment)> {
        let mut res = Vec::new();
        for (n, it) in self.assignments.iter().enumerate() {
            let (name, _) = plain_name(&it.name);
            let later = self.assignments[n + 1..].iter().rfind(|it| plain_name(&it.name) == (name, false));
            if let Some(later) = later.filter(|later| it.words.iter().any(|word| !later.words.contains(word)))
            {
                res.push((it, later));
            }
        }
        res
    }
}

struct Reader<'a> {
    host: &'a Host,
    /// A file that is read as if it had this text.
    changed: Option<(&'a str, &'a str)>,
    conf: Conf,
}

impl Reader<'_> {
    fn files(mut self, files: &[(Utf8PathBuf, Utf8PathBuf)]) -> Conf {
        for (shown, real) in files {
            self.file(shown, real, 0);
        }
        self.conf
    }

    fn problem(&mut self, file: &Utf8Path, line: usize, what: String) {
        self.conf.problems.push(Problem { place: Place { file: file.to_string(), line }, what });
    }

    fn file(&mut self, shown: &Utf8Path, real: &Utf8Path, depth: usize) {
        if depth > DEEPEST {
            return self.problem(shown, 0, "files include each other without end".to_owned());
        }
        let text = match self.changed {
            Some((changed, text)) if changed == shown => Ok(text.to_owned()),
            _ => fs::read_to_string(real),
        };
        match text {
            Ok(text) => self.text(shown, real, &text, depth),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.problem(shown, 0, format!("cannot be read: {error}")),
        }
    }

    fn text(&mut self, shown: &Utf8Path, real: &Utf8Path, text: &str, depth: usize) {
        self.conf.files.push(shown.to_string());
        for (n, content) in text.lines().enumerate() {
            match line::parse(content) {
                Line::Blank => {}
                Line::Set { name, words } => {
                    let words = words.into_iter().map(str::to_owned).collect();
                    let place = Place { file: shown.to_string(), line: n + 1 };
                    self.conf.assignments.push(Assignment { name: name.to_owned(), words, place });
                }
                Line::Include { path, optional } => {
                    let (next, there) = included(self.host, shown, real, path);
                    if there.exists() || self.changed.is_some_and(|it| next == it.0) {
                        self.file(&next, &there, depth + 1);
                    } else if !optional {
                        self.problem(shown, n + 1, format!("includes `{next}`, which is not there"));
                    }
                }
                Line::Bad => {
                    // The rest may be a token.
                    let word = content.split_whitespace().next().unwrap_or_default();
                    self.problem(shown, n + 1, format!("is no setting: `{word} …`"));
                }
            }
        }
    }
}

/// The name that a line is about, and whether it only adds.
#[must_use]
pub fn plain_name(name: &str) -> (&str, bool) {
    // The one setting whose own name begins so.
    let (name, adds) = match name.strip_prefix("extra-") {
        Some(rest) if rest != "platforms" => (rest, true),
        _ => (name, false),
    };
    (ALIASES.iter().find(|it| it.0 == name).map_or(name, |it| it.1), adds)
}

/// Where an included file is, as users name it and as we read it.
fn included(host: &Host, shown: &Utf8Path, real: &Utf8Path, path: &str) -> (Utf8PathBuf, Utf8PathBuf) {
    let path = Utf8Path::new(path.strip_prefix("./").unwrap_or(path));
    if path.is_absolute() {
        return (path.to_owned(), host.path(path.as_str()));
    }
    let beside = |it: &Utf8Path| it.parent().unwrap_or(it).join(path);
    (beside(shown), beside(real))
}

/// The user's files, the most important first: as users name them, and as we read them.
fn user_files(host: &Host) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
    if let Some(files) = host.env.get(std::ffi::OsStr::new("NIX_USER_CONF_FILES")) {
        let files = files.to_str().unwrap_or_default().split(':').filter(|it| !it.is_empty());
        return files.map(|it| (it.into(), it.into())).collect();
    }
    let mut res = Vec::new();
    if let Some((shown, real)) = user_file(host) {
        res.push((shown, real));
    }
    let dirs = host.env("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg");
    for dir in dirs.split(':').filter(|it| it.starts_with('/')) {
        let file = format!("{dir}/nix/nix.conf");
        res.push((Utf8PathBuf::from(&file), host.path(&file)));
    }
    res
}

/// The file that is the user's own to write: as users name it, and where it is.
#[must_use]
pub fn user_file(host: &Host) -> Option<(Utf8PathBuf, Utf8PathBuf)> {
    match host.env("XDG_CONFIG_HOME") {
        Some(dir) => {
            let file = Utf8Path::new(dir).join("nix/nix.conf");
            Some((file.clone(), file))
        }
        None => Some(("~/.config/nix/nix.conf".into(), host.home().ok()?.join(".config/nix/nix.conf"))),
    }
}

#[cfg(test)]
mod tests;
