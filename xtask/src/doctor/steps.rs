//! The way to a builder, with ssh and the Nix behind it as scripts: what it can end with, told apart.

use super::machines::Machine;
use super::table::check;
use crate::builders::probe::{Check, RIGHTS, State};

const ANSWER: &str = "time=1\nsystem=x86_64-linux\nsystem-features=kvm\n";

fn machine(line: &str) -> Machine {
    let machine = Machine::determinate();
    machine.put("/key", "x").put("/etc/nix/machines", &format!("ssh-ng://b x86_64-linux /key{line}\n"));
    machine
}

/// What the doctor says when ssh and Nix behave so.
fn told(machine: &Machine, ssh: &str, nix: &str, want: &str) {
    machine.program("ssh", ssh);
    machine.program("over-ssh", nix);
    let (state, rest) = want.split_once(' ').unwrap();
    check(machine, &machine.facts(), "machine", &format!("{state} ssh-ng://b for x86_64-linux: {rest}"));
}

fn fails(line: &str) -> String {
    format!("echo '{line}' >&2; exit 255")
}

fn info(trusted: bool) -> String {
    format!("echo '{{\"url\":\"ssh-ng://b\",\"version\":\"2.34.8\",\"trusted\":{trusted}}}'")
}

fn good() -> String {
    format!("echo '{}'", ANSWER.replace("time=1\n", ""))
}

#[test]
fn the_way_there() {
    let machine = machine(" 1 1 - - AAAA");
    told(&machine, &good(), &info(true), "pass Nix 2.34.8 answers, in ");
    for (said, want) in [
        ("ssh: connect to host b port 22: Connection refused", "warn ssh: cannot be reached: "),
        ("ssh: Could not resolve hostname b: Name or service not known", "warn ssh: cannot be reached: "),
        ("kex_exchange_identification: Connection closed by remote host", "warn ssh: cannot be reached: "),
        ("u@b: Permission denied (publickey).", "fail ssh: refuses the key: "),
        ("Host key verification failed.", "fail ssh: its host key is not known: "),
        ("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", "fail ssh: its host key has changed: "),
        ("something that nobody knows", "fail ssh: something that nobody knows -> try it: `ssh "),
    ] {
        told(&machine, &fails(said), &fails("no"), want);
    }
    // Who does not answer is not waited for.
    let mut machine = machine;
    machine.host.env.insert("XTASK_DOCTOR_PATIENCE".into(), "1".into());
    let since = std::time::Instant::now();
    told(&machine, "exec /bin/sleep 600", "exec /bin/sleep 600", "warn ssh: ");
    assert!(since.elapsed().as_secs() < 300, "it was waited for");
}

#[test]
fn what_is_there() {
    let machine = machine(" 1 1 - - AAAA");
    told(&machine, &good(), &fails("bash: line 1: nix-daemon: command not found"), "fail Nix: ");
    told(&machine, &good(), &info(false), "fail trust: its Nix does not trust the user");
    told(
        &machine,
        &good().replace("x86_64", "riscv64"),
        &info(true),
        "fail systems: its line says x86_64-linux",
    );
    let old: String = ANSWER.lines().map(|it| format!("echo '{it}';")).collect();
    told(&machine, &old, &info(true), "warn clock: differs by ");
    // An account that may only run Nix is as good as another.
    told(&machine, &fails("This account is for Nix only"), &info(true), "pass ");
}

#[test]
fn what_is_written_down() {
    let open = machine("");
    told(&open, &good(), &info(true), "warn its host key is not pinned -> cargo xtask setup builder");
    let gone = machine(" 1 1 - - AAAA");
    std::fs::remove_file(gone.host.path("/key")).unwrap();
    told(&gone, &good(), &info(true), "fail key: /key is not there -> name the right file");
    // Those who have no rights are not told that it is broken.
    let machine = machine(" 1 1 - - AAAA");
    let mut facts = machine.facts();
    let probe = facts.probes[0].as_mut().unwrap().as_mut().unwrap();
    let (found, cure) = ("sudo: a password is required".to_owned(), Some("`sudo -v`".to_owned()));
    probe.checks = vec![Check { step: RIGHTS, state: State::Fail, found, cure }];
    let want = "skipped ssh-ng://b for x86_64-linux: sudo: a password is required -> `sudo -v`";
    check(&machine, &facts, "machine", want);
    machine.put("/etc/nix/machines", "/local x86_64-linux\n");
    check(&machine, &machine.facts(), "machine", "skipped /local for x86_64-linux: only ssh can be asked");
}
