//! The copy: what the device must not take, what does not fit, and a link that breaks.

use unix::sys::signal::{Signal, kill};
use unix::unistd::Pid;

use crate::device::{Device, Kind, lacking};
use crate::support::Run;
use crate::support::wait::wait_for;

const DEPLOY: &str = "deploy --config bench --yes";

#[track_caller]
fn refused(device: &Device, run: Run, why: &str) {
    assert_eq!(run.code, Some(11), "{}", run.text());
    device.is_as_before();
    drop(run.says(why));
}

/// Bytes that no compression makes smaller, in the system.
pub(crate) fn with_ballast(device: &Device, megabytes: usize) {
    let sandbox = &device.sandbox;
    let joined = sandbox
        .read("aleph/toplevel.nix")
        .replace("(directory ./tools", "(directory ./ballast \"ballast\")\n (directory ./tools");
    sandbox.untracked("aleph/toplevel.nix", &joined);
    let mut state = 1_u64;
    let mut noise = Vec::with_capacity(megabytes << 20);
    while noise.len() < megabytes << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.extend_from_slice(&state.to_le_bytes());
    }
    std::fs::create_dir_all(sandbox.root().join("aleph/ballast")).unwrap();
    std::fs::write(sandbox.root().join("aleph/ballast/ballast"), noise).unwrap();
    sandbox.git("add --all .");
}

#[test]
fn signatures() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare).known();
    let manifest = device.sandbox.read("xtask.toml");
    let unsigned = manifest.replace("sign-key = \"../team.key\"\n", "");
    device.sandbox.untracked("xtask.toml", &unsigned);
    refused(&device, device.run(DEPLOY), "carry no signature that the device trusts");
    refused(&device, device.run(&format!("{DEPLOY} --sign-key no-such-file")), "there is no signing key `");
    let other = device.sandbox.temp().join("other.key");
    let key = std::fs::read_to_string(device.sandbox.temp().join("team.key")).unwrap();
    let name = key.split(':').next().unwrap();
    std::fs::write(&other, key.replace(name, "other-1")).unwrap();
    let run = device.run(&format!("{DEPLOY} --sign-key {other}"));
    assert!(!run.text().contains(key.trim().split(':').nth(1).unwrap()), "the secret is shown");
    refused(&device, run, "the device does not trust the key `other-1`");
    // The right name, and another key: that is found by the device.
    std::fs::write(&other, format!("{name}:AAAA")).unwrap();
    let run = device.run(&format!("{DEPLOY} --sign-key {other}"));
    assert_eq!(run.code, Some(11), "{}", run.text());
    device.is_as_before();
    device
        .run(&format!("{DEPLOY} --no-check-sigs"))
        .good()
        .says("warning: the device takes paths that nobody it trusts");
}

#[test]
fn a_full_disk() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare).known();
    with_ballast(&device, 40);
    // The store, and a /boot, that are smaller than what has to go in.
    device.sh("mount -t tmpfs -o size=60m t /mnt && cp -a /nix/. /mnt/ && mount --bind /mnt /nix");
    device.sh("dd if=/dev/zero of=/nix/full bs=1M count=20 status=none");
    refused(&device, device.run(DEPLOY), "not enough room in the device's store: 41 MB");
}

#[test]
fn a_disk_that_fills_up_meanwhile() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare).known();
    with_ballast(&device, 20);
    device.sh("mount -t tmpfs -o size=60m t /mnt && cp -a /nix/. /mnt/ && mount --bind /mnt /nix");
    let fill = "#!/bin/sh\\ndd if=/dev/zero of=/nix/full bs=1M count=50 2>/dev/null\\nexec /usr/bin/nix-daemon --stdio\\n";
    device.sh(&format!("printf \"{fill}\" > /usr/local/bin/nix-daemon; chmod 755 /usr/local/bin/nix-daemon"));
    refused(&device, device.run(DEPLOY), "the device's disk is full");
    device.sh("rm /nix/full /usr/local/bin/nix-daemon; nix-store --gc");
    device.run(DEPLOY).good();
}

#[test]
fn a_full_boot() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare).known();
    std::fs::write(device.sandbox.root().join("aleph/system/kernel"), vec![7; 3 << 20]).unwrap();
    device.sandbox.git("add --all .");
    device.sh(
        "cp /boot/default /tmp/default; mount -t tmpfs -o size=2m t /boot; cp /tmp/default /boot/default",
    );
    refused(
        &device,
        device.run(DEPLOY),
        "not enough room in the device's /boot: its kernel and initrd take 3.1 MB",
    );
}

/// Who copies for longer than a lock lives without a word has it all the same.
#[test]
fn it_takes_longer_than_the_lock_lives() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare).known();
    // For a minute; nobody waits for its end.
    with_ballast(&device, 40);
    device.slow("5mbit");
    let child = device.begin("deploy --config bench --yes --confirm-timeout 5");
    let until = wait_for("the lock", || {
        let output = device.try_sh("sed -n s/^until=//p /run/elodin-deploy/lock");
        String::from_utf8(output.stdout).unwrap().trim().parse::<u64>().ok()
    });
    let over = format!("read -r now rest < /proc/uptime; [ ${{now%%.*}} -gt {until} ]");
    wait_for("the end of its first life", || device.try_sh(&over).status.success().then_some(()));
    let second = device.run("deploy --config default --yes");
    assert_eq!(second.code, Some(11), "{}", second.text());
    drop(second.says("somebody else is deploying to root@fde1:2240:a1ef::1: "));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let first = device.sandbox.told(child.wait_with_output().unwrap());
    refused(&device, first, "nothing was changed: interrupted\n");
}

/// It goes on where it was once the link is back.
#[test]
fn the_link_is_cut() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare).known();
    with_ballast(&device, 24);
    device.slow("6mbit");
    let child = device.begin(DEPLOY);
    wait_for("the copy", || device.try_sh("pgrep -f '[n]ix-daemon --stdio'").status.success().then_some(()));
    device.cut();
    std::thread::sleep(std::time::Duration::from_secs(12));
    device.quick();
    device.mend();
    let run = device.sandbox.told(child.wait_with_output().unwrap()).good();
    assert!(device.boots().contains("bench"));
    device.is_tidy();
    drop(run.says("the copy broke off ("));
}
