//! The whole way once for real: `build-aleph` makes an image for aarch64 in the Nix sandbox, a part of it by an
//! aarch64 program, and UEFI boots it down to its root file system.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests start the binary and QEMU, and read their own environment"
)]

#[path = "support/debian.rs"]
mod debian;
#[path = "support/disk.rs"]
#[expect(dead_code, reason = "most of it is for tests of `flash`")]
mod disk;
#[path = "boot/parts.rs"]
mod parts;
#[expect(dead_code, reason = "most of it is for tests of the verbs")]
mod support;

use std::process::{Command, Stdio};

use camino::Utf8Path;
use disk::LoopDevice;
use support::{Run, Sandbox, lacks, missing};

const FIRMWARE: &str = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd";
const EMULATOR: &str = "/usr/lib/binfmt.d/qemu-aarch64.conf";

/// Runs the rest of its arguments on a machine on which aarch64 programs run: emulation is registered in a user
/// namespace of its own, so the machine itself never hears of it.
const EMULATED: &str = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc \
    && cat \"$0\" > /proc/sys/fs/binfmt_misc/register && exec \"$@\"";

/// In such a namespace there are no groups to leave.
const OPTIONS: [&str; 4] = ["--", "--option", "require-drop-supplementary-groups", "false"];

/// Debian's names for a machine: the directory of its libraries, its dynamic loader.
fn names(arch: &str) -> (&'static str, &'static str) {
    match arch {
        "aarch64" => ("aarch64-linux-gnu", "usr/lib/ld-linux-aarch64.so.1"),
        _ => ("x86_64-linux-gnu", "usr/lib64/ld-linux-x86-64.so.2"),
    }
}

/// A workspace with the image's flake.
fn workspace() -> Sandbox {
    let sandbox = Sandbox::new();
    let fixture = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/boot-image");
    let copy = |from: &Utf8Path, to: &Utf8Path| {
        let done = Command::new("cp").args(["-rT", from.as_str(), to.as_str()]).status().unwrap();
        assert!(done.success());
    };
    copy(&fixture, &sandbox.root());
    copy(&parts::parts(), &sandbox.root().join("parts"));
    let (triple, loader) = names(std::env::consts::ARCH);
    let arguments = serde_json::json!({
        "name": sandbox.nonce(), "system": support::system(), "triple": triple, "loader": loader,
    });
    sandbox.file("arguments.json", &arguments.to_string())
}

/// The binary, on a machine with emulation.
fn run_emulated(sandbox: &Sandbox, args: &[&str], nix: &[&str]) -> Run {
    let xtask = env!("CARGO_BIN_EXE_xtask");
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", EMULATED, EMULATOR, xtask])
        .args(args)
        .args(OPTIONS)
        .args(nix);
    command.env_clear().envs(sandbox.environment()).current_dir(sandbox.root()).stdin(Stdio::null());
    sandbox.told(command.output().unwrap())
}

/// What the serial port said until the machine was off.
fn boot(disk: &Utf8Path) -> String {
    let drive = format!("if=none,id=d,format=raw,file={disk},snapshot=on");
    let output = Command::new("timeout")
        .args(["300", "qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72", "-accel", "tcg"])
        .args(["-m", "1024", "-nographic", "-no-reboot", "-bios", FIRMWARE, "-nic", "none"])
        .args(["-drive", &drive, "-device", "virtio-blk-pci,drive=d"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

fn lacks_something() -> bool {
    if !Utf8Path::new(FIRMWARE).exists() || !Utf8Path::new(EMULATOR).exists() {
        missing("qemu-efi-aarch64 and qemu-user-static");
        return true;
    }
    ["qemu-system-aarch64", "unshare", "zstd", "apt-get"].iter().any(|it| lacks(it))
}

#[test]
fn an_image_is_built_and_boots() {
    if lacks_something() {
        return;
    }
    let sandbox = workspace();
    // Without emulation there is nobody to run the aarch64 part.
    let native = std::env::consts::ARCH == "aarch64";
    if !native {
        let run = sandbox.run("build-aleph sdimage").bad();
        run.says("nothing that this machine knows builds aarch64-linux, and 1 derivation must be built, such as release");
    }
    let run = run_emulated(&sandbox, &["build-aleph", "sdimage", "--out", "out", "--json"], &[]).good();
    let told = run.json();
    let place = if native { "this machine is aarch64-linux" } else { "aarch64-linux runs by emulation" };
    assert!(told["place"].as_str().unwrap().contains(place), "{}", run.text());

    let out = sandbox.root().join("out");
    let image = out.join("aleph-boot.img.zst");
    let sums = Command::new("sha256sum").args(["-c", "aleph-boot.img.zst.sha256"]).current_dir(&out).output();
    assert!(sums.unwrap().status.success());
    let disk = sandbox.temp().join("disk.img");
    let unpacked = Command::new("zstd").args(["-q", "-d", image.as_str(), "-o", disk.as_str()]).status();
    assert!(unpacked.unwrap().success());
    let said = boot(&disk);
    let release = format!("RIG: root on aarch64, {} built on aarch64\n", arguments_name(&sandbox));
    assert!(said.contains(&release), "it does not say `{release}`:\n{said}");
    assert!(said.contains("RIG: OK\n"), "{said}");
}

/// `flash` takes the newest image that was built here, and what it wrote is started from the disk itself.
#[test]
fn an_image_is_built_and_flashed_and_boots_from_the_disk() {
    if lacks_something() || disk::no_disks(&[]) {
        return;
    }
    let sandbox = workspace().rust();
    run_emulated(&sandbox, &["build-aleph", "sdimage"], &[]).good();
    let device = LoopDevice::new(&sandbox.temp().join("stick"), 200 << 20);
    let serial = device.serial();
    let words = [device.as_stick(sandbox.temp()), vec![env!("CARGO_BIN_EXE_xtask").to_owned()]].concat();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["flash", "--yes", "--device", &device.path, "--serial", &serial]);
    command.env_clear().envs(sandbox.environment()).current_dir(sandbox.root()).stdin(Stdio::null());
    let run = sandbox.told(command.output().unwrap()).good();
    let run = run.says("the newest image is `$WORK/target/xtask/aleph/aleph-boot.img.zst`");
    drop(
        run.says("GPT with 2 partitions, as its checksum file says")
            .says("everything was read back and is right"),
    );
    let said = boot(Utf8Path::new(&device.path));
    assert!(said.contains("RIG: OK\n"), "{said}");
}

fn arguments_name(sandbox: &Sandbox) -> String {
    let arguments: serde_json::Value = serde_json::from_str(&sandbox.read("arguments.json")).unwrap();
    arguments["name"].as_str().unwrap().to_owned()
}

/// Nix makes it again, and compares every bit.
#[test]
fn the_image_is_reproducible() {
    if lacks_something() {
        return;
    }
    let sandbox = workspace();
    run_emulated(&sandbox, &["build-aleph", "sdimage"], &[]).good();
    run_emulated(&sandbox, &["build-aleph", "sdimage"], &["--rebuild"])
        .good()
        .says("done    aleph-boot-image in ");
}
