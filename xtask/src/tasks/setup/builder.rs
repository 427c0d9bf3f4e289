//! `cargo xtask setup builder`

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;

use super::{facts, facts_with_nix, module, report};
use crate::builders::Machines;
use crate::builders::registration::{Registration, with_line};
use crate::changeset::apply::Applied;
use crate::changeset::{self, Changeset};
use crate::context::Context;
use crate::host::{Host, Os};
use crate::installation::Installation;
use crate::report::{Report, seconds};
use crate::tasks::builder::test::build_there;
use crate::tool::Tool;
use crate::trouble::findings_of;

const SSH_CONFIG: &str = "/etc/ssh/ssh_config";
/// The machine in OrbStack, and where it listens.
const ORB: &str = "nixos";
const ORB_ADDRESS: &str = "127.0.0.1:32222";
/// Where builds go that are too large for memory; `nix/hosts/orbstack.nix` has the same.
const DISK: &str = "/var/cache/nix-build";

/// Add a builder for other systems: its line in /etc/nix/machines, its host key pinned, root's ssh configuration
///
/// `orbstack` makes a NixOS machine in OrbStack on a Mac; `ssh://USER@HOST[:PORT]` is any Linux machine that has Nix;
/// `disk` puts the build directory (of the OrbStack machine on a Mac, else of this one) on disk instead of in memory.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Builder {
    /// orbstack, disk, or an address: ssh://USER@HOST
    #[arg(value_name = "WHAT")]
    what: String,
    /// The user to log in as on the OrbStack machine; by default yourself
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// What it builds for, such as aarch64-linux; this machine's processor, on Linux, by default
    #[arg(long, value_name = "SYSTEM")]
    system: Vec<String>,
    /// Builds at once
    #[arg(long, short = 'j', value_name = "N")]
    jobs: Option<u32>,
    /// Its features, such as kvm,big-parallel
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    features: Vec<String>,
    /// The private key that root logs in with
    #[arg(long, value_name = "FILE")]
    key: Option<Utf8PathBuf>,
}

impl Builder {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        match self.what.as_str() {
            "disk" if cx.host.os == Os::MacOs => configure(cx),
            "disk" => disk(cx),
            "orbstack" => self.orbstack(cx),
            _ => {
                let builder = self.registration(&cx.host)?;
                register(cx, builder)
            }
        }
    }

    fn registration(&self, host: &Host) -> anyhow::Result<Registration> {
        let mut res = Registration::parse(&self.what)?;
        res.systems = match self.system.as_slice() {
            [] => vec![format!("{}-linux", host.arch)],
            some => some.to_vec(),
        };
        res.jobs = self.jobs.unwrap_or(4);
        res.features.clone_from(&self.features);
        res.key = match &self.key {
            Some(it) => {
                let file = host.cwd.join(it);
                if !file.is_file() {
                    bail!("there is no key `{file}`");
                }
                Some(file.into_string())
            }
            None => None,
        };
        Ok(res)
    }

    /// First the machine, as the user, whose OrbStack it is; then what root must know.
    fn orbstack(self, cx: &mut Context) -> anyhow::Result<Report> {
        let builder = orb(&cx.host, self.user.as_deref())?;
        let list = orbctl(cx, &["list"]).context("OrbStack does not answer: open -a OrbStack")?;
        let mut set = Changeset::new("make the machine in OrbStack");
        if !list.lines().any(|it| it.split_whitespace().next() == Some(ORB)) {
            set.run(&["orbctl", "create", "nixos", ORB]);
        }
        set.changes.push(changeset::Change::Run(rebuild(cx)?));
        let applied = set.apply(cx)?;
        if applied == Applied::Refused {
            return Ok(report(applied, false, "nothing was changed"));
        }
        register(cx, builder)
    }
}

/// The line that the facts of OrbStack ask for.
fn orb(host: &Host, user: Option<&str>) -> anyhow::Result<Registration> {
    if host.os != Os::MacOs {
        bail!(
            "OrbStack is for macOS; for another machine, write `cargo xtask setup builder ssh://USER@HOST`"
        );
    }
    if host.which("orbctl").is_none() {
        bail!("OrbStack is not installed: get it from https://orbstack.dev, open it once, and try again");
    }
    let own = host.env("USER").context("USER is not set: name the user with `--user`")?;
    let key = host.home()?.join(".orbstack/ssh/id_ed25519");
    if !key.exists() {
        bail!(
            "there is no `{key}`: OrbStack makes it when it is opened for the first time (open -a OrbStack)"
        );
    }
    let mut res = Registration::parse(&format!("ssh://{}@{ORB_ADDRESS}", user.unwrap_or(own)))?;
    "orb".clone_into(&mut res.alias);
    res.systems = vec!["x86_64-linux".to_owned(), "aarch64-linux".to_owned()];
    (res.jobs, res.speed) = (20, 20);
    res.features = ["nixos-test", "benchmark", "big-parallel", "kvm"].map(str::to_owned).to_vec();
    res.key = Some(key.into_string());
    Ok(res)
}

