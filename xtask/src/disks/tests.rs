//! Fabricated machines: directories as the kernel makes them in `/sys`, with `/proc` to match.

use camino::{Utf8Path, Utf8PathBuf};

use super::{Disk, Need, Transport, find, linux};
use crate::host::{Host, Os};

struct Machine {
    temp: tempfile::TempDir,
    mounts: String,
    swaps: String,
}

const MIB: u64 = 1 << 20;

impl Machine {
    fn new() -> Machine {
        Machine { temp: tempfile::tempdir().unwrap(), mounts: String::new(), swaps: "Filename\n".to_owned() }
    }

    fn root(&self) -> &Utf8Path {
        Utf8Path::from_path(self.temp.path()).unwrap()
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.root().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{text}\n")).unwrap();
    }

    /// A block device: its directory below `/sys/devices`, its number, its size in MiB, and other files of it.
    fn block(self, dir: &str, number: &str, mib: u64, files: &[(&str, &str)]) -> Machine {
        let real = format!("/sys/devices/{dir}");
        self.file(&format!("{real}/dev"), number);
        self.file(&format!("{real}/size"), &(mib * MIB / 512).to_string());
        self.file(&format!("{real}/ro"), "0");
        for (name, text) in files {
            self.file(&format!("{real}/{name}"), text);
        }
        let class = self.root().join("sys/class/block");
        std::fs::create_dir_all(&class).unwrap();
        let name = Utf8Path::new(dir).file_name().unwrap();
        std::os::unix::fs::symlink(format!("../../devices/{dir}"), class.join(name)).unwrap();
        self
    }

    /// A stick on USB with two partitions: `sdb`, `sdb1`, `sdb2`.
    fn stick(self) -> Machine {
        let usb = "pci0000:00/0000:00:14.0/usb2/2-1";
        self.file(&format!("/sys/devices/{usb}/idVendor"), "0781");
        self.file(&format!("/sys/devices/{usb}/serial"), "4C530001");
        let disk = format!("{usb}/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb");
        let more = [
            ("removable", "1"),
            ("diskseq", "9"),
            ("queue/logical_block_size", "512"),
            ("device/vendor", "SanDisk "),
            ("device/model", "Ultra           "),
            ("device/delete", ""),
            ("device/type", "0"),
        ];
        self.block(&disk, "8:16", 30_000, &more)
            .block(&format!("{disk}/sdb1"), "8:17", 256, &[("partition", "1")])
            .block(&format!("{disk}/sdb2"), "8:18", 4000, &[("partition", "2")])
    }

    fn nvme(self) -> Machine {
        let disk = "pci0000:00/0000:00:06.0/nvme/nvme0/nvme0n1";
        self.block(disk, "259:0", 500_000, &[("removable", "0")])
            .block(&format!("{disk}/nvme0n1p1"), "259:1", 512, &[("partition", "1")])
            .block(&format!("{disk}/nvme0n1p2"), "259:2", 400_000, &[("partition", "2")])
    }

    /// A device of the device mapper or of md, made of others.
    fn made_of(self, name: &str, number: &str, of: &[&str], files: &[(&str, &str)]) -> Machine {
        let machine = self.block(&format!("virtual/block/{name}"), number, 100, files);
        for part in of {
            machine.file(&format!("/sys/devices/virtual/block/{name}/slaves/{part}"), "");
            let dir = machine.root().join("sys/class/block").join(part).canonicalize_utf8().unwrap();
            std::fs::create_dir_all(dir.join("holders")).unwrap();
            std::fs::write(dir.join("holders").join(name), "").unwrap();
        }
        machine
    }

    /// Number, mount point, file system, source, options.
    fn mount(mut self, number: &str, point: &str, kind: &str, source: &str, options: &str) -> Machine {
        self.mounts.push_str(&format!("36 25 {number} / {point} rw shared:1 - {kind} {source} {options}\n"));
        self
    }

    fn swap(mut self, path: &str, kind: &str) -> Machine {
        self.swaps.push_str(&format!("{path}\t\t{kind}\t8388604\t0\t-2\n"));
        self
    }

