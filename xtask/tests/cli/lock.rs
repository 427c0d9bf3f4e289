//! `lock check`, `lock status`, `lock sync`

use std::fs;

use expect_test::expect;

use crate::support::Sandbox;
use crate::update::{Inputs, asks};

/// Two flakes that share `dep`, locked to different commits.
fn drifted() -> (Sandbox, Inputs) {
    let sandbox = Sandbox::new();
    let inputs = Inputs::new(&sandbox);
    inputs.commit("dep", 1, "");
    let sandbox = sandbox
        .file("flake.nix", &asks(&[("dep", inputs.url("dep"))]))
        .file("b/flake.nix", &asks(&[("dep", inputs.url("dep"))]))
        .file("template/flake.nix", &asks(&[("dep", inputs.url("dep"))]));
    sandbox.run("update").good();
    inputs.commit("dep", 5, "");
    sandbox.run("update --flake b").good();
    (sandbox, inputs)
}

fn lock(sandbox: &Sandbox, file: &str) -> String {
    fs::read_to_string(sandbox.root().join(file)).unwrap()
}

#[test]
fn drift_is_found_and_undone() {
    let (sandbox, _) = drifted();
    let run = sandbox.run("lock check").bad();
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        error: flake.nix:3:5: `dep`: is d978248a7 of 2026-11-01, but `b` has 1d426cc11 of 2026-11-05, 4 days newer
          repair: run `cargo xtask lock sync dep`; or allow it: `differ.dep = "REASON"` under [lock] in xtask.toml
        3 flakes: 1 error, 0 warnings
    "#]].assert_eq(&run.text());
    let json = sandbox.run("lock check --json").bad().json();
    assert_eq!(
        json["findings"][0]["repair"].as_str().unwrap().split('`').nth(1),
        Some("cargo xtask lock sync dep")
    );
    let run = sandbox.run("lock status --json").good().json();
    let drift: Vec<bool> = run["inputs"].as_array().unwrap().iter().map(|it| it["drift"] == true).collect();
    assert_eq!(drift, [true, false, false]);
    let newest = lock(&sandbox, "b/flake.lock");
    let oldest = lock(&sandbox, "flake.lock");
    expect![[r#"
        $NIX flake lock $WORK --override-input dep 'git+file://$TEMP/dep?ref=refs/heads/main&rev=1d426cc113af8a511f25e047a14b2dfd7fc5f706' --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]].assert_eq(&sandbox.run("--dry-run lock sync").good().stdout);
    sandbox.run("lock sync").good();
    assert_eq!(
        (lock(&sandbox, "flake.lock"), lock(&sandbox, "b/flake.lock")),
        (newest.clone(), newest.clone())
    );
    sandbox.run("lock check").good();
    sandbox.run("lock sync dep").good().says("the flakes agree already");
    sandbox.untracked("flake.lock", &oldest);
    sandbox.run("lock sync --from .").good();
    assert_eq!((lock(&sandbox, "flake.lock"), lock(&sandbox, "b/flake.lock")), (oldest.clone(), oldest));
    sandbox.run("lock sync dpe").bad().says("did you mean `dep`?");
}

#[test]
fn a_difference_may_be_allowed() {
    let (sandbox, _) = drifted();
    let sandbox = sandbox.file("xtask.toml", "[lock.differ]\ndep = \"b is an experiment\"\n");
    sandbox.run("lock check").good();
    let status = sandbox.run("lock status").good();
    assert!(status.stderr.contains("may differ: b is an experiment"), "{}", status.text());
    sandbox.run("lock sync").good().says("agree already");
}

#[test]
fn no_nix_is_needed() {
    let (sandbox, _) = drifted();
    let sandbox = sandbox.env("XTASK_PRIVATE_NIX", "none-such").env("XDG_CACHE_HOME", "/none/such");
    drop(sandbox.run("--offline lock check").bad().says("4 days newer"));
    sandbox.run("--offline lock status").good();
}

