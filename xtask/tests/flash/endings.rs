//! Flashing that is stopped, refused, or started twice.

use std::os::unix::fs::FileExt as _;
use std::process::Command;

use camino::Utf8Path;
use serde_json::json;
use unix::sys::signal::{Signal, kill};
use unix::unistd::Pid;

use crate::disk::{LoopDevice, PlayedDisk, no_disks};
use crate::guest::companion;
use crate::support::wait::{processes_with, wait_for};
use crate::{confirmed, end, flash, pack, run, with_image, writing};

/// 10 ms for each write of the kernel's: a few seconds for the image.
const SLOW: &[&str] = &["--filter=delay", "memory", "64M", "wdelay=30ms"];

#[test]
fn a_signal_in_the_middle() {
    if no_disks(&["nbdkit", "nbdfuse"]) {
        return;
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (sandbox, _) = with_image(48);
        let disk = PlayedDisk::start(sandbox.temp(), SLOW);
        let child = flash(&sandbox, disk.device(), &["sd.img"]).spawn().unwrap();
        writing(disk.device());
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let name = disk.device().name().to_owned();
        let run = end(&sandbox, child).bad().says(&format!("interrupted while writing to {name}"));
        drop(run.says(&format!("{name} is not bootable: flash again")));
        assert_eq!(processes_with(&format!("xtask-disk write {}", disk.device().path)), [""; 0]);
    }
}

/// It cannot stop its companion any more; that hears of it all the same.
#[test]
fn xtask_is_killed_in_the_middle() {
    if no_disks(&["nbdkit", "nbdfuse"]) {
        return;
    }
    let (sandbox, _) = with_image(48);
    let disk = PlayedDisk::start(sandbox.temp(), SLOW);
    let mut child = flash(&sandbox, disk.device(), &["sd.img"]).spawn().unwrap();
    writing(disk.device());
    child.kill().unwrap();
    child.wait().unwrap();
    let companion = format!("xtask-disk write {}", disk.device().path);
    wait_for("the end of the companion", || processes_with(&companion).is_empty().then_some(()));
    // It did not finish in the meantime.
    writing(disk.device());
}

#[test]
fn the_companion_is_killed_in_the_middle() {
    if no_disks(&["nbdkit", "nbdfuse", "zstd"]) {
        return;
    }
    let (sandbox, file) = with_image(48);
    pack("zstd", &["--quiet", "--keep"], &file);
    let disk = PlayedDisk::start(sandbox.temp(), SLOW);
    let child = flash(&sandbox, disk.device(), &["sd.img.zst"]).spawn().unwrap();
    writing(disk.device());
    let found = processes_with(&format!("xtask-disk write {}", disk.device().path));
    let pid = found[0].split(':').next().unwrap().parse().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap();
    let peak: u32 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 64_000, "it has used {peak} kB");
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let run = end(&sandbox, child).bad().says("xtask-disk was killed");
    drop(run.says("is not bootable: flash again"));
}

/// Two at once: the kernel lets only one in. The other one has written nothing.
#[test]
fn somebody_else_writes_to_it() {
    if no_disks(&["nbdkit", "nbdfuse"]) {
        return;
    }
    let (sandbox, _) = with_image(48);
    let disk = PlayedDisk::start(sandbox.temp(), SLOW);
    let first = flash(&sandbox, disk.device(), &["sd.img"]).spawn().unwrap();
    writing(disk.device());
    // It waits for the other one, which may take longer than all the rest of the writing.
    let found = processes_with(&format!("xtask-disk write {}", disk.device().path));
    let writer = Pid::from_raw(found[0].split(':').next().unwrap().parse().unwrap());
    kill(writer, Signal::SIGSTOP).unwrap();
    let second = run(&sandbox, flash(&sandbox, disk.device(), &["sd.img"])).bad();
    kill(writer, Signal::SIGCONT).unwrap();
    drop(second.says("is in use: a program has it open").says("nothing was written"));
    end(&sandbox, first).good();
}

