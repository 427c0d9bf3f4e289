//! Our own Nix for real: from Debian's packages to a build in the sandbox, and what may go wrong on the way.
//!
//! `XTASK_TEST_SUITE=sid` tests the newest Nix; `XTASK_TEST_REQUIRE=all` turns skipped tests into failures.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "cargo shows it when a test fails")]

#[path = "private_nix/machine.rs"]
mod machine;

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use xtask::host::Host;
use xtask::nix::apt::{Apt, package_of};
use xtask::nix::deb::{self, Index};
use xtask::nix::{Origin, Suite, mirror};

use machine::{Machine, build, has, text, this_program};

const APT: [&str; 2] = ["apt-get", "dpkg-deb"];

/// Not a test of its own: what the children of other tests run.
#[test]
fn child() {
    let Some(cache) = Host::current().unwrap().env("XTASK_TEST_CHILD").map(Utf8PathBuf::from) else {
        return;
    };
    let mut machine = Machine::at(&cache, None);
    let res = machine.discover();
    println!("{}", machine.said);
    match res {
        Ok(nix) => println!("child: {nix}\nchild built {}", build(&machine, &nix)),
        Err(err) => {
            println!("child failed: {err:#}");
            let err = machine.discover_with(false).err().map(|it| format!("{it:#}"));
            println!("child without sandbox failed: {}", err.unwrap_or_default());
        }
    }
}

#[test]
fn it_is_made_builds_in_the_sandbox_and_is_found_again_without_starting_anything() {
    if !has(&APT, false) {
        return;
    }
    let mut machine = Machine::shared();
    let nix = machine.discover().unwrap();
    print!("{}", machine.said);
    assert_eq!(build(&machine, &nix), "inside\n");
    machine.said.clear();
    // Where there are no programs.
    let mut machine = machine.env("PATH", "/nonexistent");
    assert_eq!(machine.discover().unwrap(), nix);
    assert_eq!(machine.said, "");
}

#[test]
fn a_nix_that_is_too_old_is_replaced_with_a_warning_and_a_chosen_suite_wins_over_path() {
    if !has(&APT, false) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("nix");
    let put = |version: &str| {
        // By another process: a child of another test would inherit the open file, which then cannot be run.
        let (sh, draft) = (xshell::Shell::new().unwrap(), dir.path().join("draft"));
        std::fs::write(&draft, format!("#!/bin/sh\necho 'nix (Nix) {version}'\n")).unwrap();
        xshell::cmd!(sh, "install -m 755 {draft} {program}").quiet().run().unwrap();
    };
    put("2.8.0");
    let machine = Machine::shared();
    let path = format!("{}:{}", dir.path().display(), machine.host.env("PATH").unwrap());
    let mut machine = machine.env("PATH", &path).env("XTASK_PRIVATE_NIX", "");
    let nix = machine.discover().unwrap();
    assert_eq!(build(&machine, &nix), "inside\n");
    let expect = format!(
        "Warning(\"Nix 2.8.0 at {} (found on PATH) is too old: this workspace needs 2.26.0",
        program.display()
    );
    assert!(machine.said.contains(&expect), "{}", machine.said);

    put("2.99.0");
    assert_eq!(machine.discover().unwrap().origin, Origin::Path);
    let mut machine = machine.env("XTASK_PRIVATE_NIX", &Suite::Trixie.to_string());
    assert_eq!(machine.discover().unwrap().origin, Origin::Private(Suite::Trixie));
}

#[test]
fn a_changed_package_is_refused_by_name_and_a_real_one_is_not() {
    if !has(&APT, false) {
        return;
    }
    let machine = Machine::fresh();
    let apt = Apt::new(&machine.host, machine.suite(), machine.cache().join("apt")).unwrap();
    apt.update(&mirror::mirrors(&machine.host).unwrap()).unwrap();
    let files = apt.download(&["bash-static"]).unwrap();
    let names = files.iter().map(|it| package_of(it)).collect();
    let index = Index::parse(&apt.show(&names).unwrap());
    deb::unpack(&index, &files, &machine.cache().join("good")).unwrap();
    let file = files.iter().find(|it| it.as_str().contains("bash-static")).unwrap();
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
    // apt itself does not look at it again.
    apt.download(&["bash-static"]).unwrap();
    let err = deb::unpack(&index, &files, &machine.cache().join("bad")).unwrap_err().to_string();
    assert!(
        err.starts_with(&format!("refused `{}`: it is damaged or was changed", file.file_name().unwrap())),
        "{err}"
    );
    assert!(!machine.cache().join("bad/usr/bin/bash-static").exists());
}

