//! A private apt: its own lists, status and archives, the host's mirror and Debian's keys. It needs no root.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Shell, cmd};

use crate::host::Host;
use crate::nix::Suite;
use crate::nix::mirror;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What `nix-bin` depends on but the program `nix` does not use. Declared installed, they and all they pull in
/// (perl, PAM, …) are not downloaded: 24 MB instead of 38. What `nix` does use is proven by starting it.
const NOT_USED: [&str; 12] = [
    "base-passwd",
    "bzip2",
    "curl",
    "debconf",
    "debianutils",
    "libdbd-sqlite3-perl",
    "libpam0g",
    "libwww-curl-perl",
    "passwd",
    "perl",
    "perl-base",
    "xz-utils",
];

/// A private apt in a directory of its own.
#[derive(Debug)]
pub struct Apt<'a> {
    host: &'a Host,
    suite: Suite,
    dir: Utf8PathBuf,
    arch: &'static str,
}

impl<'a> Apt<'a> {
    /// An apt whose every file is below `dir`.
    ///
    /// # Errors
    /// When Debian has no Nix for this machine or its keys are not installed.
    pub fn new(host: &'a Host, suite: Suite, dir: Utf8PathBuf) -> anyhow::Result<Apt<'a>> {
        let arch = match host.arch.as_str() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => bail!("our own Nix exists for x86_64 and aarch64, not for {other}"),
        };
        let keyring = host.path(KEYRING);
        if !keyring.exists() {
            bail!(
                "cannot verify Debian's packages: `{keyring}` is missing; install it with \
                 `apt-get install debian-archive-keyring`"
            );
        }
        Ok(Apt { host, suite, dir, arch })
    }

    /// Fetches and verifies the package lists from the first mirror that has them; returns that mirror.
    ///
    /// # Errors
    /// When no mirror has lists that Debian signed and that are still valid.
    pub fn update(&self, mirrors: &[String]) -> anyhow::Result<String> {
        let acquire = mirror::acquire(self.host)?;
        let mut failed = Vec::new();
        for mirror in mirrors {
            self.configure(mirror, &acquire)?;
            // `any`: an unreachable mirror is an error, not a warning. Without `Generate=false` apt would parse the
            // lists twice: now and when it downloads.
            let options = ["-o", "APT::Update::Error-Mode=any", "-o", "pkgCacheFile::Generate=false"];
            match self.run("apt-get", &[&["update", "-qq"][..], &options].concat()) {
                Ok(_) => return Ok(mirror.clone()),
                Err(err) => {
                    failed.push(explain_update(&format!("{err:#}"), self.suite, &mirror::shown(mirror)));
                }
            }
        }
        bail!("{}", failed.join("\nand "))
    }

    /// Downloads packages and what they depend on; returns the files.
    ///
    /// # Errors
    /// When a package does not exist or a download fails.
    pub fn download(&self, packages: &[&str]) -> anyhow::Result<BTreeSet<Utf8PathBuf>> {
        let args = [&["install", "-qq", "-y", "--download-only"][..], packages].concat();
        self.run("apt-get", &args).context("cannot download Debian's packages of Nix")?;
        let files = self.archives().read_dir_utf8()?.collect::<Result<Vec<_>, _>>()?;
        Ok(files
            .into_iter()
            .map(|it| it.path().to_owned())
            .filter(|it| it.extension() == Some("deb"))
            .collect())
    }

    /// What the signed lists say about packages: `apt-cache show`, one stanza for each version.
    ///
    /// # Errors
    /// When a package is not in the lists.
    pub fn show(&self, packages: &BTreeSet<String>) -> anyhow::Result<String> {
        let mut args = vec!["show"];
        args.extend(packages.iter().map(String::as_str));
        self.run("apt-cache", &args).context("cannot read Debian's package lists")
    }

    /// Where downloaded packages are.
    #[must_use]
    pub fn archives(&self) -> Utf8PathBuf {
        self.dir.join("cache/archives")
    }

    fn configure(&self, mirror: &str, acquire: &str) -> anyhow::Result<()> {
        let Apt { host, suite, dir, arch } = self;
        let _ = std::fs::remove_dir_all(dir);
        // apt warns about directories that are missing, even empty ones.
        for it in ["etc/preferences.d", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(dir.join(it)).with_context(|| format!("cannot create `{dir}/{it}`"))?;
        }
        let keyring = host.path(KEYRING);
        let source = format!("deb [arch={arch} signed-by={keyring}] {mirror} {suite} main\n");
        let passwords = mirror::passwords(host);
        // `Acquire` comes from the host; what follows it is ours and wins.
        let config = format!(
            r#"{acquire}{passwords}Acquire::Languages "none";
Dir "/";
Dir::Etc "{dir}/etc";
Dir::Etc::sourcelist "{dir}/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "{dir}/etc/preferences.d";
Dir::State "{dir}/state";
Dir::State::status "{dir}/status";
Dir::Cache "{dir}/cache";
Dir::Cache::srcpkgcache "";
Dir::Log "{dir}";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
Debug::NoLocking "true";
"#
        );
        for (name, text) in [("etc/sources.list", source), ("apt.conf", config), ("status", installed(arch))]
        {
            std::fs::write(dir.join(name), text).with_context(|| format!("cannot write `{dir}/{name}`"))?;
        }
        Ok(())
    }

