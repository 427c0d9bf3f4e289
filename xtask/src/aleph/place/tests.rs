//! Where things are built, on machines of all kinds.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::super::SYSTEM;
use super::*;
use crate::host::Host;

fn set(words: &str) -> BTreeSet<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

fn here(system: &str) -> ThisMachine {
    ThisMachine {
        system: system.to_owned(),
        platforms: BTreeSet::new(),
        features: set("big-parallel"),
        jobs: 2,
        emulation: Emulation::Absent,
        own_nix: false,
        builders: "@/etc/nix/machines".to_owned(),
    }
}

fn need(system: &str, features: &str) -> Need {
    Need { system: system.to_owned(), features: set(features), example: "linux-6.1".to_owned(), count: 3 }
}

/// What is decided where the builders with these names answer.
fn told(needs: &[Need], here: &ThisMachine, builders: &str, answering: &str) -> String {
    let mut host = Host::current().unwrap();
    host.root = "/nonexistent".into();
    let machines = Machines::read(&host, builders, "x86_64-linux");
    let mut asked: BTreeMap<String, u32> = BTreeMap::new();
    let decision = decide(needs, here, &machines, &mut |machine| {
        *asked.entry(machine.name.clone()).or_default() += 1;
        if set(answering).contains(&machine.name) {
            Ok(())
        } else {
            Err("does not answer: connection refused".to_owned())
        }
    });
    assert!(asked.values().all(|it| *it == 1), "{asked:?}");
    match decision {
        Ok(it) => {
            let silent: String =
                it.silent.iter().map(|(name, why)| format!("silent: {name} {why}\n")).collect();
            format!("{}\n{silent}", it.place)
        }
        Err(it) => format!("{}\n", it.told(Os::Linux, here, "cargo xtask build-aleph", "--on-device")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the snapshot is written at the call")]
fn check(needs: &[Need], here: &ThisMachine, builders: &str, answering: &str, expect: Expect) {
    expect.assert_eq(&told(needs, here, builders, answering));
}

#[test]
fn a_machine_of_the_same_kind() {
    check(
        &[need(SYSTEM, "big-parallel")],
        &here(SYSTEM),
        "arm aarch64-linux",
        "",
        expect![[r#"
        building here: this machine is aarch64-linux
    "#]],
    );
}

#[test]
fn a_builder_that_suits_and_answers() {
    let builders = "slow x86_64-linux; poor aarch64-linux; arm aarch64-linux - 4 1 big-parallel";
    check(
        &[need(SYSTEM, "big-parallel")],
        &here("x86_64-linux"),
        builders,
        "slow poor arm",
        expect![[r#"
        building on arm: it answers and builds aarch64-linux
    "#]],
    );
    check(
        &[need("x86_64-linux", ""), need(SYSTEM, ""), need(SYSTEM, "big-parallel")],
        &here("x86_64-linux"),
        builders,
        "arm poor",
        expect![[r#"
            building on arm, poor: they answer and build aarch64-linux
        "#]],
    );
    // The first one is tried by Nix as well.
    check(
        &[need(SYSTEM, "")],
        &here("x86_64-linux"),
        builders,
        "arm",
        expect![[r#"
        building on arm: it answers and builds aarch64-linux
        silent: poor does not answer: connection refused
    "#]],
    );
}

#[test]
fn emulation_comes_after_builders() {
    let mut machine = here("x86_64-linux");
    machine.platforms = set(SYSTEM);
    machine.emulation = Emulation::Registered { name: "qemu-aarch64".to_owned(), held: true };
    check(
        &[need(SYSTEM, "")],
        &machine,
        "arm aarch64-linux",
        "arm",
        expect![[r#"
        building on arm: it answers and builds aarch64-linux
    "#]],
    );
    check(
        &[need(SYSTEM, "")],
        &machine,
        "arm aarch64-linux",
        "",
        expect![[r#"
        building here: aarch64-linux runs by emulation, which is slow; a builder or `--on-device` is faster
        silent: arm does not answer: connection refused
    "#]],
    );
    machine.platforms.clear();
    machine.own_nix = true;
    let decision = decide(&[need(SYSTEM, "")], &machine, &Machines::default(), &mut |_| unreachable!());
    assert_eq!(decision.unwrap().place, Place::Emulated { system: SYSTEM.to_owned(), tell: true });
}

#[test]
fn nowhere_says_what_to_do() {
    check(
        &[need(SYSTEM, "")],
        &here("x86_64-linux"),
        "",
        "",
        expect![[r#"
        nothing that this machine knows builds aarch64-linux, and 3 derivations must be built, such as linux-6.1
          this machine: it is x86_64-linux, and no emulator is registered
          builders: there are none
        choose one:
          the device itself  cargo xtask build-aleph --on-device
          a builder, once    cargo xtask build-aleph -- --builders 'ssh-ng://USER@HOST aarch64-linux'
          a builder, always  echo 'ssh-ng://USER@HOST aarch64-linux' | sudo tee -a /etc/nix/machines
          emulation          sudo apt-get install qemu-user-static && echo 'extra-platforms = aarch64-linux' | sudo tee -a /etc/nix/nix.conf && sudo systemctl restart nix-daemon
    "#]],
    );
    let builders = "slow x86_64-linux; poor aarch64-linux; arm aarch64-linux - 4 1 kvm";
    check(
        &[need(SYSTEM, "kvm")],
        &here("x86_64-linux"),
        builders,
        "",
        expect![[r#"
        nothing that this machine knows builds aarch64-linux with kvm, and 3 derivations must be built, such as linux-6.1
          this machine: it is x86_64-linux, and no emulator is registered
          builder slow: is for x86_64-linux
          builder poor: is not said to have kvm
          builder arm: does not answer: connection refused
        choose one:
          the device itself  cargo xtask build-aleph --on-device
          a builder, once    cargo xtask build-aleph -- --builders 'ssh-ng://USER@HOST aarch64-linux - 1 1 kvm'
          a builder, always  echo 'ssh-ng://USER@HOST aarch64-linux - 1 1 kvm' | sudo tee -a /etc/nix/machines
    "#]],
    );
    check(
        &[need(SYSTEM, "")],
        &here("x86_64-linux"),
        "arm aarch64-linux - many; @/none",
        "",
        expect![[r#"
        nothing that this machine knows builds aarch64-linux, and 3 derivations must be built, such as linux-6.1
          this machine: it is x86_64-linux, and no emulator is registered
          the setting `builders`: bad machine, so Nix uses none at all: column 4, the builds at once, is `many` and no number: `arm aarch64-linux - many`
        choose one:
          the device itself  cargo xtask build-aleph --on-device
          a builder, once    cargo xtask build-aleph -- --builders 'ssh-ng://USER@HOST aarch64-linux'
          a builder, always  echo 'ssh-ng://USER@HOST aarch64-linux' | sudo tee -a /etc/nix/machines
          emulation          sudo apt-get install qemu-user-static && echo 'extra-platforms = aarch64-linux' | sudo tee -a /etc/nix/nix.conf && sudo systemctl restart nix-daemon
    "#]],
    );
}

#[test]
fn nowhere_with_what_is_half_done() {
    let mut machine = here("x86_64-linux");
    machine.emulation = Emulation::Registered { name: "qemu-aarch64".to_owned(), held: false };
    check(
        &[need(SYSTEM, "big-parallel")],
        &machine,
        "",
        "",
        expect![[r#"
        nothing that this machine knows builds aarch64-linux with big-parallel, and 3 derivations must be built, such as linux-6.1
          this machine: qemu-aarch64 is registered, but Nix was not told (extra-platforms)
          builders: there are none
        choose one:
          the device itself  cargo xtask build-aleph --on-device
          a builder, once    cargo xtask build-aleph -- --builders 'ssh-ng://USER@HOST aarch64-linux - 1 1 big-parallel'
          a builder, always  echo 'ssh-ng://USER@HOST aarch64-linux - 1 1 big-parallel' | sudo tee -a /etc/nix/machines
          emulation          echo 'extra-platforms = aarch64-linux' | sudo tee -a /etc/nix/nix.conf && sudo systemctl restart nix-daemon
    "#]],
    );
    machine = here(SYSTEM);
    machine.jobs = 0;
    check(
        &[need(SYSTEM, "")],
        &machine,
        "",
        "",
        expect![[r#"
        nothing that this machine knows builds aarch64-linux, and 3 derivations must be built, such as linux-6.1
          this machine: it builds nothing itself (max-jobs = 0)
          builders: there are none
        choose one:
          the device itself  cargo xtask build-aleph --on-device
          a builder, once    cargo xtask build-aleph -- --builders 'ssh-ng://USER@HOST aarch64-linux'
          a builder, always  echo 'ssh-ng://USER@HOST aarch64-linux' | sudo tee -a /etc/nix/machines
    "#]],
    );
    check(
        &[need("x86_64-linux", "kvm")],
        &here(SYSTEM),
        "",
        "",
        expect![[r#"
        nothing that this machine knows builds x86_64-linux with kvm, and 3 derivations must be built, such as linux-6.1
          this machine: it is aarch64-linux, and no emulator is registered
          builders: there are none
        choose one:
          a builder, once    cargo xtask build-aleph -- --builders 'ssh-ng://USER@HOST x86_64-linux - 1 1 kvm'
          a builder, always  echo 'ssh-ng://USER@HOST x86_64-linux - 1 1 kvm' | sudo tee -a /etc/nix/machines
    "#]],
    );
}
