//! What goes wrong once a new system has begun to run. Afterwards the old one runs, and xtask has said so.

use crate::device::{Device, Kind, lacking};
use crate::support::Run;
use crate::support::wait::wait_for;

const DEPLOY: &str = "deploy --config bench --yes";

#[track_caller]
fn rolled_back(device: &Device, run: Run, why: &str) {
    assert_eq!(run.code, Some(10), "{}", run.text());
    assert!(run.stderr.contains("rolled back: "), "{}", run.text());
    device.is_as_before();
    drop(run.says(why));
}

#[test]
fn it_fails_or_hangs() {
    if lacking() {
        return;
    }
    for kind in [Kind::Systemd, Kind::Bare] {
        let device = Device::start(kind).known();
        device.on_activation("bench", "echo engine on fire; exit 1");
        let run = device.run(DEPLOY);
        assert!(run.stderr.contains("  engine on fire\n"), "{}", run.text());
        rolled_back(&device, run, "the activation failed (exit code 4)");
        // Also when it holds its lock, and does not listen to signals.
        device.on_activation("bench", "trap : TERM; while :; do sleep 1; done");
        rolled_back(&device, device.run("deploy --config bench --yes --json"), "");
        let records = device.sh("cat /var/log/elodin-deploys.jsonl");
        assert_eq!(records.matches("\"result\":\"rolled back\"").count(), 2, "{records}");
    }
}

/// The link goes with the new system, and comes back with the old one.
#[test]
fn it_cuts_the_link() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Systemd).known();
    device.on_activation("bench", "ip link set v1 down");
    device.sh("printf 'case $2 in *factory*) ip link set v1 up;; esac\\n' >> /etc/aleph/activation-hook");
    let run = device.run(DEPLOY);
    assert!(
        run.stderr.contains("the device answers again") || run.stderr.contains("did not answer in time"),
        "{}",
        run.text()
    );
    rolled_back(&device, run, "");
}

#[test]
fn sshd_is_gone() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Systemd).known();
    device.on_activation("bench", "systemctl stop ssh.socket ssh.service; pkill -9 sshd");
    device.sh(
        "printf 'case $2 in *factory*) systemctl start ssh.service;; esac\\n' >> /etc/aleph/activation-hook",
    );
    rolled_back(&device, device.run(DEPLOY), "");
}

/// The device is never heard of again: then nobody can say what it runs, and that is said. It has gone back all the same.
#[test]
fn the_link_stays_cut() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Systemd).known();
    device.on_activation("bench", "sleep 900");
    let child = device.begin("deploy --config bench --yes --confirm-timeout 15");
    wait_for("the arming", || {
        device.try_sh("test -e /run/elodin-deploy/*/armed").status.success().then_some(())
    });
    device.cut();
    let run = device.sandbox.told(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(12), "{}", run.text());
    assert!(
        run.stderr.contains("\nby its own timer it has gone back to the old system, if it was armed"),
        "{}",
        run.text()
    );
    assert!(
        run.stderr.contains("check: ssh root@fde1:2240:a1ef::1 readlink -f /run/current-system"),
        "{}",
        run.text()
    );
    device.mend();
    wait_for("the device", || device.try_sh("true").status.success().then_some(()));
    device.is_as_before();
}

#[test]
fn units_and_probes() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Systemd).known();
    device.sh("systemd-run --quiet --unit=flight.service --property=Restart=no sleep infinity");
    device.on_activation("bench", "systemctl kill --signal=KILL flight.service");
    rolled_back(&device, device.run(DEPLOY), "flight.service failed, and had not before");
    device.sh("systemctl reset-failed; systemd-run --quiet --unit=flight.service --property=Restart=always --property=RestartSec=1 --property=StartLimitIntervalSec=0 false");
    device.on_activation("bench", ":");
    // It was like that before.
    device.sh("systemctl stop flight.service; systemctl reset-failed");
    let manifest = device.sandbox.read("xtask.toml");
    for (probe, why) in [
        ("{tcp = 2240}", "a probe fails: nothing listens on TCP port 2240"),
        ("{unit = \"elodin-db.service\"}", "a probe fails: the unit elodin-db.service is inactive"),
        // So slow that the device has gone back before it is asked once more.
        ("{command = \"sleep 4; echo no GPS fix; exit 3\"}", "a probe fails: no GPS fix"),
    ] {
        device.sandbox.untracked("xtask.toml", &format!("{manifest}probes = [{{tcp = 22}}, {probe}]\n"));
        rolled_back(&device, device.run("deploy --config bench --yes --confirm-timeout 6"), why);
    }
    let good =
        "probes = [{tcp = 22}, {unit = \"dbus.service\"}, {command = \"test -e /run/current-system\"}]\n";
    device.sandbox.untracked("xtask.toml", &format!("{manifest}{good}"));
    device.run(DEPLOY).good();
}

/// It boots what it booted before: nobody had confirmed the other.
#[test]
fn the_power_fails() {
    if lacking() {
        return;
    }
    let mut device = Device::start(Kind::Systemd).known();
    device.on_activation("bench", "sleep 60");
    let child = device.begin("deploy --config bench --yes --confirm-timeout 60");
    wait_for("the new system", || device.runs().contains("bench").then_some(()));
    device.power_cycle();
    let run = device.sandbox.told(child.wait_with_output().unwrap());
    rolled_back(&device, run, "the device was booted again in the middle of it");
}

/// The boot loader cannot take the new system: it ran, and was well, and cannot stay.
#[test]
fn the_boot_loader_fails() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Systemd).known();
    device.sh("mount --bind /boot /boot; mount -o remount,bind,ro /boot");
    let run = device.run(DEPLOY);
    device.sh("umount /boot");
    rolled_back(&device, run, "the device could not keep it");
    assert_eq!(device.sh("cd /nix/var/nix/profiles; echo system*"), "system system-1-link");
}
