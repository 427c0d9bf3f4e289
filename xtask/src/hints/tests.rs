//! Each look-up on a fake machine: what it adds, and where it takes a hint back.

use std::fs;
use std::time::Instant;

use crate::context::{Context, Globals};
use crate::doctor::machines::Machine;
use crate::rules::diagnosis::findings;
use crate::rules::reader;
use crate::ui::{Style, Ui};
use crate::workspace::Scope;

/// The hints for a log on this machine: the rule, the cause, the cure.
fn hints(machine: &Machine, log: &str) -> Vec<String> {
    let ui = Ui::new(Style { quiet: true, ..Style::default() });
    let dir = machine.host.path("/work");
    let mut cx = Context::new(machine.host.clone(), dir, Globals::default(), ui, Scope::All).unwrap();
    cx.nix_at_hand();
    let found = findings(&reader::read(log.as_bytes(), Instant::now()));
    let told = cx.hints(&found).into_iter().map(|it| format!("{}: {}; {}", it.rule, it.cause, it.cure));
    told.map(|it| machine.plain(&it)).collect()
}

fn check(machine: &Machine, log: &str, rule: &str, says: &[&str]) {
    let told = hints(machine, log);
    let [one] = told.as_slice() else { panic!("{told:?}") };
    assert!(one.starts_with(&format!("{rule}: ")), "{one}");
    for it in says {
        assert!(one.contains(it), "`{it}` is not in: {one}");
    }
}

fn nothing(machine: &Machine, log: &str) {
    assert_eq!(hints(machine, log), [] as [&str; 0]);
}

#[test]
fn files_that_git_does_not_know_and_those_of_submodules() {
    let machine = Machine::linux();
    let old =
        |file: &str| format!("error: path '/nix/store/{}-source/{file}' does not exist\n", "a".repeat(32));
    nothing(&machine, &old("new.nix"));
    machine.put("/work/dir/new file.nix", "{}");
    check(
        &machine,
        &old("dir/new file.nix"),
        "git-untracked",
        &["git does not know `dir/new file.nix`", "run `git add --intent-to-add 'dir/new file.nix'`"],
    );
    // It is known, so something else is wrong.
    nothing(&machine, &old("flake.nix"));
    // 2.34 says it for certain, also in the log of another machine.
    let new = "error: Path 'gone.nix' in the repository \"/elsewhere\" is not tracked by Git.\n";
    check(&machine, new, "git-untracked", &["git does not know `gone.nix`"]);
    machine.put("/work/.gitmodules", "[submodule \"x\"]\n\tpath = vendor/x\n\turl = u\n");
    machine.put("/work/vendor/x/a.nix", "{}");
    check(
        &machine,
        &old("vendor/x/a.nix"),
        "git-submodule",
        &["the submodule `vendor/x`", "submodules = true"],
    );
}

#[test]
fn systems_that_do_have_a_package() {
    let machine = Machine::linux();
    let work = machine.host.path("/work");
    machine.program(
        "nix",
        "case \"$*\" in --version*) echo 'nix (Nix) 2.26.3';; *\" eval \"*|eval*) \
        echo '{\"aarch64-linux\":[\"probe\"],\"x86_64-linux\":[\"other\"]}';; *) exit 1;; esac",
    );
    let log = |name: &str| {
        format!(
            "error: flake 'git+file://{work}' does not provide attribute 'packages.x86_64-linux.{name}', 'legacyPackages.x86_64-linux.{name}' or '{name}'\n"
        )
    };
    check(
        &machine,
        &log("probe"),
        "attr-missing-flake",
        &["`probe` is only there for aarch64-linux", "cargo xtask build probe --system aarch64-linux"],
    );
    check(&machine, &log("nothing"), "attr-missing-flake", &["nix flake show ."]);
}

#[test]
fn locks_by_file_line_and_input() {
    let machine = Machine::linux();
    let work = machine.host.path("/work");
    let log = format!(
        "error: flake 'git+file://{work}' requires lock file changes but they're not allowed due to '--no-update-lock-file'\n"
    );
    check(&machine, &log, "lock-needs-update", &["run `nix flake lock .`"]);
    let json = "error: [json.exception.parse_error.101] parse error at line 1, column 1: syntax error\n";
    check(&machine, json, "lock-unparsable", &["a JSON file cannot be read at line 1"]);
    machine.put("/work/flake.lock", "");
    check(&machine, json, "lock-unparsable", &["`flake.lock` is empty", "git checkout -- flake.lock"]);
    machine.put("/work/flake.lock", "{\n<<<<<<< ours\n}");
    check(&machine, json, "lock-unparsable", &["conflict of git in line 2", "cargo xtask lock sync"]);
    machine.put("/work/flake.lock", "{{");
    check(&machine, json, "lock-unparsable", &["`flake.lock` is no JSON"]);
    let lock = r#"{"nodes":{"dep":{"locked":{"narHash":"sha256-LOCKED="}},"root":{"inputs":{"dep":"dep"}}},"root":"root","version":7}"#;
    machine.put("/work/flake.lock", lock);
    let hash =
        "error: NAR hash mismatch in input 'path:/d', expected 'sha256-FETCHED=' but got 'sha256-LOCKED='\n";
    check(
        &machine,
        hash,
        "input-narhash-mismatch",
        &["the input `dep` is not what `flake.lock` says", "cargo xtask update dep"],
    );
}

