//! `setup` on settings, daemons and builders that are real, but not the machine's own.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use expect_test::expect;

use super::doctor::{lacks_users, line};
use crate::support::daemon::Daemon;
use crate::support::terminal::Terminal;
use crate::support::{Sandbox, lacks};

const CACHE: &str =
    "[cache]\nsubstituters = [\"https://cache.invalid\"]\npublic-keys = [\"example-1:AAAA=\"]\n";

fn daemon() -> Daemon {
    let sandbox = Sandbox::new().packages(&[("default", ": > $out")]).file("xtask.toml", CACHE);
    Daemon::start(
        sandbox,
        "experimental-features = nix-command flakes\n# mine\ntrusted-users = root # only\n",
    )
}

#[test]
fn a_cache_is_allowed_shown_kept_proven_and_taken_back() {
    if lacks_users() {
        return;
    }
    let mut daemon = daemon();
    let conf = daemon.sandbox.temp().join("conf/nix.conf");
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o640)).unwrap();
    let owned = Command::new("chown").args(["3:4", conf.as_str()]).status().unwrap();
    assert!(owned.success());
    let before = fs::read_to_string(&conf).unwrap();
    let plan = daemon.root("-n setup cache").good();
    expect![[r#"
        patch -p1 -d / <<'END'
        --- a$TEMP/conf/nix.conf
        +++ b$TEMP/conf/nix.conf
        @@ -2,3 +2,5 @@
         experimental-features = nix-command flakes
         # mine
         trusted-users = root # only
        +extra-trusted-substituters = https://cache.invalid
        +extra-trusted-public-keys = example-1:AAAA=
        END
    "#]]
    .assert_eq(&plan.stdout);
    daemon.root("setup cache").bad().says("Nobody can be asked without a terminal; say `--yes`");
    assert_eq!(fs::read_to_string(&conf).unwrap(), before);
    // Nobody restarts this daemon but us, so it is not proven yet.
    daemon.root("--yes setup cache").bad().says("they hold when the daemon is restarted");
    let stat = conf.metadata().unwrap();
    assert_eq!((stat.mode() & 0o777, stat.uid(), stat.gid()), (0o640, 3, 4));
    fs::set_permissions(&conf, fs::Permissions::from_mode(0o644)).unwrap();
    let page = daemon.nobody("--offline doctor").bad().stderr;
    assert!(line(&page, "used").contains("FAIL"), "the daemon has not read it: {page}");
    daemon.restart();
    let page = daemon.nobody("--offline doctor").good().stderr;
    assert!(line(&page, "used").contains("https://cache.invalid: used where a flake names it"), "{page}");
    assert!(line(&page, "key").contains("ok    key"), "{page}");
    daemon.root("setup cache").good().says("the daemon uses the caches");
    // Taken back, but not over somebody else's change.
    let ours = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, format!("{ours}# theirs\n")).unwrap();
    daemon.root("--yes setup undo").bad().says("has been changed since");
    fs::write(&conf, ours).unwrap();
    daemon.root("--yes setup undo").good().says("the files are as they were");
    assert_eq!(fs::read_to_string(&conf).unwrap(), before);
    daemon.root("--yes setup undo").bad().says("there is nothing to undo");
}

/// A `sudo` that only writes down what it is asked for, because nobody may become root here.
#[test]
fn who_is_not_root_needs_sudo_once_and_nothing_is_half_done() {
    if lacks_users() {
        return;
    }
    let daemon = daemon();
    let temp = daemon.sandbox.temp().to_owned();
    let before = daemon.sandbox.read("../conf/nix.conf");
    daemon.sandbox.program("bin/sudo", &format!("#!/bin/sh\necho called >> {temp}/home/sudo\nexit 1\n"));
    let path = format!("{temp}/bin:{}", daemon.sandbox.environment()["PATH"]);
    let sandbox = &daemon.sandbox;
    sandbox.untracked("new.nix", "{}");
    let run = daemon.nobody_with(&[("PATH", &path)], "--offline --yes doctor --fix").bad();
    assert!(run.stderr.contains("sudo patch -p1 -d / <<'END'"), "{}", run.text());
    assert_eq!(daemon.sandbox.read("../home/sudo"), "called\n");
    assert_eq!(daemon.sandbox.read("../conf/nix.conf"), before);
    // What needs no rights was done before.
    let page = daemon.nobody("--offline doctor").bad().stderr;
    assert!(line(&page, "git").contains("tracks all Nix files"), "{page}");
}

