//! What goes well: every format, every kind of device, from the first look to the last word.

use std::process::Command;

use camino::Utf8Path;
use expect_test::expect;

use crate::disk::{LoopDevice, image, no_disks, partition};
use crate::support::Sandbox;
use crate::support::terminal::Terminal;
use crate::{command, flash, pack, run, with_image};

const MIB: u64 = 1 << 20;

#[test]
fn every_format_arrives_byte_for_byte() {
    if no_disks(&["zstd", "xz", "gzip"]) {
        return;
    }
    let (sandbox, file) = with_image(21);
    pack("zstd", &["--quiet", "--keep"], &file);
    pack("xz", &["--keep", "-0"], &file);
    pack("gzip", &["--keep", "--fast"], &file);
    let content = std::fs::read(&file).unwrap();
    for (name, format) in
        [("sd.img", "raw"), ("sd.img.zst", "zstd"), ("sd.img.xz", "xz"), ("sd.img.gz", "gzip")]
    {
        let device = LoopDevice::new(&sandbox.temp().join(name), 32 * MIB);
        let json = run(&sandbox, flash(&sandbox, &device, &[name, "--json"])).good().json();
        let on_disk = device.content();
        assert!(on_disk[..content.len()] == content, "{name}");
        assert!(on_disk[content.len()..].iter().all(|it| *it == 0), "{name}");
        assert_eq!((&json["image"]["format"], &json["verified"]), (&format.into(), &true.into()));
        assert_eq!(json["image"]["sha256"], sha256(&file));
        assert_eq!(json["disk"]["serial"], device.serial());
    }
}

