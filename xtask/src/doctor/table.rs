//! Each check of the page that the whole pages do not show: how it goes well, how it fails, and what repairs that.

use std::fs;

use super::machines::Machine;
use super::{Facts, State, checks};
use crate::host::Os;
use crate::nix::{Flavour, Version};

/// The checks of one name, each as `state found -> cure`.
fn of(machine: &Machine, facts: &Facts, name: &str) -> Vec<String> {
    let all = checks(facts).into_iter().filter(|it| it.name == name);
    all.map(|it| machine.plain(&format!("{} {} -> {}", it.state.name(), it.found, it.cure))).collect()
}

pub(super) fn check(machine: &Machine, facts: &Facts, name: &str, want: &str) {
    let found = of(machine, facts, name);
    assert!(found.iter().any(|it| it.starts_with(want)), "{name}: {want}\n{found:#?}");
    let bad = |it: &&super::Check| it.name == name && matches!(it.state, State::Warn | State::Fail);
    for it in checks(facts).iter().filter(bad) {
        assert!(!it.cure.is_empty(), "{name} has no cure: {}", it.found);
    }
}

#[test]
fn which_nix_and_how_many() {
    let machine = Machine::linux();
    let facts = machine.facts();
    assert_eq!(of(&machine, &facts, "on PATH"), [] as [&str; 0]);
    fs::create_dir_all(machine.host.path("/tools")).unwrap();
    machine.program("other-nix", "echo 'nix (Nix) 2.34.8'");
    fs::rename(machine.host.path("/usr/bin/other-nix"), machine.host.path("/tools/nix")).unwrap();
    let facts = machine.facts();
    check(
        &machine,
        &facts,
        "on PATH",
        "warn /usr/bin/nix (Nix 2.26.3), /tools/nix (Nix 2.34.8) -> remove all but one, or put the right one first on PATH",
    );
    machine.program("nix", "exit 1");
    fs::remove_file(machine.host.path("/tools/nix")).unwrap();
    check(&machine, &machine.facts(), "version", "fail no Nix to use");
    machine.program("nix", "echo 'nix (Nix) 2.8.0'");
    let facts = machine.facts();
    check(&machine, &facts, "version", "fail no Nix to use");
    assert!(
        checks(&facts)[0].why.contains("is too old: this workspace needs 2.26.0"),
        "{}",
        checks(&facts)[0].why
    );
}

#[test]
fn a_daemon_of_another_version_and_one_that_trusts() {
    let machine = Machine::linux();
    let mut facts = machine.facts();
    let store = facts.store.as_mut().unwrap();
    store.version = Some("2.34.8".to_owned());
    store.trusted = Some(true);
    check(&machine, &facts, "versions", "warn the client is 2.26.3, the daemon 2.34.8 -> after an upgrade");
    check(&machine, &facts, "trust", "pass the daemon trusts you");
    check(&machine, &facts, "key", "pass example-1: taken from the flakes");
    facts.store.as_mut().unwrap().trusted = None;
    check(&machine, &facts, "trust", "skipped the store does not say");
}

