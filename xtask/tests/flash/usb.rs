//! Real USB storage and a real slot for SD cards, in a machine that QEMU plays.

use std::process::Command;

use expect_test::expect;

use crate::guest::{Guest, Stick, Trouble, no_guest};
use crate::support::Run;
use crate::support::wait::wait_for;
use crate::{disk, pack, with_image};

const MIB: u64 = 1 << 20;
/// So that there is time to pull it out.
const SLOW: u64 = 4 * MIB;
/// The answer when nobody of ours runs any more.
const NOBODY: &str = "! pidof xtask xtask-disk";

/// `xtask flash`, with the stick confirmed.
fn flash(name: &str, serial: &str) -> String {
    format!("xtask flash sd.img --yes --device /dev/{name} --serial {serial}")
}

#[test]
fn a_stick_and_a_card() {
    if no_guest() {
        return;
    }
    let (sandbox, file) = with_image(12);
    pack("zstd", &["--quiet", "--keep"], &file);
    let image = std::fs::read(&file).unwrap();
    let stick = Stick::new(&sandbox, "RIG0001", 64);
    let card = Stick::new(&sandbox, "card", 32);
    let drive = format!("if=none,id=card,format=raw,file={}", card.file);
    let slot = ["-device", "sdhci-pci", "-drive", &drive, "-device", "sd-card,drive=card"];
    let mut guest = Guest::start(sandbox, &slot);
    guest.has("mmcblk0", 0);
    guest.plug(&stick, &Trouble::None);
    guest.has("sdb", 0);
    let list = guest.run("xtask flash --list").good();
    expect![[r#"
        exit 0
        --- stdout
        /dev/mmcblk0
        /dev/sdb
        --- stderr
        disk          model               serial      size    by      partitions  flash
        /dev/mmcblk0  QEMU!               0xdeadbeef  33 MB   sd      0           yes
        /dev/sdb      QEMU QEMU HARDDISK  RIG0001     67 MB   usb     0           yes
        /dev/sda      ATA Fixed           FIXED       67 MB   sata    0           no: it cannot be taken out: neither removable nor on USB or SD (sata)
        /dev/vda      -                   ROOT        335 MB  virtio  0           no: this system runs from it (/)
    "#]].assert_eq(&list.text());
    let json = guest.run("xtask flash --list --json").good().json();
    let found = json["disks"].as_array().unwrap().iter().find(|it| it["name"] == "sdb").unwrap();
    assert_eq!((&found["transport"], &found["removable"]), (&"usb".into(), &true.into()));
    assert_eq!((&found["serial"], &found["size"]), (&"RIG0001".into(), &(64 * MIB).into()));
    for (disk, says) in [
        ("vda", "this system runs from it (/)"),
        ("sda", "it cannot be taken out: neither removable nor on USB or SD (sata)"),
    ] {
        guest.run(&format!("xtask flash sd.img --device {disk}")).bad().says(says);
    }

    // It is ejected, and what was plugged in again is the image, to the kernel as well.
    let run = guest.run(&flash("sdb", "RIG0001").replace("sd.img", "sd.img.zst")).good();
    drop(run.says("everything was read back and is right; sdb is safe to remove"));
    assert!(!guest.run("ls /sys/class/block/").stdout.contains("sdb"));
    assert_arrived(&stick, &image);
    guest.pull(&stick);
    guest.plug_again(&stick);
    guest.has("sdb", 2);

    // A card cannot be ejected by its slot; the kernel knows its partitions at once.
    let json = guest.run(&format!("{} --json", flash("mmcblk0", "0xdeadbeef"))).good().json();
    let told = (&json["disk"]["transport"], &json["verified"], &json["ejected"]);
    assert_eq!(told, (&"sd".into(), &true.into(), &false.into()));
    assert_arrived(&card, &image);
    guest.has("mmcblk0", 2);
}

/// Every byte, and nothing behind them.
fn assert_arrived(stick: &Stick, image: &[u8]) {
    let content = stick.content();
    assert!(content[..image.len()] == *image && content[image.len()..].iter().all(|it| *it == 0));
}

#[test]
fn what_is_on_a_stick() {
    if no_guest() {
        return;
    }
    let (sandbox, file) = with_image(12);
    let image = std::fs::read(&file).unwrap();
    let stick = Stick::new(&sandbox, "RIG0002", 32);
    let table = "label: dos\nstart=2048, size=8192, type=82\nstart=10240, type=83\n";
    disk::partition(&stick.file, table);
    let made = Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-E", "offset=5242880", stick.file.as_str(), "16M"])
        .status();
    assert!(made.unwrap().success());
    let locked = Stick::new(&sandbox, "RIG0003", 32);
    let mut guest = Guest::start(sandbox, &[]);
    guest.plug(&stick, &Trouble::None);
    guest.has("sdb", 2);
    guest.plug(&locked, &Trouble::WriteProtected);
    guest.has("sdc", 0);
    let refused = |run: Run, says: &str| drop(run.bad().says(says));
    refused(guest.run(&flash("sdc", "RIG0003")), "it is write-protected");
    refused(guest.run(&flash("sdb1", "RIG0002")), "`/dev/sdb1` is a partition; an image is of a whole disk");
    refused(guest.run(&flash("sdb", "RIG0003")), "its serial number is RIG0002, not RIG0003");
    guest.run("mkswap /dev/sdb1 && swapon /dev/sdb1").good();
    refused(guest.run(&flash("sdb", "RIG0002")), "this system runs from it (swap)");
    guest.run("swapoff /dev/sdb1 && mkdir /data '/media/a b' && mount -t ext4 /dev/sdb2 /data").good();
    refused(guest.run(&flash("sdb", "RIG0002")), "it is in use at /data; `sudo umount /data` if it may go");
    guest.run("umount /data && mount -t ext4 /dev/sdb2 '/media/a b'").good();
    // Somebody works on it.
    let busy = "(cd '/media/a b' && exec sleep 1000) 2> /dev/null > /dev/null & echo $!";
    let pid = guest.run(busy).good().stdout;
    let run = guest.run(&flash("sdb", "RIG0002")).bad();
    let says = "cannot unmount what is on the disk; close what is open there: `umount /media/a b` failed: ";
    drop(run.says(says).says("nothing was written"));
    guest.run(&format!("kill {}", pid.trim())).good();

    guest.run(&format!("{} --no-eject", flash("sdb", "RIG0002"))).good();
    assert!(stick.content()[..image.len()] == image);
    // What the kernel knows now is the new table.
    let parts =
        guest.run("cat /sys/class/block/sdb1/size /sys/class/block/sdb2/start; grep -c sdb /proc/mounts");
    assert_eq!(parts.stdout, "2048\n4096\n0\n");
}

#[test]
fn sticks_that_fail() {
    if no_guest() {
        return;
    }
    let (sandbox, file) = with_image(24);
    let image = std::fs::read(&file).unwrap();
    let new = |serial| Stick::new(&sandbox, serial, 64);
    let (written, read, worn, unreadable) = (new("WRITE"), new("READ"), new("WORN"), new("LOST"));
    let mut guest = Guest::start(sandbox, &[]);

    // Pulled out while it is written to.
    guest.plug(&written, &Trouble::Slow { read: 0, write: SLOW });
    guest.has("sdb", 0);
    guest.begin(&flash("sdb", "WRITE"));
    wait_for("some of it", || (written.content()[5 << 20] != 0).then_some(()));
    guest.pull(&written);
    failed(&mut guest, &written, &image, "`/dev/sdb` is gone, as if pulled out: it was written up to byte ");

    // Pulled out while it is read back. It is not asked for anything before that.
    guest.plug(&read, &Trouble::Slow { read: SLOW, write: 0 });
    guest.has("sdb", 0);
    guest.begin(&flash("sdb", "READ"));
    wait_for("the end of it", || read.content()[..image.len()].ends_with(&image[20 << 20..]).then_some(()));
    let before = guest.bytes_read(&read);
    wait_for("reading", || (guest.bytes_read(&read) > before).then_some(()));
    guest.pull(&read);
    failed(&mut guest, &read, &image, "`/dev/sdb` is gone, as if pulled out: it was read back up to byte ");

    // A sector in the third block of four MiB.
    for (stick, io, what) in [(&worn, "write", "written"), (&unreadable, "read", "read back")] {
        guest.plug(stick, &Trouble::BadSector { io, sector: 20_480 });
        guest.has("sdb", 0);
        guest.begin(&flash("sdb", stick.serial));
        let says = format!("`/dev/sdb` cannot be {what} between byte 8388608 and 12582912 (I/O error)");
        failed(&mut guest, stick, &image, &says);
        guest.pull(stick);
        gone(&mut guest, "sdb");
    }
}

/// How it ends when it does not end well.
#[track_caller]
fn failed(guest: &mut Guest, stick: &Stick, image: &[u8], says: &str) {
    let run = guest.end().bad();
    drop(run.says(says).says("sdb is not bootable: flash again"));
    assert_ne!(stick.content()[..512], image[..512]);
    assert_ne!(stick.content()[510..512], [0x55, 0xaa]);
    guest.run(NOBODY).good();
}

/// The third serial port is a terminal. Its size is unknown, as serial ports know none.
#[test]
fn several_sticks_at_a_terminal() {
    if no_guest() {
        return;
    }
    let (sandbox, file) = with_image(24);
    let image = std::fs::read(&file).unwrap();
    let new = |serial| Stick::new(&sandbox, serial, 64);
    let (first, second, other) = (new("FIRST"), new("SECOND"), new("OTHER"));
    let mut guest = Guest::start(sandbox, &[]);
    // Before the image is read, which takes minutes.
    let run = guest.run("xtask flash sd.img").bad();
    assert!(run.stderr.starts_with("error: there is no disk to write to: plug in a USB stick or an SD card"));
    guest.plug(&first, &Trouble::None);
    guest.has("sdb", 0);
    guest.plug(&second, &Trouble::Slow { read: 0, write: SLOW });
    guest.has("sdc", 0);
    without_a_terminal(&mut guest);

    let screen = asked(&mut guest, "", "Type the name of the one to overwrite (sdb, sdc):");
    assert!(screen.contains("  sdc (QEMU QEMU HARDDISK, serial SECOND, 67 MB, usb)\r\n"), "{screen}");
    guest.types("sda\r");
    ends(&mut guest, "`sda` is not sdb or sdc; nothing was written", 1);
    swapped(&mut guest, &first, &other);

    asked(&mut guest, "--device sdc", "All that is on sdc will be lost. Type its name to go on:");
    guest.types("sdc\r");
    second.is_written_to();
    guest.types("\u{3}");
    let screen = ends(&mut guest, "sdc is not bootable: flash again", 1);
    assert!(screen.contains("interrupted while writing to sdc"), "{screen}");
    guest.run(NOBODY).good();

    // The only one that is left.
    asked(&mut guest, "", "All that is on sdc will be lost. Type its name to go on:");
    guest.types("/dev/sdc\r");
    ends(&mut guest, "everything was read back and is right; sdc is safe to remove", 0);
    assert_arrived(&second, &image);
    assert!([first, other].iter().all(|it| it.content().iter().all(|it| *it == 0)));
}

fn without_a_terminal(guest: &mut Guest) {
    let run = guest.run("xtask flash sd.img").bad();
    drop(run.says(
        "error: without a terminal nobody can type the disk's name; say `--yes --device DEV --serial SERIAL`; there are: sdb (QEMU QEMU HARDDISK, serial FIRST, 67 MB, usb), sdc (QEMU QEMU HARDDISK, serial SECOND, 67 MB, usb)",
    ));
    guest.run("xtask flash sd.img --yes").bad().says("`--yes` needs `--device DEV` and `--serial SERIAL`");
    let run = guest.run("xtask flash sd.img -n").bad();
    drop(run.says("there are several disks; choose one with `--device`: /dev/sdb, /dev/sdc"));
}

/// While it asks, somebody puts another one in; then, nothing.
fn swapped(guest: &mut Guest, first: &Stick, other: &Stick) {
    asked(guest, "--device sdb", "Type its name to go on:");
    guest.pull(first);
    gone(guest, "sdb");
    guest.plug(other, &Trouble::None);
    guest.has("sdb", 0);
    guest.types("sdb\r");
    let says = "`/dev/sdb` is another disk than the one that was confirmed: that one was taken out in between; nothing was written\r\n";
    ends(guest, says, 1);

    asked(guest, "--device sdb", "Type its name to go on:");
    guest.pull(other);
    gone(guest, "sdb");
    guest.types("sdb\r");
    ends(guest, "`/dev/sdb` is gone, as if pulled out; nothing was written\r\n", 1);
}

/// Starts `flash` at the terminal and waits for its question; what was on the screen up to there.
fn asked(guest: &mut Guest, more: &str, question: &str) -> String {
    let flash = format!("TERM=vt100 setsid -c xtask flash sd.img {more}");
    let command = format!("rm -f /tmp/code; ({flash}; echo $? > /tmp/code) < /dev/ttyS2 > /dev/ttyS2 2>&1 &");
    guest.run(&command).good();
    guest.shows(question)
}

/// What was on the screen up to the end, with what it must say last.
#[track_caller]
fn ends(guest: &mut Guest, says: &str, code: i32) -> String {
    let screen = guest.shows(says);
    let ended = wait_for("its end", || guest.run("cat /tmp/code").stdout.trim().parse::<i32>().ok());
    assert_eq!(ended, code, "{screen}");
    screen
}

fn gone(guest: &mut Guest, name: &str) {
    let ask = format!("! [ -e /sys/class/block/{name} ]");
    wait_for("its end", || guest.run(&ask).code.filter(|it| *it == 0));
}
