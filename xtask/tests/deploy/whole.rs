//! From one system to the next, and back.

use crate::device::{ADDRESS, Device, Kind, lacking};

#[test]
fn there_and_back() {
    if lacking() {
        return;
    }
    for kind in [Kind::Systemd, Kind::Bare] {
        let device = Device::start(kind).known();
        let run = device.run("deploy --config bench --yes").good();
        let bench = device.runs();
        assert!(bench.ends_with("-nixos-system-bench-25.05.offline-2"), "{bench}");
        assert_eq!(device.boots(), bench);
        assert_eq!(run.stdout, device.sandbox.plain(&format!("{bench}\n")));
        device.is_tidy();
        assert!(
            run.stderr.contains("deployed: root@fde1:2240:a1ef::1 runs /nix/store/HASH-nixos-system-bench"),
            "{}",
            run.text()
        );

        let run = device.run("deploy --config bench --yes --json").good();
        assert_eq!(run.json()["result"], "deployed");
        assert!(
            run.stderr.contains("there is nothing to do: root@fde1:2240:a1ef::1 runs "),
            "{}",
            run.text()
        );

        let list = device.run("rollback --list --json").good().json();
        assert_eq!(list["generations"][1]["runs"], true);
        device.run("rollback --yes").good().says("went back: root@fde1:2240:a1ef::1 runs ");
        device.is_as_before();
        assert_eq!(device.sh("readlink /nix/var/nix/profiles/system"), "system-1-link");
        device.run("rollback --to 2 --yes").good();
        assert_eq!(device.boots(), bench);
        let run = device.run("rollback --to 7 --yes");
        assert_eq!(run.code, Some(11));
        drop(run.says("there is no generation 7; there are: 1, 2"));

        // Both sides have written it down.
        let ours = device.sandbox.read("target/xtask/deploys.jsonl");
        let theirs = device.sh("cat /var/log/elodin-deploys.jsonl");
        for records in [ours, theirs] {
            let lines: Vec<serde_json::Value> =
                records.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
            assert_eq!(lines.len(), 3, "{records}");
            let first = &lines[0];
            assert_eq!((&first["result"], &first["path"]), (&"deployed".into(), &bench.as_str().into()));
            assert_eq!((&first["config"], &first["dirty"]), (&"bench".into(), &false.into()));
            assert_eq!(
                (&first["target"], &first["previous"]),
                (&ADDRESS.into(), &device.factory.as_str().into())
            );
        }
    }
}

#[test]
fn only_the_next_boot() {
    if lacking() {
        return;
    }
    let mut device = Device::start(Kind::Systemd).known();
    let run = device.run("deploy --config bench --boot --yes").good();
    assert!(
        run.stderr.contains("until then it runs /nix/store/HASH-nixos-system-factory-1"),
        "{}",
        run.text()
    );
    assert_eq!(device.runs(), device.factory);
    assert!(device.boots().contains("bench"));
    device.power_cycle();
    assert!(device.runs().contains("bench"));
    device.is_tidy();
}

#[test]
fn a_dry_run_touches_nothing() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare);
    let run = device.run("deploy -n --config bench").good();
    let expected = [
        "ssh root@fde1:2240:a1ef::1 '/bin/sh -s  # facts'\n",
        "#nixosConfigurations.\"bench\".config.system.build.toplevel",
        "$NIX store sign --key-file $WORK/../team.key --recursive '<toplevel>'",
        "$NIX copy --to 'ssh-ng://root@[fde1:2240:a1ef::1]' --substitute-on-destination '<toplevel>'",
    ];
    for what in expected {
        assert!(run.stdout.contains(what), "{what}: {}", run.text());
    }
    device.run("rollback -n").good();
    assert!(!device.sandbox.temp().join("home/.local").exists());
    device.is_as_before();
    assert_eq!(device.sh("ls /run/elodin-deploy 2>&1 | grep -c . ; :"), "1");
}