#[test]
fn room_for_the_store_and_for_builds() {
    let machine = Machine::linux();
    let mut facts = machine.facts();
    let gc = "nix-collect-garbage --delete-older-than 30d";
    for (free, inodes, want) in [
        (500_000_000, 900, format!("fail 500 MB free of 500 GB (ext4 on /) -> {gc}")),
        (5_000_000_000, 900, format!("warn 5.0 GB free of 500 GB (ext4 on /) -> {gc}")),
        (250_000_000_000, 0, format!("fail 250 GB free of 500 GB (ext4 on /), but no inodes -> {gc}")),
    ] {
        let space = facts.store_space.as_mut().unwrap();
        (space.free, space.free_inodes) = (free, inodes);
        check(&machine, &facts, "space", &want);
    }
    facts.store_space = None;
    check(&machine, &facts, "space", "skipped there is no /nix/store");
    // In memory is well where it is larger than three times the largest output.
    facts.build_space.as_mut().unwrap().total = 64_000_000_000;
    facts.build_space.as_mut().unwrap().free = 64_000_000_000;
    check(&machine, &facts, "directory", "pass /tmp");
    facts.largest = Some(30_000_000_000);
    check(&machine, &facts, "directory", "warn /tmp");
    let text = checks(&facts).into_iter().find(|it| it.name == "directory").unwrap();
    assert!(text.why.contains("large builds need 90 GB") && text.cure == "cargo xtask setup builder disk");
    facts.build_space.as_mut().unwrap().kind = "ext4".to_owned();
    facts.build_space.as_mut().unwrap().free = 1_000_000_000;
    check(
        &machine,
        &facts,
        "directory",
        &format!("fail /tmp (the default of Nix 2.26.3): 1.0 GB free of 64 GB, ext4 on /tmp -> {gc}"),
    );
    facts.build_space = None;
    check(&machine, &facts, "directory", "skipped /tmp (the default of Nix 2.26.3) cannot be looked at");
}

/// It has no daemon that `setup` could tell, no `nix-collect-garbage`, and is not on PATH.
#[test]
fn what_cures_our_own_nix() {
    let mut facts = Machine::linux().facts();
    let nix = facts.nix.as_mut().unwrap();
    (nix.program, nix.store_root) = ("/home/u/nix/bin/nix".into(), Some("/home/u/store".into()));
    facts.store_space.as_mut().unwrap().free = 1;
    let cures = |facts: &Facts| {
        let named = |name: &str| checks(facts).into_iter().find(|it| it.name == name).unwrap().cure;
        [named("directory"), named("space")]
    };
    let garbage = "/home/u/nix/bin/nix-store --gc";
    assert_eq!(cures(&facts), ["set TMPDIR to a directory on disk", garbage]);
    facts.build_dir.path = "/home/u/store/nix/var/nix/builds".into();
    assert_eq!(cures(&facts), ["set XDG_CACHE_HOME to a directory on disk", garbage]);
}

#[test]
fn isolation_of_builds() {
    let machine = Machine::linux();
    machine.put("/etc/nix/nix.conf", "sandbox = relaxed\n");
    let mut facts = machine.facts();
    let set = |facts: &mut Facts, value: &str| {
        facts.settings.as_mut().unwrap().insert("sandbox".to_owned(), value.into());
    };
    check(&machine, &facts, "sandbox", "pass on");
    set(&mut facts, "relaxed");
    check(&machine, &facts, "sandbox", "warn relaxed -> delete /etc/nix/nix.conf:1: `sandbox = relaxed`");
    set(&mut facts, "false");
    check(&machine, &facts, "sandbox", "warn off -> ");
    let mac = Machine::mac_determinate();
    let mut facts = mac.facts();
    set(&mut facts, "false");
    check(&mac, &facts, "sandbox", "pass off, as usual on macOS");
}

#[test]
fn caches_that_answer_wrongly() {
    let machine = Machine::linux();
    let mut facts = machine.facts();
    facts.caches[0].1.as_mut().unwrap().store_dir = Some("/gnu/store".to_owned());
    check(
        &machine,
        &facts,
        "reachable",
        "fail https://cache.example: it is for the store /gnu/store -> correct [cache]",
    );
    facts.caches[0].1.as_mut().unwrap().date = Some(facts.now + 3600);
    check(&machine, &facts, "clock", "fail 3600 s behind the cache's -> sudo timedatectl set-ntp true");
    facts.caches[0].1 = Err("(28) Connection timed out".to_owned());
    check(
        &machine,
        &facts,
        "reachable",
        "warn https://cache.example: (28) Connection timed out -> look at the network",
    );
    facts.offline = true;
    check(&machine, &facts, "reachable", "skipped https://cache.example: not asked, because of `--offline`");
    let mac = Machine::mac_determinate();
    let mut facts = mac.facts();
    facts.caches[0].1.as_mut().unwrap().date = Some(facts.now - 3600);
    check(&mac, &facts, "clock", "fail 3600 s ahead of the cache's -> sudo sntp -sS time.apple.com");
    mac.put("/etc/company.pem", "x");
    check(&mac, &mac.facts(), "certificates", "pass /etc/company.pem");
}