#[test]
fn the_place_of_a_wrong_hash() {
    let machine = Machine::linux();
    let old = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let log = format!(
        "error: hash mismatch in fixed-output derivation '/nix/store/{}-x.drv':\n         specified: {old}\n            got:    sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "a".repeat(32)
    );
    check(&machine, &log, "fod-hash-mismatch", &["if the change is meant"]);
    machine.put("/work/flake.nix", &format!("{{\n  hash = \"{old}\";\n}}\n"));
    check(&machine, &log, "fod-hash-mismatch", &["flake.nix:2", "--fix` does that"]);
    machine.put("/work/flake.nix", &format!("{{\n  a = \"{old}\";\n  b = \"{old}\";\n}}\n"));
    check(&machine, &log, "fod-hash-mismatch", &["the hash stands in flake.nix:2, flake.nix:3"]);
}

#[test]
fn only_what_has_no_hash_has_no_network() {
    let machine = Machine::linux();
    let drv = format!("/nix/store/{}-net.drv", "a".repeat(32));
    let log = format!(
        "error: builder for '{drv}' failed with exit code 6;\n       last 1 log lines:\n       > curl: (6) Could not resolve host: example.org\n       For full logs, run:\n         nix log {drv}\n"
    );
    // Somebody else's log: the derivation is not here.
    nothing(&machine, &log);
    machine.put(&drv, "Derive([(\"out\",\"/nix/store/x\",\"\",\"\")],[],[],\"s\",\"b\",[],[])");
    check(&machine, &log, "no-network", &["builds have none"]);
    machine.put(&drv, "Derive([(\"out\",\"/nix/store/x\",\"sha256\",\"00\")],[],[],\"s\",\"b\",[],[])");
    nothing(&machine, &log);
}

#[test]
fn a_daemon_is_started_as_this_machine_does_it() {
    let log = "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused\n";
    for (machine, command) in [
        (Machine::linux(), "`sudo systemctl restart nix-daemon.service`"),
        (Machine::mac_determinate(), "`sudo launchctl kickstart -k system/systems.determinate.nix-daemon`"),
        (Machine::nixos(), "`sudo systemctl restart nix-daemon.service`"),
    ] {
        check(&machine, log, "daemon-down", &[command]);
    }
    let log = "error: opening lock file \"/nix/var/nix/db/big-lock\": Permission denied\n";
    check(&Machine::mac_determinate(), log, "store-permission", &["sudo launchctl kickstart"]);
    let machine = Machine::linux();
    fs::remove_dir_all(machine.host.path("/run/systemd")).unwrap();
    check(&machine, log, "store-permission", &["as it was started on this machine"]);
}

#[test]
fn builders_that_could_have_taken_it() {
    let machine = Machine::linux();
    let wanted = "error: a 'aarch64-linux' with features {kvm} is required to build '/nix/store/x.drv', but I am a 'x86_64-linux' with features {}\n";
    check(&machine, wanted, "platform-mismatch", &["this machine has no builders"]);
    machine.put("/etc/nix/machines", "ssh://a x86_64-linux\n");
    check(&machine, wanted, "platform-mismatch", &["`ssh://a` is for x86_64-linux"]);
    machine.put("/etc/nix/machines", "ssh://a x86_64-linux\nssh://b aarch64-linux - 1 1 kvm\n");
    check(&machine, wanted, "platform-mismatch", &["`ssh://b` (/etc/nix/machines:2) could have taken it"]);
    machine.put("/etc/nix/machines", "ssh://a x86_64-linux - many\n");
    check(&machine, wanted, "platform-mismatch", &["/etc/nix/machines:1", "`many` and no number"]);
    let spec = "error: bad machine specification: failed to convert column #3\n";
    check(&machine, spec, "bad-machine-spec", &["/etc/nix/machines:1", "`many` and no number"]);
    machine.put("/etc/nix/machines", "");
    check(&machine, spec, "bad-machine-spec", &["cannot be read: failed to convert column #3"]);
    let nobody = "Failed to find a machine for remote build!\nderivation: x.drv\nrequired (system, features): (aarch64-linux, [gpu])\n1 available machines:\nerror: Unable to start any build; either increase '--max-jobs' or enable remote builds.\n";
    machine.put("/etc/nix/machines", "ssh://b aarch64-linux - 1 1 kvm\n");
    check(&machine, nobody, "no-machine", &["`ssh://b` "]);
}