#[test]
fn trust_says_what_it_means_and_the_daemon_then_trusts() {
    if lacks_users() {
        return;
    }
    let mut daemon = daemon();
    for bad in ["*", "a b", "", "x;y", "@"] {
        let args = ["setup", "trust", bad];
        let run = daemon.sandbox.run_args(&args);
        assert_eq!(run.code, Some(1), "{}", run.text());
    }
    let run = daemon.root("--yes setup trust nobody").bad();
    assert!(run.stderr.contains("nobody will be as good as root, without a password"), "{}", run.text());
    let conf = daemon.sandbox.read("../conf/nix.conf");
    assert!(conf.contains("trusted-users = root nobody # only\n"), "{conf}");
    daemon.restart();
    let page = daemon.nobody("--offline doctor").stderr;
    assert!(line(&page, "trust").contains("the daemon trusts you, which is as much as being root"), "{page}");
    daemon.root("setup trust nobody").good().says("is among trusted-users already");
}

#[test]
fn the_question_shows_the_change_and_no_is_an_answer() {
    if lacks_users() || lacks("tmux") {
        return;
    }
    let daemon = daemon();
    let temp = daemon.sandbox.temp().to_owned();
    let conf = fs::read_to_string(temp.join("conf/nix.conf")).unwrap();
    let client: String =
        daemon.client().iter().map(|(name, value)| format!("export {name}='{value}'; ")).collect();
    let script = format!("{client}exec {} setup cache", env!("CARGO_BIN_EXE_xtask"));
    let terminal = Terminal::start_in(&daemon.sandbox, &["sh", "-c", &script]);
    let screen = terminal.shows("Do this? [y/N]");
    assert!(screen.contains("+extra-trusted-substituters = https://cache.invalid"), "{screen}");
    terminal.line("n");
    let (code, screen) = terminal.end();
    assert!(code == "1" && screen.contains("nothing was changed"), "{code} {screen}");
    assert_eq!(fs::read_to_string(temp.join("conf/nix.conf")).unwrap(), conf);
}

#[test]
fn an_installer_runs_only_if_its_hash_is_right() {
    let sandbox = Sandbox::new().file("flake.nix", "{outputs = _: {};}").env("XTASK_PRIVATE_NIX", "off");
    sandbox.run("setup nix").bad().says("xtask.toml pins no installer").says("[setup.installer]");
    let installer = sandbox.program("installer-v1", "#!/bin/sh\necho \"ran $*\" >> \"$0.log\"\n");
    let told = Command::new("sha256sum").arg(&installer).output().unwrap();
    let hash = String::from_utf8(told.stdout).unwrap().split(' ').next().unwrap().to_owned();
    let manifest = |hash: &str| {
        format!(
            "[setup.installer]\nversion = \"v1\"\nurl = \"file://{}/installer-{{version}}\"\nsha256.{} = \"{hash}\"\n",
            sandbox.temp(),
            crate::support::system()
        )
    };
    let cache = sandbox.temp().join("cache");
    let (wrong, right) = (manifest(&"0".repeat(64)), manifest(&hash));
    let sandbox = sandbox.env("XDG_CACHE_HOME", cache.as_str()).file("xtask.toml", &wrong);
    let run = sandbox.run("--yes setup nix").bad().says("and was deleted");
    assert!(run.stderr.contains(&format!("got    {hash}")), "{}", run.text());
    let there = || fs::read_dir(cache.join("elodin-xtask/installer")).map_or(0, Iterator::count);
    assert_eq!(there(), 0);
    let sandbox = sandbox.file("xtask.toml", &right);
    sandbox.run("--offline --yes setup nix").bad().says("`--offline` forbids");
    let plan = sandbox.run("-n setup nix").good();
    assert!(
        plan.stdout.starts_with("curl --proto =https,file ") && plan.stdout.contains("sha256sum --check"),
        "{plan:?}"
    );
    sandbox.run("setup nix").bad().says("Nobody can be asked without a terminal");
    assert_eq!(there(), 1);
    // It did run, but installed nothing: that is no success.
    if Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout == b"0\n") {
        sandbox.run("--yes setup nix").bad().says("the new Nix does not answer");
        let log = fs::read_dir(cache.join("elodin-xtask/installer")).unwrap().count();
        assert_eq!(log, 2, "the installer and what it wrote");
    }
    // A Nix that is good is left alone.
    Sandbox::new().run("setup nix --from private").good().says("is good");
    Sandbox::new().run("setup nix --from brew").wrong_usage();
}

#[test]
fn addresses_that_are_none() {
    let sandbox = Sandbox::new().file("flake.nix", "{outputs = _: {};}");
    for bad in ["host", "http://host", "ssh://-oProxyCommand=x", "ssh://h:port"] {
        sandbox.run(&format!("setup builder {bad}")).bad().says(bad);
    }
    sandbox.run("setup builder orbstack").bad().says("OrbStack is for macOS");
    sandbox.run("setup builder ssh://h --key /no/such").bad().says("there is no key `/no/such`");
    sandbox.run("setup builder disk").bad().says("set TMPDIR");
    sandbox.run("setup undo").bad().says("there is nothing to undo");
}
