//! Files out of Debian's packages, fetched and verified by the product's own code.

use std::collections::BTreeSet;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Shell, cmd};
use xtask::host::Host;
use xtask::nix::apt::{Apt, package_of};
use xtask::nix::deb::{self, Index};
use xtask::nix::{Suite, mirror};

use crate::support::cache;

/// A directory of the tests' cache; made, by rename, where it is not there yet.
pub(crate) fn cached(name: &str, make: impl FnOnce(&Utf8Path)) -> Utf8PathBuf {
    let dir = Utf8PathBuf::from(format!("{}/{name}", cache()));
    if !dir.exists() {
        let draft = Utf8PathBuf::from(format!("{dir}.{}.tmp", std::process::id()));
        make(&draft);
        fs::rename(&draft, &dir).unwrap();
    }
    dir
}

/// Unpacks packages for an architecture, each checked against what Debian signed: those that are `wanted` of the
/// packages and all that they depend on.
pub(crate) fn unpack(arch: &str, packages: &[&str], wanted: &dyn Fn(&str) -> bool, root: &Utf8Path) {
    let mut host = Host::current().unwrap();
    let mirrors = mirror::mirrors(&host).unwrap();
    arch.clone_into(&mut host.arch);
    let scratch = Utf8PathBuf::from(format!("{root}.apt"));
    let apt = Apt::new(&host, Suite::Trixie, scratch.clone()).unwrap();
    apt.update(&mirrors).unwrap();
    let files = apt.download(packages).unwrap();
    let files: BTreeSet<Utf8PathBuf> = files.into_iter().filter(|it| wanted(&package_of(it))).collect();
    let index = Index::parse(&apt.show(&files.iter().map(|it| package_of(it)).collect()).unwrap());
    deb::unpack(&index, &files, root).unwrap();
    fs::remove_dir_all(scratch).unwrap();
}

/// The files whose names begin so.
pub(crate) fn all(root: &Utf8Path, name: &str) -> Vec<Utf8PathBuf> {
    let sh = Shell::new().unwrap();
    let found = cmd!(sh, "find {root} -type f -name {name}*").read().unwrap();
    let mut files: Vec<Utf8PathBuf> =
        found.lines().filter(|it| !it.contains("/share/")).map(Utf8PathBuf::from).collect();
    files.sort_unstable();
    files
}

/// The first of them.
pub(crate) fn find(root: &Utf8Path, name: &str) -> Utf8PathBuf {
    let first = all(root, name).into_iter().next();
    assert!(first.is_some(), "there is no {name} in {root}");
    first.unwrap()
}