#[test]
fn the_hardware_for_kvm() {
    let machine = Machine::linux();
    let log = "error: a 'x86_64-linux' with features {kvm} is required to build '/nix/store/x.drv', but I am a 'x86_64-linux' with features {benchmark}\n";
    check(
        &machine,
        log,
        "features-missing",
        &["this machine has no /dev/kvm", "builder explain --features kvm"],
    );
    machine.put("/dev/kvm", "");
    check(&machine, log, "features-missing", &["/dev/kvm is here", "extra-system-features = kvm"]);
    check(&machine, &log.replace("{kvm}", "{gpu}"), "features-missing", &["extra-system-features = gpu"]);
}

#[test]
fn who_connects() {
    let machine = Machine::linux();
    let log = "Host key verification failed.\nerror: failed to start SSH connection to 'h'\n";
    check(&machine, log, "ssh-host-key", &["(you, because no daemon is between)"]);
    machine.put("/nix/var/nix/daemon-socket/socket", "");
    check(&machine, log, "ssh-host-key", &["(root, because the daemon connects)"]);
    let changed = format!("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n{log}");
    check(&machine, &changed, "ssh-host-key-changed", &["(root, because the daemon connects)"]);
}

#[test]
fn the_line_of_a_setting() {
    let machine = Machine::linux();
    let conf = "core = 4\nallow-dirty = false\nallow-import-from-derivation = false\ntimeout = 60\n\
                experimental-features = ca-derivations\nsubstituters = https://a.example https://b.example/x\n\
                sandbox-paths = /bin/sh=/usr/bin/bash-static\nssl-cert-file = /etc/ca.pem\ncores = many\n\
                sandbox = maybe\n";
    for (rule, line, log) in [
        ("unknown-setting", 1, "warning: unknown setting 'core'"),
        ("dirty-not-allowed", 2, "error: Git tree '/w' is dirty"),
        (
            "ifd-disabled",
            3,
            "error: cannot build '/nix/store/x.drv' during evaluation because the option 'allow-import-from-derivation' is disabled",
        ),
        ("timeout", 4, "error: timed out after 60 seconds"),
        (
            "feature-disabled",
            5,
            "error: experimental Nix feature 'flakes' is disabled; add '--extra-experimental-features flakes' to enable it",
        ),
        (
            "untrusted-substituter",
            6,
            "warning: ignoring untrusted substituter 'https://a.example', you are not a trusted user.",
        ),
        ("cache-not-a-cache", 6, "error: 'https://b.example/x' does not appear to be a binary cache"),
        (
            "cache-storedir",
            6,
            "error: binary cache 'https://a.example' is for Nix stores with prefix '/a', not '/nix/store'",
        ),
        (
            "download-retry",
            6,
            "warning: unable to download 'https://b.example/x/nix-cache-info': Could not connect; retrying in 250 ms",
        ),
        (
            "sandbox-path-missing",
            7,
            "error: getting attributes of path '/usr/bin/bash-static': No such file or directory",
        ),
        (
            "tls",
            8,
            "error: unable to download 'https://a.example/x': SSL peer certificate or SSH remote key was not OK (60)",
        ),
        ("bad-setting", 9, "warning: configuration setting 'cores' should be an integer"),
        (
            "restricted-setting",
            10,
            "warning: ignoring the client-specified setting 'sandbox', because it is a restricted setting and you are not a trusted user",
        ),
    ] {
        machine.put("/etc/nix/nix.conf", "");
        let told = hints(&machine, &format!("{log}\n"));
        assert!(told.len() == 1 && !told[0].contains("it is set in"), "{rule}: {told:?}");
        machine.put("/etc/nix/nix.conf", conf);
        check(&machine, &format!("{log}\n"), rule, &[&format!("(it is set in /etc/nix/nix.conf:{line})")]);
    }
}

/// Each rule that says that something is looked up has a test above.
#[test]
fn none_is_forgotten() {
    let tests = include_str!("tests.rs");
    // What the rule's own patterns find out, what needs a full disk, and what a failing build is needed for.
    let elsewhere = ["command-not-found", "enospc", "enospc-build", "lfs-pointer"];
    let looked_up = crate::rules::all().filter(|it| !it.facts.is_empty() && !elsewhere.contains(&it.id));
    let forgotten: Vec<&str> =
        looked_up.map(|it| it.id).filter(|it| !tests.contains(&format!("\"{it}\""))).collect();
    assert_eq!(forgotten, [] as [&str; 0]);
}