    fn disks(&self) -> Vec<Disk> {
        self.file("/proc/self/mountinfo", self.mounts.trim_end());
        self.file("/proc/swaps", self.swaps.trim_end());
        linux::inventory(&Host {
            os: Os::Linux,
            arch: "x86_64".to_owned(),
            root: self.root().to_owned(),
            cwd: Utf8PathBuf::from("/"),
            env: std::collections::BTreeMap::new(),
        })
    }

    /// Why a disk is refused; `yes` when it is not.
    fn verdict(&self, name: &str) -> String {
        let disks = self.disks();
        let disk = disks.iter().find(|it| it.name == name).unwrap();
        disk.refusal(None).map_or_else(|| "yes".to_owned(), |it| it.to_string())
    }
}

#[test]
fn a_laptop_with_a_stick() {
    let machine = Machine::new().nvme().stick();
    let machine = machine.mount("259:2", "/", "ext4", "/dev/nvme0n1p2", "rw");
    let machine = machine.mount("8:17", "/media/me/A\\040B", "vfat", "/dev/sdb1", "rw");
    let disks = machine.disks();
    let names: Vec<String> = disks.iter().map(Disk::describe).collect();
    assert_eq!(names, ["nvme0n1 (524 GB, nvme)", "sdb (SanDisk Ultra, serial 4C530001, 31 GB, usb)"]);
    assert_eq!(machine.verdict("nvme0n1"), "this system runs from it (/)");
    assert_eq!(machine.verdict("sdb"), "yes");
    let stick = &disks[1];
    assert_eq!(stick.mounts, ["/media/me/A B"]);
    let parts: Vec<&str> = stick.partitions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(parts, ["sdb1", "sdb2"]);
    assert!(stick.eject.as_ref().unwrap().ends_with("/block/sdb/device/delete"));
    let facts: Vec<(&str, &str)> =
        stick.facts.iter().map(|it| (it.0.rsplit('/').next().unwrap(), it.1.as_str())).collect();
    assert_eq!(facts, [("size", "61440000"), ("diskseq", "9"), ("serial", "4C530001")]);
}

#[test]
fn a_system_on_a_stick_is_no_stick_any_more() {
    for (point, want) in [
        ("/", "this system runs from it (/)"),
        ("/nix", "this system runs from it (/nix)"),
        ("/boot/efi", "this system runs from it (/boot/efi)"),
        ("/home", "this system runs from it (/home)"),
        ("/data", "it is in use at /data; `sudo umount /data` if it may go"),
        ("/mediaeval", "it is in use at /mediaeval; `sudo umount /mediaeval` if it may go"),
        ("/run/media/me/STICK", "yes"),
        ("/mnt", "yes"),
    ] {
        let machine = Machine::new().stick().mount("8:18", point, "ext4", "/dev/sdb2", "rw");
        assert_eq!(machine.verdict("sdb"), want, "{point}");
        let whole = Machine::new().stick().mount("8:16", point, "ext4", "/dev/sdb", "rw");
        assert_eq!(whole.verdict("sdb"), want, "{point}");
    }
}

