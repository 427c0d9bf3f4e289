//! The way to the device: one connection that is kept, new ones where that is the proof, and a configuration of our
//! own that does not depend on what the user's `known_hosts` has seen at the same address.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Shell, cmd};

use super::script::{Answer, Script};
use super::target::Target;
use crate::context::Context;
use crate::files::{create_dir, write_atomic};
use crate::host::Host;
use crate::tool::{Done, Tool};

/// What ssh says by its exit code when it is the connection that failed.
const CONNECTION_FAILED: i32 = 255;

/// Options for a connection that has nothing to do with the one that is kept.
const NEW: [&str; 2] = ["-o", "ControlPath=none"];

#[derive(Debug)]
pub struct Ssh {
    pub target: Target,
    tool: Tool,
    /// With the configuration and the socket; removed at the end.
    dir: Utf8PathBuf,
    /// The keys that this device has been seen with.
    pub known_hosts: Utf8PathBuf,
    /// Scripts run as root by `sudo`.
    pub sudo: bool,
    sh: Shell,
}

/// Which connection a script takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The one that is open.
    Kept,
    /// A new one: that it can be made is part of the answer.
    New,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The device was not reached, or does not let us in.
    NoConnection(String),
    /// It was reached, and the script failed there.
    Failed(String),
    Interrupted,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::NoConnection(why) | Trouble::Failed(why) => f.write_str(why),
            Trouble::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Trouble {}

impl Ssh {
    /// Writes the configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// When there is no ssh on `PATH`, or its files cannot be written.
    pub fn new(cx: &Context, target: Target) -> anyhow::Result<Ssh> {
        let tool = Tool::on_path(cx, "ssh").context("there is no ssh on PATH; install OpenSSH's client")?;
        let dir = private_dir(&cx.host)?;
        let known_hosts = state_dir(&cx.host)?.join("known-hosts").join(target.file_name());
        let res = Ssh { target, tool, dir, known_hosts, sudo: false, sh: cx.sh.clone() };
        if let Some(dir) = res.known_hosts.parent() {
            create_dir(dir)?;
        }
        let text = configuration(&res.target, &res.dir, &res.known_hosts, &cx.host);
        write_atomic(&res.config(), text.as_bytes())?;
        Ok(res)
    }

    /// The file for ssh's `-F`.
    #[must_use]
    pub fn config(&self) -> Utf8PathBuf {
        self.dir.join("config")
    }

    /// What Nix is to give to ssh. It makes a connection of its own: one that copies gigabytes must not hold up others.
    #[must_use]
    pub fn options_for_nix(&self) -> String {
        format!("-F {} -o ControlPath=none", self.config())
    }

    /// Runs a script, as root where that takes `sudo`. An answer takes no longer than `patience`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ask(
        &self,
        cx: &mut Context,
        line: Line,
        script: &Script,
        patience: Duration,
    ) -> Result<Answer, Trouble> {
        let options: &[&str] = if line == Line::New { &NEW } else { &[] };
        let done = self.run(cx, options, &[self.shell()], script.text().as_bytes(), patience);
        let done = done.map_err(|it| Trouble::NoConnection(format!("{it:#}")))?;
        match done.exit.code {
            _ if done.exit.interrupted => Err(Trouble::Interrupted),
            _ if done.exit.stalled => Err(Trouble::NoConnection(format!(
                "no answer from {} for {} s",
                self.target,
                patience.as_secs()
            ))),
            Some(0) => Ok(Answer::parse(&done.exit.stdout)),
            Some(CONNECTION_FAILED) | None => Err(Trouble::NoConnection(explain(&self.target, &done.why()))),
            Some(code) => {
                Err(Trouble::Failed(format!("a script failed on {} ({code}): {}", self.target, done.why())))
            }
        }
    }

    /// Runs ssh with more options before the host and words behind it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(
        &self,
        cx: &mut Context,
        options: &[&str],
        command: &[&str],
        input: &[u8],
        patience: Duration,
    ) -> anyhow::Result<Done> {
        // The connection that is kept has the output of everything that runs over it.
        let words = self.words(options, command);
        self.tool.run_with(cx, &words, input, Some(patience), &mut || self.hang_up())
    }

    /// What runs a script there.
    fn shell(&self) -> &'static str {
        if self.sudo { "sudo -n /bin/sh -s" } else { "/bin/sh -s" }
    }

    fn words(&self, options: &[&str], command: &[&str]) -> Vec<String> {
        let (host, config) = (self.target.host(), self.config());
        let words = [&["-F", config.as_str()], options, &["-T", &host], command].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    /// The arguments of ssh for a script over a connection of its own.
    #[must_use]
    pub fn words_for_script(&self) -> Vec<String> {
        self.words(&NEW, &[self.shell()])
    }

    /// Ends the connection that is kept.
    pub fn hang_up(&self) {
        let (sh, config, host) = (&self.sh, self.config(), self.target.host());
        if self.dir.join("s").exists() {
            let end = cmd!(sh, "ssh -F {config} -O exit {host}").quiet().ignore_stdout().ignore_stderr();
            drop(end.ignore_status().run());
        }
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        self.hang_up();
        drop(fs::remove_dir_all(&self.dir));
    }
}

