//! The pages of fake machines, as users read them.

use std::fs;

use expect_test::{Expect, expect};

use super::machines::Machine;
use super::{Change, State, checks, fixes};
use crate::host::Os;

fn check(machine: &Machine, expect: &Expect) {
    expect.assert_eq(&machine.page());
}

#[test]
fn linux_with_upstream_nix() {
    check(
        &Machine::linux(),
        &expect![[r#"
        Nix
          ok    version    Nix 2.26.3 at /usr/bin/nix (found on PATH)
        Daemon and store
          ok    store      through the daemon, version 2.26.3
          ok    trust      the daemon does not trust you: only caches that the machine allows are used, which is safe
          ok    space      250 GB free of 500 GB (ext4 on /)
        Settings
          ok    files      /etc/nix/nix.conf
          warn  features   not on: nix-command, flakes
                           why: `cargo xtask` works without; `nix build` by hand does not
                           cure: `extra-experimental-features = nix-command flakes` in /etc/nix/nix.conf
        Caches
          FAIL  used       https://cache.example: the daemon ignores it
                           why: you are not a trusted user, and the machine does not allow this cache: Nix warns, and builds all by itself
                           cure: cargo xtask setup cache
          FAIL  key        example-1: not known to the daemon
                           why: what the cache signed is not believed, so Nix builds all by itself
                           cure: cargo xtask setup cache
          ok    reachable  https://cache.example: answers in T s
          ok    clock      agrees with the cache's
        Builds
          ok    sandbox    on
          ok    directory  /tmp (the default of Nix 2.26.3): 250 GB free of 500 GB, ext4 on /
        Workspace
          ok    git        tracks all Nix files
          ok    locks      1 flake in order
        cargo xtask
          ok    dev shell  not entered yet: the first time takes longer
          ok    roots      0 results kept from the garbage collector
        16 checks: 2 errors, 1 warning; `cargo xtask doctor --fix` repairs 3 of them
        exit 1
    "#]],
    );
}

#[test]
fn linux_with_determinate_nix() {
    let machine = Machine::determinate();
    machine.put(
        "/etc/nix/nix.custom.conf",
        "core = 4\ncores = 2\ncores = 4\nbuild-dir = /var/cache/nix-build\nsubstituters = https://mine.example\n",
    );
    machine.put("/home/u/.config/nix/nix.conf", "trusted-public-keys = own-1:BBBB=\n");
    machine.put(
        "/etc/nix/machines",
        "ssh://u@gone x86_64-linux /root/no-key 2\nssh://bad x86_64-linux - many\n",
    );
    machine.put("/root/.keep", "");
    check(
        &machine,
        &expect![[r#"
        Nix
          ok    version     Determinate Nix 2.31.2 at /usr/bin/nix (found on PATH)
        Daemon and store
          ok    store       through the daemon, version 2.31.2
          ok    trust       the daemon does not trust you: only caches that the machine allows are used, which is safe
          ok    space       250 GB free of 500 GB (xfs on /)
        Settings
          ok    files       /etc/nix/nix.conf, /etc/nix/nix.custom.conf, ~/.config/nix/nix.conf
          ok    features    nix-command and flakes are on
          warn  unknown     /etc/nix/nix.custom.conf:1: `core`; did you mean `cores`?
                            why: this Nix has no such setting and ignores the line
                            cure: edit /etc/nix/nix.custom.conf:1
          warn  overridden  /etc/nix/nix.conf:3 `extra-substituters` has no effect: /etc/nix/nix.custom.conf:5 wins
                            why: `substituters = …` replaces what was said before
                            cure: write `extra-substituters = …` in /etc/nix/nix.custom.conf:5 to add to it, or delete one of the lines
          warn  overridden  /etc/nix/nix.custom.conf:2 `cores` has no effect: /etc/nix/nix.custom.conf:3 wins
                            why: `cores = …` replaces what was said before
                            cure: delete one of the lines
          warn  ignored     ~/.config/nix/nix.conf:1 `trusted-public-keys`: the daemon does not take it from you
                            why: only those that the daemon trusts may set this, and Nix still ends with 0
                            cure: put the line into /etc/nix/nix.custom.conf, and run `sudo systemctl restart nix-daemon.service`
        Caches
          FAIL  used        https://cache.example: the daemon ignores it
                            why: you are not a trusted user, and the machine does not allow this cache: Nix warns, and builds all by itself
                            cure: cargo xtask setup cache
          FAIL  key         example-1: not known to the daemon
                            why: what the cache signed is not believed, so Nix builds all by itself
                            cure: cargo xtask setup cache
          ok    reachable   https://cache.example: answers in T s
          ok    clock       agrees with the cache's
        Builds
          ok    sandbox     on
          ok    directory   /var/cache/nix-build (build-dir in /etc/nix/nix.custom.conf:4): 250 GB free of 500 GB, xfs on /
        Builders
          FAIL  list        /etc/nix/machines:2: bad machine, so Nix uses none at all: column 4, the builds at once, is `many` and no number: `ssh://bad x86_64-linux - many`
                            why: Nix builds here what it should build there
                            cure: cargo xtask builder list
          FAIL  machine     ssh://u@gone for x86_64-linux: its key /root/no-key is not there
                            why: ssh cannot log in, so Nix builds here or not at all
                            cure: make the key, or correct the third column
        Workspace
          ok    git         tracks all Nix files
          ok    locks       1 flake in order
        cargo xtask
          ok    dev shell   not entered yet: the first time takes longer
          ok    roots       0 results kept from the garbage collector
        22 checks: 4 errors, 4 warnings; `cargo xtask doctor --fix` repairs 2 of them
        exit 1
    "#]],
    );
}

#[test]
fn nixos() {
    check(
        &Machine::nixos(),
        &expect![[r#"
        Nix
          ok    version    Nix 2.28.5 at /usr/bin/nix (found on PATH)
        Daemon and store
          ok    store      through the daemon, version 2.28.5
          ok    trust      the daemon does not trust you: only caches that the machine allows are used, which is safe
          ok    space      250 GB free of 500 GB (btrfs on /)
        Settings
          ok    files      /etc/nix/nix.conf
          ok    features   nix-command and flakes are on
        Caches
          FAIL  used       https://cache.example: the daemon ignores it
                           why: you are not a trusted user, and the machine does not allow this cache: Nix warns, and builds all by itself
                           cure: cargo xtask setup cache
          FAIL  key        example-1: not known to the daemon
                           why: what the cache signed is not believed, so Nix builds all by itself
                           cure: cargo xtask setup cache
          ok    reachable  https://cache.example: answers in T s
          ok    clock      agrees with the cache's
        Builds
          ok    sandbox    on
          ok    directory  /tmp (the default of Nix 2.28.5): 250 GB free of 500 GB, btrfs on /
        Workspace
          ok    git        tracks all Nix files
          ok    locks      1 flake in order
        cargo xtask
          ok    dev shell  not entered yet: the first time takes longer
          ok    roots      0 results kept from the garbage collector
        16 checks: 2 errors, 0 warnings
        exit 1
    "#]],
    );
}

#[test]
fn a_mac_with_determinate_nix() {
    check(
        &Machine::mac_determinate(),
        &expect![[r#"
        Nix
          ok    version       Determinate Nix 2.31.2 at /usr/bin/nix (found on PATH)
        Daemon and store
          ok    store         through the daemon, version 2.31.2
          ok    trust         the daemon does not trust you: only caches that the machine allows are used, which is safe
          ok    space         250 GB free of 500 GB (file system unknown)
        Settings
          ok    files         /etc/nix/nix.conf
          ok    features      nix-command and flakes are on
        Caches
          FAIL  used          https://cache.example: the daemon ignores it
                              why: you are not a trusted user, and the machine does not allow this cache: Nix warns, and builds all by itself
                              cure: cargo xtask setup cache
          FAIL  key           example-1: not known to the daemon
                              why: what the cache signed is not believed, so Nix builds all by itself
                              cure: cargo xtask setup cache
          ok    reachable     https://cache.example: answers in T s
          ok    clock         agrees with the cache's
          FAIL  certificates  /etc/company.pem is not there
                              why: the daemon can verify no server, so it can download nothing over HTTPS
                              cure: `ssl-cert-file = FILE` in /etc/nix/nix.custom.conf, with a file that has your company's root too
        Builds
          ok    sandbox       on
          ok    directory     /nix/var/nix/builds (the default of Determinate Nix 2.31.2): 250 GB free of 500 GB, file system unknown
        Workspace
          ok    git           tracks all Nix files
          ok    locks         1 flake in order
        macOS
          FAIL  tools         Xcode's command line tools are missing
                              why: git is only a stub without them, and nothing can be linked
                              cure: xcode-select --install
          warn  rosetta       not installed
                              why: programs for x86_64 do not run, and OrbStack emulates them more slowly
                              cure: softwareupdate --install-rosetta --agree-to-license
          warn  orbstack      not installed
                              why: a Mac builds nothing for Linux by itself
                              cure: install it from https://orbstack.dev, then cargo xtask setup builder orbstack
        cargo xtask
          ok    dev shell     not entered yet: the first time takes longer
          ok    roots         0 results kept from the garbage collector
        20 checks: 4 errors, 2 warnings; `cargo xtask doctor --fix` repairs 2 of them
        exit 1
    "#]],
    );
}

#[test]
fn a_mac_with_everything() {
    check(
        &Machine::mac_orbstack(),
        &expect![[r#"
        Nix
          ok    version       Determinate Nix 2.31.2 at /usr/bin/nix (found on PATH)
        Daemon and store
          ok    store         through the daemon, version 2.31.2
          ok    trust         the daemon does not trust you: only caches that the machine allows are used, which is safe
          ok    space         250 GB free of 500 GB (file system unknown)
        Settings
          ok    files         /etc/nix/nix.conf, /etc/nix/nix.custom.conf
          ok    features      nix-command and flakes are on
        Caches
          ok    used          https://cache.example: used where a flake names it
          ok    key           example-1: known to the machine
          ok    reachable     https://cache.example: answers in T s
          ok    clock         agrees with the cache's
          ok    certificates  /etc/company.pem
        Builds
          ok    sandbox       on
          ok    directory     /nix/var/nix/builds (the default of Determinate Nix 2.31.2): 250 GB free of 500 GB, file system unknown
        Workspace
          ok    git           tracks all Nix files
          ok    locks         1 flake in order
        macOS
          ok    tools         /Library/Developer/CommandLineTools/usr/bin/git
          ok    rosetta       installed
          ok    orbstack      the machine nixos is running
        cargo xtask
          ok    dev shell     not entered yet: the first time takes longer
          ok    roots         0 results kept from the garbage collector
        20 checks, all is well
        exit 0
    "#]],
    );
}

#[test]
fn no_nix() {
    check(
        &Machine::new(Os::Linux, "x86_64", "/home/u"),
        &expect![[r#"
        Nix
          FAIL  version  no Nix to use: there is none that is good on PATH or in the usual profiles
                         why: - our own Nix is forbidden by XTASK_PRIVATE_NIX=off
                         cure: cargo xtask setup nix
        Workspace
          ok    git      tracks all Nix files
          ok    locks    1 flake in order
        3 checks: 1 error, 0 warnings
        exit 1
    "#]],
    );
}

/// What goes wrong with a workspace, a clock and a cache.
#[test]
fn a_bad_day() {
    let machine = Machine::linux();
    machine.put("/work/new.nix", "{}").put("/work/.gitattributes", "*.glb filter=lfs\n");
    machine.put("/work/axes.glb", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    machine.put("/work/A.txt", "").put("/work/a.txt", "");
    let (sh, git) = (xshell::Shell::new().unwrap(), machine.host.path("/tools/git"));
    let work = machine.host.path("/work");
    xshell::cmd!(sh, "{git} -C {work} add -f .gitattributes axes.glb A.txt a.txt").quiet().run().unwrap();
    machine.put("/etc/nix/nix.conf", "trusted-public-keys = example-1:OLD=\nbuild-dir /tmp\n");
    machine.program("curl", "printf 'HTTP/1.1 404 No\\r\\ndate: Sun, 22 Nov 2026 21:40:53 GMT\\r\\n\\r\\n'");
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
          FAIL  files      /etc/nix/nix.conf:2 is no setting: `build-dir /tmp`
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
          ok    directory  /tmp (the default of Nix 2.26.3): 250 GB free of 500 GB, ext4 on /
        Workspace
          FAIL  git        does not track new.nix
                           why: a flake has only what git tracks: Nix says that the file does not exist
                           cure: git add --intent-to-add new.nix
          FAIL  lfs        1 of 1 file are pointers: axes.glb
                           why: builds get three lines of text in place of the file, and may succeed
                           cure: install git-lfs, then git lfs install --local && git lfs pull
          warn  case       A.txt, a.txt differ in case only
                           why: on macOS they are one file, so the build differs from Linux
                           cure: git mv A.txt OTHER
          ok    locks      1 flake in order
        cargo xtask
          ok    dev shell  not entered yet: the first time takes longer
          ok    roots      0 results kept from the garbage collector
        18 checks: 7 errors, 2 warnings; `cargo xtask doctor --fix` repairs 3 of them
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
    let machine = Machine::linux();
    machine
        .program("nix", "case \"$1\" in --version) echo 'nix (Nix) 2.26.3';; *) exec /bin/sleep 60;; esac");
    let since = std::time::Instant::now();
    let page = machine.page();
    assert!(page.contains("did not answer within 1.9 s"), "{page}");
    assert!(since.elapsed().as_secs() < 30);
}

/// `--fix` on each machine: what it changes, and that nothing is left to fix.
#[test]
fn fixes_of_each_machine() {
    let mut told = String::new();
    for machine in [Machine::linux(), Machine::determinate(), Machine::nixos(), Machine::mac_determinate()] {
        machine.put("/work/new file.nix", "{}");
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
        let after = machine.facts();
        let left = fixes(&after, &checks(&after)).unwrap();
        assert!(left.iter().all(|it| !it.root), "{left:?}");
        let cache = checks(&after).into_iter().find(|it| it.name == "used").unwrap();
        let nixos = fs::exists(machine.host.path("/etc/NIXOS")).unwrap();
        assert_eq!(cache.state, if nixos { State::Fail } else { State::Pass });
        told += "\n";
    }
    expect![[r#"

        $ git -C .tmpKLAPmG/work add --intent-to-add -- new file.nix
        --- a/etc/nix/nix.conf
        +++ b/etc/nix/nix.conf
        @@ -1 +1,4 @@
         build-users-group = nixbld
        +extra-experimental-features = nix-command flakes
        +extra-trusted-substituters = https://cache.example
        +extra-trusted-public-keys = example-1:AAAA=
        $ systemctl restart nix-daemon.service
        as root


        $ git -C .tmpqkGHFd/work add --intent-to-add -- new file.nix
        --- a/etc/nix/nix.custom.conf
        +++ b/etc/nix/nix.custom.conf
        @@ -1,2 +1,4 @@
         # Mine
         cores = 4 # not all
        +extra-trusted-substituters = https://cache.example
        +extra-trusted-public-keys = example-1:AAAA=
        $ systemctl restart nix-daemon.service
        as root


        $ git -C .tmpD89Its/work add --intent-to-add -- new file.nix


        $ git -C .tmpW2KHiK/work add --intent-to-add -- new file.nix
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