/// In a container, say: no file of ours tells, but the kernel knows.
#[test]
fn it_is_mounted_where_we_cannot_see_it() {
    if no_disks(&["mke2fs", "nsenter"]) {
        return;
    }
    let (sandbox, _) = with_image(9);
    let device = LoopDevice::new(&sandbox.temp().join("disk"), 16 << 20);
    pack("mke2fs", &["-q"], Utf8Path::new(&device.path));
    let before = device.content();
    let ready = sandbox.temp().join("ready");
    let script = "mount \"$0\" /mnt && : > \"$1\" && exec sleep 300";
    let mut other = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, &device.path, ready.as_str()])
        .spawn()
        .unwrap();
    wait_for("the mount", || ready.exists().then_some(()));
    let run = run(&sandbox, flash(&sandbox, &device, &["sd.img"])).bad();
    drop(run.says("or it is mounted where we cannot see it, as in a container"));
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(before[..512], device.content()[..512]);
}

/// The image changes between the look and the write: what is on the disk is not what was looked at.
#[test]
fn the_image_changes_meanwhile() {
    if no_disks(&["nbdkit", "nbdfuse"]) {
        return;
    }
    let (sandbox, file) = with_image(48);
    let disk = PlayedDisk::start(sandbox.temp(), SLOW);
    let child = flash(&sandbox, disk.device(), &["sd.img"]).spawn().unwrap();
    writing(disk.device());
    // In place: cut off for a moment, it would be another case.
    let place = file.metadata().unwrap().len() - 1;
    let last = std::fs::read(&file).unwrap().pop().unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().write_all_at(&[last ^ 1], place).unwrap();
    let run = end(&sandbox, child).bad();
    let run = run.says("changed");
    drop(run.says("is not bootable: flash again"));
}

/// It would be overwritten by itself: also where only the kernel sees that it lies there.
#[test]
fn the_image_is_on_the_disk() {
    if no_disks(&["mke2fs"]) {
        return;
    }
    let (sandbox, _) = with_image(4);
    let device = LoopDevice::new(&sandbox.temp().join("disk"), 16 << 20);
    pack("mke2fs", &["-q"], Utf8Path::new(&device.path));
    let script = "mount \"$0\" /mnt && cp sd.img /mnt && exec \"$@\"";
    let started = |words: &[&str], confirmed: &[String]| {
        let stick = device.as_stick(sandbox.temp());
        let mut command = Command::new(&stick[0]);
        command.args(&stick[1..]).args(["sh", "-ec", script, &device.path]).args(words).args(confirmed);
        command.env_clear().envs(sandbox.environment()).current_dir(sandbox.root());
        command
    };
    let words = [env!("CARGO_BIN_EXE_xtask"), "flash", "/mnt/sd.img"];
    let refused = run(&sandbox, started(&words, &confirmed(&device))).bad();
    let says = format!("error: `/mnt/sd.img` is on {} itself, which is mounted at /mnt; copy", device.name());
    drop(refused.says(&says));

    // Whatever it was told: what it cannot open or unmount costs nothing.
    for (image, unmount, says) in [
        ("/mnt/sd.img", json!([["umount", "/mnt"]]), "busy"),
        ("/no.img", json!([]), "cannot open `/no.img`"),
    ] {
        let job = json!({
            "disk": {"path": device.path, "number": null, "size": 16 << 20, "sector": 512, "facts": []},
            "image": {"path": image, "format": "raw", "size": 4 << 20, "sha256": "00"},
            "before": unmount, "after": [], "eject": null,
        });
        let script = format!("printf '%s\\n' '{job}' | {} write", companion());
        let answer = run(&sandbox, started(&["sh", "-c", &script], &[])).bad();
        assert!(answer.stdout.contains(says) && answer.stderr.is_empty(), "{}", answer.text());
    }
    // Where ext4 has nothing, and a disk that was begun has words.
    assert!(device.content()[..1024].iter().all(|it| *it == 0));
}
