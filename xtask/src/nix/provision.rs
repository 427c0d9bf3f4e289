//! Makes a private Nix in a scratch directory: download, check, unpack, patch, configure, prove.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Shell, cmd};

use crate::host::Host;
use crate::nix::apt::{self, Apt};
use crate::nix::deb::{self, Index};
use crate::nix::discover::Notice;
use crate::nix::private::Place;
use crate::nix::{Flavour, Version, mirror};

/// `bash-static` is `/bin/sh` of the sandbox.
const PACKAGES: [&str; 3] = ["nix-bin", "bash-static", "patchelf"];

/// The Nix in a finished scratch directory.
#[derive(Debug)]
pub struct Made {
    pub version: Version,
    pub flavour: Flavour,
}

/// Makes the Nix of `place` in `scratch`, as it must be once `scratch` is renamed to `place.dir`.
///
/// # Errors
/// When anything is not as it must be; `scratch` is then worthless.
pub fn make(
    host: &Host,
    place: &Place,
    scratch: &Utf8Path,
    say: &mut dyn FnMut(Notice),
) -> anyhow::Result<Made> {
    let start = Instant::now();
    let mut tell = |text: String| say(Notice::Status(text));
    let mirrors = mirror::mirrors(host)?;
    let apt = Apt::new(host, place.suite, scratch.join("apt"))?;
    tell(format!("getting our own Nix from Debian {} into {} (no root needed)", place.suite, place.dir));
    let mirror = apt.update(&mirrors)?;
    tell(format!("package lists of {} read and verified in {}", mirror::shown(&mirror), seconds(start)));

    let step = Instant::now();
    let files = apt.download(&PACKAGES)?;
    let bytes: u64 = files.iter().filter_map(|it| it.metadata().ok()).map(|it| it.len()).sum();
    tell(format!("{} packages, {}, downloaded in {}", files.len(), megabytes(bytes), seconds(step)));

    let step = Instant::now();
    let index = Index::parse(&apt.show(&files.iter().map(|it| apt::package_of(it)).collect())?);
    let tree = Tree::new(host, scratch.join("root"))?;
    deb::unpack(&index, &files, &tree.root)?;
    tell(format!("checked against Debian's signed list and unpacked in {}", seconds(step)));

    tree.patch(place)?;
    write_configuration(place, scratch)?;
    let (flavour, version) = tree.prove()?;
    std::fs::remove_dir_all(scratch.join("apt"))?;
    tell(format!("{flavour} {version} is ready after {}", seconds(start)));
    Ok(Made { version, flavour })
}

/// Unpacked Debian packages.
struct Tree {
    root: Utf8PathBuf,
    /// Below `root` and below the final one: where libraries are, and the loader among them.
    libs: &'static str,
    loader: &'static str,
}

