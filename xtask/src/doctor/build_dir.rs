//! Where Nix builds: by its settings, its version and the environment of its daemon.

use camino::Utf8PathBuf;

use crate::host::{Host, Os};
use crate::installation::daemon_environment;
use crate::nix::{Flavour, Nix, Version};
use crate::nix_conf::Conf;

/// The effective build directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildDir {
    pub path: Utf8PathBuf,
    /// Who says so.
    pub because: String,
}

/// Until 2.30 (Lix: 2.93) the directory was `$TMPDIR` of the daemon; since then it is beside the store.
#[must_use]
pub(super) fn effective(host: &Host, nix: Option<&Nix>, machine: &Conf) -> BuildDir {
    if let Some(it) = machine.last("build-dir").filter(|it| !it.words.is_empty()) {
        return BuildDir { path: it.words.join(" ").into(), because: format!("build-dir in {}", it.place) };
    }
    let root = nix.and_then(|it| it.store_root.clone());
    let beside = match nix {
        Some(nix) if nix.flavour == Flavour::Lix => nix.version >= Version::new(2, 93, 0),
        Some(nix) => nix.version >= Version::new(2, 30, 0),
        None => true,
    };
    let version = nix.map_or_else(String::new, |it| format!("{} {}", it.flavour, it.version));
    if beside {
        let path = root.unwrap_or_else(|| Utf8PathBuf::from("/")).join("nix/var/nix/builds");
        return BuildDir { path, because: format!("the default of {version}") };
    }
    // Without a daemon it is the user's own environment that counts.
    let (place, value) = match root {
        Some(_) => ("TMPDIR", host.env("TMPDIR").map(str::to_owned)),
        None => ("TMPDIR of the daemon", daemon_environment(host, "TMPDIR")),
    };
    let tmp = if host.os == Os::MacOs { "/private/tmp" } else { "/tmp" };
    let because = if value.is_some() { place.to_owned() } else { format!("the default of {version}") };
    BuildDir { path: value.unwrap_or_else(|| tmp.to_owned()).into(), because }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::machines::Machine;
    use crate::nix::Origin;
    use crate::nix_conf::SYSTEM;

    fn check(machine: &Machine, flavour: Flavour, version: &str, root: Option<&str>, want: &str) {
        let nix = Nix {
            program: "/usr/bin/nix".into(),
            version: version.parse().unwrap(),
            flavour,
            origin: Origin::Path,
            store_root: root.map(Utf8PathBuf::from),
        };
        let conf = Conf::system(&machine.host, SYSTEM);
        let dir = effective(&machine.host, Some(&nix), &conf);
        assert_eq!(format!("{} ({})", dir.path, dir.because), want);
    }

    #[test]
    fn by_version_flavour_environment_and_settings() {
        let machine = Machine::linux();
        let upstream = |version: &str, want: &str| check(&machine, Flavour::Upstream, version, None, want);
        upstream("2.29.1", "/tmp (the default of Nix 2.29.1)");
        upstream("2.30.0", "/nix/var/nix/builds (the default of Nix 2.30.0)");
        check(&machine, Flavour::Lix, "2.92.0", None, "/tmp (the default of Lix 2.92.0)");
        check(&machine, Flavour::Lix, "2.93.0", None, "/nix/var/nix/builds (the default of Lix 2.93.0)");
        let own = Some("/home/u/s");
        check(
            &machine,
            Flavour::Upstream,
            "2.34.8",
            own,
            "/home/u/s/nix/var/nix/builds (the default of Nix 2.34.8)",
        );
        let unit = "/etc/systemd/system/nix-daemon.service";
        machine.put(unit, "[Service]\nEnvironment=\"A=b\" TMPDIR=/old\n");
        upstream("2.26.3", "/old (TMPDIR of the daemon)");
        machine.put(&format!("{unit}.d/override.conf"), "[Service]\nEnvironment=TMPDIR=/big\n");
        upstream("2.26.3", "/big (TMPDIR of the daemon)");
        machine.put(SYSTEM, "build-dir = /disk\n");
        upstream("2.26.3", "/disk (build-dir in /etc/nix/nix.conf:1)");
        upstream("2.34.8", "/disk (build-dir in /etc/nix/nix.conf:1)");
    }

    #[test]
    fn a_mac_says_it_in_its_plist() {
        let machine = Machine::mac_determinate();
        check(&machine, Flavour::Upstream, "2.28.0", None, "/private/tmp (the default of Nix 2.28.0)");
        let plist = "<key>EnvironmentVariables</key>\n<dict>\n<key>TMPDIR</key>\n<string>/Volumes/b</string>\n</dict>\n";
        machine.put("/Library/LaunchDaemons/systems.determinate.nix-daemon.plist", plist);
        check(&machine, Flavour::Upstream, "2.28.0", None, "/Volumes/b (TMPDIR of the daemon)");
    }
}
