//! What the image is made of: files out of Debian's packages, fetched and verified by the product's own code, once.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Shell, cmd};
use xtask::host::Host;
use xtask::nix::apt::{Apt, package_of};
use xtask::nix::deb::{self, Index};
use xtask::nix::{Suite, mirror};

use crate::support::cache;

/// To be raised when what is made here changes.
const VERSION: &str = "1";
/// For the machine that builds; `libc6` has FAT's code page as well.
const TOOLS: [&str; 8] =
    ["busybox-static", "cpio", "dosfstools", "e2fsprogs", "fdisk", "libc6", "mtools", "zstd"];
/// For the image.
const IMAGE: [&str; 3] = ["busybox-static", "linux-image-arm64", "systemd-boot-efi"];
const MODULES: [&str; 7] =
    ["virtio_blk", "crc16", "crc32c_generic", "crc32c-cryptoapi", "mbcache", "jbd2", "ext4"];

/// The directory with the parts; made where it is not there yet.
pub(crate) fn parts() -> Utf8PathBuf {
    static MADE: OnceLock<Utf8PathBuf> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let dir = Utf8PathBuf::from(format!("{}/boot-parts-{VERSION}", cache()));
        if !dir.exists() {
            let draft = Utf8PathBuf::from(format!("{dir}.{}.tmp", std::process::id()));
            make(&draft);
            fs::rename(&draft, &dir).unwrap();
        }
        dir
    });
    made.clone()
}

fn make(draft: &Utf8Path) {
    let sh = Shell::new().unwrap();
    let (own, arm) = (Utf8PathBuf::from(format!("{draft}.own")), Utf8PathBuf::from(format!("{draft}.arm64")));
    fetch(std::env::consts::ARCH, &TOOLS, &own);
    fetch("aarch64", &IMAGE, &arm);

    for (root, name) in [(&own, "busybox"), (&arm, "busybox-arm64")] {
        let bin = draft.join(name).join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::copy(find(root, "busybox"), bin.join("busybox")).unwrap();
    }
    let kernel = draft.join("kernel");
    fs::create_dir_all(kernel.join("modules")).unwrap();
    fs::copy(find(&arm, "vmlinuz-"), kernel.join("vmlinuz")).unwrap();
    fs::copy(find(&arm, "systemd-bootaa64.efi"), kernel.join("systemd-bootaa64.efi")).unwrap();
    for module in MODULES {
        let found = cmd!(sh, "find {arm} -name {module}.ko*").read().unwrap();
        for file in found.lines() {
            let name = Utf8Path::new(file).file_name().unwrap();
            fs::copy(file, kernel.join("modules").join(name)).unwrap();
        }
    }
    // What is left of the tools are programs and libraries.
    for dir in ["usr/share", "usr/include", "etc", "var"] {
        drop(fs::remove_dir_all(own.join(dir)));
    }
    fs::rename(&own, draft.join("tools")).unwrap();
    fs::remove_dir_all(&arm).unwrap();
}

/// Unpacks packages for an architecture, each checked against what Debian signed.
fn fetch(arch: &str, packages: &[&str], root: &Utf8Path) {
    let mut host = Host::current().unwrap();
    let mirrors = mirror::mirrors(&host).unwrap();
    arch.clone_into(&mut host.arch);
    let scratch = Utf8PathBuf::from(format!("{root}.apt"));
    let apt = Apt::new(&host, Suite::Trixie, scratch.clone()).unwrap();
    apt.update(&mirrors).unwrap();
    let files = apt.download(packages).unwrap();
    // The kernel's package wants what makes an initial ram disk; ours is made by hand.
    let wanted = |it: &&Utf8PathBuf| {
        let name = package_of(it);
        arch != "aarch64" || IMAGE.contains(&name.as_str()) || name.starts_with("linux-image-")
    };
    let files: BTreeSet<Utf8PathBuf> = files.iter().filter(wanted).cloned().collect();
    let index = Index::parse(&apt.show(&files.iter().map(|it| package_of(it)).collect()).unwrap());
    deb::unpack(&index, &files, root).unwrap();
    fs::remove_dir_all(scratch).unwrap();
}

/// The one file whose name begins so.
fn find(root: &Utf8Path, name: &str) -> Utf8PathBuf {
    let sh = Shell::new().unwrap();
    let found = cmd!(sh, "find {root} -type f -name {name}*").read().unwrap();
    let mut files: Vec<&str> = found.lines().filter(|it| !it.contains("/share/")).collect();
    files.sort_unstable();
    assert!(!files.is_empty(), "there is no {name} in {root}");
    Utf8PathBuf::from(files[0])
}