fn sha256(file: &Utf8Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

/// The last bytes are no whole sector; the device has large ones.
#[test]
fn a_disk_with_sectors_of_4096_bytes() {
    if no_disks(&[]) {
        return;
    }
    let sandbox = Sandbox::without_nix().rust();
    let file = sandbox.root().join("large.img");
    let size = 9 * MIB;
    {
        let maker = LoopDevice::new_with(&file, size, &["--sector-size", "4096"]);
        partition(Utf8Path::new(&maker.path), "label: gpt\nstart=512, size=1024, type=uefi\n");
    }
    let mut content = std::fs::read(&file).unwrap();
    content.extend(b"the end");
    std::fs::write(&file, &content).unwrap();
    let device = LoopDevice::new_with(&sandbox.temp().join("disk"), 16 * MIB, &["--sector-size", "4096"]);
    let json = run(&sandbox, flash(&sandbox, &device, &["large.img", "--json"])).good().json();
    assert_eq!(
        (&json["image"]["table"]["kind"], &json["image"]["table"]["sector"]),
        (&"gpt".into(), &4096.into())
    );
    assert!(device.content()[..content.len()] == content);

    let small = LoopDevice::new(&sandbox.temp().join("other"), 16 * MIB);
    let refused = run(&sandbox, flash(&sandbox, &small, &["large.img"])).bad();
    drop(refused.says("it has sectors of 512 bytes, and the image is made for 4096: nothing would boot"));
    assert!(small.content().iter().all(|it| *it == 0));
}

#[test]
fn what_is_mounted_is_unmounted() {
    if no_disks(&["mke2fs", "mount"]) {
        return;
    }
    let (sandbox, _) = with_image(9);
    let device = LoopDevice::new(&sandbox.temp().join("disk"), 16 * MIB);
    pack("mke2fs", &["-q"], Utf8Path::new(&device.path));
    let mut mounted = device.as_stick(sandbox.temp());
    let script = "mkdir -p /run/media; mount -t tmpfs t /run/media; mkdir '/run/media/a b'; mount \"$0\" '/run/media/a b'; \"$@\"; code=$?; grep -c \"$0\" /proc/self/mountinfo; exit $code";
    mounted.extend(["sh", "-c", script, &device.path, env!("CARGO_BIN_EXE_xtask")].map(str::to_owned));
    let words = crate::confirmed(&device);
    let mut command = Command::new(&mounted[0]);
    command.args(&mounted[1..]).args(["flash", "-q", "sd.img"]).args(&words);
    command.env_clear().envs(sandbox.environment()).current_dir(sandbox.root());
    let run = run(&sandbox, command).good();
    assert_eq!(run.stdout, format!("{}\n0\n", device.path), "{}", run.text());
}

#[test]
fn the_checksum_file_and_the_newest_image() {
    if no_disks(&[]) {
        return;
    }
    let sandbox = Sandbox::without_nix().rust();
    let dir = sandbox.root().join("target/xtask/aleph");
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("aleph-os.img");
    image(&file, 9);
    let device = LoopDevice::new(&sandbox.temp().join("disk"), 16 * MIB);
    let checksum = dir.join("aleph-os.img.sha256");
    std::fs::write(&checksum, format!("{}  aleph-os.img\n", "0".repeat(64))).unwrap();
    let refused = run(&sandbox, flash(&sandbox, &device, &[])).bad();
    drop(refused.says(&format!("its SHA-256 is {}, and must be 00000000", sha256(&file))));
    std::fs::write(&checksum, format!("{}  aleph-os.img\n", sha256(&file))).unwrap();
    let good = run(&sandbox, flash(&sandbox, &device, &[])).good();
    let plain = good.stderr.replace(device.name(), "loopN").replace(&sha256(&file), "SHA256");
    // This kernel may or may not know partitions on loop devices.
    let lines: Vec<&str> = plain.lines().filter(|it| !it.contains("blockdev")).collect();
    expect![[r#"
        the newest image is `$WORK/target/xtask/aleph/aleph-os.img`
        aleph-os.img is raw, 9.4 MB on the disk, MBR with 2 partitions, as its checksum file says
        everything was read back and is right; loopN is safe to remove
        disk        image         size    write  verify  sha256
        /dev/loopN  aleph-os.img  9.4 MB  T s  T s   SHA256"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn a_dry_run_stops_before_the_open() {
    if no_disks(&[]) {
        return;
    }
    let (sandbox, _) = with_image(9);
    let device = LoopDevice::new(&sandbox.temp().join("disk"), 16 * MIB);
    let run = run(&sandbox, command(&sandbox, &device, &["flash", "-n", "sd.img", "--device", &device.path]))
        .good();
    assert!(run.stdout.contains(&format!("/xtask-disk write {}\n", device.path)), "{}", run.text());
    assert!(device.content().iter().all(|it| *it == 0));
}

#[test]
fn the_name_is_typed() {
    if no_disks(&["tmux"]) {
        return;
    }
    for (typed, ok) in [("yes", false), ("NAME", true)] {
        let (sandbox, file) = with_image(9);
        let device = LoopDevice::new(&sandbox.temp().join("disk"), 16 * MIB);
        let mut words = device.as_stick(sandbox.temp());
        words.extend(
            [env!("CARGO_BIN_EXE_xtask"), "flash", "sd.img", "--device", &device.path].map(str::to_owned),
        );
        let terminal = Terminal::start_in(&sandbox, &words.iter().map(String::as_str).collect::<Vec<_>>());
        terminal.shows("Type its name to go on:");
        terminal.line(&typed.replace("NAME", device.name()));
        let (code, screen) = terminal.end();
        assert_eq!(code == "0", ok, "{screen}");
        let content = std::fs::read(&file).unwrap();
        assert_eq!(device.content()[..content.len()] == content, ok);
        if !ok {
            assert!(
                screen.contains(&format!("`yes` is not {}; nothing was written", device.name())),
                "{screen}"
            );
        }
    }
    let (sandbox, _) = with_image(9);
    let device = LoopDevice::new(&sandbox.temp().join("disk"), 16 * MIB);
    let run = run(&sandbox, command(&sandbox, &device, &["flash", "sd.img", "--device", &device.path])).bad();
    drop(run.says(&format!("say `--yes --device {} --serial {}`", device.path, device.serial())));
}