/// The command that gives the OrbStack machine this workspace's configuration.
fn rebuild(cx: &Context) -> anyhow::Result<Vec<String>> {
    if !cx.workspace.root.join("nix/hosts/orbstack.nix").exists() {
        bail!("this workspace has no nix/hosts/orbstack.nix, which describes the machine");
    }
    let name = if cx.host.arch == "aarch64" { "orbstack" } else { "orbstack-x86_64" };
    // OrbStack shows the Mac's files under the same paths.
    let flake = format!("{}#{name}", cx.workspace.root);
    // What OrbStack itself has written in /etc/nixos belongs to the configuration as well.
    let words =
        ["orbctl", "run", "-m", ORB, "-u", "root", "nixos-rebuild", "switch", "--impure", "--flake", &flake];
    Ok(words.map(str::to_owned).to_vec())
}

/// The machine's own configuration puts its builds on disk; what holds is looked at, not believed.
fn configure(cx: &mut Context) -> anyhow::Result<Report> {
    let mut set = Changeset::new("the build directory of the OrbStack machine");
    set.changes.push(changeset::Change::Run(rebuild(cx)?));
    let applied = set.apply(cx)?;
    if applied != Applied::Done {
        return Ok(report(applied, true, ""));
    }
    let ask = ["run", "-m", ORB, "findmnt", "--noheadings", "--output", "FSTYPE", "--target", DISK];
    let kind = orbctl(cx, &ask).context("cannot ask the machine for its file systems")?;
    let note = format!("the machine builds in {DISK}, on {}", kind.trim());
    Ok(report(applied, kind.trim() != "tmpfs", note))
}

/// What OrbStack answers.
fn orbctl(cx: &mut Context, words: &[&str]) -> anyhow::Result<String> {
    let tool = Tool::on_path(cx, "orbctl").context("OrbStack is not installed")?;
    let args: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
    let done = tool.run(cx, &args)?;
    if !done.exit.success() {
        bail!("{}", done.why());
    }
    Ok(done.exit.stdout)
}

fn disk(cx: &mut Context) -> anyhow::Result<Report> {
    let before = facts_with_nix(cx)?;
    if before.is_private() {
        bail!("our own Nix builds beside its store, or where TMPDIR says: set TMPDIR to a directory on disk");
    }
    let installation = before.installation.clone();
    if installation.settings_file().is_none() {
        let text = format!(
            "nix.settings.build-dir = \"{DISK}\";\nsystemd.tmpfiles.rules = [\"d {DISK} 0755 root root -\"];\n"
        );
        return Ok(module(&text, &installation));
    }
    let mut set = changeset::settings::set(&cx.host, &installation, "builds on disk", "build-dir", DISK)?;
    if !set.is_empty() {
        // The directory must be there before the daemon reads its name; nobody else may write to it.
        let make = ["install", "-d", "-m", "0755", DISK].map(str::to_owned).to_vec();
        set.changes.insert(1, changeset::Change::Run(make));
        set.root = true;
    }
    let applied = set.apply(cx)?;
    let after = facts(cx);
    let on_disk =
        after.build_space.as_ref().is_some_and(|it| !it.is_memory()) && after.build_dir.path == DISK;
    Ok(report(
        applied,
        on_disk,
        format!("Nix builds in {} ({})", after.build_dir.path, after.build_dir.because),
    ))
}

