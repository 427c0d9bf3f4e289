//! Who is not root writes by the real sudo, which gives the writer a terminal and signals of its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::{Command, Stdio};

use camino::Utf8Path;
use unix::sys::signal::{Signal, kill};
use unix::unistd::Pid;

use crate::disk::{LoopDevice, PlayedDisk, no_disks};
use crate::guest::companion;
use crate::support::Sandbox;
use crate::support::wait::{processes_with, wait_for};
use crate::{confirmed, end, run, with_image, writing};

const NOBODY: u32 = 65_534;
/// What sudo allows, and where our source is, for which cargo would be called, are hidden from others of this machine.
const AS_NOBODY: &str = "mount --bind \"$0\" /etc/sudoers.d; mount -t tmpfs t \"$1\"; shift; \
    exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";

/// `flash` with the device confirmed, as `nobody`, whom sudo allows so much.
fn flash(sandbox: &Sandbox, device: &LoopDevice, rule: &str) -> Command {
    let temp = sandbox.temp();
    let (rules, bin) = (temp.join("sudoers.d"), temp.join("bin"));
    for dir in [&rules, &bin] {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(rules.join("test"), format!("Defaults use_pty\n{rule}\n")).unwrap();
    for program in [env!("CARGO_BIN_EXE_xtask"), &companion()] {
        fs::copy(program, bin.join(Utf8Path::new(program).file_name().unwrap())).unwrap();
    }
    fs::set_permissions(temp, fs::Permissions::from_mode(0o755)).unwrap();
    chown(sandbox.root(), Some(NOBODY), Some(NOBODY)).unwrap();
    let source = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut words = device.as_stick(temp);
    words.extend(["sh", "-ec", AS_NOBODY, rules.as_str(), source.as_str()].map(str::to_owned));
    words.extend([bin.join("xtask").as_str(), "flash", "sd.img"].map(str::to_owned));
    words.extend(confirmed(device));
    let mut res = Command::new(&words[0]);
    res.args(&words[1..]).env_clear().envs(sandbox.environment()).current_dir(sandbox.root());
    res.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    res
}

#[test]
fn an_ordinary_user() {
    if no_disks(&["sudo", "setpriv", "nbdkit", "nbdfuse"]) {
        return;
    }
    let allowed = "#65534 ALL=(root) NOPASSWD: ALL";
    let (sandbox, file) = with_image(9);
    let image = fs::read(&file).unwrap();
    let device = LoopDevice::new(&sandbox.temp().join("disk"), 16 << 20);
    let refused = run(&sandbox, flash(&sandbox, &device, "")).bad();
    let refused = refused.says("sudo: a password is required");
    drop(refused.says("xtask-disk ended with exit code 1 and did not say why; nothing was written"));
    assert!(device.content().iter().all(|it| *it == 0));
    drop(run(&sandbox, flash(&sandbox, &device, allowed)).good().says("is safe to remove"));
    assert!(device.content()[..image.len()] == image);

    // A signal of the user's does not reach root.
    let (sandbox, _) = with_image(48);
    let disk = PlayedDisk::start(sandbox.temp(), &["--filter=delay", "memory", "64M", "wdelay=30ms"]);
    let device = disk.device();
    let child = flash(&sandbox, device, allowed).spawn().unwrap();
    writing(device);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let run = end(&sandbox, child).bad().says(&format!("interrupted while writing to {}", device.name()));
    drop(run.says("is not bootable: flash again"));
    // sudo is more than one process, of which we wait for one.
    let companion = format!("xtask-disk write {}", device.path);
    wait_for("the end of the companion", || processes_with(&companion).is_empty().then_some(()));
    // It did not finish in the meantime.
    writing(device);
}
