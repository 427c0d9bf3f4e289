//! `update`: all flakes together, or none.

use std::fs;
use std::process::{Command, Stdio};

use camino::Utf8PathBuf;
use expect_test::expect;

use crate::support::wait::wait_for;
use crate::support::{Sandbox, cache, lacks, suite};

/// Repositories of inputs beside the workspace, with commits that are the same each time.
pub(crate) struct Inputs(Utf8PathBuf);

impl Inputs {
    pub(crate) fn new(sandbox: &Sandbox) -> Inputs {
        Inputs(sandbox.root().parent().unwrap().to_owned())
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("git+file://{}/{name}", self.0)
    }

    /// Commits a flake that says so; `day` is a day of November 2026.
    pub(crate) fn commit(&self, name: &str, day: u32, inputs: &str) {
        let dir = self.0.join(name);
        if !dir.exists() {
            fs::create_dir(&dir).unwrap();
            self.git(name, day, &["init", "--quiet", "--initial-branch=main"]);
        }
        fs::write(dir.join("flake.nix"), format!("{{ {inputs} outputs = _: {{ day = {day}; }}; }}")).unwrap();
        self.git(name, day, &["add", "--all"]);
        self.git(name, day, &["commit", "--quiet", "--message", "x"]);
    }

    /// An edit that is not committed.
    pub(crate) fn dirty(&self, name: &str) {
        fs::write(self.0.join(name).join("flake.nix"), "{ outputs = _: { day = 99; }; }").unwrap();
    }

    pub(crate) fn git(&self, name: &str, day: u32, args: &[&str]) {
        let date = format!("2026-11-{day:02}T12:00:00Z");
        let names = ["-c", "user.name=t", "-c", "user.email=t@t"];
        let status = Command::new("git")
            .args(names)
            .args(args)
            .current_dir(self.0.join(name))
            .env("GIT_COMMITTER_DATE", &date)
            .env("GIT_AUTHOR_DATE", &date)
            .status();
        assert!(status.unwrap().success(), "git {args:?}");
    }
}

/// A flake with these inputs.
pub(crate) fn asks(inputs: &[(&str, String)]) -> String {
    let lines: String = inputs.iter().map(|(name, url)| format!("    {name}.url = \"{url}\";\n")).collect();
    format!("{{\n  inputs = {{\n{lines}  }};\n\n  outputs = _: {{}};\n}}\n")
}

/// Two flakes that share `dep`, and one that has none.
fn workspace() -> (Sandbox, Inputs) {
    let sandbox = Sandbox::new();
    let inputs = Inputs::new(&sandbox);
    inputs.commit("dep", 1, "");
    inputs.commit("own", 2, "");
    let sandbox = sandbox
        .file("flake.nix", &asks(&[("dep", inputs.url("dep")), ("own", inputs.url("own"))]))
        .file("b/flake.nix", &asks(&[("dep", inputs.url("dep"))]))
        .file("c/flake.nix", "{ outputs = _: {}; }");
    (sandbox, inputs)
}

fn read(sandbox: &Sandbox, file: &str) -> String {
    fs::read_to_string(sandbox.root().join(file)).unwrap()
}

fn rev(sandbox: &Sandbox, file: &str, input: &str) -> String {
    let lock: serde_json::Value = serde_json::from_str(&read(sandbox, file)).unwrap();
    lock["nodes"][input]["locked"]["rev"].as_str().unwrap().to_owned()
}

#[test]
fn every_flake_gets_the_same_revision() {
    let (sandbox, inputs) = workspace();
    let run = sandbox.run("update").good();
    assert!(run.stderr.contains("input  flake  old  new"), "{}", run.text());
    assert_eq!(rev(&sandbox, "flake.lock", "dep"), rev(&sandbox, "b/flake.lock", "dep"));
    assert!(!sandbox.root().join("c/flake.lock").exists());
    sandbox.run("lock check").good();
    inputs.commit("dep", 5, "");
    inputs.commit("own", 6, "");
    let own = rev(&sandbox, "flake.lock", "own");
    let run = sandbox.run("--json update dep").good();
    let json = run.json();
    assert_eq!(json["changes"].as_array().unwrap().len(), 2, "{}", run.text());
    assert_eq!(json["changes"][0]["days_between"], 4);
    assert_eq!(rev(&sandbox, "flake.lock", "dep"), rev(&sandbox, "b/flake.lock", "dep"));
    assert_eq!(rev(&sandbox, "flake.lock", "own"), own, "it was not asked for");
    sandbox.run("lock check").good();
    sandbox.run("update").good();
    assert_ne!(rev(&sandbox, "flake.lock", "own"), own);
    sandbox.run("update").good().says("no lock changed");
}

