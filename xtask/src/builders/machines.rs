//! The machines that Nix' setting `builders` names, read as Nix reads them (libstore's machines.cc, 2.26 to 2.34):
//! entries are apart by `;` or a new line, `#` begins a comment, `@FILE` is a file with more of them.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::ErrorKind;

use camino::Utf8PathBuf;

use crate::host::Host;

/// One machine, a line with up to eight columns. `-` in a column is its default.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// As it is written: `ssh-ng://nix@host`, or only `host`.
    pub name: String,
    /// What Nix makes of it: without a scheme it is `ssh://`.
    pub store: String,
    pub systems: BTreeSet<String>,
    /// The file of a private key.
    pub ssh_key: Option<String>,
    /// Builds at once.
    pub jobs: u32,
    /// How fast it is, compared with the others; the fastest that is free is taken.
    pub speed: f32,
    pub supported: BTreeSet<String>,
    /// Features that a derivation must want, or it is not built there.
    pub mandatory: BTreeSet<String>,
    /// The line of its public host key, in base64.
    pub host_key: Option<String>,
    pub origin: Origin,
}

/// Where a machine is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In the setting itself.
    Setting,
    /// In a file, and its line there, from 1.
    File(Utf8PathBuf, usize),
}

/// Why Nix would make less of the setting than what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// With a line like this Nix uses none of the machines.
    Bad {
        origin: Origin,
        line: String,
        why: String,
    },
    /// Nix takes it for an empty file and says nothing.
    Missing(Utf8PathBuf),
    Unreadable {
        file: Utf8PathBuf,
        why: String,
    },
}

/// What a setting names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Machines {
    pub machines: Vec<Machine>,
    pub problems: Vec<Problem>,
}

/// Why a machine is not asked to build something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is for these systems only.
    Systems(BTreeSet<String>),
    /// It is not said to have these features.
    Lacks(BTreeSet<String>),
    /// It wants these features to be asked for.
    Reserved(BTreeSet<String>),
}

/// As deep as files may name files; Nix itself would go on for ever.
const DEEPEST: usize = 16;

impl Machines {
    /// Reads the value of `builders`; `default_system` is for lines that name none.
    #[must_use]
    pub fn read(host: &Host, setting: &str, default_system: &str) -> Machines {
        let mut res = Machines::default();
        res.add(host, setting, default_system, None, 0);
        res
    }

    fn add(&mut self, host: &Host, text: &str, system: &str, file: Option<&Utf8PathBuf>, depth: usize) {
        for (n, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            for entry in line.split(';').map(str::trim).filter(|it| !it.is_empty()) {
                let origin = file.map_or(Origin::Setting, |it| Origin::File(it.clone(), n + 1));
                if let Some(path) = entry.strip_prefix('@') {
                    self.include(host, Utf8PathBuf::from(path.trim()), system, depth);
                    continue;
                }
                match Machine::parse(entry, system, origin.clone()) {
                    Ok(machine) => self.machines.push(machine),
                    Err(why) => self.problems.push(Problem::Bad { origin, line: entry.to_owned(), why }),
                }
            }
        }
    }

    fn include(&mut self, host: &Host, file: Utf8PathBuf, system: &str, depth: usize) {
        let why = match fs::read_to_string(host.path(file.as_str())) {
            Ok(text) if depth < DEEPEST => return self.add(host, &text, system, Some(&file), depth + 1),
            Ok(_) => "it names itself".to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return self.problems.push(Problem::Missing(file));
            }
            Err(error) => error.to_string(),
        };
        self.problems.push(Problem::Unreadable { file, why });
    }
}