/// The host key, the line, ssh's configuration; then a build there, which the daemon sends on its way.
fn register(cx: &mut Context, mut builder: Registration) -> anyhow::Result<Report> {
    let before = facts_with_nix(cx)?;
    if before.is_private() {
        bail!(
            "our own Nix has no daemon and does not read /etc/nix/machines; name the builder for it: \
             `NIX_CONFIG='builders = {} {}' cargo xtask …`, or install a Nix that has a daemon: cargo xtask setup nix",
            builder.uri(),
            builder.systems.join(",")
        );
    }
    let installation = before.installation;
    if cx.globals.offline {
        bail!("the builder's host key has to be asked for, and `--offline` forbids it");
    }
    let (key, fingerprint) = host_key(cx, &builder)?;
    cx.ui.status(&format!("host key of {}: {fingerprint}; compare it with the machine's own", builder.host));
    builder.host_key = Some(key);
    if installation.settings_file().is_none() {
        return Ok(module(&builder.module(), &installation));
    }
    let set = plan(&cx.host, &installation, &builder)?;
    let applied = set.apply(cx)?;
    match applied {
        Applied::Nothing | Applied::Done => {}
        Applied::Refused => return Ok(report(applied, false, "nothing was changed")),
        Applied::Shown => return Ok(report(applied, true, "")),
    }
    proven(cx, applied, &builder)
}

/// A builder is one that has built.
fn proven(cx: &mut Context, applied: Applied, builder: &Registration) -> anyhow::Result<Report> {
    let own = format!("{}-linux", cx.host.arch);
    let system = builder.systems.iter().find(|it| **it == own).or(builder.systems.first());
    let system = system.cloned().unwrap_or(own);
    let machine = Machines::read(&cx.host, &builder.line(), &system).machines.into_iter().next();
    let machine = machine.with_context(|| format!("Nix cannot read this line: {}", builder.line()))?;
    cx.ui.status(&format!("a build for {system} on {} is to prove it", builder.uri()));
    Ok(match build_there(cx, &machine, &system) {
        Ok(it) => {
            let note =
                format!("{} has built for {system} in {}; {}", builder.uri(), seconds(it.total), it.nix);
            report(applied, true, note)
        }
        Err(error) => {
            let hints = cx.hints(findings_of(&error));
            let hints: Vec<String> = hints.iter().map(|it| format!("\n{}", cx.ui.hint(it))).collect();
            let note = format!(
                "{} is written down, and does not work: {error:#}{}\ntry again: cargo xtask builder test {}\n\
                 take it back: cargo xtask setup undo",
                builder.uri(),
                hints.concat(),
                builder.alias
            );
            report(applied, false, note)
        }
    })
}

fn plan(host: &Host, installation: &Installation, builder: &Registration) -> anyhow::Result<Changeset> {
    let mut set = Changeset::new(format!("the builder {}", builder.uri()));
    if let Some(text) = builder.ssh_config() {
        let main = std::fs::read_to_string(host.path(SSH_CONFIG)).unwrap_or_default();
        let includes = |it: &str| it.trim_start().starts_with("Include") && it.contains("ssh_config.d");
        if !main.lines().any(includes) {
            set.edit(host, SSH_CONFIG, |it| format!("Include /etc/ssh/ssh_config.d/*\n\n{it}"))?;
        }
        let file = format!("/etc/ssh/ssh_config.d/100-xtask-{}.conf", builder.alias);
        set.edit(host, &file, |_| text.clone())?;
    }
    set.edit(host, &installation.machines_file(), |it| with_line(it, builder))?;
    Ok(set)
}

/// The key that the machine shows now, and its fingerprint for people.
fn host_key(cx: &mut Context, builder: &Registration) -> anyhow::Result<(String, String)> {
    let port = builder.port.unwrap_or(22).to_string();
    let scan =
        Tool::on_path(cx, "ssh-keyscan").context("there is no `ssh-keyscan` on PATH: install openssh")?;
    let args = ["-T", "5", "-t", "ed25519", "-p", &port, &builder.host].map(str::to_owned);
    let done = scan.run(cx, &args)?;
    let line = done.exit.stdout.lines().find(|it| !it.starts_with('#'));
    let key = line.and_then(|it| it.split_once(' ')).map(|it| it.1.trim().to_owned());
    let key = key.with_context(|| {
        format!(
            "{} port {port} shows no ed25519 host key: is the machine up, and sshd running? ({})",
            builder.host,
            done.why()
        )
    })?;
    let keygen =
        Tool::on_path(cx, "ssh-keygen").context("there is no `ssh-keygen` on PATH: install openssh")?;
    let line = format!("{} {key}\n", builder.alias);
    let told =
        keygen.run_with(cx, &["-l", "-f", "-"].map(str::to_owned), line.as_bytes(), None, &mut || ())?;
    if !told.exit.success() {
        bail!("ssh-keygen cannot read the host key `{key}`: {}", told.why());
    }
    Ok((key, told.exit.stdout.trim().to_owned()))
}

#[cfg(test)]
mod tests;
