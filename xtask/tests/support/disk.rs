//! Disks for tests: loop devices over files that root can make, and such that lie, fail or vanish.
//!
//! The product is never told that it is tested. What makes a loop device look like a stick is a copy of its directory in
//! sysfs, with `removable` and a serial number, mounted over the real one in a mount namespace of the command alone.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use crate::support::wait::wait_for;
use crate::support::{lacks, missing};

/// Whether a test must be left out because this machine lets us make no disks.
pub(crate) fn no_disks(tools: &[&str]) -> bool {
    if !unix::unistd::Uid::effective().is_root() || !Utf8Path::new("/dev/loop-control").exists() {
        missing("root, and loop devices");
        return true;
    }
    tools.iter().chain(&["losetup", "unshare", "sfdisk"]).any(|it| lacks(it))
}

/// A loop device; detached when it goes away.
pub(crate) struct LoopDevice {
    /// `/dev/loop3`
    pub(crate) path: String,
    file: Utf8PathBuf,
}

impl LoopDevice {
    /// Over a new sparse file of so many bytes.
    pub(crate) fn new(file: &Utf8Path, size: u64) -> LoopDevice {
        LoopDevice::new_with(file, size, &[])
    }

    /// The same, with options of losetup.
    pub(crate) fn new_with(file: &Utf8Path, size: u64, options: &[&str]) -> LoopDevice {
        fs::File::create(file).unwrap().set_len(size).unwrap();
        LoopDevice::over(file, options)
    }

    /// Over a file that is there; its page cache is left out, or it would answer for the disk.
    pub(crate) fn over(file: &Utf8Path, options: &[&str]) -> LoopDevice {
        // Another test may take the same free device in between.
        let path = wait_for("a free loop device", || {
            let args = [&["--direct-io=on", "--show", "--find"], options, &[file.as_str()]].concat();
            let output = Command::new("losetup").args(args).output().unwrap();
            output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
        });
        LoopDevice { path, file: file.to_owned() }
    }

    pub(crate) fn name(&self) -> &str {
        self.path.strip_prefix("/dev/").unwrap()
    }

    /// What is on it.
    pub(crate) fn content(&self) -> Vec<u8> {
        fs::read(&self.file).unwrap()
    }

    /// A command for which this device is a stick with the serial number `RIG` and its name: put the words of a program
    /// and its arguments behind it.
    pub(crate) fn as_stick(&self, dir: &Utf8Path) -> Vec<String> {
        let name = self.name();
        let real = Utf8PathBuf::from(format!("/sys/devices/virtual/block/{name}"));
        let copy = dir.join(format!("sysfs-{name}"));
        for file in ["size", "dev", "ro", "diskseq", "queue/logical_block_size", "loop/backing_file"] {
            let Ok(text) = fs::read_to_string(real.join(file)) else { continue };
            fs::create_dir_all(copy.join(file).parent().unwrap()).unwrap();
            fs::write(copy.join(file), text).unwrap();
        }
        fs::write(copy.join("removable"), "1\n").unwrap();
        fs::write(copy.join("serial"), format!("{}\n", self.serial())).unwrap();
        let script = format!("mount --bind {copy} {real} && exec \"$@\"");
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", &script, "sh"]
            .map(str::to_owned)
            .to_vec()
    }

    pub(crate) fn serial(&self) -> String {
        format!("RIG-{}", self.name())
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        drop(Command::new("losetup").args(["--detach", &self.path]).status());
    }
}

/// A disk that a program plays, by nbdkit over FUSE.
pub(crate) struct PlayedDisk {
    pub(crate) device: Option<LoopDevice>,
    mount: Utf8PathBuf,
    nbdfuse: Child,
}

impl PlayedDisk {
    /// The words of nbdkit's command line: filters, a plugin and its parameters.
    pub(crate) fn start(dir: &Utf8Path, nbdkit: &[&str]) -> PlayedDisk {
        let mount = dir.join("nbd");
        fs::create_dir_all(&mount).unwrap();
        let mut command = Command::new("nbdfuse");
        command.args([mount.as_str(), "--command", "nbdkit", "-s", "--exit-with-parent"]).args(nbdkit);
        let nbdfuse = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let file = mount.join("nbd");
        wait_for("nbdfuse", || file.metadata().is_ok_and(|it| it.len() > 0).then_some(()));
        PlayedDisk { device: Some(LoopDevice::over(&file, &[])), mount, nbdfuse }
    }

    pub(crate) fn device(&self) -> &LoopDevice {
        self.device.as_ref().unwrap()
    }

    /// As if it were pulled out.
    pub(crate) fn pull(&mut self) {
        self.nbdfuse.kill().unwrap();
    }
}

impl Drop for PlayedDisk {
    fn drop(&mut self) {
        drop(self.device.take());
        drop(
            Command::new("fusermount3")
                .args(["-u", "-z", self.mount.as_str()])
                .stderr(Stdio::null())
                .status(),
        );
        drop(self.nbdfuse.kill());
        drop(self.nbdfuse.wait());
    }
}

/// Numbers without a pattern that a compressor would find, the same each time.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(size).collect()
}

/// A disk image as nixpkgs makes them for SD cards: an MBR, a FAT partition, and one marked active up to the end.
pub(crate) fn image(file: &Utf8Path, mib: usize) {
    let mut content = noise(mib << 20);
    content[..1 << 20].fill(0);
    fs::write(file, content).unwrap();
    partition(file, "label: dos\nstart=2048, size=2048, type=b\nstart=4096, type=83, bootable\n");
}

/// Writes a partition table into a file or to a device, by a script of sfdisk.
pub(crate) fn partition(file: &Utf8Path, script: &str) {
    let mut command = Command::new("sfdisk");
    command.args(["--quiet", "--no-reread", "--no-tell-kernel", file.as_str()]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "sfdisk: {script}");
}
