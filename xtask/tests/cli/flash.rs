//! `flash` as far as it goes without a disk to write to.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::Sandbox;

/// The first sector of a disk with one partition, marked active, of so many sectors from the 2048th on.
fn mbr(sectors: u32) -> Vec<u8> {
    let mut res = vec![0; 512];
    res[446] = 0x80;
    res[450] = 0x83;
    res[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    res[458..462].copy_from_slice(&sectors.to_le_bytes());
    res[510..].copy_from_slice(&[0x55, 0xaa]);
    res
}

/// A disk image of 2 MiB that could be flashed.
fn image() -> Vec<u8> {
    let mut res = mbr(2048);
    res.resize(2 << 20, 7);
    res
}

fn packed(program: &str, content: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    let mut child = command.arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let content = content.to_owned();
    let feeder = std::thread::spawn(move || stdin.write_all(&content).unwrap());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output.stdout
}

fn refused(sandbox: &Sandbox, name: &str, content: &[u8], says: &str) {
    std::fs::write(sandbox.root().join(name), content).unwrap();
    let run = sandbox.run(&format!("flash -n {name}")).bad();
    assert!(run.stderr.contains(&format!("error: `$WORK/{name}` cannot be flashed: ")), "{}", run.text());
    drop(run.says(says));
}

#[test]
fn what_is_no_image_is_refused() {
    let sandbox = Sandbox::without_nix().rust();
    let mut iso = vec![0; 1 << 16];
    iso[0x8001..0x8006].copy_from_slice(b"CD001");
    let mut inactive = image();
    inactive[446] = 0;
    let mut gpt = image();
    gpt[450] = 0xee;
    let mut fat = image();
    fat[446..478].fill(b'x');
    for (name, content, says) in [
        ("empty.img", Vec::new(), "it is empty"),
        ("iso.img", iso, "it is an ISO image"),
        ("text.img", b"hello".repeat(1000), "it has no partition table: it is not the image of a disk"),
        ("fat.img", fat, "it has no partition table: it is a file system or a boot sector"),
        ("zip.img", b"PK\x03\x04".repeat(1000), "it is a zip archive; unpack it with `unzip`"),
        ("inactive.img", inactive, "nothing can boot from it: its partition table (MBR) has neither"),
        ("gpt.img", gpt, "its partition table is damaged: there is no GPT where the MBR says so"),
        (
            "short.img",
            image()[..1 << 20].to_vec(),
            "it is cut off: its partitions end at byte 2097152, the image at byte 1048576",
        ),
    ] {
        refused(&sandbox, name, &content, says);
    }
}

#[test]
fn what_is_compressed_and_broken_is_refused() {
    let sandbox = Sandbox::without_nix().rust();
    for (program, ending, format) in [("zstd", "zst", "zstd"), ("xz", "xz", "xz"), ("gzip", "gz", "gzip")] {
        let good = packed(program, &image());
        refused(
            &sandbox,
            &format!("cut.img.{ending}"),
            &good[..good.len() - 9],
            &format!("it is cut off: the {format} data has no end"),
        );
        let mut flipped = good.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x55;
        refused(&sandbox, &format!("flipped.img.{ending}"), &flipped, "it is damaged: ");
        let says =
            format!("its name says that it is raw (`.img`), and it is compressed by {format}; rename it");
        refused(&sandbox, "posing.img", &good, &says);
        let says = format!("it is compressed twice: by {format}, and in there by {format}");
        refused(&sandbox, &format!("twice.{ending}"), &packed(program, &good), &says);
        refused(
            &sandbox,
            &format!("nothing.{ending}"),
            &packed(program, b""),
            "it is empty when decompressed",
        );
    }
}

#[test]
fn the_checksum_file_is_believed() {
    let sandbox = Sandbox::without_nix().rust();
    sandbox.untracked("a.img.sha256", &format!("{}  a.img\n", "ab".repeat(32)));
    refused(&sandbox, "a.img", &image(), "and must be abababab");
    sandbox.untracked("a.img.sha256", "something else\n");
    let run = sandbox.run("flash -n a.img").bad();
    drop(
        run.says("`$WORK/a.img.sha256` has no SHA-256 of `a.img`; delete it if it belongs to something else"),
    );
}

#[test]
fn what_was_meant() {
    let sandbox = Sandbox::without_nix().rust();
    sandbox
        .run("flash")
        .bad()
        .says("there is no image in target/xtask/aleph or result*/sd-image; name one, or");
    sandbox.run("flash no.img").bad().says("there is no image `no.img`");
    sandbox.run("flash .").bad().says("`.` is a directory; name the image in it");
    sandbox.run("flash /dev/null").bad().says("`/dev/null` is a device or a pipe; an image is a file");
    sandbox.run("flash a.img --device nosuch").bad().says("there is no disk `nosuch`; ");
    sandbox.run("flash --yes a.img").bad().says("`--yes` needs `--device DEV` and `--serial SERIAL`");
    sandbox.run("flash --list a.img").wrong_usage().says("cannot be used with");
}

/// The disk that this test runs from is there, and refused.
#[test]
fn the_list() {
    let sandbox = Sandbox::without_nix();
    let json = sandbox.run("flash --list --json").good().json();
    let disks = json["disks"].as_array().unwrap();
    for disk in disks {
        let runs = disk["uses"].as_array().unwrap().iter().any(|it| it == "/");
        assert!(
            !runs || disk["refused"].as_str().unwrap().starts_with("this system runs from it ("),
            "{disk}"
        );
    }
    let run = sandbox.run("flash --list").good();
    assert_eq!(run.stdout.lines().count(), disks.iter().filter(|it| it["refused"].is_null()).count());
}
