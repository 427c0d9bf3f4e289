//! Disks that cannot be trusted. What matters: never a good word, and nothing that would boot.

use crate::disk::{LoopDevice, PlayedDisk, no_disks};
use crate::support::{Run, Sandbox};
use crate::{flash, run, with_image};

const TOOLS: &[&str] = &["nbdkit", "nbdfuse", "fusermount3"];

/// Flashes to a disk that nbdkit plays.
fn flashed(sandbox: &Sandbox, nbdkit: &[&str]) -> Run {
    let disk = PlayedDisk::start(sandbox.temp(), nbdkit);
    let run = run(sandbox, flash(sandbox, disk.device(), &["sd.img"])).bad();
    let says = format!("{} is not bootable: flash again", disk.device().name());
    run.says(&says)
}

#[test]
fn a_stick_that_keeps_nothing() {
    if no_disks(TOOLS) {
        return;
    }
    let (sandbox, _) = with_image(24);
    let run = flashed(&sandbox, &["null", "64M"]);
    drop(run.says("what was read back differs from what was written, between byte 0 and 4194304"));
}

/// It says 64 MiB and has 16: what is written behind that overwrites what is before.
#[test]
fn a_stick_with_less_room_than_it_says() {
    if no_disks(TOOLS) {
        return;
    }
    let (sandbox, _) = with_image(24);
    let file = sandbox.temp().join("wraps");
    let wrap = "$(($4 % 16777216))";
    let read = format!("pread=dd if={file} iflag=skip_bytes,count_bytes skip={wrap} count=$3 status=none");
    let write = format!("pwrite=dd of={file} oflag=seek_bytes seek={wrap} conv=notrunc status=none");
    std::fs::File::create(&file).unwrap().set_len(32 << 20).unwrap();
    let run = flashed(&sandbox, &["eval", "get_size=echo 67108864", &read, &write, "can_write=exit 0"]);
    drop(run.says("or has less room than it says; try another one"));
}

#[test]
fn sectors_that_cannot_be_written_or_read() {
    if no_disks(TOOLS) {
        return;
    }
    for (error, says) in [("pwrite", "written"), ("pread", "read back")] {
        let (sandbox, _) = with_image(24);
        // Once the file is there, so that all is well until the middle.
        let trigger = format!("error-{error}-file={}", sandbox.temp().join("trigger"));
        let (kind, rate) = (format!("error-{error}=EIO"), format!("error-{error}-rate=100%"));
        let disk = PlayedDisk::start(
            sandbox.temp(),
            &["--filter=error", "--filter=delay", "memory", "64M", &kind, &rate, &trigger, "wdelay=20ms"],
        );
        let child = flash(&sandbox, disk.device(), &["sd.img"]).spawn().unwrap();
        crate::writing(disk.device());
        std::fs::write(sandbox.temp().join("trigger"), "").unwrap();
        let run = crate::end(&sandbox, child).bad();
        let run = run.says(&format!("`{}` cannot be {says} ", disk.device().path));
        drop(run.says("(I/O error)").says("is not bootable: flash again"));
    }
}

/// The server of the disk dies: every request fails from then on.
#[test]
fn a_disk_that_is_pulled_out() {
    if no_disks(TOOLS) {
        return;
    }
    let (sandbox, _) = with_image(48);
    let mut disk = PlayedDisk::start(sandbox.temp(), &["--filter=delay", "memory", "64M", "wdelay=30ms"]);
    let child = flash(&sandbox, disk.device(), &["sd.img"]).spawn().unwrap();
    crate::writing(disk.device());
    disk.pull();
    let run = crate::end(&sandbox, child).bad();
    drop(run.says(&format!("{} is not bootable: flash again", disk.device().name())));
}

/// The file under the device cannot grow: what a worn-out or fake disk does, too.
#[test]
fn a_disk_that_ends_before_its_end() {
    if no_disks(&["mount", "umount"]) {
        return;
    }
    let (sandbox, _) = with_image(24);
    let dir = sandbox.temp().join("full");
    std::fs::create_dir(&dir).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8m", "t", dir.as_str()])
        .status();
    assert!(mount.unwrap().success());
    let device = LoopDevice::new(&dir.join("disk"), 64 << 20);
    let run = run(&sandbox, flash(&sandbox, &device, &["sd.img", "--json"])).bad();
    let json = run.json();
    assert_eq!((&json["ok"], &json["verified"]), (&false.into(), &false.into()), "{}", run.text());
    let error = json["error"].as_str().unwrap();
    assert!(error.ends_with(&format!("; {} is not bootable: flash again", device.name())), "{error}");
    // All of the image but this is on it: no boot sector.
    assert!(device.content()[510..512] != [0x55, 0xaa]);
    drop(device);
    std::process::Command::new("umount").arg(&dir).status().unwrap();
}
