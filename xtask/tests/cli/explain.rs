//! `explain`, and the hint after a failure.

use expect_test::expect;

use crate::support::Sandbox;
use crate::support::flakes::{flake, system};

fn sample(version: &str, name: &str) -> String {
    let file = format!("{}/tests/fixtures/errors/{version}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).unwrap();
    let part = text.split("=== ").find(|it| it.starts_with(&format!("{name}\n"))).unwrap();
    part.split_once('\n').unwrap().1.to_owned()
}

#[test]
fn a_log_of_a_ci_system() {
    let sandbox = Sandbox::new();
    let bare = sample("sid", "ij-failtop-human");
    let github: String =
        bare.lines().map(|it| format!("2026-01-31T12:00:00.1234567Z \u{1b}[31m{it}\u{1b}[0m\r\n")).collect();
    let github = format!(
        "2026-01-31T12:00:00.0000000Z ##[group]Run cargo xtask build\n{github}2026-01-31T12:00:01Z ##[error]Process completed with exit code 1.\n"
    );
    let buildkite: String = bare.lines().map(|it| format!("\u{1b}_bk;t=1700000000000\u{7}{it}\n")).collect();
    let want = sandbox.run_with("explain -", bare.as_bytes()).good();
    expect![[r#"
        exit 0
        --- stdout
        failed: fail-1: its builder ended with exit code 1
          > line 7 of fail-1
          > line 8 of fail-1
          > line 9 of fail-1
          > line 10 of fail-1
          > line 11 of fail-1
          > line 12 of fail-1
          > line 13 of fail-1
          > line 14 of fail-1
          > line 15 of fail-1
          > line 16 of fail-1
          > line 17 of fail-1
          > line 18 of fail-1
          > line 19 of fail-1
          > line 20 of fail-1
          > line 21 of fail-1
          > line 22 of fail-1
          > line 23 of fail-1
          > line 24 of fail-1
          > line 25 of fail-1
          > line 26 of fail-1
          > line 27 of fail-1
          > line 28 of fail-1
          > line 29 of fail-1
          > line 30 of fail-1
          > error: boom 1
        cause [builder-exit]: the builder of `fail-1` ended with a failure; its own last lines say why
        cure: read them from the first error on; all of them: `$NIX log /nix/store/HASH-fail-1.drv`
        --- stderr
    "#]]
    .assert_eq(&want.text());
    for log in [github, buildkite] {
        assert_eq!(sandbox.run_with("explain", log.as_bytes()).good().stdout, want.stdout);
    }
}

#[test]
fn what_xtask_printed_is_understood_too() {
    let sandbox = Sandbox::new().packages(&[("default", "echo no gcc; exit 137")]);
    let talk = sandbox.command(&["build"]).output().unwrap().stderr;
    let run = sandbox.run_with("explain --json", &talk).good();
    assert_eq!(run.json()["hints"][0]["rule"], "builder-oom", "{}", run.text());
}

#[test]
fn events_are_read_as_they_are() {
    let sandbox = Sandbox::new();
    let logs = format!("{}/tests/fixtures/logs", env!("CARGO_MANIFEST_DIR"));
    for version in ["trixie", "sid"] {
        let run = sandbox.run(&format!("explain --json {logs}/failtop-{version}.err")).good();
        let json = run.json();
        assert_eq!(json["failures"].as_array().unwrap().len(), 1, "{json}");
        assert_eq!(json["hints"][0]["rule"], "builder-exit", "{json}");
        let run = sandbox.run(&format!("explain {logs}/success-{version}.err")).good();
        assert_eq!(run.stdout, "nothing failed in this log\n");
    }
    let run = sandbox.run(&format!("explain --json {logs}/eval-cache-busy-sid.err")).good();
    assert_eq!(
        (&run.json()["failed"], &run.json()["hints"][0]["rule"]),
        (&false.into(), &"eval-cache-busy".into())
    );
}

#[test]
fn unknown_stays_unknown_and_bad_input_is_told() {
    let sandbox = Sandbox::new();
    let run = sandbox.run_with("explain", b"error: the moon is in the wrong phase\n").bad();
    assert_eq!(
        run.stdout,
        "error: the moon is in the wrong phase\nno rule knows this error; what Nix says above is all there is\n"
    );
    assert_eq!(sandbox.run_with("explain", b"").good().stdout, "nothing failed in this log\n");
    assert_eq!(
        sandbox.run_with("explain", b"\xff\xfe\x00error:\x00").good().stdout,
        "nothing failed in this log\n"
    );
    sandbox.run("explain git-untraked").bad().says("did you mean the rule `git-untracked`?");
    sandbox.run("explain /").bad().says("cannot read the log `/`");
    assert!(
        sandbox.run("explain git-untracked").good().stdout.contains("cure: run `git add --intent-to-add …`")
    );
    let list = sandbox.run("explain --list").good();
    assert!(
        list.stdout.lines().count() > 100 && list.stdout.contains("fod-hash-mismatch\n"),
        "{}",
        list.text()
    );
}

#[test]
fn the_rule_of_a_failing_verb_is_in_its_json() {
    let sandbox = Sandbox::new().packages(&[("default", "echo ${./data.txt} > $out")]);
    sandbox.untracked("data.txt", "here");
    let json = sandbox.run("build --json").bad().json();
    assert_eq!(json["hints"][0]["rule"], "git-untracked", "{json}");
    sandbox.run("build").bad().says("run `git add --intent-to-add data.txt`");
    // 2.26 says the same of what is not there at all.
    std::fs::remove_file(sandbox.root().join("data.txt")).unwrap();
    let run = sandbox.run("build --json").bad();
    let rules: Vec<_> =
        run.json()["hints"].as_array().unwrap().iter().map(|it| it["rule"].to_string()).collect();
    assert!(!rules.contains(&"\"git-untracked\"".to_owned()), "{}", run.text());
}

#[test]
fn a_program_that_is_missing_and_one_that_was_killed() {
    let sandbox =
        Sandbox::new().packages(&[("default", "gcc -c x.c"), ("killed", "exit 137"), ("own", "exit 3")]);
    sandbox
        .run("build")
        .bad()
        .says("hint: the build calls `gcc`, and nothing that the derivation depends on has it");
    sandbox.run("build killed").bad().says("hint: a program of the build was killed");
    assert!(!sandbox.run("build own").bad().stderr.contains("hint:"));
    // It is looked for, and not the reason.
    let sandbox = Sandbox::new().packages(&[("default", "gcc -c x.c; echo no; exit 1")]);
    assert!(!sandbox.run("build").bad().stderr.contains("hint:"));
}

#[test]
fn another_system() {
    let sandbox = Sandbox::new();
    let text = flake(&sandbox.nonce(), &[("default", "echo > $out")]).replacen(&system(), "riscv64-linux", 1);
    let text = text.replace("packages.${system} = packages", &format!("packages.{} = packages", system()));
    let sandbox = sandbox.file("flake.nix", &text);
    let run = sandbox.run("build").bad();
    let run = run.says("must be built on riscv64-linux").says("this machine has no builders");
    run.says("cargo xtask builder explain --system riscv64-linux");
    let sandbox = sandbox.env("NIX_CONFIG", "builders = ssh://arm aarch64-linux");
    sandbox.run("build").bad().says("`ssh://arm` is for aarch64-linux");
}

/// A flake with something whose hash is fixed, and made here.
fn fixed(hash: &str) -> String {
    format!(
        "{{\n  outputs = _: let\n    lib.fakeHash = \"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\";\n  in {{\n    \
         packages.{}.default = derivation {{\n      name = \"fetched-{}\";\n      system = \"{}\";\n      builder = \"/bin/sh\";\n      \
         args = [\"-c\" \": > $out\"];\n      outputHashMode = \"flat\";\n      outputHash = {hash};\n      outputHashAlgo = \"sha256\";\n      allowSubstitutes = false;\n    }};\n  }};\n}}\n",
        system(),
        std::process::id(),
        system()
    )
}

#[test]
fn a_wrong_hash_is_found_and_replaced() {
    let sandbox = Sandbox::new();
    // In Nix's own base 32, and of something else.
    let old = "\"0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c00\"";
    let sandbox = sandbox.file("flake.nix", &fixed(old));
    sandbox.run("build").bad().says("flake.nix:11").says("--fix`");
    sandbox.run("build --fix").bad().says("say `--yes`");
    assert!(sandbox.read("flake.nix").contains(old), "nothing is changed unasked");
    let run = sandbox
        .run("build --fix --yes")
        .good()
        .says("+      outputHash = \"0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73\";");
    assert_eq!(
        sandbox.read("flake.nix"),
        fixed("\"0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73\""),
        "{}",
        run.text()
    );
    assert_eq!(sandbox.read("result"), "");
}

#[test]
fn a_hash_that_is_not_replaced_says_why() {
    let zero = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let sandbox = Sandbox::without_nix().file("a.nix", &format!("{{ hash = \"{zero}\"; }}\n"));
    let log = |specified: &str| {
        format!(
            "error: hash mismatch in fixed-output derivation '/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-src.drv':\n         \
             specified: {specified}\n            got:    sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
        )
    };
    let run = |args: &str, specified: &str| sandbox.run_with(args, log(specified).as_bytes()).good();
    run("-n explain --fix --yes", zero).says("+{ hash = \"sha256-47DEQ");
    assert!(sandbox.read("a.nix").contains(zero), "a dry run changes nothing");
    let other = "sha256-BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    run("explain --fix --yes", other)
        .says("no hash was replaced: no tracked Nix file of this repository has it");
    let sandbox = sandbox.file("b.nix", &format!("\"{zero}\"\n"));
    let run = sandbox.run_with("explain --fix --yes", log(zero).as_bytes()).good();
    run.says("no hash was replaced: it stands in a.nix:1, b.nix:1; edit the right one");
}

#[test]
fn a_mismatch_of_an_input_is_not_that_of_a_fetch() {
    let sandbox = Sandbox::new();
    for version in ["trixie", "sid"] {
        let log = sample(version, "lock: git lock wrong narHash");
        let json = sandbox.run_with("explain --json", log.as_bytes()).good().json();
        assert_eq!(json["hints"][0]["rule"], "input-narhash-mismatch", "{json}");
        let cure = json["hints"][0]["cure"].as_str().unwrap();
        assert!(cure.contains("cargo xtask update") && !cure.contains("--fix"), "{cure}");
        let log = sample(version, "10-build-fodhttp");
        let json = sandbox.run_with("explain --json", log.as_bytes()).good().json();
        assert_eq!(json["hints"][0]["rule"], "fod-hash-mismatch", "{json}");
    }
}
