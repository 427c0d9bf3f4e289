//! Which Debian mirror to use: one that this machine's own apt is configured with.

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use xshell::{Shell, cmd};

use crate::host::Host;

/// How to install Nix where we cannot bring our own.
pub const INSTALLER: &str = "cargo xtask setup nix";

/// Names that Debian's archive has releases under; other archives in apt's sources seldom use them.
const RELEASES: [&str; 11] = [
    "stable",
    "testing",
    "sid",
    "unstable",
    "oldstable",
    "oldoldstable",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
];

/// Debian mirrors of this machine's apt, the likeliest first.
///
/// # Errors
/// When this is not a machine with Debian's apt and a Debian mirror.
pub fn mirrors(host: &Host) -> anyhow::Result<Vec<String>> {
    for tool in ["apt-get", "apt-config", "apt-cache", "dpkg-deb"] {
        if host.which(tool).is_none() {
            bail!(
                "our own Nix comes from Debian's packages, and this machine has no `{tool}`\ninstall Nix: {INSTALLER}"
            );
        }
    }
    let sh = Shell::new()?;
    // Not `indextargets`: it knows nothing where the lists were removed, as they are in container images.
    let uris = cmd!(sh, "apt-get update --print-uris").env_clear().envs(&host.env);
    let uris = uris.env("LC_ALL", "C").quiet().ignore_stderr().read();
    let uris = uris.context("apt cannot say which mirrors it uses: try `apt-get update --print-uris`")?;
    let release = std::fs::read_to_string(host.path("/etc/os-release")).unwrap_or_default();
    let sites = choose(&uris, os_release(&release, "VERSION_CODENAME").unwrap_or_default());
    if sites.is_empty() {
        let name = os_release(&release, "PRETTY_NAME").unwrap_or("not Debian");
        bail!(
            "our own Nix comes from a Debian mirror, and this machine's apt has none (the machine is {name})\n\
             install Nix: {INSTALLER}"
        );
    }
    Ok(sites)
}

/// The sites in what `apt-get update --print-uris` prints that can be mirrors of Debian's main archive.
fn choose(uris: &str, codename: &str) -> Vec<String> {
    let mut found: Vec<(bool, bool, &str)> = Vec::new();
    for line in uris.lines() {
        let uri = line.trim_start_matches('\'').split('\'').next().unwrap_or_default();
        let Some((site, (release, file))) =
            uri.rsplit_once("/dists/").and_then(|(site, rest)| Some((site, rest.split_once('/')?)))
        else {
            continue;
        };
        if file.starts_with("main/binary-") && RELEASES.contains(&release) {
            found.push((release != codename, !site.ends_with("/debian"), site));
        }
    }
    found.sort_by_key(|&(other_release, other_name, _)| (other_release, other_name));
    let mut res: Vec<String> = Vec::new();
    for (_, _, site) in found {
        if !res.iter().any(|it| it == site) {
            res.push(site.to_owned());
        }
    }
    res
}

/// A mirror's address for people to read: without a password.
#[must_use]
pub fn shown(mirror: &str) -> String {
    match mirror.split_once("://") {
        Some((scheme, rest)) => {
            format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, it)| it))
        }
        None => mirror.to_owned(),
    }
}

/// A value of `/etc/os-release`.
fn os_release<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = text.lines().find_map(|it| it.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches('"')).filter(|it| !it.is_empty())
}

/// The part of the host's apt configuration that says how to reach a mirror: proxies, certificates, retries, checks.
///
/// # Errors
/// When apt cannot print its configuration.
pub fn acquire(host: &Host) -> anyhow::Result<String> {
    let sh = Shell::new()?;
    let dump = cmd!(sh, "apt-config dump Acquire").env_clear().envs(&host.env).env("LC_ALL", "C").quiet();
    let dump =
        dump.ignore_stderr().read().context("apt cannot print its configuration: try `apt-config dump`")?;
    // These say what to fetch and how to keep it, which is ours to say.
    let ours = ["IndexTargets", "Languages", "GzipIndexes", "Changelogs", "PDiffs"];
    let keep = |line: &&str| {
        let key = line.strip_prefix("Acquire::").unwrap_or_default();
        !key.is_empty() && !ours.iter().any(|it| key.starts_with(it))
    };
    Ok(dump.lines().filter(keep).flat_map(|it| [it, "\n"]).collect())
}

