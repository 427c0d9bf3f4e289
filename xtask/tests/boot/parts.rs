//! What the image is made of: files out of Debian's packages, once.

use std::fs;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};

use crate::debian::{all, cached, find, unpack};

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
    MADE.get_or_init(|| cached(&format!("boot-parts-{VERSION}"), make)).clone()
}

fn make(draft: &Utf8Path) {
    let (own, arm) = (Utf8PathBuf::from(format!("{draft}.own")), Utf8PathBuf::from(format!("{draft}.arm64")));
    unpack(std::env::consts::ARCH, &TOOLS, &|_| true, &own);
    // The kernel's package wants what makes an initial ram disk; ours is made by hand.
    unpack("aarch64", &IMAGE, &|it| IMAGE.contains(&it) || it.starts_with("linux-image-"), &arm);

    for (root, name) in [(&own, "busybox"), (&arm, "busybox-arm64")] {
        let bin = draft.join(name).join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::copy(find(root, "busybox"), bin.join("busybox")).unwrap();
    }
    let kernel = draft.join("kernel");
    fs::create_dir_all(kernel.join("modules")).unwrap();
    fs::copy(find(&arm, "vmlinuz-"), kernel.join("vmlinuz")).unwrap();
    fs::copy(find(&arm, "systemd-bootaa64.efi"), kernel.join("systemd-bootaa64.efi")).unwrap();
    for file in MODULES.iter().flat_map(|it| all(&arm, &format!("{it}.ko"))) {
        fs::copy(&file, kernel.join("modules").join(file.file_name().unwrap())).unwrap();
    }
    // What is left of the tools are programs and libraries.
    for dir in ["usr/share", "usr/include", "etc", "var"] {
        drop(fs::remove_dir_all(own.join(dir)));
    }
    fs::rename(&own, draft.join("tools")).unwrap();
    fs::remove_dir_all(&arm).unwrap();
}