#[test]
fn through_layers() {
    let system = "this system runs from it";
    // LUKS on a partition, LVM in it.
    let machine = Machine::new()
        .stick()
        .made_of("dm-0", "254:0", &["sdb2"], &[("dm/name", "crypt")])
        .made_of("dm-1", "254:1", &["dm-0"], &[("dm/name", "vg-root")])
        .made_of("dm-2", "254:2", &["dm-0"], &[("dm/name", "vg-swap")]);
    assert_eq!(machine.verdict("sdb"), "dm-0 is made of it: close that first");
    let machine = machine.mount("254:1", "/", "ext4", "/dev/mapper/vg-root", "rw");
    assert_eq!(machine.verdict("sdb"), format!("{system} (/)"));
    let machine = machine.swap("/dev/dm-2", "partition");
    assert_eq!(machine.verdict("sdb"), format!("{system} (/, swap)"));
    assert_eq!(machine.verdict("dm-0"), format!("{system} (/, swap)"));

    // The number says nothing, as with btrfs: the name of the mapping does.
    let machine = Machine::new().stick().made_of("dm-0", "254:0", &["sdb2"], &[("dm/name", "crypt")]);
    let machine = machine.mount("0:33", "/home", "btrfs", "/dev/mapper/crypt", "rw");
    assert_eq!(machine.verdict("sdb"), format!("{system} (/home)"));

    let raid = Machine::new().stick().made_of("md127", "9:127", &["sdb1"], &[]);
    assert_eq!(raid.verdict("sdb"), "md127 is made of it: close that first");
    assert_eq!(raid.verdict("md127"), "it is no disk, but made of other ones");
    assert_eq!(
        raid.mount("9:127", "/nix", "xfs", "/dev/md127", "rw").verdict("sdb"),
        format!("{system} (/nix)")
    );
}

#[test]
fn file_systems_with_numbers_of_no_device() {
    let system = "this system runs from it";
    // A btrfs of two disks names only one of them.
    let machine = Machine::new().nvme().stick().mount("0:30", "/", "btrfs", "/dev/nvme0n1p2", "rw");
    for part in ["nvme0n1p2", "sdb2"] {
        machine.file(&format!("/sys/fs/btrfs/0000-1111/devices/{part}"), "");
    }
    assert_eq!(machine.verdict("sdb"), format!("{system} (/)"));
    // A live system: an overlay over what is on the stick.
    let machine = Machine::new()
        .stick()
        .mount("8:17", "/run/live/medium", "iso9660", "/dev/sdb1", "ro")
        .mount("0:25", "/", "overlay", "overlay", "rw,lowerdir=/run/live/medium/a,upperdir=/run/up");
    assert_eq!(machine.verdict("sdb"), format!("{system} (/)"));
    // Of the same file system somewhere else, by a link that udev made.
    let machine = Machine::new().stick().mount("0:40", "/nix", "btrfs", "/dev/disk/by-label/nix", "rw");
    machine.file("/dev/sdb2", "");
    std::fs::create_dir_all(machine.root().join("dev/disk/by-label")).unwrap();
    std::os::unix::fs::symlink("../../sdb2", machine.root().join("dev/disk/by-label/nix")).unwrap();
    assert_eq!(machine.verdict("sdb"), format!("{system} (/nix)"));
}

#[test]
fn loop_devices_and_swap_files() {
    let system = "this system runs from it";
    let looped = |file: &str| {
        Machine::new().stick().mount("8:18", "/mnt/a", "ext4", "/dev/sdb2", "rw").block(
            "virtual/block/loop0",
            "7:0",
            10,
            &[("loop/backing_file", file)],
        )
    };
    let machine = looped("/mnt/a/root.img").mount("7:0", "/", "squashfs", "/dev/loop0", "ro");
    assert_eq!(machine.verdict("sdb"), format!("{system} (/)"));
    assert_eq!(machine.verdict("loop0"), format!("{system} (/)"));
    assert_eq!(looped("/dev/sdb1").verdict("sdb"), "loop0 is made of it: close that first");
    assert_eq!(
        looped("/x").verdict("loop0"),
        "it cannot be taken out: neither removable nor on USB or SD (loop)"
    );

    let machine = Machine::new().stick().mount("8:18", "/mnt/a", "ext4", "/dev/sdb2", "rw");
    assert_eq!(machine.swap("/mnt/a/swap\\040file", "file").verdict("sdb"), format!("{system} (swap)"));
    let machine =
        Machine::new().block("virtual/block/zram0", "251:0", 512, &[]).swap("/dev/zram0", "partition");
    assert_eq!(machine.verdict("zram0"), format!("{system} (swap)"));
    // Nobody has set these up.
    let machine = Machine::new().block("virtual/block/loop5", "7:5", 0, &[]).block(
        "virtual/block/zram1",
        "251:1",
        0,
        &[],
    );
    assert_eq!(machine.disks(), []);
}