#[test]
fn killed_at_any_time_it_leaves_nothing_that_the_next_run_minds() {
    if !has(&APT, false) {
        return;
    }
    let mut machine = Machine::fresh();
    for after in [100, 600, 1400, 2200, 3000, 3800, 4600] {
        let mut child = machine.child(&this_program(), &[]);
        std::thread::sleep(Duration::from_millis(after));
        child.kill().unwrap();
        child.wait().unwrap();
        println!("killed after {after} ms, left: {:?}", machine.left());
    }
    let nix = machine.discover().unwrap();
    assert_eq!(build(&machine, &nix), "inside\n");
    assert_eq!(machine.left(), [machine.suite().to_string()]);

    // A copy that somebody damaged is made again.
    let receipt = nix.program.parent().unwrap().parent().unwrap().join("version.json");
    std::fs::write(&receipt, "{").unwrap();
    machine.said.clear();
    assert_eq!(machine.discover().unwrap(), nix);
    assert!(machine.said.contains("is ready after"), "{}", machine.said);
    assert_eq!(build(&machine, &nix), "inside\n");
    assert_eq!(machine.left(), [machine.suite().to_string()]);
}

#[test]
fn of_two_at_once_one_waits_for_the_other() {
    if !has(&APT, false) {
        return;
    }
    let machine = Machine::fresh();
    let children = [0, 1].map(|_| machine.child(&this_program(), &[]));
    let said = children.map(|it| text(&it.wait_with_output().unwrap()));
    for it in &said {
        assert!(it.contains("child built inside"), "{it}");
    }
    let count = |what: &str| said.iter().filter(|it| it.contains(what)).count();
    assert_eq!(count("another cargo xtask is getting Nix; waiting"), 1, "{said:?}");
    assert_eq!(count("is ready after"), 1, "{said:?}");
    assert_eq!(machine.left(), [machine.suite().to_string()]);
}

#[test]
fn a_cache_directory_with_a_space_is_refused_before_anything_is_done() {
    if !has(&APT, false) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cache = Utf8Path::from_path(dir.path()).unwrap().join("a b");
    let mut machine = Machine::at(&cache, None);
    let err = format!("{:#}", machine.discover().unwrap_err());
    assert!(err.contains("set XDG_CACHE_HOME to another directory"), "{err}");
    assert_eq!(machine.left(), [""; 0]);
}

#[test]
fn a_full_disk_is_named_and_left_clean() {
    if !has(&["apt-get", "unshare", "mount", "sh"], true) {
        return;
    }
    // Too small for the lists, for the packages, and for what is in them.
    for size in [30, 90, 130] {
        let machine = Machine::fresh();
        let script = format!(
            "mount -t tmpfs -o size={size}m none \"$1\" && shift && \"$@\"; ls \"$XTASK_TEST_CHILD/elodin-xtask/nix\""
        );
        let cache = machine.cache();
        let child =
            machine.child(&this_program(), &["unshare", "-m", "sh", "-c", &script, "sh", cache.as_str()]);
        let said = text(&child.wait_with_output().unwrap());
        assert!(said.contains("child failed: the disk of "), "{size} MB: {said}");
        assert!(said.contains("is full: our own Nix needs 250 MB"), "{size} MB: {said}");
        assert!(said.ends_with(&format!("\n{}.lock\n", machine.suite())), "{size} MB: {said}");
    }
}

#[test]
fn an_expired_release_file_names_the_way_on() {
    if !has(&APT, false) {
        return;
    }
    let machine = Machine::fresh();
    // Any Release file is expired when it may be one second old. Nothing of the host's relaxes that.
    let acquire = mirror::acquire(&machine.host).unwrap();
    let config = |valid_until: bool| {
        format!(
            "{acquire}Acquire::Check-Valid-Until \"{valid_until}\";\nAcquire::Check-Date \"true\";\n\
             Acquire::Max-ValidTime \"1\";\nDir::Etc::parts \"/dev/null\";\nDir::Etc::main \"/dev/null\";\n"
        )
    };
    let mut machine = machine.apt(&config(true));
    let err = format!("{:#}", machine.discover().unwrap_err());
    assert!(err.contains("is out of date (a frozen mirror, or a wrong clock?)"), "{err}");
    assert!(err.contains("APT_CONFIG=~/frozen.conf cargo xtask"), "{err}");
    assert_eq!(machine.left(), [""; 0]);

    let machine = machine.apt(&config(false));
    let apt = Apt::new(&machine.host, machine.suite(), machine.cache().join("apt")).unwrap();
    apt.update(&mirror::mirrors(&machine.host).unwrap()).unwrap();
}

/// What apt asks its mirrors for, and nothing else of the host's sources.
fn sources(machine: &Machine, list: &str) -> String {
    let file = machine.cache().join("sources.list");
    std::fs::write(&file, list).unwrap();
    format!(
        "Dir::Etc::sourcelist \"{file}\";\nDir::Etc::sourceparts \"/dev/null\";\nAcquire::Retries \"0\";\n"
    )
}

