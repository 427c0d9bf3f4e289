//! `check`: all that can be wrong with a workspace, in one table.

use expect_test::expect;

use crate::support::{Sandbox, flake};

/// A flake that is formatted, whose packages are its checks.
fn formatted(packages: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new().packages(packages);
    sandbox.run("fmt").good();
    sandbox
}

fn table(stderr: &str) -> String {
    stderr.lines().skip_while(|it| !it.starts_with("flake ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_good_workspace() {
    let sandbox = formatted(&[("one", "echo > $out"), ("two", "echo > $out")]);
    let inner = flake(&sandbox.nonce(), &[("inner", "echo > $out")]);
    let sandbox = sandbox.file("part/flake.nix", &inner);
    sandbox.run("fmt").good();
    let run = sandbox.run("check").good();
    expect![[r#"
        flake         check               time   result
        (all files)   format              T s  good
        (all flakes)  locks               T s  good
        .             lock                T s  good
        .             evaluation, checks  T s  good
        part          lock                T s  good
        part          evaluation, checks  T s  good"#]]
    .assert_eq(&table(&run.stderr));
    assert_eq!(run.stdout, "");
    let json = sandbox.run("check --json").good().json();
    assert_eq!((json["ok"].as_bool(), json["results"].as_array().unwrap().len()), (Some(true), 6));
}

#[test]
fn a_check_that_fails_does_not_hide_the_others() {
    let sandbox = formatted(&[("bad", "echo this is why; exit 4"), ("good", "echo > $out")]);
    let run = sandbox.run("check").bad();
    expect![[r#"
        flake         check               time   result
        (all files)   format              T s  good
        (all flakes)  locks               T s  good
        .             lock                T s  good
        .             evaluation, checks  T s  failed"#]]
    .assert_eq(&table(&run.stderr));
    let run = run.says("> this is why").says("bad: its builder ended with exit code 4").says("done    good");
    assert_eq!(run.stdout, "");
    // Evaluated only, all is well.
    let run = sandbox.run("check --no-build").good();
    expect![[r#"
        flake         check       time   result
        (all files)   format      T s  good
        (all flakes)  locks       T s  good
        .             lock        T s  good
        .             evaluation  T s  good"#]]
    .assert_eq(&table(&run.stderr));
    let json = sandbox.run("check --json").bad().json();
    assert_eq!(json["ok"], false);
    assert_eq!(json["results"][3]["ok"], false);
    assert!(json["results"][3]["problem"].as_str().unwrap().contains("this is why"), "{json}");
}

#[test]
fn a_file_that_is_not_formatted() {
    let sandbox = formatted(&[("one", "echo > $out")]).file("ugly.nix", "{a=1;}");
    let run = sandbox.run("check").bad();
    expect![[r#"
        (all files): format
        not formatted: ugly.nix
        2 files, 1 not formatted: run `cargo xtask fmt`
        flake         check               time   result
        (all files)   format              T s  failed
        (all flakes)  locks               T s  good
        .             lock                T s  good
        .             evaluation, checks  T s  good"#]]
    .assert_eq(&run.stderr.lines().filter(|it| !it.contains("one")).collect::<Vec<_>>().join("\n"));
    assert_eq!(sandbox.read("ugly.nix"), "{a=1;}");
}

#[test]
fn a_lock_that_does_not_fit() {
    let sandbox = Sandbox::new()
        .file("dep/flake.nix", "{\n  outputs = _: {};\n}\n")
        .file("dep/xtask.toml", "")
        .file("flake.nix", "{\n  inputs.dep.url = \"path:./dep\";\n  outputs = _: {};\n}\n");
    let run = sandbox.run("check").bad();
    assert!(run.stderr.contains("lock"), "{}", run.text());
    expect![[r#"
        flake 'git+file://$WORK' requires lock file changes but they're not allowed due to '--no-update-lock-file'
        hint: flake.lock is missing or does not match flake.nix; run `$NIX flake lock .`, look at the change, commit it
        .: evaluation, checks
        flake 'git+file://$WORK' requires lock file changes but they're not allowed due to '--no-update-lock-file'
        hint: flake.lock is missing or does not match flake.nix; run `$NIX flake lock .`, look at the change, commit it
        flake         check               time   result
        (all files)   format              T s  good
        (all flakes)  locks               T s  failed
        .             lock                T s  failed
        .             evaluation, checks  T s  failed"#]].assert_eq(&table(&run.stderr));
    assert!(!sandbox.root().join("flake.lock").exists());
}

#[test]
fn an_output_that_cannot_be_evaluated() {
    let sandbox = formatted(&[("one", "echo > $out")]);
    let text = sandbox.read("flake.nix").replace("mk \"one\"", "throw \"not for you\" mk \"one\"");
    let sandbox = sandbox.file("flake.nix", &text);
    let run = sandbox.run("check --no-build").bad().says("not for you");
    expect![[r#"
        flake         check       time   result
        (all files)   format      T s  good
        (all flakes)  locks       T s  good
        .             lock        T s  good
        .             evaluation  T s  failed"#]]
    .assert_eq(&table(&run.stderr));
}

#[test]
fn a_dry_run_checks_nothing() {
    let sandbox = formatted(&[("one", "exit 1")]);
    expect![[r#"
        exit 0
        --- stdout
        $NIX flake metadata --json $WORK --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
        $NIX flake check $WORK --keep-going --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
        --- stderr
    "#]].assert_eq(&sandbox.run("check -n").good().text());
}
