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