#[test]
fn cards_drives_and_fixed_disks() {
    let mmc = |kind: &str| {
        let dir = "platform/soc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0";
        let files = [
            ("removable", "0"),
            ("device/type", kind),
            ("device/name", "SC32G"),
            ("device/serial", "0x1234"),
        ];
        let machine = Machine::new().block(dir, "179:0", 30_000, &files);
        machine.block(&format!("{dir}/mmcblk0boot0"), "179:8", 4, &[])
    };
    assert_eq!(mmc("SD").verdict("mmcblk0"), "yes");
    assert_eq!(mmc("SD").disks()[0].serial.as_deref(), Some("0x1234"));
    assert_eq!(mmc("MMC").verdict("mmcblk0"), "it is soldered to the board (eMMC)");
    assert_eq!(mmc("MMC").disks().len(), 1);

    let ata = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block";
    let disk = |name: &str, files: &[(&str, &str)]| {
        Machine::new().block(&format!("{ata}/{name}"), "8:0", 1000, files)
    };
    let fixed = "it cannot be taken out: neither removable nor on USB or SD (sata)";
    let sata = disk("sda", &[("removable", "0")]);
    assert_eq!(sata.verdict("sda"), fixed);
    let page = sata.root().join(format!("sys/devices/{ata}/sda/device/vpd_pg80"));
    std::fs::create_dir_all(page.parent().unwrap()).unwrap();
    std::fs::write(page, b"\0\x80\0\x08  WD-1234").unwrap();
    assert_eq!(sata.disks()[0].serial.as_deref(), Some("WD-1234"));
    assert_eq!(disk("sda", &[("removable", "1")]).verdict("sda"), "yes");
    assert_eq!(
        disk("sr0", &[("removable", "1"), ("device/type", "5")]).verdict("sr0"),
        "it is a drive for CDs"
    );
    // On USB, but not removable: a disk in a case.
    let usb = "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host1/target1:0:0/1:0:0:0/block/sdc";
    let case = Machine::new().block(usb, "8:32", 1000, &[("removable", "0")]);
    assert_eq!(case.verdict("sdc"), "yes");
    let empty = Machine::new().block(usb, "8:32", 0, &[("removable", "1")]);
    assert_eq!(empty.verdict("sdc"), "there is nothing in it");
    let locked = Machine::new().block(usb, "8:32", 1000, &[]);
    locked.file(&format!("/sys/devices/{usb}/ro"), "1");
    assert_eq!(locked.verdict("sdc"), "it is write-protected");
    assert_eq!(case.disks()[0].transport, Transport::Usb);
}

#[test]
fn what_an_image_needs() {
    let machine = Machine::new().stick();
    let disks = machine.disks();
    let verdict = |size, sector| disks[0].refusal(Some(Need { size, sector })).map(|it| it.to_string());
    assert_eq!(verdict(30_000 * MIB, 512), None);
    let small = "it is too small: it has 31 GB, the image needs 32 GB";
    assert_eq!(verdict(31_000 * MIB, 512).as_deref(), Some(small));
    let sectors = "it has sectors of 512 bytes, and the image is made for 4096: nothing would boot";
    assert_eq!(verdict(MIB, 4096).as_deref(), Some(sectors));
}

#[test]
fn how_users_name_disks() {
    let machine = Machine::new().stick();
    let disks = machine.disks();
    assert!(find(&disks, "sdb").is_ok() && find(&disks, "/dev/sdb").is_ok());
    let partition = "`/dev/sdb1` is a partition; an image is of a whole disk: `--device /dev/sdb`";
    assert_eq!(find(&disks, "/dev/sdb1").unwrap_err(), partition);
    assert_eq!(find(&disks, "sdx").unwrap_err(), "there is no disk `sdx`; there are: /dev/sdb");
    assert_eq!(
        find(&[], "sdx").unwrap_err(),
        "there is no disk `sdx`; no disk that could be written to is plugged in"
    );
}
