//! `flash` on real block devices: loop devices, and disks that lie, fail, fill up or are pulled out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "the tests start the binary, and read their own environment")]

#[path = "support/debian.rs"]
mod debian;
#[path = "support/disk.rs"]
mod disk;
#[path = "flash/endings.rs"]
mod endings;
#[path = "flash/faulty.rs"]
mod faulty;
#[path = "flash/good.rs"]
mod good;
#[path = "flash/guest.rs"]
mod guest;
#[path = "flash/installer.rs"]
mod installer;
#[expect(dead_code, reason = "most of it is for tests of other verbs")]
mod support;
#[path = "flash/usb.rs"]
mod usb;
#[path = "flash/user.rs"]
mod user;

use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use disk::LoopDevice;
use support::{Run, Sandbox};

/// The words `flash` and those that confirm the device without a question.
fn confirmed(device: &LoopDevice) -> Vec<String> {
    let words = ["--yes", "--device", &device.path, "--serial", &device.serial()];
    words.iter().map(|it| (*it).to_owned()).collect()
}

/// The binary, to which the device is a stick.
fn command(sandbox: &Sandbox, device: &LoopDevice, args: &[&str]) -> Command {
    let mut words = device.as_stick(sandbox.temp());
    words.push(env!("CARGO_BIN_EXE_xtask").to_owned());
    words.extend(args.iter().map(|it| (*it).to_owned()));
    let mut res = Command::new(&words[0]);
    res.args(&words[1..]).env_clear().envs(sandbox.environment()).current_dir(sandbox.root());
    res.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    res
}

/// `flash` with the device confirmed.
fn flash(sandbox: &Sandbox, device: &LoopDevice, args: &[&str]) -> Command {
    let confirmed = confirmed(device);
    let words: Vec<&str> = ["flash"]
        .into_iter()
        .chain(args.iter().copied())
        .chain(confirmed.iter().map(String::as_str))
        .collect();
    command(sandbox, device, &words)
}

fn run(sandbox: &Sandbox, mut command: Command) -> Run {
    sandbox.told(command.output().unwrap())
}

/// A workspace that needs no Nix, with an image of so many MiB in it.
fn with_image(mib: usize) -> (Sandbox, Utf8PathBuf) {
    let sandbox = Sandbox::without_nix().rust();
    let image = sandbox.root().join("sd.img");
    disk::image(&image, mib);
    (sandbox, image)
}

/// Another form of a file, made by the format's own tool.
fn pack(program: &str, args: &[&str], file: &Utf8Path) {
    assert!(Command::new(program).args(args).arg(file).status().unwrap().success(), "{program}");
}

/// Waits until the companion has begun to write to the device, for which it must be slow enough.
fn writing(device: &LoopDevice) {
    support::wait::wait_for("the first write", || {
        use std::io::Read as _;
        let mut head = [0; 19];
        std::fs::File::open(&device.path).unwrap().read_exact(&mut head).ok()?;
        (&head == b"This disk was not w").then_some(())
    });
}

fn end(sandbox: &Sandbox, child: Child) -> Run {
    sandbox.told(child.wait_with_output().unwrap())
}
