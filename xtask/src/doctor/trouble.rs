//! Bad days of fake machines, and what `--fix` makes of them.

use std::fs;

use expect_test::{Expect, expect};

use super::machines::Machine;
use super::{Change, State, checks, fixes};

fn check(machine: &Machine, expect: &Expect) {
    expect.assert_eq(&machine.page());
}

/// A file that git does not know, one that LFS has not fetched, two that are one on a Mac, a clock that is wrong.
fn spoilt() -> Machine {
    let machine = Machine::linux();
    machine.put("/work/new.nix", "{}").put("/work/.gitattributes", "*.glb filter=lfs\n");
    machine.put("/work/axes.glb", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    machine.put("/work/A.txt", "").put("/work/a.txt", "");
    let (sh, git) = (xshell::Shell::new().unwrap(), machine.host.path("/tools/git"));
    let work = machine.host.path("/work");
    xshell::cmd!(sh, "{git} -C {work} add -f .gitattributes axes.glb A.txt a.txt").quiet().run().unwrap();
    machine.put("/etc/nix/nix.conf", "trusted-public-keys = example-1:OLD=\nbuild-dir /tmp\n");
    machine.program("curl", "printf 'HTTP/1.1 404 No\\r\\ndate: Sun, 22 Nov 2026 21:40:53 GMT\\r\\n\\r\\n'");
    machine
}

/// What goes wrong with a workspace, a clock and a cache.
#[test]
fn a_bad_day() {
    let machine = spoilt();
    check(
        &machine,
        &expect![[r#"
            Nix
              ok    version    Nix 2.26.3 at /usr/bin/nix (found on PATH)
            Daemon and store
              ok    store      through the daemon, version 2.26.3
              ok    trust      the daemon does not trust you: only caches that the machine allows are used, which is safe
              ok    space      250 GB free of 500 GB (ext4 on /)
            Settings
              FAIL  files      /etc/nix/nix.conf:2 is no setting: `build-dir …`
                               why: Nix refuses to start, or the daemon does
                               cure: edit the file: a line is `NAME = VALUE`, with blanks around the `=`, and `#` begins a comment
              warn  features   not on: nix-command, flakes
                               why: `cargo xtask` works without; `nix build` by hand does not
                               cure: `extra-experimental-features = nix-command flakes` in /etc/nix/nix.conf
            Caches
              FAIL  used       https://cache.example: the daemon ignores it
                               why: you are not a trusted user, and the machine does not allow this cache: Nix warns, and builds all by itself
                               cure: cargo xtask setup cache
              FAIL  key        example-1: the machine has another key of that name: example-1:OLD=
                               why: signatures by example-1:AAAA= are not believed
                               cure: replace it by `example-1:AAAA=` in /etc/nix/nix.conf
              FAIL  reachable  https://cache.example: no binary cache there (HTTP 404)
                               why: it has no nix-cache-info
                               cure: correct [cache] substituters in xtask.toml
              FAIL  clock      3600 s ahead of the cache's
                               why: certificates and signed requests are refused by a wrong clock
                               cure: sudo timedatectl set-ntp true
            Builds
              ok    sandbox    on
              warn  directory  /tmp (the default of Nix 2.26.3): 4.0 GB free of 8.0 GB, tmpfs on /tmp
                               why: it is in memory; large builds need 16 GB and end with `No space left on device`
                               cure: cargo xtask setup builder disk
            Workspace
              FAIL  git        does not track new.nix
                               why: a flake has only what git tracks: Nix says that the file does not exist
                               cure: git add --intent-to-add new.nix
              FAIL  lfs        pointers in place of files, 1 of 1: axes.glb
                               why: builds get three lines of text in place of the file, and may succeed
                               cure: install git-lfs, then git lfs install --local && git lfs pull
              warn  case       A.txt, a.txt differ in case only
                               why: on macOS they are one file, so the build differs from Linux
                               cure: git mv A.txt OTHER
              ok    locks      1 flake in order
            cargo xtask
              ok    dev shell  not entered yet: the first time takes longer
              ok    roots      0 results kept from the garbage collector
            18 checks: 7 errors, 3 warnings; `cargo xtask doctor --fix` repairs 3 of them
            exit 1
        "#]],
    );
}

/// The daemon is down: the rest of the page is still there.
#[test]
fn no_daemon() {
    let machine = Machine::nixos();
    let script = "case \"$1\" in --version) echo 'nix (Nix) 2.28.5';; *) echo \"error: cannot connect to socket at \
                  '/nix/var/nix/daemon-socket/socket': Connection refused\" >&2; exit 1;; esac";
    machine.program("nix", script);
    check(
        &machine,
        &expect![[r#"
        Nix
          ok    version    Nix 2.28.5 at /usr/bin/nix (found on PATH)
        Daemon and store
          FAIL  store      cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused
                           why: nothing can be built or copied
                           cure: sudo systemctl restart nix-daemon.service
          ok    space      250 GB free of 500 GB (btrfs on /)
        Settings
          ok    files      /etc/nix/nix.conf
          ok    features   nix-command and flakes are on
        Caches
          skip  used       https://cache.example: the daemon does not answer
          skip  key        example-1: the daemon does not answer
          ok    reachable  https://cache.example: answers in T s
          ok    clock      agrees with the cache's
        Builds
          skip  sandbox    Nix does not say
          ok    directory  /tmp (the default of Nix 2.28.5): 250 GB free of 500 GB, btrfs on /
        Workspace
          ok    git        tracks all Nix files
          ok    locks      1 flake in order
        cargo xtask
          ok    dev shell  not entered yet: the first time takes longer
          ok    roots      0 results kept from the garbage collector
        15 checks: 1 error, 0 warnings
        exit 1
    "#]],
    );
}

/// What does not answer is killed, and the page is there all the same.
#[test]
fn a_nix_that_hangs() {
    let mut machine = Machine::linux();
    machine.host.env.remove(std::ffi::OsStr::new("XTASK_DOCTOR_PATIENCE"));
    machine
        .program("nix", "case \"$1\" in --version) echo 'nix (Nix) 2.26.3';; *) exec /bin/sleep 600;; esac");
    let since = std::time::Instant::now();
    let page = machine.page();
    assert!(page.contains("did not answer within 1.9 s"), "{page}");
    assert!(since.elapsed().as_secs() < 300, "it was waited for");
}

/// Does what `--fix` would, and says what that was.
fn fix(machine: &Machine) -> String {
    let mut told = String::new();
    let facts = machine.facts();
    for set in fixes(&facts, &checks(&facts)).unwrap() {
        told += &set.diffs().join("\n");
        for it in &set.changes {
            if let Change::Run(words) = it {
                told += &machine.plain(&format!("\n$ {}", words.join(" ")));
            }
        }
        told += if set.root { "\nas root\n" } else { "\n" };
        machine.apply(&set);
    }
    told
}

/// `--fix` on each machine: what it changes, and that nothing is left to fix.
#[test]
fn fixes_of_each_machine() {
    let mut told = String::new();
    for machine in [Machine::linux(), Machine::determinate(), Machine::nixos(), Machine::mac_determinate()] {
        machine.put("/work/new file.nix", "{}");
        told += &fix(&machine);
        let after = machine.facts();
        let left = fixes(&after, &checks(&after)).unwrap();
        assert!(left.iter().all(|it| !it.root), "{left:?}");
        let cache = checks(&after).into_iter().find(|it| it.name == "used").unwrap();
        let nixos = fs::exists(machine.host.path("/etc/NIXOS")).unwrap();
        assert_eq!(cache.state, if nixos { State::Fail } else { State::Pass });
        told += "\n";
    }
    expect![[r#"

        $ git -C /work add --intent-to-add -- new file.nix
        --- a/etc/nix/nix.conf
        +++ b/etc/nix/nix.conf
        @@ -1 +1,4 @@
         build-users-group = nixbld
        +extra-experimental-features = nix-command flakes
        +extra-trusted-substituters = https://cache.example
        +extra-trusted-public-keys = example-1:AAAA=
        $ systemctl restart nix-daemon.service
        as root


        $ git -C /work add --intent-to-add -- new file.nix
        --- a/etc/nix/nix.custom.conf
        +++ b/etc/nix/nix.custom.conf
        @@ -1,2 +1,4 @@
         # Mine
         cores = 4 # not all
        +extra-trusted-substituters = https://cache.example
        +extra-trusted-public-keys = example-1:AAAA=
        $ systemctl restart nix-daemon.service
        as root


        $ git -C /work add --intent-to-add -- new file.nix


        $ git -C /work add --intent-to-add -- new file.nix
        --- a/etc/nix/nix.custom.conf
        +++ b/etc/nix/nix.custom.conf
        @@ -0,0 +1,2 @@
        +extra-trusted-substituters = https://cache.example
        +extra-trusted-public-keys = example-1:AAAA=
        $ launchctl kickstart -k system/systems.determinate.nix-daemon
        as root

    "#]]
    .assert_eq(&told.lines().map(|it| it.trim_end().to_owned() + "\n").collect::<String>());
}

/// Who can build for the flight computer, where a flake is for it.
#[test]
fn builds_for_aarch64() {
    let machine = Machine::linux();
    let found = |platforms: &str| {
        let mut facts = machine.facts();
        if let Ok(settings) = &mut facts.settings {
            settings.insert("extra-platforms".to_owned(), platforms.into());
        }
        let check = checks(&facts).into_iter().find(|it| it.name == "aarch64");
        check.map(|it| (it.state, it.found))
    };
    assert_eq!(found("i686-linux"), None);
    machine.put("/work/aleph/flake.nix", "{outputs = _: {};}");
    let told = |state, text: &str| Some((state, text.to_owned()));
    assert_eq!(found("i686-linux"), told(State::Warn, "no builder and no emulation"));
    let both = "i686-linux aarch64-linux";
    assert_eq!(found(both), told(State::Fail, "extra-platforms has it, the kernel has no emulator"));
    let binfmt = "/proc/sys/fs/binfmt_misc/qemu-aarch64";
    machine.put(binfmt, "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: PO\n");
    assert_eq!(found(both), told(State::Warn, "emulated, but the emulator is not in the sandbox"));
    machine.put(binfmt, "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: POF\n");
    assert_eq!(found(both), told(State::Pass, "emulated, about ten times slower than a builder"));
    machine.put("/etc/nix/machines", "ssh://arm aarch64-linux\n");
    assert_eq!(found("i686-linux"), told(State::Pass, "by the builder ssh://arm"));
}
