//! `cargo xtask setup nix`

use std::io::Read as _;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use super::report;
use crate::changeset::Changeset;
use crate::changeset::apply::Applied;
use crate::context::Context;
use crate::files::create_dir;
use crate::nix::discover::Notice;
use crate::nix::event::Event;
use crate::nix::process::{self, Command};
use crate::nix::{Origin, Suite, Version, known, private};
use crate::plan::CommandLine;
use crate::report::Report;
use crate::revision::hex;
use crate::tool::Tool;
use crate::workspace::InstallerSettings;

/// Where a new installation has its program.
const PROGRAM: &str = "/nix/var/nix/profiles/default/bin/nix";

/// Where Nix comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum From {
    /// Determinate's installer, as pinned in xtask.toml
    Determinate,
    /// The package of this Linux distribution
    Distribution,
    /// A copy of Debian's, in your cache directory, without root
    Private,
}

/// Install Nix where there is none. Does nothing where there is a good one
///
/// The installer is named in xtask.toml under [setup.installer] with its version and SHA-256. It is downloaded to a
/// file, its hash is verified, and only then does it run, as root, if you agree.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Nix {
    /// Where it comes from
    #[arg(long, value_enum, default_value = "determinate")]
    from: From,
}

impl Nix {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let there = cx.nix_at_hand().cloned();
        let own = there.as_ref().is_some_and(|it| matches!(it.origin, Origin::Private(_)));
        if let Some(nix) = there.filter(|_| !own || self.from == From::Private) {
            return Ok(report(Applied::Nothing, true, format!("{nix} is good")));
        }
        match self.from {
            From::Private => debian(cx),
            From::Distribution => distribution(cx),
            From::Determinate => determinate(cx),
        }
    }
}

fn debian(cx: &mut Context) -> anyhow::Result<Report> {
    if cx.globals.dry_run {
        return Ok(report(
            Applied::Shown,
            true,
            "would fetch Nix from Debian into your cache directory, without root",
        ));
    }
    let suite = match cx.host.env("XTASK_PRIVATE_NIX") {
        Some("off") => bail!("XTASK_PRIVATE_NIX=off forbids our own Nix: unset it, or take another one"),
        Some("sid") => Suite::Sid,
        _ => Suite::Trixie,
    };
    let ui = &cx.ui;
    let nix = private::ensure(&cx.host, suite, &mut |notice| match notice {
        Notice::Status(text) => ui.status(&text),
        Notice::Warning(text) => ui.warning(&text),
    })?;
    Ok(report(Applied::Done, true, format!("{nix} is ready")))
}

/// Debian and its like, and Arch: elsewhere the package is too old or makes no daemon.
fn distribution(cx: &mut Context) -> anyhow::Result<Report> {
    let mut set = Changeset::new("install the distribution's Nix");
    if cx.host.which("apt-get").is_some() {
        let minimum: Version = cx.workspace.manifest.nix.minimum.parse()?;
        let told = xshell::cmd!(cx.sh, "apt-cache policy nix-bin").env("LC_ALL", "C").quiet().read();
        let candidate = candidate(&told.context("cannot ask apt for its version of Nix")?);
        match candidate {
            Some(it) if it >= minimum => {}
            Some(it) => bail!(
                "this distribution's Nix is {it}, and this workspace needs {minimum} or newer; take another: \
                 `cargo xtask setup nix --from private` (no root) or `--from determinate`"
            ),
            None => bail!("this distribution has no package `nix-bin`; take another: `--from determinate`"),
        }
        set.run_as_root(words("apt-get install --yes nix-setup-systemd"));
    } else if cx.host.which("pacman").is_some() {
        set.run_as_root(words("pacman --sync --needed --noconfirm nix"));
        set.run_as_root(words("systemctl enable --now nix-daemon.service"));
    } else {
        bail!(
            "no package of Nix is known for this distribution; take another: `--from determinate` or `--from private`"
        );
    }
    let applied = set.apply(cx)?;
    if applied != Applied::Done {
        return Ok(report(applied, true, ""));
    }
    let program = cx.host.which("nix").context("the package is installed, and there is no `nix` on PATH")?;
    prove(cx, &program)
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// The version that apt would install: `  Candidate: 2.26.3+dfsg-1+b2`.
fn candidate(policy: &str) -> Option<Version> {
    let line = policy.lines().find_map(|it| it.trim().strip_prefix("Candidate:"))?;
    let numbers: String = line.trim().chars().take_while(|it| it.is_ascii_digit() || *it == '.').collect();
    numbers.parse().ok()
}

fn determinate(cx: &mut Context) -> anyhow::Result<Report> {
    let system = cx.system().to_string();
    let Some(installer) = cx.workspace.manifest.setup.installer.clone() else {
        bail!("{}", unpinned(&system));
    };
    let wanted = pinned(&installer, &system)?.to_owned();
    let url = installer.url_for(&system);
    let file = cx.host.cache_dir()?.join(format!("installer/nix-installer-{}-{system}", installer.version));
    let root = unix::unistd::geteuid().is_root();
    let run: Vec<String> = if root { &[][..] } else { &["sudo"] }
        .iter()
        .copied()
        .chain([file.as_str(), "install", "--no-confirm"])
        .map(str::to_owned)
        .collect();
    let download: Vec<String> =
        ["--proto", "=https,file", "--tlsv1.2", "--fail", "--location", "--silent", "--show-error"]
            .into_iter()
            .chain(["--output", file.as_str(), &url])
            .map(str::to_owned)
            .collect();
    if cx.globals.dry_run {
        cx.ui.planned(&CommandLine("curl", &download));
        cx.ui.planned_script(&format!("echo '{wanted}  {file}' | sha256sum --check"));
        cx.ui.planned(&CommandLine(&run[0], &run[1..]));
        return Ok(report(Applied::Shown, true, ""));
    }
    fetch(cx, &file, &download, &wanted)?;
    let question = format!(
        "The installer {} is verified. It makes /nix, users for builds and a daemon, and runs as root:\n{}\nRun it?",
        installer.version,
        CommandLine(&run[0], &run[1..])
    );
    if !cx.confirm(&question)? {
        return Ok(report(
            Applied::Refused,
            false,
            format!("nothing was installed; the installer is `{file}`"),
        ));
    }
    let (program, dir) = (which(cx, &run[0])?, cx.host.cwd.clone());
    let command = Command { program: &program, args: &run[1..], dir: &dir, env: &cx.host.env, input: &[] };
    let ui = &cx.ui;
    let exit = process::run(&command, &cx.interrupt, &mut |event| {
        if let Event::Plain(line) = event {
            ui.status(line);
        }
    })?;
    exit.stdout.lines().for_each(|it| ui.status(it));
    if !exit.success() {
        bail!("the installer failed; what it did it takes back by: sudo /nix/nix-installer uninstall");
    }
    let program = cx.host.path(PROGRAM);
    prove(cx, &program)
}

fn which(cx: &Context, program: &str) -> anyhow::Result<Utf8PathBuf> {
    if program.contains('/') {
        return Ok(program.into());
    }
    cx.host.which(program).with_context(|| format!("there is no `{program}` on PATH"))
}

/// Downloads the installer unless it is there, and verifies it in any case.
fn fetch(cx: &mut Context, file: &Utf8Path, download: &[String], wanted: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if sha256(file).is_ok_and(|it| it == wanted) {
        return Ok(());
    }
    if cx.globals.offline {
        bail!("the installer is not here yet, and `--offline` forbids to download it");
    }
    if let Some(dir) = file.parent() {
        create_dir(dir)?;
    }
    let curl = Tool::on_path(cx, "curl").context("there is no `curl` on PATH: install it")?;
    let done = curl.run(cx, download)?;
    if !done.exit.success() {
        bail!(
            "cannot download the installer: {}\n  look at the network and try again, or take a Nix that needs no installer: \
             `cargo xtask setup nix --from private`",
            done.why()
        );
    }
    let got = sha256(file)?;
    if got != wanted {
        drop(std::fs::remove_file(file));
        bail!(
            "the installer is not the one that xtask.toml names, and was deleted\n  wanted {wanted}\n  got    {got}\n\
             find out why before you change [setup.installer]"
        );
    }
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make `{file}` executable"))
}

fn sha256(file: &Utf8Path) -> anyhow::Result<String> {
    let mut reader = std::fs::File::open(file).with_context(|| format!("cannot read `{file}`"))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer).with_context(|| format!("cannot read `{file}`"))? {
            0 => return Ok(hex(&hash.finalize())),
            size => hash.update(&buffer[..size]),
        }
    }
}

