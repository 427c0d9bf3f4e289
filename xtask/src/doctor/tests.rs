//! The pages of fake machines, as users read them.

use expect_test::{Expect, expect};

use super::machines::Machine;
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
              warn  directory  /tmp (the default of Nix 2.26.3): 4.0 GB free of 8.0 GB, tmpfs on /tmp
                               why: it is in memory; large builds need 16 GB and end with `No space left on device`
                               cure: cargo xtask setup builder disk
            Workspace
              ok    git        tracks all Nix files
              ok    locks      1 flake in order
            cargo xtask
              ok    dev shell  not entered yet: the first time takes longer
              ok    roots      0 results kept from the garbage collector
            16 checks: 2 errors, 2 warnings; `cargo xtask doctor --fix` repairs 3 of them
            exit 1
        "#]],
    );
}

/// Typing errors, lines that lose, builders that are none.
fn badly_set() -> Machine {
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
    machine
}

#[test]
fn linux_with_determinate_nix() {
    let machine = badly_set();
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
              FAIL  machine     ssh://u@gone for x86_64-linux: key: /root/no-key is not there
                                why: Nix cannot build there: it builds here or not at all
                                cure: name the right file in the third field of the machine's line, or make one: `ssh-keygen -t ed25519`
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