    fn run(&self, program: &str, args: &[&str]) -> anyhow::Result<String> {
        let sh = Shell::new()?;
        // When we are killed, apt must not go on writing into a directory that the next run removes.
        let cmd = if let Some(setpriv) = self.host.which("setpriv") {
            cmd!(sh, "{setpriv} --pdeathsig KILL {program} {args...}")
        } else {
            cmd!(sh, "{program} {args...}")
        };
        let cmd =
            cmd.env_clear().envs(&self.host.env).env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        let cmd = cmd.env("APT_CONFIG", self.dir.join("apt.conf")).quiet().ignore_status();
        let output = cmd.output().with_context(|| format!("cannot run `{program}`"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        let mut lines: Vec<&str> =
            stderr.lines().filter(|it| it.starts_with("E: ") || it.contains("NO_PUBKEY")).collect();
        if lines.is_empty() {
            lines = stderr.lines().filter(|it| !it.trim().is_empty()).collect();
        }
        bail!("`{program} {}` failed ({}): {}", args[0], output.status, lines.join("; "))
    }
}

/// The status file that declares installed what is not used.
fn installed(arch: &str) -> String {
    let stanza = |name: &&str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: 99:9\nArchitecture: {arch}\n\
             Multi-Arch: allowed\nMaintainer: nobody\nDescription: not used by the program nix\n\n"
        )
    };
    NOT_USED.iter().map(stanza).collect()
}

/// Says what a failed `apt-get update` means and what to do.
fn explain_update(err: &str, suite: Suite, mirror: &str) -> String {
    if err.contains("is not valid yet") {
        return format!(
            "this machine's clock is behind: the Release file of Debian {suite} on {mirror} is of a later day: {err}"
        );
    }
    if err.contains("is expired") {
        return format!(
            "the Release file of Debian {suite} on {mirror} is out of date (a frozen mirror, or a wrong clock?): {err}\n\
             to use it all the same: echo 'Acquire::Check-Valid-Until \"false\";' > ~/frozen.conf && \
             APT_CONFIG=~/frozen.conf cargo xtask …"
        );
    }
    if err.contains("does not have a Release file") || err.contains("404  Not Found") {
        return format!("{mirror} has no Debian {suite}: {err}");
    }
    // A mirror that cannot be reached is also called unsigned.
    if err.contains("NO_PUBKEY") || err.contains("is not signed") && !err.contains("Failed to fetch") {
        return format!(
            "the Release file of Debian {suite} on {mirror} is not signed by a key in `{KEYRING}`: {err}\n\
             if the keyring is old: apt-get install --only-upgrade debian-archive-keyring"
        );
    }
    format!(
        "cannot read the package lists of Debian {suite} from {mirror}: {err}\nsee whether `apt-get update` works here"
    )
}

/// The package's name in the name of a downloaded file: `libattr1_1%3a2.5.2-3_amd64.deb`.
#[must_use]
pub fn package_of(file: &Utf8Path) -> String {
    file.file_name().unwrap_or_default().split('_').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_release_names_the_command_to_go_on() {
        let err = "`apt-get update` failed (exit status: 100): E: Release file for http://m.example/debian/dists/sid/\
                   InRelease is expired (invalid since 16d). Updates for this repository will not be applied.";
        let said = explain_update(err, Suite::Sid, "http://m.example/debian");
        assert!(
            said.starts_with("the Release file of Debian sid on http://m.example/debian is out of date"),
            "{said}"
        );
        assert!(said.ends_with("APT_CONFIG=~/frozen.conf cargo xtask …"), "{said}");
    }

    #[test]
    fn other_architectures_and_a_missing_keyring_are_named() {
        let mut host = Host::current().unwrap();
        host.root = "/nonexistent".into();
        host.arch = "x86_64".to_owned();
        let err = Apt::new(&host, Suite::Trixie, "/tmp/x".into()).unwrap_err().to_string();
        assert!(err.ends_with("install it with `apt-get install debian-archive-keyring`"), "{err}");
        host.arch = "riscv64".to_owned();
        let err = Apt::new(&host, Suite::Trixie, "/tmp/x".into()).unwrap_err().to_string();
        assert_eq!(err, "our own Nix exists for x86_64 and aarch64, not for riscv64");
    }
}
