//! `aleph-installer`, which erases the board's disk: as far as it goes before that.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use camino::Utf8Path;

use crate::disk::{LoopDevice, no_disks};
use crate::pack;
use crate::support::Sandbox;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../aleph/pkgs/scripts/aleph-installer.sh");

/// Whatever the disk is called, and however what is on it is used.
#[test]
fn a_disk_in_use_is_not_erased() {
    if no_disks(&["mke2fs", "lsblk", "bash"]) {
        return;
    }
    let sandbox = Sandbox::without_nix();
    let device = LoopDevice::new(&sandbox.temp().join("disk"), 16 << 20);
    pack("mke2fs", &["-q"], Utf8Path::new(&device.path));
    let settings = sandbox.temp().join("etc/aleph-installer");
    fs::create_dir_all(&settings).unwrap();
    symlink("/", settings.join("system")).unwrap();
    fs::write(settings.join("root-uuid"), "").unwrap();
    let link = sandbox.temp().join("by-id");
    symlink(&device.path, &link).unwrap();
    for disk in [device.path.as_str(), link.as_str()] {
        fs::write(settings.join("disk"), format!("{disk}\n")).unwrap();
        let script = "mount --bind \"$0\" /etc && mount \"$1\" /mnt && exec bash -euo pipefail \"$2\" --yes";
        let etc = sandbox.temp().join("etc");
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-ec",
            script,
            etc.as_str(),
            &device.path,
        ]);
        let run = sandbox.told(command.arg(SCRIPT).stdin(Stdio::null()).output().unwrap()).bad();
        drop(run.says(&format!("aleph-installer: {} is in use (/mnt); start from the stick", device.path)));
    }
}