#[test]
fn mirrors_that_cannot_be_reached_are_all_named() {
    if !has(&APT, false) {
        return;
    }
    let machine = Machine::fresh();
    let config = sources(
        &machine,
        "deb http://127.0.0.1:9/debian stable main\ndeb http://127.0.0.1:10/debian sid main\n",
    );
    let mut machine = machine.apt(&config);
    let err = format!("{:#}", machine.discover().unwrap_err());
    for port in [9, 10] {
        let expect = format!("from http://127.0.0.1:{port}/debian: ");
        assert!(err.contains("cannot read the package lists of Debian ") && err.contains(&expect), "{err}");
    }
    assert!(
        err.contains("Connection refused") && err.contains("see whether `apt-get update` works here"),
        "{err}"
    );
    assert_eq!(machine.left(), [""; 0]);
}

#[test]
fn lists_that_another_key_signed_are_refused() {
    let removed = "/usr/share/keyrings/debian-archive-removed-keys.gpg";
    if !has(&APT, false) || !Utf8Path::new(removed).exists() {
        return;
    }
    let mut machine = Machine::fresh();
    machine.host.root = machine.cache().join("root");
    let keyring = machine.host.path("/usr/share/keyrings/debian-archive-keyring.gpg");
    std::fs::create_dir_all(keyring.parent().unwrap()).unwrap();
    std::fs::copy(removed, &keyring).unwrap();
    let err = format!("{:#}", machine.discover().unwrap_err());
    assert!(err.contains("is not signed by a key in"), "{err}");
    assert_eq!(machine.left(), [""; 0]);
}

#[test]
fn a_cache_directory_behind_a_symbolic_link_that_only_its_owner_may_enter_is_fine() {
    if !has(&APT, false) {
        return;
    }
    let machine = Machine::fresh();
    let real = machine.cache().join("real");
    std::fs::create_dir(&real).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&real, machine.cache().join("link")).unwrap();
    let mut linked = Machine::at(&machine.cache().join("link"), None);
    let nix = linked.discover().unwrap();
    assert_eq!(build(&linked, &nix), "inside\n");
    linked.said.clear();
    assert_eq!(linked.discover().unwrap(), nix);
    assert_eq!(linked.said, "");
}

/// Runs its arguments in a user namespace in which no further one can be made.
const NO_NAMESPACES: &str = r#"
    pipes=$(mktemp -d); mkfifo "$pipes/go"
    unshare -U sh -c 'read -r go < "$0/go"; exec setpriv --reuid 0 --regid 0 --clear-groups sh -c "
        echo 0 > /proc/sys/user/max_user_namespaces; exec \"\$@\"" sh "$@"' "$pipes" "$@" &
    child=$!
    until [ "$(readlink /proc/$child/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.05; done
    echo 0 0 100000 > /proc/$child/uid_map; echo 0 0 100000 > /proc/$child/gid_map
    echo go > "$pipes/go"; wait "$child"; rm -r "$pipes""#;

#[test]
fn an_unprivileged_user_gets_it_too_and_is_told_what_is_missing_without_namespaces() {
    if !has(&["apt-get", "unshare", "setpriv", "sh", "mkfifo"], true) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let cache = Utf8Path::from_path(dir.path()).unwrap().to_owned();
    let machine = Machine::at(&cache, Some(dir));
    // The checkout may be where only root can read.
    let program = cache.join("test");
    // By another process: a child of another test would inherit the open file, which then cannot be run.
    let (sh, this) = (xshell::Shell::new().unwrap(), this_program());
    xshell::cmd!(sh, "cp {this} {program}").quiet().run().unwrap();
    let nobody = 65534;
    for it in [cache.clone(), cache.join("apt.conf"), program.clone()] {
        std::os::unix::fs::chown(it, Some(nobody), Some(nobody)).unwrap();
    }
    let unprivileged = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let machine = machine.env("TMPDIR", "/tmp");
    let output = machine.child(&program, &unprivileged).wait_with_output().unwrap();
    assert!(text(&output).contains("child built inside"), "{}", text(&output));

    let forbidden = ["sh", "-c", NO_NAMESPACES, "sh"];
    for before in [&forbidden[..], &[&forbidden[..], &unprivileged].concat()] {
        let said = text(&machine.child(&program, before).wait_with_output().unwrap());
        assert!(
            said.contains("child failed: our own Nix cannot build here: it needs user namespaces"),
            "{said}"
        );
        assert!(said.contains("allow them: sudo sysctl -w user.max_user_namespaces=15000"), "{said}");
        assert!(said.contains("Nix says: error: "), "{said}");
        assert!(said.contains("child without sandbox failed: `nix.sandbox = false` does not help"), "{said}");
    }
}