/// The hash for this system, if it is one.
fn pinned<'a>(installer: &'a InstallerSettings, system: &str) -> anyhow::Result<&'a str> {
    let Some(hash) = installer.sha256.get(system) else {
        bail!("xtask.toml: [setup.installer.sha256] has no hash for {system}");
    };
    if hash.len() != 64 || !hash.bytes().all(|it| it.is_ascii_hexdigit() && !it.is_ascii_uppercase()) {
        bail!("xtask.toml: [setup.installer.sha256] {system} is no SHA-256: 64 digits of 0-9a-f");
    }
    Ok(hash)
}

fn unpinned(system: &str) -> String {
    format!(
        "xtask.toml pins no installer, and what runs as root must be pinned. Choose a release of \
         https://github.com/DeterminateSystems/nix-installer, compute the SHA-256 of its nix-installer-{system}, and write\n\n\
         [setup.installer]\nversion = \"v…\"\nsha256.{system} = \"…\"\n\n\
         without it: `cargo xtask setup nix --from private` (Debian and its like, no root) or `--from distribution`"
    )
}

/// It is installed when it answers.
fn prove(cx: &mut Context, program: &Utf8Path) -> anyhow::Result<Report> {
    let (flavour, version) = known::version(&cx.host, program).context("the new Nix does not answer")?;
    let note =
        format!("{flavour} {version} is installed; open a new shell, then look at it: cargo xtask doctor");
    Ok(report(Applied::Done, true, note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_install() {
        let policy = "nix-bin:\n  Installed: (none)\n  Candidate: 2.8.0+dfsg1-3\n  Version table:\n";
        assert_eq!(candidate(policy), Some(Version::new(2, 8, 0)));
        assert_eq!(candidate("nix-bin:\n  Candidate: (none)\n"), None);
        assert_eq!(candidate(""), None);
    }

    #[test]
    fn only_a_whole_hash_will_do() {
        let installer = |hash: &str| InstallerSettings {
            version: "v1".to_owned(),
            url: "https://x/{version}/{system}".to_owned(),
            sha256: [("x86_64-linux".to_owned(), hash.to_owned())].into(),
        };
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(pinned(&installer(&good), "x86_64-linux").unwrap(), good);
        assert!(pinned(&installer(&good), "aarch64-darwin").is_err());
        for bad in ["", "sha256-abc=", &good[1..], &good.to_uppercase()] {
            assert!(pinned(&installer(bad), "x86_64-linux").is_err(), "{bad}");
        }
        assert_eq!(installer("").url_for("s"), "https://x/v1/s");
    }
}
