//! `build`: what a name on the command line means.

use expect_test::expect;

use crate::support::{Sandbox, flake, system};

/// The root has `db`, `aleph` has `toplevel`.
fn two_flakes() -> Sandbox {
    let sandbox = Sandbox::new().packages(&[("db", "echo db > $out"), ("elodin-db", "echo elodin > $out")]);
    let aleph = flake(&sandbox.nonce(), &[("toplevel", "echo top > $out"), ("default", "echo aleph > $out")]);
    sandbox.file("aleph/flake.nix", &aleph).file("aleph/deep/down/here", "")
}

/// The names that the table tells.
fn built(sandbox: &Sandbox, dir: &str, names: &str) -> String {
    let run = sandbox.run_in(dir, &format!("build --no-link --json {names}")).good();
    let json = run.json();
    let name = |it: &serde_json::Value| {
        format!(
            "{} = {}#{}",
            it["name"].as_str().unwrap(),
            it["flake"].as_str().unwrap(),
            it["attr"].as_str().unwrap()
        )
    };
    let names: Vec<String> = json["results"].as_array().unwrap().iter().map(name).collect();
    sandbox.plain(&names.join("\n"))
}

#[test]
fn every_way_to_name_a_package() {
    let sandbox = two_flakes();
    expect![[r#"
        db = .#packages.$SYSTEM.db
        aleph#toplevel = aleph#packages.$SYSTEM.toplevel"#]]
    .assert_eq(&built(&sandbox, "", "db toplevel"));
    expect!["aleph#toplevel = aleph#packages.$SYSTEM.toplevel"].assert_eq(&built(
        &sandbox,
        "",
        "aleph#toplevel",
    ));
    expect!["aleph#toplevel = aleph#packages.$SYSTEM.toplevel"].assert_eq(&built(
        &sandbox,
        "",
        "./aleph#toplevel",
    ));
    expect!["aleph#default = aleph#packages.$SYSTEM.default"].assert_eq(&built(&sandbox, "", "./aleph"));
    expect!["aleph#default = aleph#packages.$SYSTEM.default"].assert_eq(&built(&sandbox, "", "aleph#"));
    expect!["aleph#toplevel = aleph#packages.$SYSTEM.toplevel"].assert_eq(&built(
        &sandbox,
        "aleph/deep/down",
        ".#toplevel",
    ));
    expect!["db = .#packages.$SYSTEM.db"].assert_eq(&built(&sandbox, "aleph/deep/down", "../../..#db"));
    expect!["db = .#packages.$SYSTEM.db"].assert_eq(&built(&sandbox, "aleph", "db"));
    let full =
        format!(".#packages.{}.db .#checks.{}.db aleph#checks.{}.toplevel", system(), system(), system());
    expect![[r#"
        .#packages.$SYSTEM.db = .#packages.$SYSTEM.db
        .#checks.$SYSTEM.db = .#checks.$SYSTEM.db
        aleph#checks.$SYSTEM.toplevel = aleph#checks.$SYSTEM.toplevel"#]]
    .assert_eq(&built(&sandbox, "", &full));
}

#[test]
fn a_name_that_is_not_there() {
    let sandbox = two_flakes();
    let check = |names: &str, expect: expect_test::Expect| {
        let run = sandbox.run(&format!("build {names}")).bad();
        assert_eq!(run.stdout, "");
        expect.assert_eq(&run.stderr);
    };
    check(
        "elodin-bd",
        expect![[r#"
        error: there is no package `elodin-bd` for $SYSTEM; did you mean `elodin-db`?
    "#]],
    );
    check(
        "nothing-like-it",
        expect![[r#"
        error: there is no package `nothing-like-it` for $SYSTEM; the packages for $SYSTEM are: db, elodin-db, aleph#default, aleph#toplevel
    "#]],
    );
    check(
        "aleph#toplevle",
        expect![[r#"
        error: there is no package `aleph#toplevle` for $SYSTEM; did you mean `aleph#toplevel`?
    "#]],
    );
    check(
        "alpeh#toplevel",
        expect![[r#"
        error: unknown flake `alpeh`; this workspace has: ., aleph; did you mean `aleph`?
    "#]],
    );
    check(
        "..#db",
        expect![[r#"
        error: `..` is outside of the workspace `$WORK`; use `-C` to act on another one
    "#]],
    );
    check(
        ".#checks.x.y",
        expect![[r#"
        error: there is no package `.#checks.x.y` for $SYSTEM; the packages for $SYSTEM are: db, elodin-db, aleph#default, aleph#toplevel
    "#]],
    );
    check(
        "db toplevle",
        expect![[r#"
        error: there is no package `toplevle` for $SYSTEM; the packages for $SYSTEM are: db, elodin-db, aleph#default, aleph#toplevel
    "#]],
    );
}

#[test]
fn the_system_that_has_it_is_named() {
    let sandbox = Sandbox::new().packages(&[("here", "echo > $out")]);
    let other = sandbox.read("flake.nix").replace(
        "packages.${system} = packages;",
        "packages.riscv64-linux.board = packages.here;\n    packages.${system} = packages;",
    );
    let sandbox = sandbox.file("flake.nix", &other);
    let run = sandbox.run("build board").bad();
    expect![[r#"
        error: `board` is not built for $SYSTEM, only for riscv64-linux; try `--system riscv64-linux`
    "#]]
    .assert_eq(&run.stderr);
    sandbox.run("build board --system riscv64-linux --no-link").good();
    let run = sandbox.run("build --system mips-linux").bad();
    expect![[r#"
        error: no flake of this workspace has a package for mips-linux
    "#]]
    .assert_eq(&run.stderr);
    sandbox.run("build --system riscv64-linux here").bad().says(&format!("try `--system {}`", "$SYSTEM"));
}

#[test]
fn a_build_for_a_system_that_this_machine_is_not() {
    let sandbox = Sandbox::new().packages(&[("default", "echo > $out")]);
    let flake = sandbox.read("flake.nix").replace(&format!("\"{}\"", system()), "\"riscv64-linux\"");
    let sandbox = sandbox.file("flake.nix", &flake);
    let run = sandbox.run("build --system riscv64-linux").bad();
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        default: it needs a riscv64-linux machine to build on, and this one is $SYSTEM
        hint: `default` must be built on riscv64-linux, this machine is $SYSTEM, and no builder for riscv64-linux took it; this machine has no builders; see why: `cargo xtask builder explain --system riscv64-linux`
        name     path  size  time  status
        default  -     -     -     failed
    "#]]
    .assert_eq(&run.text());
}

#[test]
fn a_name_with_a_dot() {
    let sandbox = Sandbox::new().packages(&[("\"tool-1.2\"", "echo dotted > $out")]);
    let flake = sandbox.read("flake.nix").replace("mk \"\"tool-1.2\"\"", "mk \"tool-1.2\"");
    let sandbox = sandbox.file("flake.nix", &flake);
    sandbox.run("build tool-1.2").good();
    assert_eq!(sandbox.read("result-tool-1.2"), "dotted\n");
}