/// `${XDG_STATE_HOME:-~/.local/state}/elodin-xtask`: what is kept about devices.
///
/// # Errors
/// When neither is known.
pub fn state_dir(host: &Host) -> anyhow::Result<Utf8PathBuf> {
    match host.env("XDG_STATE_HOME") {
        Some(dir) => Ok(Utf8Path::new(dir).join("elodin-xtask")),
        None => Ok(host.home()?.join(".local/state/elodin-xtask")),
    }
}

/// A directory for us alone. Its name is short, because a socket's must be, and has no blanks, because Nix splits its
/// options for ssh there.
fn private_dir(host: &Host) -> anyhow::Result<Utf8PathBuf> {
    let base = host.env("XDG_RUNTIME_DIR").filter(|it| it.len() < 50 && !it.contains(char::is_whitespace));
    let base = base.map(Utf8PathBuf::from).filter(|it| it.is_dir()).unwrap_or_else(|| host.path("/tmp"));
    let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let dir = base.join(format!("xtask-{}-{age}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&dir).with_context(|| format!("cannot create `{dir}`"))?;
    Ok(dir)
}

/// The first value that ssh finds counts: ours come first, then the user's own file, where an alias is explained.
fn configuration(target: &Target, dir: &Utf8Path, known_hosts: &Utf8Path, host: &Host) -> String {
    let mut own = vec![
        format!("UserKnownHostsFile \"{known_hosts}\""),
        format!("HostKeyAlias {}", target.file_name()),
        format!("ControlPath {dir}/s"),
    ];
    own.extend(target.host_name().map(|it| format!("HostName {it}")));
    own.extend(target.user.as_ref().map(|it| format!("User {it}")));
    own.extend(target.port.map(|it| format!("Port {it}")));
    // A cut link is noticed after eight seconds, and nothing is ever asked on a terminal behind our back.
    let fixed = "GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\nHashKnownHosts no\nUpdateHostKeys no\n\
        BatchMode yes\nControlMaster auto\nControlPersist 60\nConnectTimeout 5\nServerAliveInterval 2\n\
        ServerAliveCountMax 3\nForwardAgent no\nForwardX11 no\nClearAllForwardings yes\nRequestTTY no\nLogLevel INFO";
    own.extend(fixed.lines().map(str::to_owned));
    let mut res = format!("Host {}\n", target.host());
    for it in &own {
        res.push_str(&format!("  {it}\n"));
    }
    res.push_str("Host *\n");
    if let Ok(home) = host.home() {
        res.push_str(&format!("  Include \"{home}/.ssh/config\"\n"));
    }
    res.push_str(&format!("  Include \"{}\"\n", host.path("/etc/ssh/ssh_config")));
    res
}

/// What ssh says, and what to do about it.
pub(super) fn explain(target: &Target, said: &str) -> String {
    let hint = if said.contains("Permission denied") {
        "the device does not let you in: it may be another user (`root@…`), or your key is not there; \
         look with `ssh-add -l`, and see aleph.access.authorizedKeys"
    } else if said.contains("Host key verification failed") {
        "its host key is not the one that it had"
    } else if let Some(zone) = target.zone().filter(|_| said.contains("Could not resolve")) {
        return format!("no connection to {target}: there is no network interface `{zone}` here");
    } else if said.contains("Could not resolve") {
        "the name is not known here; `aleph-scan` finds devices, and over USB it is fde1:2240:a1ef::1"
    } else if said.contains("timed out") || said.contains("No route") || said.contains("unreachable") {
        "is it powered, and is the cable in the right-most USB-C port?"
    } else if said.contains("refused") {
        "it is there, but no sshd listens"
    } else {
        return format!("no connection to {target}: {said}");
    };
    format!("no connection to {target}: {said}\n{hint}")
}

/// Stops when the user wants that.
///
/// # Errors
/// When Ctrl-C was pressed.
pub fn not_interrupted(cx: &Context) -> anyhow::Result<()> {
    if cx.interrupt.signal().is_some() {
        bail!("interrupted");
    }
    Ok(())
}