#[test]
fn a_dry_run_without_inputs_says_so() {
    let none = Sandbox::new().file("flake.nix", "{outputs = _: {};}");
    none.run("update a").bad().says("no flake has the input `a`, nor any other");
    let sandbox = Sandbox::new().packages(&[("default", "echo > $out")]);
    sandbox.run("--dry-run update").good().says("no flake has inputs: there is nothing to update");
}

#[test]
fn a_dry_run_prints_the_calls() {
    let (sandbox, _) = workspace();
    let run = sandbox.run("--dry-run update dep").good();
    expect![[r#"
        $NIX flake update dep --flake $WORK --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
        $NIX flake lock $WORK/b --override-input dep '<dep of .>' --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]]
    .assert_eq(&run.stdout);
    assert!(!sandbox.root().join("flake.lock").exists());
}

#[test]
fn only_what_is_named() {
    let (sandbox, inputs) = workspace();
    sandbox.run("update").good();
    let root = read(&sandbox, "flake.lock");
    inputs.commit("dep", 5, "");
    sandbox.run("update --flake b").good();
    assert_eq!(read(&sandbox, "flake.lock"), root);
    sandbox.run("lock check").bad().says("lock sync dep");
    sandbox.run("update dpe").bad().says("no flake has the input `dpe`; did you mean `dep`?");
    sandbox.run("update own --flake b").bad().says("no flake has the input `own`");
    sandbox.run("update --flake d").bad().says("no flake of this workspace is in `d`");
}