impl Tree {
    fn new(host: &Host, root: Utf8PathBuf) -> anyhow::Result<Tree> {
        let (libs, loader) = match host.arch.as_str() {
            "x86_64" => ("usr/lib/x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
            "aarch64" => ("usr/lib/aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
            other => bail!("our own Nix exists for x86_64 and aarch64, not for {other}"),
        };
        Ok(Tree { root, libs, loader })
    }

    /// Runs an unpacked program with the unpacked loader and libraries: neither the host's nor, yet, its own.
    fn run(&self, loader_args: &[&str], program: &str, args: &[&str]) -> anyhow::Result<String> {
        let libs = self.root.join(self.libs);
        let (loader, file) = (libs.join(self.loader), self.root.join("usr/bin").join(program));
        let sh = Shell::new()?;
        let cmd =
            cmd!(sh, "{loader} --library-path {libs} {loader_args...} {file} {args...}").env("LC_ALL", "C");
        let output =
            cmd.quiet().ignore_status().output().with_context(|| format!("cannot run `{loader}`"))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("the unpacked `{program}` failed ({}): {}", output.status, stderr.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Makes `nix` independent of the host's loader and libraries, for the place where it will be.
    fn patch(&self, place: &Place) -> anyhow::Result<()> {
        let interpreter = place.dir.join("root").join(self.libs).join(self.loader);
        let depth = self.libs.trim_start_matches("usr/");
        // DT_RPATH, not DT_RUNPATH: it also holds for the libraries' own libraries, and before LD_LIBRARY_PATH.
        let rpath = format!("$ORIGIN/../{depth}");
        let nix = self.root.join("usr/bin/nix");
        let args =
            ["--set-interpreter", interpreter.as_str(), "--set-rpath", &rpath, "--force-rpath", nix.as_str()];
        self.run(&[], "patchelf", &args).context("cannot patch Nix for its place")?;
        Ok(())
    }

    /// Starts the new Nix, and makes sure that none of its libraries is the host's.
    fn prove(&self) -> anyhow::Result<(Flavour, Version)> {
        let listed = self.run(&["--list"], "nix", &[]).context("cannot list the libraries of the new Nix")?;
        let foreign = foreign_libraries(&listed, &self.root);
        if !foreign.is_empty() {
            bail!("the new Nix is not complete, it would use the host's {}", foreign.join(", "));
        }
        let said = self.run(&[], "nix", &["--version"]).context("the new Nix does not start")?;
        Version::from_banner(&said).with_context(|| format!("the new Nix does not answer like Nix: {said}"))
    }
}

/// Libraries in what the loader lists that are missing or not below `root`.
fn foreign_libraries<'a>(listed: &'a str, root: &Utf8Path) -> Vec<&'a str> {
    let found = listed.lines().filter_map(|it| it.trim().split_once(" => "));
    found.filter(|(_, file)| !file.starts_with(root.as_str())).map(|(name, _)| name).collect()
}

fn write_configuration(place: &Place, scratch: &Utf8Path) -> anyhow::Result<()> {
    let Place { dir, store, .. } = place;
    let bash = dir.join("root/usr/bin/bash-static");
    // `sandbox-fallback`: a sandbox that cannot be made must be an error, not a build with the host's files.
    let conf = format!(
        "# Written by cargo xtask; made anew with the rest of this directory when it is removed.\n\
         experimental-features = nix-command flakes\n\
         build-users-group =\n\
         max-jobs = auto\n\
         sandbox = true\n\
         sandbox-fallback = false\n\
         sandbox-paths = /bin/sh={bash} /bin/bash={bash}\n\
         flake-registry =\n\
         store = {store}\n"
    );
    // Variables that would lead this Nix to another store or configuration. NIX_CONFIG and NIX_SSL_CERT_FILE stay:
    // who sets them means it (access tokens, a company's certificates).
    let wrapper = format!(
        "#!/bin/sh\n\
         # Written by cargo xtask: a private Nix with its own store, for use by hand as well.\n\
         unset NIX_REMOTE NIX_STORE NIX_STORE_DIR NIX_STATE_DIR NIX_LOG_DIR NIX_DATA_DIR NIX_LOCALSTATE_DIR\n\
         unset NIX_DB_DIR NIX_BIN_DIR NIX_DAEMON_SOCKET_PATH NIX_PATH\n\
         export NIX_CONF_DIR='{dir}/conf' NIX_USER_CONF_FILES=\n"
    );
    std::fs::create_dir_all(scratch.join("conf"))?;
    std::fs::create_dir_all(scratch.join("bin"))?;
    std::fs::write(scratch.join("conf/nix.conf"), conf)?;
    for name in ["nix", "nix-store"] {
        let file = scratch.join("bin").join(name);
        std::fs::write(&file, format!("{wrapper}exec '{dir}/root/usr/bin/{name}' \"$@\"\n"))?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_of_the_host_and_a_missing_one_are_foreign() {
        let listed = "\tlinux-vdso.so.1 (0x00007f)\n\
                      \tlibgc.so.1 => /c/new/root/usr/bin/../lib/x86_64-linux-gnu/libgc.so.1 (0x00007f)\n\
                      \tlibpam.so.0 => /lib/x86_64-linux-gnu/libpam.so.0 (0x00007f)\n\
                      \tlibperl.so.5 => not found\n\
                      \t/c/new/root/usr/lib/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(foreign_libraries(listed, Utf8Path::new("/c/new/root")), ["libpam.so.0", "libperl.so.5"]);
    }
}
