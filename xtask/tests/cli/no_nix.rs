//! No Nix, an old one, or one that is none.

use expect_test::expect;

use crate::support::Sandbox;

/// A workspace on a machine with git and little else.
fn bare() -> Sandbox {
    let sandbox = Sandbox::new().packages(&[("default", "echo > $out")]);
    let bin = sandbox.temp().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for tool in ["git", "sh", "bash"] {
        let path = std::env::split_paths(&std::env::var("PATH").unwrap())
            .map(|it| it.join(tool))
            .find(|it| it.exists());
        std::os::unix::fs::symlink(path.unwrap(), bin.join(tool)).unwrap();
    }
    sandbox.env("PATH", bin.as_str()).env("XTASK_PRIVATE_NIX", "off")
}

/// Without the hint on how to install one, which is long and tested elsewhere.
fn said(text: &str) -> String {
    text.lines().filter(|it| !it.starts_with("install Nix: ")).map(|it| format!("{it}\n")).collect()
}

#[test]
fn none_at_all() {
    let sandbox = bare();
    for args in ["build", "run default", "shell -- true", "check"] {
        let run = sandbox.run(args).bad();
        assert!(run.stderr.contains("no Nix to use"), "{args}: {}", run.text());
        assert!(run.stderr.contains("install Nix: cargo xtask setup nix"), "{args}: {}", run.text());
    }
    let run = sandbox.run("build").bad();
    expect![[r#"
        error: no Nix to use: there is none that is good on PATH or in the usual profiles
        - our own Nix is forbidden by XTASK_PRIVATE_NIX=off
    "#]]
    .assert_eq(&said(&run.stderr));
    assert_eq!(sandbox.run("build --json").bad().json()["ok"], false);
}

#[test]
fn formatting_needs_none() {
    let sandbox = bare().file("a.nix", "{a=1;}\n");
    sandbox.run("fmt").good();
    assert_eq!(sandbox.read("a.nix"), "{ a = 1; }\n".replace("{ a = 1; }", "{a = 1;}"));
}

#[test]
fn one_that_is_too_old() {
    let sandbox = bare();
    sandbox.program("bin/nix", "#!/bin/sh\necho 'nix (Nix) 2.8.0'\n");
    expect![[r#"
        error: no Nix to use: there is none that is good on PATH or in the usual profiles
        - Nix 2.8.0 at $TEMP/bin/nix (found on PATH) is too old: this workspace needs 2.26.0 or newer (`nix.minimum` in xtask.toml)
        - our own Nix is forbidden by XTASK_PRIVATE_NIX=off
    "#]].assert_eq(&said(&sandbox.run("build").bad().stderr));
    let run = sandbox.run("build --nix nix").bad();
    expect![[r#"
        error: Nix 2.8.0 at $TEMP/bin/nix (named by --nix) is too old: this workspace needs 2.26.0 or newer (`nix.minimum` in xtask.toml); name a newer one, or leave --nix out
    "#]].assert_eq(&said(&run.stderr));
    let sandbox = sandbox.file("xtask.toml", "[nix]\nminimum = \"2.8\"\n");
    let run = sandbox.run("build").bad();
    assert!(!run.stderr.contains("too old"), "{}", run.text());
}

#[test]
fn one_that_is_none() {
    let sandbox = bare();
    sandbox.program("bin/nix", "#!/bin/sh\necho 'GNU nix, version 9'; exit 3\n");
    expect![[r#"
        error: no Nix to use: there is none that is good on PATH or in the usual profiles
        - `$TEMP/bin/nix --version` does not answer like Nix: exit status: 3 and it says: GNU nix, version 9 (found on PATH)
        - our own Nix is forbidden by XTASK_PRIVATE_NIX=off
    "#]].assert_eq(&said(&sandbox.run("build").bad().stderr));
    sandbox.program("bin/nix", "no program\n");
    sandbox.run("build").bad().says("no Nix to use");
}

#[test]
fn one_that_is_named_wrongly() {
    let sandbox = bare();
    sandbox.untracked("plain.txt", "");
    let check = |path: &str, expect: expect_test::Expect| {
        let run = sandbox.run_args(&["build", "--nix", path]).bad();
        expect.assert_eq(&run.stderr);
    };
    check(
        "./nowhere",
        expect![[r#"
        error: --nix: `$WORK/./nowhere` does not exist
    "#]],
    );
    check(
        "no-such-nix",
        expect![[r#"
        error: --nix: no `no-such-nix` on PATH
    "#]],
    );
    check(
        "./plain.txt",
        expect![[r#"
        error: --nix: `$WORK/./plain.txt` is not executable
    "#]],
    );
    check(
        ".",
        expect![[r#"
        error: --nix: no `.` on PATH
    "#]],
    );
    let sandbox = sandbox.env("XTASK_NIX", "/nowhere/nix");
    expect![[r#"
        error: XTASK_NIX: `/nowhere/nix` does not exist
    "#]]
    .assert_eq(&sandbox.run("build").bad().stderr);
    let sandbox = sandbox.env("XTASK_NIX", "").env("XTASK_PRIVATE_NIX", "bookworm");
    expect![[r#"
        error: XTASK_PRIVATE_NIX is `bookworm`: it must be `trixie`, `sid` or `off`
    "#]]
    .assert_eq(&sandbox.run("build").bad().stderr);
}