#[test]
fn one_commit_with_a_table() {
    let (sandbox, inputs) = workspace();
    sandbox.run("update").good();
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(sandbox.root()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["config", "user.name", "t"]);
    git(&["config", "user.email", "t@t"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "first"]);
    inputs.commit("dep", 5, "");
    sandbox.untracked("flake.txt", "not ours");
    git(&["add", "flake.txt"]);
    sandbox.run("update dep --commit").good().says("committed 2 locks");
    expect![[r#"
        Update dep

        input  flake  old        new        date        days  compare
        dep    .      d978248a7  1d426cc11  2026-11-05  +4    -
        dep    b      d978248a7  1d426cc11  2026-11-05  +4    -


         b/flake.lock | 8 ++++----
         flake.lock   | 8 ++++----
         2 files changed, 8 insertions(+), 8 deletions(-)
    "#]]
    .assert_eq(&git(&["log", "-1", "--format=%B", "--stat"]));
    assert_eq!(git(&["status", "--porcelain"]), "A  flake.txt\n", "what was staged stays staged");
}

#[test]
fn a_failure_restores_every_lock() {
    let (sandbox, inputs) = workspace();
    sandbox.run("update").good();
    let before = read(&sandbox, "flake.lock");
    inputs.commit("dep", 5, "");
    let sandbox = sandbox
        .file("d/flake.nix", &asks(&[("dep", inputs.url("dep")), ("gone", inputs.url("gone"))]))
        .file("e/flake.nix", &asks(&[("dep", inputs.url("dep"))]));
    sandbox.run("update").bad().says("restored, so nothing is changed");
    assert_eq!(read(&sandbox, "flake.lock"), before);
    assert!(!sandbox.root().join("d/flake.lock").exists() && !sandbox.root().join("e/flake.lock").exists());
    let known = Command::new("git").args(["ls-files", "*flake.lock"]).current_dir(sandbox.root()).output();
    let known = String::from_utf8(known.unwrap().stdout).unwrap();
    assert!(!known.contains("d/") && !known.contains("e/"), "{known}");
}

#[test]
fn an_input_with_uncommitted_changes_is_refused() {
    let (sandbox, inputs) = workspace();
    sandbox.run("update").good();
    let before = (read(&sandbox, "flake.lock"), read(&sandbox, "b/flake.lock"));
    inputs.dirty("dep");
    sandbox.run("update").bad().says("commit the changes there");
    assert_eq!((read(&sandbox, "flake.lock"), read(&sandbox, "b/flake.lock")), before);
}

/// A Nix that is the real one, but for calls whose arguments match a shell pattern.
fn faulty(sandbox: &Sandbox, pattern: &str, script: &str) -> Utf8PathBuf {
    let nix = format!("{}/elodin-xtask/nix/{}/bin/nix", cache(), suite());
    let file = sandbox.root().parent().unwrap().join("faulty-nix");
    let text = format!("#!/bin/sh\ncase \"$*\" in {pattern}) {script};; esac\nexec {nix} \"$@\"\n");
    // By another process: a child of another test would inherit the open file, which then cannot be run.
    let draft = format!("{file}.draft");
    fs::write(&draft, text).unwrap();
    let status = Command::new("install").args(["-m", "755", &draft, file.as_str()]).status();
    assert!(status.unwrap().success());
    file
}

fn written(file: &Utf8PathBuf) -> String {
    wait_for(file.as_str(), || fs::read_to_string(file).ok()?.strip_suffix('\n').map(str::to_owned))
}

/// Changes the root's lock, and hangs at the one of `b`.
fn hanging() -> (Sandbox, Utf8PathBuf, Utf8PathBuf) {
    let (sandbox, inputs) = workspace();
    sandbox.run("update").good();
    inputs.commit("dep", 5, "");
    let pid = sandbox.root().parent().unwrap().join("pid");
    let nix =
        faulty(&sandbox, "'flake '*/b*", &format!("echo $$ >{pid}.tmp; mv {pid}.tmp {pid}; exec sleep 900"));
    (sandbox, nix, pid)
}

#[test]
fn after_kill_9_the_next_run_restores() {
    let (sandbox, nix, pid) = hanging();
    let before = read(&sandbox, "flake.lock");
    let mut child = sandbox.start(&["--nix", nix.as_str(), "update"]);
    let sleeper = written(&pid);
    assert_ne!(read(&sandbox, "flake.lock"), before, "the first lock has changed");
    let second = sandbox.run("update").bad();
    assert!(second.stderr.contains("another `cargo xtask` is changing the locks"), "{}", second.text());
    child.kill().unwrap();
    child.wait().unwrap();
    // The Nix that it has left behind may still write.
    drop(sandbox.run("update").bad().says("another `cargo xtask` is changing the locks"));
    assert_ne!(read(&sandbox, "flake.lock"), before);
    Command::new("kill").arg(&sleeper).stdout(Stdio::null()).status().unwrap();
    // Until the sleeper's end is known to the kernel, nothing is.
    wait_for("the lock to be restored", || {
        sandbox.run("lock status").good().stderr.contains("restored flake.lock").then_some(())
    });
    assert_eq!(read(&sandbox, "flake.lock"), before);
    sandbox.run("update").good();
    sandbox.run("lock check").good();
}

#[test]
fn ctrl_c_restores() {
    let (sandbox, nix, pid) = hanging();
    let before = (read(&sandbox, "flake.lock"), read(&sandbox, "b/flake.lock"));
    let child = sandbox.start(&["--nix", nix.as_str(), "update"]);
    written(&pid);
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    sandbox.told(child.wait_with_output().unwrap()).bad().says("interrupted");
    assert_eq!((read(&sandbox, "flake.lock"), read(&sandbox, "b/flake.lock")), before);
}

#[test]
fn a_lock_that_nix_wrote_by_half_is_restored() {
    let (sandbox, inputs) = workspace();
    sandbox.run("update").good();
    let before = (read(&sandbox, "flake.lock"), read(&sandbox, "b/flake.lock"));
    inputs.commit("dep", 5, "");
    let half = "echo '{ \"nodes\": {' >b/flake.lock; echo 'error: writing to file: No space left on device' >&2; exit 1";
    let nix = faulty(&sandbox, "'flake '*/b*", half);
    sandbox.run_args(&["--nix", nix.as_str(), "update"]).bad().says("2 files restored");
    assert_eq!((read(&sandbox, "flake.lock"), read(&sandbox, "b/flake.lock")), before);
    // It says that all is well, and has written half a lock all the same.
    let nix = faulty(&sandbox, "'flake '*/b*", "echo '{ \"nodes\": {' >b/flake.lock; exit 0");
    sandbox.run_args(&["--nix", nix.as_str(), "update"]).bad().says("truncated");
    assert_eq!((read(&sandbox, "flake.lock"), read(&sandbox, "b/flake.lock")), before);
}

#[test]
fn flakes_by_relative_path_and_paths_outside() {
    let sandbox = Sandbox::new();
    let inputs = Inputs::new(&sandbox);
    inputs.commit("dep", 1, "");
    fs::create_dir(inputs.0.join("plain")).unwrap();
    fs::write(inputs.0.join("plain/flake.nix"), "{ outputs = _: {}; }").unwrap();
    let plain = format!("path:{}/plain", inputs.0);
    let sandbox = sandbox
        .file("flake.nix", &asks(&[("sub", "path:./sub".to_owned()), ("plain", plain.clone())]))
        .file("xtask.toml", "[lock]\nduplicates = \"warn\"\n")
        .file("sub/flake.nix", &asks(&[("dep", inputs.url("dep")), ("plain", plain)]));
    sandbox.run("update").good();
    sandbox.run("lock check").good();
    inputs.commit("dep", 5, "");
    sandbox.run("update dep").good();
    assert_eq!(rev(&sandbox, "flake.lock", "dep"), rev(&sandbox, "sub/flake.lock", "dep"));
    fs::write(inputs.0.join("plain/flake.nix"), "{ outputs = _: { x = 1; }; }").unwrap();
    sandbox.run("update plain").good();
    sandbox.run("lock check").good();
}

/// On a file system of its own, which is full when the second flake is locked.
#[test]
fn a_full_disk_restores() {
    if lacks("unshare") || !may_mount() {
        return;
    }
    let (sandbox, inputs) = workspace();
    sandbox.run("update").good();
    fs::remove_file(sandbox.root().join("b/flake.lock")).unwrap();
    inputs.commit("dep", 5, "");
    let small = sandbox.root().parent().unwrap().join("small");
    fs::create_dir(&small).unwrap();
    let marker = small.parent().unwrap().join("lock-when-full");
    let fill = format!("cp {small}/flake.lock {marker}; dd if=/dev/zero of={small}/fill bs=1k 2>/dev/null");
    let nix = faulty(&sandbox, "'flake '*/b*", &fill);
    let script = format!(
        "mount -t tmpfs -o size=4m tmpfs {small} && cp -a {root}/. {small}/ && cd {small} && cp flake.lock old && \
         {xtask} --nix {nix} update; echo code $?; cmp old flake.lock && test ! -e b/flake.lock && rm fill && \
         {xtask} lock status && {xtask} update && echo all good",
        root = sandbox.root(),
        xtask = env!("CARGO_BIN_EXE_xtask"),
    );
    let command = sandbox.command(&[]);
    let mut shell = Command::new("unshare");
    shell.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = shell.current_dir(sandbox.root()).output().unwrap();
    let run = sandbox.told(output);
    assert!(run.stdout.contains("code 1") && run.stdout.contains("all good"), "{}", run.text());
    assert!(run.stderr.contains("No space left on device"), "{}", run.text());
    assert_ne!(
        fs::read_to_string(&marker).unwrap(),
        read(&sandbox, "flake.lock"),
        "the first lock had changed"
    );
}

/// Whether this machine lets us mount where nobody else sees it.
fn may_mount() -> bool {
    let args = ["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    let may = Command::new("unshare").args(args).output().is_ok_and(|it| it.status.success());
    let all = std::env::var("XTASK_TEST_REQUIRE").is_ok_and(|it| it == "all");
    assert!(may || !all, "this test needs to mount, and XTASK_TEST_REQUIRE=all forbids to skip it");
    may
}
