//! Which device it is, who may deploy to it, and who is at it already.

use crate::device::{Device, Kind, lacking};
use crate::support::Run;
use crate::support::terminal::Terminal;
use crate::support::wait::wait_for;

/// Nothing was changed, it says so, and that is so.
#[track_caller]
fn refused(device: &Device, run: Run, why: &str) -> Run {
    assert_eq!(run.code, Some(11), "{}", run.text());
    assert!(run.stderr.contains("nothing was changed: "), "{}", run.text());
    device.is_as_before();
    run.says(why)
}

#[test]
fn a_key_is_asked_about_and_never_taken_for_granted() {
    if lacking() {
        return;
    }
    let mut device = Device::start(Kind::Bare);
    let first = device.fingerprint();
    let deploy = "deploy --config bench --yes";
    let said = refused(&device, device.run(deploy), "root@fde1:2240:a1ef::1 was never seen from here").stderr;
    assert!(said.contains(&format!("if that is its key, say `--host-key {first}`")), "{said}");
    let wrong = format!("{deploy} --host-key SHA256:AAAA");
    drop(refused(&device, device.run(&wrong), "it is not the `SHA256:AAAA` of --host-key"));

    // On a terminal it is asked.
    let inner = device.command(&["rollback", "--list"]);
    let words: Vec<&str> =
        std::iter::once(inner.get_program()).chain(inner.get_args()).map(|it| it.to_str().unwrap()).collect();
    let terminal = Terminal::start_in(&device.sandbox, &words);
    terminal.shows("Is that its key? [y/N]");
    terminal.line("y");
    assert_eq!(terminal.end().0, "0");
    device.run("rollback --list").good();

    // A reflashed board, or another one.
    device.sh("rm /etc/ssh/ssh_host_*; ssh-keygen -A");
    device.power_cycle();
    let second = device.fingerprint();
    assert_ne!(first, second);
    let said = refused(&device, device.run(deploy), "has another host key than before").stderr;
    assert!(said.contains("A reflashed board has a new one") && said.contains(&second), "{said}");
    device.run(&format!("rollback --list --host-key {second}")).good();
    device.run("rollback --list").good();
}

/// It is said before the system is built, which takes long.
#[test]
fn without_a_terminal_nobody_can_consent() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare).known();
    let run =
        refused(&device, device.run("deploy --config bench"), "Deploy bench to root@fde1:2240:a1ef::1?");
    let said = run.says("Nobody can be asked without a terminal; say `--yes`").stderr;
    assert!(!said.contains("build "), "{said}");
}

#[test]
fn who_may_deploy() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Systemd).known();
    let to = |user: &str| device.run(&format!("deploy {user}@fde1:2240:a1ef::1 --config bench --yes"));
    drop(refused(
        &device,
        to("nobody"),
        "no connection to nobody@fde1:2240:a1ef::1: nobody@fde1:2240:a1ef::1: Permission denied",
    ));
    drop(refused(&device, to("pilot"), "pilot is not root there, and `sudo` wants a password"));
    let run = device.run("deploy root@fde1:2240:a1ef::9 --config bench --yes");
    assert_eq!(run.code, Some(11), "{}", run.text());
    device.is_as_before();
    // By sudo without a password all goes as for root.
    to("engineer").good();
    assert!(device.boots().contains("bench"));
    // Without a user it is who ssh says, as everywhere.
    device.run("rollback [fde1:2240:a1ef::1] --yes").good();
    device.is_as_before();
}

/// An alias of the user's own configuration, and an address with a zone, which Nix 2.26 cannot spell.
#[test]
fn other_spellings() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare);
    let config = device.sandbox.temp().join("home/.ssh/config");
    let old = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("Host board\n  HostName fde1:2240:a1ef::1\n  User root\n{old}")).unwrap();
    let key = device.fingerprint();
    device.run(&format!("deploy board --config bench --yes --host-key {key}")).good();
    assert!(device.boots().contains("bench"));
    device.run(&format!("deploy root@fe80::1%v0 --config default --yes --host-key {key}")).good();
    assert!(device.boots().contains("default"));
    let run = device.run("deploy root@-oProxyCommand=x");
    assert_eq!(run.code, Some(11), "{}", run.text());
}

#[test]
fn two_at_once() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Systemd).known();
    device.on_activation("bench", "while [ ! -e /tmp/go ]; do sleep 0.1; done");
    let first = device.begin("deploy --config bench --yes --confirm-timeout 100");
    wait_for("the lock", || {
        device.try_sh("test -e /run/elodin-deploy/*/armed").status.success().then_some(())
    });
    let run = device.run("deploy --config default --yes --take-over");
    assert_eq!(run.code, Some(11), "{}", run.text());
    assert!(run.stderr.contains("somebody else is deploying to root@fde1:2240:a1ef::1: "), "{}", run.text());
    drop(run.says("comes to an end by itself; wait for that"));
    device.sh("touch /tmp/go");
    let first = device.sandbox.told(first.wait_with_output().unwrap());
    first.good();
    // Somebody who began, and whose machine is gone.
    device.sh("printf 'id=x\\nwho=alice@laptop\\nboot=%s\\nuntil=99999999\\n' $(cat /proc/sys/kernel/random/boot_id) > /run/elodin-deploy/lock");
    let run = device.run("deploy --config default --yes");
    assert_eq!(run.code, Some(11), "{}", run.text());
    drop(run.says("alice@laptop\nwait for that; if it is over, say `--take-over`"));
    device.run("deploy --config default --yes --take-over").good();
    // One whose time is over, or from before the last boot, holds nobody up.
    for stale in ["boot=other\\nuntil=99999999", "boot=$(cat /proc/sys/kernel/random/boot_id)\\nuntil=1"] {
        device.sh(&format!("printf \"id=x\\nwho=alice@laptop\\n{stale}\\n\" > /run/elodin-deploy/lock"));
        device.run("rollback --yes").good();
    }
    device.is_as_before();
}
