//! Ctrl-C, and worse, at each step.

use unix::sys::signal::{Signal, kill};
use unix::unistd::Pid;

use crate::device::{Device, Kind, lacking};
use crate::support::Run;
use crate::support::wait::{processes_with, wait_for};

/// Deploys, waits until a test on the device succeeds, and sends a signal.
fn interrupted(device: &Device, args: &str, when: &str, signal: Signal) -> Run {
    let child = device.begin(args);
    wait_for(when, || device.try_sh(when).status.success().then_some(()));
    // `ip netns exec` has become the binary.
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    device.sandbox.told(child.wait_with_output().unwrap())
}

#[test]
fn before_anything_is_armed() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare).known();
    let sandbox = &device.sandbox;
    let flake = sandbox
        .read("aleph/toplevel.nix")
        .replace("(directory ./tools", "(directory ./ballast \"ballast\")\n (directory ./tools");
    sandbox.untracked("aleph/toplevel.nix", &flake);
    std::fs::create_dir_all(sandbox.root().join("aleph/ballast")).unwrap();
    sandbox.untracked("aleph/ballast/ballast", &"x".repeat(20 << 20));
    sandbox.git("add --all .");
    device.slow("20mbit");
    let run = interrupted(
        &device,
        "deploy --config bench --yes",
        "test -e /run/elodin-deploy/lock && pgrep -f '[n]ix-daemon --stdio'",
        Signal::SIGINT,
    );
    assert_eq!(run.code, Some(11), "{}", run.text());
    assert!(
        run.stderr.contains("nothing was changed: ") && run.stderr.contains("interrupted"),
        "{}",
        run.text()
    );
    device.is_as_before();
    assert_eq!(processes_with(&format!("{}/home/.local", sandbox.temp())), [""; 0]);
}

#[test]
fn in_the_middle_of_an_activation() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Systemd).known();
    device.on_activation("bench", "sleep 20");
    let run = interrupted(
        &device,
        "deploy --config bench --yes --confirm-timeout 60",
        "readlink /run/current-system | grep bench",
        Signal::SIGINT,
    );
    assert_eq!(run.code, Some(10), "{}", run.text());
    device.is_as_before();
    drop(run.says("rolled back: you stopped it"));
    assert_eq!(
        device.sandbox.temp().join("home/.local/state/elodin-xtask/known-hosts").read_dir().unwrap().count(),
        1
    );
}

/// Nobody is there any more to confirm it, or to undo it.
#[test]
fn the_operators_machine_dies() {
    if lacking() {
        return;
    }
    for kind in [Kind::Systemd, Kind::Bare] {
        let device = Device::start(kind).known();
        device.on_activation("bench", "sleep 4");
        let run = interrupted(
            &device,
            "deploy --config bench --yes --confirm-timeout 8",
            "readlink /run/current-system | grep bench",
            Signal::SIGKILL,
        );
        assert_eq!(run.code, None);
        wait_for("the old system", || (device.runs() == device.factory).then_some(()));
        wait_for("the end", || {
            device.try_sh("test -e /run/elodin-deploy/*/done").status.success().then_some(())
        });
        device.is_as_before();
        assert!(device.sh("cat /var/log/elodin-deploys.jsonl").contains("\"result\":\"rolled back\""));
        device.run("deploy --config default --yes").good();
    }
}
