//! The machine as a value: its system, its environment and where its files are.
//!
//! macOS behaviour is a `Host` with another `os`, and a machine in a test is a `Host` with another `root`: both
//! are compiled and tested on Linux.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};

/// The operating systems that Nix and we support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    Linux,
    MacOs,
}

/// This machine.
#[derive(Debug, Clone)]
pub struct Host {
    pub os: Os,
    /// As Nix spells it: `x86_64`, `aarch64`.
    pub arch: String,
    /// Where the machine's own files hang; `/` but in tests.
    pub root: Utf8PathBuf,
    /// The directory that the user stands in.
    pub cwd: Utf8PathBuf,
    /// The user's environment, read once.
    pub env: BTreeMap<OsString, OsString>,
}

impl Host {
    /// The machine that this process runs on.
    ///
    /// # Errors
    /// When the system is neither Linux nor macOS, or the current directory is gone or not UTF-8.
    #[expect(clippy::disallowed_methods, reason = "this is the edge where the environment is read")]
    pub fn current() -> anyhow::Result<Host> {
        let os = match std::env::consts::OS {
            "linux" => Os::Linux,
            "macos" => Os::MacOs,
            other => bail!("{other} is not supported: use Linux or macOS (on Windows: WSL)"),
        };
        let cwd = std::env::current_dir().context("cannot read the current directory")?;
        let cwd = Utf8PathBuf::from_path_buf(cwd)
            .map_err(|cwd| anyhow::anyhow!("the current directory is not UTF-8: {}", cwd.display()))?;
        Ok(Host {
            os,
            arch: std::env::consts::ARCH.to_owned(),
            root: Utf8PathBuf::from("/"),
            cwd,
            env: std::env::vars_os().collect(),
        })
    }

    /// Where a file of the machine is, for an absolute path such as `/etc/nix/nix.conf`.
    #[must_use]
    pub fn path(&self, absolute: &str) -> Utf8PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// A variable of the user's environment; `None` when it is unset, empty or not UTF-8.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.get(OsStr::new(name)).and_then(|it| it.to_str()).filter(|it| !it.is_empty())
    }

    /// The user's home.
    ///
    /// # Errors
    /// When `HOME` is not set.
    pub fn home(&self) -> anyhow::Result<&Utf8Path> {
        self.env("HOME").map(Utf8Path::new).context("HOME is not set")
    }

    /// `${XDG_CACHE_HOME:-~/.cache}/elodin-xtask`: private Nix, its store, downloads. A relative path there is ignored,
    /// as the specification of these variables wants it.
    ///
    /// # Errors
    /// When neither `XDG_CACHE_HOME` nor `HOME` is set.
    pub fn cache_dir(&self) -> anyhow::Result<Utf8PathBuf> {
        match self.env("XDG_CACHE_HOME").filter(|it| it.starts_with('/')) {
            Some(dir) => Ok(Utf8Path::new(dir).join("elodin-xtask")),
            None => Ok(self.home()?.join(".cache/elodin-xtask")),
        }
    }

    /// `${XDG_STATE_HOME:-~/.local/state}/elodin-xtask`: what must outlive a cache, such as how to undo a change.
    ///
    /// # Errors
    /// When neither `XDG_STATE_HOME` nor `HOME` is set.
    pub fn state_dir(&self) -> anyhow::Result<Utf8PathBuf> {
        match self.env("XDG_STATE_HOME").filter(|it| it.starts_with('/')) {
            Some(dir) => Ok(Utf8Path::new(dir).join("elodin-xtask")),
            None => Ok(self.home()?.join(".local/state/elodin-xtask")),
        }
    }

    /// The program of that name on the user's `PATH`.
    #[must_use]
    pub fn which(&self, program: &str) -> Option<Utf8PathBuf> {
        let dirs = self.env("PATH")?.split(':').filter(|it| it.starts_with('/'));
        dirs.map(|it| Utf8Path::new(it).join(program)).find(|it| is_executable(it))
    }

    /// The program of that name in the directory of this one.
    ///
    /// # Errors
    /// When there is none.
    pub fn beside(&self, program: &str) -> anyhow::Result<Utf8PathBuf> {
        let own = std::env::current_exe().context("cannot find this program")?;
        let own = Utf8PathBuf::from_path_buf(own)
            .map_err(|it| anyhow::anyhow!("the path of this program is not UTF-8: {}", it.display()))?;
        let path = own.with_file_name(program);
        if !is_executable(&path) {
            bail!("`{path}` is missing; install it beside `{own}`");
        }
        Ok(path)
    }

    /// The platform that this machine builds for.
    #[must_use]
    pub fn system(&self) -> System {
        let os = match self.os {
            Os::Linux => "linux",
            Os::MacOs => "darwin",
        };
        System(format!("{}-{os}", self.arch))
    }
}

/// Whether a file is there and may be run by somebody.
#[must_use]
pub fn is_executable(path: &Utf8Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// A platform as Nix spells it: `x86_64-linux`, `aarch64-darwin`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct System(pub String);

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