impl Machine {
    fn parse(entry: &str, default_system: &str, origin: Origin) -> Result<Machine, String> {
        let columns: Vec<&str> = entry.split_whitespace().collect();
        let column = |n: usize| columns.get(n).copied().filter(|it| *it != "-");
        let list = |n: usize| -> BTreeSet<String> {
            let words = column(n).unwrap_or_default().split(',').filter(|it| !it.is_empty());
            words.map(str::to_owned).collect()
        };
        let name = column(0).ok_or("the first column, its address, is missing")?;
        let jobs = column(3).map_or(Ok(1), |it| {
            it.parse().map_err(|_| format!("column 4, the builds at once, is `{it}` and no number"))
        })?;
        let speed: f32 = column(4).map_or(Ok(1.0), |it| {
            it.parse().map_err(|_| format!("column 5, the speed, is `{it}` and no number"))
        })?;
        if speed < 0.0 {
            return Err(format!("column 5, the speed, is {speed}, below 0"));
        }
        let host_key = column(7);
        if let Some(key) = host_key.filter(|it| !is_base64(it)) {
            return Err(format!("column 8, the host key, is not base64: `{key}`"));
        }
        let mut systems = list(1);
        if column(1).is_none() {
            systems.insert(default_system.to_owned());
        }
        Ok(Machine {
            name: name.to_owned(),
            store: store(name),
            systems,
            ssh_key: column(2).map(str::to_owned),
            jobs,
            speed: if speed == 0.0 { 1.0 } else { speed },
            supported: list(5),
            mandatory: list(6),
            host_key: host_key.map(str::to_owned),
            origin,
        })
    }

    /// Whether Nix would ask it to build a derivation of this system that needs these features.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn suits(&self, system: &str, features: &BTreeSet<String>) -> Result<(), Refusal> {
        // Nix' own builders, such as its fetcher, run anywhere.
        if system != "builtin" && !self.systems.contains(system) {
            return Err(Refusal::Systems(self.systems.clone()));
        }
        let missing = |it: &&String| !self.supported.contains(*it) && !self.mandatory.contains(*it);
        let lacks: BTreeSet<String> = features.iter().filter(missing).cloned().collect();
        if !lacks.is_empty() {
            return Err(Refusal::Lacks(lacks));
        }
        let reserved: BTreeSet<String> = self.mandatory.difference(features).cloned().collect();
        if reserved.is_empty() { Ok(()) } else { Err(Refusal::Reserved(reserved)) }
    }

    /// Its store with the keys that its line names: what Nix connects to.
    #[must_use]
    pub fn store_with_keys(&self) -> String {
        let keys = [("ssh-key", &self.ssh_key), ("base64-ssh-public-host-key", &self.host_key)];
        let given = keys.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
        given.fold(self.store.clone(), |store, parameter| {
            let mark = if store.contains('?') { '&' } else { '?' };
            format!("{store}{mark}{parameter}")
        })
    }
}

/// The address of a store, as Nix completes it.
fn store(name: &str) -> String {
    let word = name.split('?').next().unwrap_or_default();
    let complete = name.contains('/') || ["", "auto", "daemon", "local"].contains(&word);
    if complete { name.to_owned() } else { format!("ssh://{name}") }
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len() - body.len() <= 2
        && body.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'+' || it == b'/')
}

fn words(set: &BTreeSet<String>) -> String {
    set.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Setting => f.write_str("the setting `builders`"),
            Origin::File(file, line) => write!(f, "{file}:{line}"),
        }
    }
}