#[test]
fn a_work_tree_that_is_none_and_one_of_somebody_else() {
    let machine = Machine::linux();
    let mut facts = machine.facts();
    facts.git.as_mut().unwrap().untracked =
        Err("detected dubious ownership in repository at '/work'".to_owned());
    check(
        &machine,
        &facts,
        "git",
        "fail the work tree belongs to another user -> git config --global --add safe.directory /work",
    );
    facts.git.as_mut().unwrap().untracked = Err("there is no `git` on PATH".to_owned());
    check(&machine, &facts, "git", "fail there is no `git` on PATH -> install git");
    facts.git = None;
    check(&machine, &facts, "git", "warn not a git work tree -> git init");
    machine.put("/work/.gitattributes", "*.glb filter=lfs\n").put("/work/real.glb", "glTF");
    let (sh, git, work) =
        (xshell::Shell::new().unwrap(), machine.host.path("/tools/git"), machine.host.path("/work"));
    xshell::cmd!(sh, "{git} -C {work} add -f .gitattributes real.glb").quiet().ignore_stderr().run().unwrap();
    check(
        &machine,
        &machine.facts(),
        "lfs",
        "warn 1 file here, and no flake asks for them -> `inputs.self.lfs",
    );
    machine.put("/work/flake.nix", "{inputs.self.lfs = true; outputs = _: {};}");
    check(&machine, &machine.facts(), "lfs", "pass 1 file here");
    machine
        .put("/work/flake.lock", "{}")
        .put("/work/flake.nix", "{inputs.a.url = \"github:a/a\"; outputs = _: {};}");
    let found = of(&machine, &machine.facts(), "locks");
    assert!(found[0].starts_with("fail ") && found[0].ends_with("-> cargo xtask lock check"), "{found:?}");
}

#[test]
fn a_mac_and_its_linux() {
    let machine = Machine::mac_orbstack();
    let mut facts = machine.facts();
    for (list, want) in [
        (
            Ok("nixos  stopped  nixos  unstable  arm64"),
            "warn the machine nixos is not running -> orbctl start nixos",
        ),
        (Ok("debian  running"), "warn there is no machine nixos -> cargo xtask setup builder orbstack"),
        (Err("no"), "warn does not answer: no -> open -a OrbStack"),
    ] {
        facts.orbstack = Some(list.map(str::to_owned).map_err(str::to_owned));
        check(&machine, &facts, "orbstack", want);
    }
    let intel = Machine::new(Os::MacOs, "x86_64", "/Users/u");
    assert_eq!(of(&intel, &intel.facts(), "rosetta"), [] as [&str; 0]);
}

#[test]
fn what_xtask_itself_keeps() {
    let machine = Machine::linux();
    machine.put("/work/target/xtask/shell/a/environment.json", "{}");
    let roots = machine.host.path("/work/target/xtask/roots");
    fs::create_dir_all(&roots).unwrap();
    std::os::unix::fs::symlink("/nix/store/gone", roots.join("gone")).unwrap();
    let facts = machine.facts();
    check(&machine, &facts, "dev shell", "pass 1 environment remembered");
    check(
        &machine,
        &facts,
        "roots",
        "warn links that lead nowhere: 1 of 1 -> rm -r /work/target/xtask/roots",
    );
}

/// Where the file is written by a configuration, the cure is a module.
#[test]
fn cures_of_nixos_are_modules() {
    let machine = Machine::nixos();
    machine.put("/etc/static/nix/nix.conf", "sandbox = true\n");
    let mut facts = machine.facts();
    check(&machine, &facts, "features", "warn not on: nix-command, flakes -> nix.settings = {");
    facts.nix.as_mut().unwrap().flavour = Flavour::Lix;
    facts.nix.as_mut().unwrap().version = Version::new(2, 93, 0);
    check(&machine, &facts, "version", "pass Lix 2.93.0");
}
