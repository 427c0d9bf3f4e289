//! `doctor` as users run it: with our own Nix, and with a real daemon that need not trust them.

use std::fs;
use std::process::Command;

use crate::support::daemon::Daemon;
use crate::support::{Sandbox, lacks, missing, suite};

const CACHE: &str =
    "[cache]\nsubstituters = [\"https://cache.invalid\"]\npublic-keys = [\"example-1:AAAA=\"]\n";

/// Whether there is what a daemon and a user beside it need.
pub(crate) fn lacks_users() -> bool {
    if Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout != b"0\n") {
        missing("root, to start a daemon and to become nobody");
        return true;
    }
    lacks("setpriv") || lacks("unshare")
}

/// The line of a check, with what is under it.
pub(crate) fn line<'a>(page: &'a str, name: &str) -> &'a str {
    let at = page.find(&format!("  {name} "));
    assert!(at.is_some(), "no `{name}` in:\n{page}");
    let at = at.unwrap_or_default();
    let start = page[..at].rfind('\n').map_or(0, |it| it + 1);
    let end = page[at..]
        .find("\n  ok")
        .into_iter()
        .chain(page[at..].find("\n  FAIL"))
        .chain(page[at..].find("\n  warn"));
    &page[start..end.min().map_or(page.len(), |it| at + it)]
}

#[test]
fn our_own_nix_in_a_good_workspace() {
    let sandbox = Sandbox::new().packages(&[("default", ": > $out")]);
    let run = sandbox.run("doctor").good().says(&format!("(our own, from Debian {})", suite()));
    run.says("without a daemon").says("tracks all Nix files").says("1 flake in order");
    let json = sandbox.run("--json doctor").good().json();
    assert_eq!((&json["version"], &json["ok"]), (&1.into(), &true.into()));
    for check in json["checks"].as_array().unwrap() {
        assert!(["pass", "warn", "skipped"].contains(&check["state"].as_str().unwrap()), "{check}");
    }
    assert_eq!(sandbox.run("-q doctor").good().stderr, "");
    sandbox.run("doctor --fox").wrong_usage();
}

#[test]
fn a_file_that_git_does_not_know_is_fixed_when_the_user_agrees() {
    let sandbox = Sandbox::new().packages(&[("default", ": > $out")]);
    sandbox.untracked("nix/new one.nix", "{}");
    sandbox.run("doctor").bad().says("does not track nix/new one.nix").says("doctor --fix` repairs 1");
    let plan = sandbox.run("-n doctor --fix").bad();
    assert_eq!(plan.stdout, "git -C $WORK add --intent-to-add -- 'nix/new one.nix'\n");
    sandbox.run("doctor --fix").bad().says("Nobody can be asked without a terminal; say `--yes`");
    assert!(sandbox.run("doctor").bad().stderr.contains("does not track"));
    sandbox.run("--yes doctor --fix").good().says("tracks all Nix files");
    sandbox.run("doctor").good();
}

#[test]
fn a_deep_look_builds() {
    let sandbox = Sandbox::new().packages(&[("selftest", ": > $out")]);
    sandbox.run("doctor --deep").good().says("selftest   built, or was there");
    let sandbox = Sandbox::new().packages(&[("selftest", "echo broken >&2; exit 3")]);
    let run = sandbox.run("doctor --deep").bad().says("cargo xtask build selftest");
    assert!(run.stderr.contains("its builder ended with exit code 3"), "{}", run.text());
    let sandbox = Sandbox::new().packages(&[("default", ": > $out")]);
    let run = sandbox.run("doctor --deep").bad().says("there is no package `selftest`");
    assert!(run.stderr.contains("tracks all Nix files"), "the page is told all the same: {}", run.text());
}

#[test]
fn a_daemon_that_does_not_trust_ignores_caches_and_says_so_only_here() {
    if lacks_users() {
        return;
    }
    let sandbox = Sandbox::new().packages(&[("default", ": > $out")]).file("xtask.toml", CACHE);
    let mut daemon = Daemon::start(sandbox, "experimental-features = nix-command flakes\n");
    let home = daemon.sandbox.temp().join("home/.config/nix");
    fs::create_dir_all(&home).unwrap();
    fs::write(
        home.join("nix.conf"),
        "extra-trusted-public-keys = example-1:AAAA=\ncores = 2\nextra-substituters = https://own.invalid\n",
    )
    .unwrap();
    let page = daemon.nobody("--offline doctor").bad().stderr;
    assert!(line(&page, "store").contains("ok    store"), "{page}");
    assert!(line(&page, "trust").contains("does not trust you"), "{page}");
    assert!(line(&page, "used").contains("FAIL  used"), "{page}");
    assert!(line(&page, "key").contains("not known to the daemon"), "{page}");
    // `cores` is the user's own affair.
    let ignored: Vec<&str> = page.lines().filter(|it| it.contains("the daemon does not take it")).collect();
    assert_eq!(ignored.len(), 2, "{page}");
    assert!(ignored[0].contains("nix.conf:1 `extra-trusted-public-keys`"), "{page}");
    assert!(ignored[1].contains("nix.conf:3 `extra-substituters`"), "{page}");
    // Root is trusted, so the same page is another one.
    let page = daemon.root("--offline doctor").stderr;
    assert!(
        line(&page, "trust").contains("the daemon trusts you") && line(&page, "used").contains("ok    used"),
        "{page}"
    );
    // A line that nobody can read, and a daemon that is gone.
    let conf = daemon.sandbox.temp().join("conf/nix.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, format!("{text}extra-trustd-users = u\n")).unwrap();
    daemon.stop();
    let page = daemon.nobody("--offline doctor").bad().stderr;
    assert!(line(&page, "unknown").contains("did you mean `trusted-users`"), "{page}");
    assert!(line(&page, "store").contains("FAIL  store"), "{page}");
    assert!(line(&page, "store").contains("cannot connect to socket"), "{page}");
}

#[test]
fn a_build_directory_in_memory_and_a_full_one() {
    if lacks_users() {
        return;
    }
    let sandbox = Sandbox::new().packages(&[("default", ": > $out")]);
    let build = sandbox.temp().join("builds");
    fs::create_dir_all(&build).unwrap();
    let daemon = Daemon::start(sandbox, &format!("build-dir = {build}\n"));
    let page = daemon.root("--offline doctor").stderr;
    assert!(line(&page, "directory").contains("$TEMP/builds (build-dir in $TEMP/conf/nix.conf:2)"), "{page}");
    assert!(!page.contains("tmpfs on $TEMP"), "{page}");
    let mount = format!("mount -t tmpfs -o size=1g t {build}");
    let page = daemon.mounted(&mount, "--offline doctor").good().stderr;
    let told = line(&page, "directory");
    assert!(told.contains("warn  directory") && told.contains("tmpfs on $TEMP/builds"), "{page}");
    assert!(told.contains("in memory") && told.contains("cure: cargo xtask setup builder disk"), "{page}");
    let full = format!("mount -t tmpfs -o size=1g,nr_inodes=3 t {build}; touch {build}/a {build}/b");
    let page = daemon.mounted(&full, "--offline doctor").bad().stderr;
    assert!(line(&page, "directory").contains("but no inodes"), "{page}");
}