/// After the name of the machine: `arm1 is for x86_64-linux`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Systems(systems) => write!(f, "is for {}", words(systems)),
            Refusal::Lacks(features) => write!(f, "is not said to have {}", words(features)),
            Refusal::Reserved(features) => write!(f, "is kept for what needs {}", words(features)),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Bad { origin, line, why } => {
                write!(f, "{origin}: bad machine, so Nix uses none at all: {why}: `{line}`")
            }
            Problem::Missing(file) => write!(f, "`{file}` does not exist, so it names no machine"),
            Problem::Unreadable { file, why } => write!(f, "cannot read `{file}`: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(root: &tempfile::TempDir, setting: &str) -> Machines {
        let mut host = Host::current().unwrap();
        host.root = Utf8PathBuf::from(root.path().to_str().unwrap());
        Machines::read(&host, setting, "x86_64-linux")
    }

    fn set(words: &str) -> BTreeSet<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn files_comments_and_separators() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/nix")).unwrap();
        let text = "# ours\n\nssh-ng://arm aarch64-linux,x86_64-linux /k 4 2.5 kvm,big-parallel - c3NoLWVkMjU1MTk=\n  mac # a comment\n@ /etc/nix/more ; last\n";
        fs::write(root.path().join("etc/nix/machines"), text).unwrap();
        fs::write(root.path().join("etc/nix/more"), "deep - - - 0 - gpu").unwrap();
        let res = read(&root, "@/etc/nix/machines; @/nowhere\nlocal?root=/x");
        assert_eq!(res.problems, [Problem::Missing("/nowhere".into())]);
        let found: Vec<_> =
            res.machines.iter().map(|it| (it.store.as_str(), it.origin.to_string())).collect();
        let at = |line: usize| format!("/etc/nix/machines:{line}");
        assert_eq!(
            found,
            [
                ("ssh-ng://arm", at(3)),
                ("ssh://mac", at(4)),
                ("ssh://deep", "/etc/nix/more:1".to_owned()),
                ("ssh://last", at(5)),
                ("local?root=/x", "the setting `builders`".to_owned()),
            ]
        );
        let arm = &res.machines[0];
        assert_eq!((arm.jobs, arm.ssh_key.as_deref()), (4, Some("/k")));
        assert_eq!(arm.supported, set("kvm big-parallel"));
        assert!((arm.speed - 2.5).abs() < f32::EPSILON && (res.machines[2].speed - 1.0).abs() < f32::EPSILON);
        assert_eq!(res.machines[1].systems, set("x86_64-linux"));
        let with_keys = "ssh-ng://arm?ssh-key=/k&base64-ssh-public-host-key=c3NoLWVkMjU1MTk=";
        assert_eq!(arm.store_with_keys(), with_keys);
        assert_eq!(res.machines[1].store_with_keys(), "ssh://mac");
    }

    #[test]
    fn what_nix_would_refuse_is_told() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/dir")).unwrap();
        fs::write(root.path().join("etc/loop"), "@/etc/loop").unwrap();
        let lines = "a - - many; b - - 1 fast; c - - 1 1 - - no!; - x86_64-linux; d - - 1 -1; good";
        let res = read(&root, lines);
        let told: Vec<String> = res.problems.iter().map(ToString::to_string).collect();
        assert_eq!(res.machines.len(), 1);
        let head = "the setting `builders`: bad machine, so Nix uses none at all: ";
        assert_eq!(
            told,
            [
                "column 4, the builds at once, is `many` and no number: `a - - many`",
                "column 5, the speed, is `fast` and no number: `b - - 1 fast`",
                "column 8, the host key, is not base64: `no!`: `c - - 1 1 - - no!`",
                "the first column, its address, is missing: `- x86_64-linux`",
                "column 5, the speed, is -1, below 0: `d - - 1 -1`",
            ]
            .map(|it| format!("{head}{it}"))
        );
        assert_eq!(
            read(&root, "@/etc/loop").problems[0].to_string(),
            "cannot read `/etc/loop`: it names itself"
        );
        assert!(
            read(&root, "@/etc/dir").problems[0].to_string().starts_with("cannot read `/etc/dir`: Is a dir")
        );
        assert_eq!(read(&root, " ; \n#x"), Machines::default());
    }

    #[test]
    fn who_may_build_what() {
        let root = tempfile::tempdir().unwrap();
        let res = read(&root, "a aarch64-linux - 1 1 kvm,big-parallel; b aarch64-linux - 1 1 kvm gpu");
        let [a, b] = res.machines.as_slice() else { panic!("{res:?}") };
        assert_eq!(a.suits("aarch64-linux", &set("")), Ok(()));
        assert_eq!(a.suits("aarch64-linux", &set("kvm")), Ok(()));
        assert_eq!(a.suits("builtin", &set("")), Ok(()));
        assert_eq!(a.suits("x86_64-linux", &set("")).unwrap_err().to_string(), "is for aarch64-linux");
        assert_eq!(
            a.suits("aarch64-linux", &set("kvm gpu")).unwrap_err().to_string(),
            "is not said to have gpu"
        );
        assert_eq!(
            b.suits("aarch64-linux", &set("kvm")).unwrap_err().to_string(),
            "is kept for what needs gpu"
        );
        assert_eq!(b.suits("aarch64-linux", &set("kvm gpu")), Ok(()));
    }
}