/// Lines for apt about where the host keeps passwords of mirrors, as far as this user may read them.
#[must_use]
pub fn passwords(host: &Host) -> String {
    let mut res = Vec::new();
    let file = host.path("/etc/apt/auth.conf");
    if readable(&file) {
        res.push(format!("Dir::Etc::netrc \"{file}\";\n"));
    }
    let dir = host.path("/etc/apt/auth.conf.d");
    let files = dir.read_dir_utf8().map(|it| it.flatten().collect::<Vec<_>>()).unwrap_or_default();
    if !files.is_empty() && files.iter().all(|it| readable(it.path())) {
        res.push(format!("Dir::Etc::netrcparts \"{dir}\";\n"));
    }
    res.concat()
}

fn readable(file: &Utf8Path) -> bool {
    std::fs::File::open(file).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As apt prints them: first the Release files, then the lists.
    fn uris(sources: &[(&str, &str, &str)]) -> String {
        let line = |it: &(&str, &str, &str)| {
            format!("'{}/dists/{}/{}/binary-amd64/Packages.xz' x 0 \n", it.0, it.1, it.2)
        };
        let first = |it: &(&str, &str, &str)| format!("'{}/dists/{}/InRelease' x 0 \n", it.0, it.1);
        sources.iter().map(first).chain(sources.iter().map(line)).collect()
    }

    #[test]
    fn the_main_archive_of_the_own_release_comes_first() {
        let uris = uris(&[
            ("http://vendor.example/apt", "bookworm", "main"),
            ("http://security.example/debian-security", "bookworm-security", "main"),
            ("http://mirror.example/debian", "bookworm-updates", "main"),
            ("http://mirror.example/debian", "trixie", "main"),
            ("http://other.example/debian", "trixie", "main"),
            ("http://mirror.example/debian", "bookworm", "main"),
            ("http://extra.example/debian", "bookworm", "contrib"),
            ("mirror+file:/etc/apt/mirrors/debian.list", "sid", "main"),
            ("http://vendor.example/tools", "nodistro", "main"),
        ]);
        let expect = [
            "http://mirror.example/debian",
            "http://vendor.example/apt",
            "http://other.example/debian",
            "mirror+file:/etc/apt/mirrors/debian.list",
        ];
        assert_eq!(choose(&uris, "bookworm"), expect);
    }

    #[test]
    fn derivatives_and_machines_without_sources_have_no_debian_mirror() {
        let ubuntu =
            [("http://a.example/ubuntu", "noble", "main"), ("http://a.example/ubuntu", "noble", "universe")];
        assert_eq!(choose(&uris(&ubuntu), "noble"), [""; 0]);
        assert_eq!(choose("", "trixie"), [""; 0]);
        assert_eq!(choose("garbage\n'/dists/'\n'http://flat.example/./Packages.xz' x 0\n", ""), [""; 0]);
    }

    #[test]
    fn a_password_in_a_mirror_is_not_shown() {
        assert_eq!(shown("http://mirror.example/debian"), "http://mirror.example/debian");
        assert_eq!(shown("https://me:secret@mirror.example/debian"), "https://mirror.example/debian");
    }

    #[test]
    fn os_release_is_read_with_and_without_quotes() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nEMPTY=\n";
        assert_eq!(os_release(text, "PRETTY_NAME"), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(os_release(text, "VERSION_CODENAME"), Some("bookworm"));
        assert_eq!(os_release(text, "VERSION"), None);
        assert_eq!(os_release(text, "EMPTY"), None);
    }
}
