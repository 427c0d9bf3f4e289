//! The side that connects to a builder: root where a daemon builds, else the user.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::address::Address;
use crate::files::write_atomic;
use crate::host::Host;
use crate::nix::Nix;
use crate::nix::hash::decode_base64;
use crate::nix::process::{self, Command};

/// Who tries a builder, with what, and how patiently.
#[derive(Debug, Clone)]
pub struct Client<'a> {
    pub host: &'a Host,
    pub nix: Option<&'a Nix>,
    /// Where files for ssh may be written.
    pub state: Utf8PathBuf,
    /// Longer it waits for no answer.
    pub patience: Duration,
}

impl Client<'_> {
    /// Whether root connects, and we are somebody else.
    #[must_use]
    pub fn is_root_needed(&self) -> bool {
        let socket = self
            .host
            .env("NIX_DAEMON_SOCKET_PATH")
            .map_or_else(|| self.host.path("/nix/var/nix/daemon-socket/socket"), Utf8PathBuf::from);
        let private = self.nix.is_some_and(|it| it.store_root.is_some());
        socket.exists() && !private && !unix::unistd::geteuid().is_root()
    }

    /// `root` or `you`
    #[must_use]
    pub fn who(&self) -> &'static str {
        if self.is_root_needed() { "root" } else { "you" }
    }

    /// Whether we may be root without being asked for a password, where that is needed.
    ///
    /// # Errors
    /// What sudo said.
    pub fn may_connect(&self) -> Result<(), String> {
        if self.is_root_needed() { self.run(&["true"].map(str::to_owned), "").map(drop) } else { Ok(()) }
    }

    /// Whether who connects can read a file; `None` when it is not there.
    #[must_use]
    pub fn can_read(&self, file: &str) -> Option<bool> {
        if !self.is_root_needed() {
            let file = self.host.path(file);
            return file.exists().then(|| std::fs::File::open(file).is_ok());
        }
        let test = |what: &str| self.run(&["test", what, file].map(str::to_owned), "").is_ok();
        test("-e").then(|| test("-r"))
    }

    /// The words of ssh, just as Nix would use them, and the file with the pinned host key, which they name.
    ///
    /// # Errors
    /// When that file cannot be written.
    pub(super) fn ssh(&self, address: &Address) -> anyhow::Result<(Vec<String>, Option<HostKeys>)> {
        let known = match address.parameters.get("base64-ssh-public-host-key") {
            Some(key) => Some(HostKeys::write(&self.state, address.host(), key)?),
            None => None,
        };
        // The daemon has another environment.
        let options = self.host.env("NIX_SSHOPTS").filter(|_| !self.is_root_needed()).unwrap_or_default();
        let limit = self.patience.as_secs().clamp(1, 8);
        Ok((address.ssh(options, known.as_ref().map(|it| it.0.as_str()), limit), known))
    }

    /// Runs a short command as who connects, and gives what it printed.
    ///
    /// # Errors
    /// What it said when it failed.
    pub fn run(&self, words: &[String], input: &str) -> Result<String, String> {
        let sudo = ["sudo".to_owned(), "-n".to_owned()];
        let words = [if self.is_root_needed() { &sudo[..] } else { &[] }, words].concat();
        let Some((name, args)) = words.split_first() else { return Err(String::new()) };
        let program =
            if name.contains('/') { Some(Utf8Path::new(name).to_owned()) } else { self.host.which(name) };
        let program = program.ok_or_else(|| format!("there is no `{name}` on PATH"))?;
        let command = Command {
            program: &program,
            args,
            dir: &self.host.cwd,
            env: &self.host.env,
            input: input.as_bytes(),
        };
        let answer = process::ask(&command, self.patience).map_err(|it| format!("{it:#}"))?;
        if answer.success() { Ok(answer.stdout) } else { Err(answer.stderr) }
    }
}

/// A file with a pinned host key; it goes away with this.
#[derive(Debug)]
pub(super) struct HostKeys(Utf8PathBuf);

impl HostKeys {
    fn write(dir: &Utf8Path, host: &str, key: &str) -> anyhow::Result<HostKeys> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name =
            format!("builder-host-key-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let key = decode_base64(key).unwrap_or_default();
        let res = HostKeys(dir.join(name));
        write_atomic(&res.0, format!("{host} {}\n", String::from_utf8_lossy(&key).trim()).as_bytes())?;
        Ok(res)
    }
}

impl Drop for HostKeys {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}
