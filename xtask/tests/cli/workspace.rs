//! What is wrong with a workspace, its manifest, its flakes, or the command line.

use expect_test::{Expect, expect};

use crate::support::Sandbox;

#[expect(clippy::needless_pass_by_value, reason = "the snapshot is written at the call")]
fn manifest(text: &str, expect: Expect) {
    let run = Sandbox::new().file("xtask.toml", text).run("fmt --check").bad();
    assert_eq!(run.stdout, "");
    expect.assert_eq(&run.stderr);
}

#[test]
fn a_manifest_with_a_wrong_key_or_value() {
    manifest(
        "[nix]\nminimun = \"2.26\"\n",
        expect![[r#"
        error: xtask.toml:2:1: unknown key `minimun`; did you mean `minimum`? (valid here: minimum, sandbox, connect-timeout)
    "#]],
    );
    manifest(
        "[nixx]\n",
        expect![[r#"
            error: xtask.toml:1:2: unknown key `nixx`; did you mean `nix`? (valid here: flakes, ignore, source, nix, cache, shell, lock, image, aleph, ci, setup)
        "#]],
    );
    manifest(
        "[nix]\nminimum = 2.26\n",
        expect![[r#"
        error: xtask.toml:2:11: invalid type: floating point `2.26`, expected a string
    "#]],
    );
    manifest(
        "[nix]\nminimum = \"two\"\n",
        expect![[r#"
        error: xtask.toml:2:11: `two` is not a version of Nix; write it like "2.26"
    "#]],
    );
    manifest(
        "flakes = \"a\"\n",
        expect![[r#"
        error: xtask.toml:1:10: invalid type: string "a", expected an array of strings
    "#]],
    );
    manifest(
        "flakes = [\"a[\"]\n",
        expect![[r#"
        error: xtask.toml:1:11: bad glob `a[`: invalid range pattern (at character 2)
    "#]],
    );
    manifest(
        "flakes = [\"nowhere\"]\n",
        expect![[r#"
        error: `flakes` in xtask.toml names `nowhere`, but there is no such flake
    "#]],
    );
    manifest(
        "[cache]\npublic-keys = [\"nokey\"]\n",
        expect![[r#"
        error: xtask.toml:2:16: `nokey` is not a public key; write it like "name:base64"
    "#]],
    );
    manifest(
        "[shell]\nwatch = [1]\n",
        expect![[r#"
        error: xtask.toml:2:10: invalid type: integer `1`, expected a string
    "#]],
    );
}

#[test]
fn a_manifest_with_a_syntax_error() {
    manifest(
        "[nix\n",
        expect![[r#"
        error: xtask.toml:1:5: unclosed table, expected `]`
    "#]],
    );
    manifest(
        "[nix]\nsandbox = true\nsandbox = false\n",
        expect![[r#"
        error: xtask.toml:3:1: duplicate key
    "#]],
    );
    manifest(
        "<<<<<<< HEAD\n=======\n>>>>>>> other\n",
        expect![[r#"
        error: xtask.toml:1: merge conflict (`<<<<<<<`); edit the file to resolve it
    "#]],
    );
}

#[test]
fn a_manifest_that_is_no_text() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.root().join("xtask.toml"), b"\xff\xfe").unwrap();
    expect![[r#"
        error: cannot read `$WORK/xtask.toml`: stream did not contain valid UTF-8
    "#]]
    .assert_eq(&sandbox.run("build").bad().stderr);
}

#[test]
fn a_flake_with_an_error_is_named_by_line() {
    let check = |text: &str, expect: Expect| {
        let run = Sandbox::new().file("flake.nix", text).run("build").bad();
        expect.assert_eq(&run.stderr);
    };
    check(
        "{\n  outputs = _: {\n",
        expect![[r#"
        error: flake.nix:2:17: syntax error: the file ends too early
    "#]],
    );
    check(
        "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> b\n",
        expect![[r#"
        error: flake.nix:1: merge conflict (`<<<<<<<`); edit the file to resolve it
    "#]],
    );
    check(
        "",
        expect![[r#"
        error: flake.nix:1:1: syntax error: the file ends too early
    "#]],
    );
    check(
        "[]\n",
        expect![[r#"
        error: flake.nix:1:1: expected an attribute set; if this file is no flake, name it under `ignore` in xtask.toml
    "#]],
    );
    check(
        "{}\n",
        expect![[r#"
        error: cannot evaluate the packages of `.`: flake 'git+file://$WORK' lacks attribute 'outputs'
    "#]],
    );
    check(
        &format!("{{\n  outputs = _: {{packages.{} = 3;}};\n}}\n", crate::support::system()),
        expect![[r#"
        error: cannot evaluate the packages of `.`: expected a set but found an integer: 3
    "#]],
    );
}

#[test]
fn a_lock_with_an_error_is_named() {
    let sandbox = Sandbox::new().packages(&[("default", "echo > $out")]);
    let sandbox = sandbox.file("flake.lock", "{\n<<<<<<< HEAD\n  \"nodes\": {}\n=======\n>>>>>>> b\n}\n");
    expect![[r#"
        error: flake.lock:2: merge conflict (`<<<<<<<`); take one side with `git checkout --ours -- flake.lock` (or `--theirs`), then run `nix flake lock`
    "#]].assert_eq(&sandbox.run("build").bad().stderr);
    let sandbox = sandbox.file("flake.lock", "{\"version\": 7");
    expect![[r#"
        error: flake.lock:1: the file is truncated here; bring it back with `git checkout HEAD -- flake.lock`
    "#]]
    .assert_eq(&sandbox.run("build").bad().stderr);
}

#[test]
fn outside_of_any_workspace() {
    let sandbox = Sandbox::new().file("flake.nix", "{}");
    std::fs::remove_file(sandbox.root().join("xtask.toml")).unwrap();
    for verb in ["build", "run x", "shell", "fmt", "check"] {
        assert!(sandbox.run(verb).bad().stderr.contains("is not in a workspace"), "{verb}");
    }
    expect![[r#"
        error: `$WORK` is not in a workspace: no xtask.toml here or above; to make one of the flake in `$WORK`, run `touch $WORK/xtask.toml`
    "#]].assert_eq(&sandbox.run("build").bad().stderr);
    expect![[r#"
        error: `/` is not in a workspace: no xtask.toml here or above; go to a checkout, name one with `-C DIR`, or put an empty file beside a flake.nix: `touch xtask.toml`
    "#]].assert_eq(&sandbox.run("build -C /").bad().stderr);
}

#[test]
fn another_directory() {
    let sandbox = Sandbox::new().packages(&[("default", "echo > $out")]).file("inner/deep/x", "");
    let run = sandbox.run_in("inner", "-C deep build").good();
    assert!(run.stderr.contains("$WORK/result"), "{}", run.text());
    expect![[r#"
        error: cannot enter `nowhere`: No such file or directory (os error 2)
    "#]]
    .assert_eq(&sandbox.run("-C nowhere build").bad().stderr);
    expect![[r#"
        error: `$WORK/xtask.toml` is not a directory
    "#]]
    .assert_eq(&sandbox.run("build -C xtask.toml").bad().stderr);
}

#[test]
fn a_workspace_without_a_flake() {
    let sandbox = Sandbox::new();
    expect![[r#"
        error: there is no flake.nix in the workspace `$WORK`; write one, or act on another workspace with `-C DIR`
    "#]].assert_eq(&sandbox.run("build").bad().stderr);
    expect![[r#"
        error: there is no flake.nix in the workspace `$WORK`; act on another one with `-C DIR`
    "#]]
    .assert_eq(&sandbox.run("shell -- true").bad().stderr);
    sandbox.run("fmt").good();
    expect![[r#"
        exit 0
        --- stdout
        --- stderr
        flake         check   time   result
        (all files)   format  T s  good
        (all flakes)  locks   T s  good
    "#]]
    .assert_eq(&sandbox.run("check").good().text());
}

#[test]
fn a_flake_without_packages() {
    let sandbox = Sandbox::new().file("flake.nix", "{outputs = _: {};}\n");
    expect![[r#"
        error: no flake of this workspace has a package for $SYSTEM
    "#]]
    .assert_eq(&sandbox.run("build").bad().stderr);
    expect![[r#"
        error: there is no package `thing` for $SYSTEM; no flake of this workspace has any
    "#]]
    .assert_eq(&sandbox.run("build thing").bad().stderr);
}

#[test]
fn wrong_usage_is_two() {
    let sandbox = Sandbox::new();
    let check = |args: &str, expect: Expect| {
        let run = sandbox.run(args).wrong_usage();
        assert_eq!(run.stdout, "");
        expect.assert_eq(&run.stderr);
    };
    check(
        "biuld",
        expect![[r#"
            error: unrecognized subcommand 'biuld'

              tip: some similar subcommands exist: 'build-aleph', 'builder', 'build'

            Usage: cargo xtask [OPTIONS] <COMMAND>

            For more information, try '--help'.
        "#]],
    );
    check(
        "build --no-such-flag",
        expect![[r#"
        error: unexpected argument '--no-such-flag' found

          tip: to pass '--no-such-flag' as a value, use '-- --no-such-flag'

        Usage: cargo xtask build [OPTIONS] [NAME]... [-- <NIX OPTION>...]

        For more information, try '--help'.
    "#]],
    );
    check(
        "build -j many",
        expect![[r#"
        error: invalid value 'many' for '--jobs <N>': invalid digit found in string

        For more information, try '--help'.
    "#]],
    );
    check(
        "ci nothing",
        expect![[r#"
            error: there is no job `nothing` in xtask.toml; see `cargo xtask ci list`
        "#]],
    );
    let run = sandbox.run("").wrong_usage();
    assert!(run.stderr.contains("Usage: cargo xtask"), "{}", run.text());
    for verb in ["build", "run", "shell", "fmt", "check", "ci"] {
        assert!(run.stderr.contains(&format!("\n  {verb} ")), "{verb}: {}", run.text());
    }
}

#[test]
fn a_cache_of_a_flake_that_the_manifest_does_not_name() {
    let sandbox = Sandbox::new().packages(&[("default", "echo > $out")]);
    let text = sandbox.read("flake.nix").replacen(
        '{',
        "{\n  nixConfig.extra-substituters = [\"https://cache.example\"];\n  nixConfig.extra-trusted-public-keys = [\"k:AAAA\"];",
        1,
    );
    let sandbox = sandbox.file("flake.nix", &text);
    let run = sandbox.run("build").good();
    let warnings: Vec<&str> = run.stderr.lines().filter(|it| it.starts_with("warning:")).collect();
    expect![[r#"
        warning: not accepting the nixConfig of `./flake.nix`: nixConfig names the substituter `https://cache.example`, which `cache.substituters` in xtask.toml does not
        warning: not accepting the nixConfig of `./flake.nix`: nixConfig names the public key `k:AAAA`, which `cache.public-keys` in xtask.toml does not"#]].assert_eq(&warnings.join("\n"));
}