#[test]
fn a_picture() {
    let (sandbox, _) = drifted();
    sandbox.run("lock status --graph locks.svg").good().says("wrote locks.svg");
    let picture = lock(&sandbox, "locks.svg");
    assert!(
        picture.starts_with("<svg") && picture.contains("stroke-width=\"3\""),
        "two revisions, in colour"
    );
    sandbox.run("lock status --graph locks.html").good();
    assert!(lock(&sandbox, "locks.html").starts_with("<!doctype html>"));
    sandbox.run("lock status --graph locks.png").bad().says("FILE.svg or FILE.html");
}

#[test]
fn broken_files_are_explained() {
    let (sandbox, _) = drifted();
    let good = lock(&sandbox, "flake.lock");
    sandbox.untracked("flake.lock", &good[..good.len() / 2]);
    sandbox.untracked("b/flake.lock", &format!("<<<<<<< HEAD\n{good}=======\n{good}>>>>>>> x\n"));
    let run = sandbox.run("lock check").bad().says("the file is truncated here");
    let run = run.says("b/flake.lock:1: merge conflict").says("git checkout --ours -- b/flake.lock");
    drop(run.says("git checkout HEAD -- flake.lock"));
    sandbox.run("lock status").good().says("merge conflict");
}

#[test]
fn fix_adds_follows_and_locks() {
    let sandbox = Sandbox::new();
    let inputs = Inputs::new(&sandbox);
    inputs.commit("dep", 1, "");
    let dep = inputs.url("dep");
    inputs.commit("lib", 2, &format!("inputs.dep.url = \"{dep}\";"));
    let text = format!(
        "{{\n  inputs = {{\n    dep.url = \"{dep}\";\n    # why we need it\n    lib.url = \"{}\"; # pinned\n  }};\n\n  outputs = _: {{}};\n}}\n",
        inputs.url("lib")
    );
    let sandbox = sandbox.file("flake.nix", &text).file("b/flake.nix", &asks(&[("dep", dep)]));
    sandbox.run("lock check").bad().says("has inputs, but no flake.lock");
    sandbox.run("lock check --fix").bad().says("repaired").says("lib/dep");
    let run = sandbox.run("lock check --fix --dry-run").good();
    assert!(run.stderr.contains("+    lib.inputs.dep.follows = \"dep\";"), "{}", run.text());
    assert_eq!(lock(&sandbox, "flake.nix"), text);
    sandbox.run("lock check --fix").good();
    assert_eq!(
        lock(&sandbox, "flake.nix"),
        text.replace("# pinned\n", "# pinned\n    lib.inputs.dep.follows = \"dep\";\n")
    );
    sandbox.run("lock check").good();
    // What Nix cannot lock leaves flake.nix as it was.
    let broken = text.replace("/dep\"", "/gone\"");
    let sandbox = sandbox.file("flake.nix", &broken);
    let before = lock(&sandbox, "flake.lock");
    sandbox.run("lock check --fix").bad();
    assert_eq!((lock(&sandbox, "flake.nix"), lock(&sandbox, "flake.lock")), (broken, before));
}

/// Nix 2.26 and later read it only after they have rewritten it.
#[test]
fn a_lock_of_nix_2_8_is_made_new() {
    let old = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../flake-lock/tests/locks/relative-path-inputs-written-by-nix-2.8.lock"
    ));
    let sandbox = Sandbox::new()
        .file("sub/flake.nix", "{ outputs = _: {}; }")
        .file("other/flake.nix", "{ outputs = _: {}; }")
        .file("flake.nix", &asks(&[("sub", "path:./sub".to_owned()), ("other", "path:./other".to_owned())]))
        .file("flake.lock", &old.unwrap());
    sandbox.run("lock check").bad().says("as Nix before 2.26 wrote it");
    sandbox.run("lock check --fix").good();
}
