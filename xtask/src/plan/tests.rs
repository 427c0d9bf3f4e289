//! The command lines of Nix, as they are run.

use expect_test::{Expect, expect};

use super::question::names;
use super::*;

#[expect(clippy::needless_pass_by_value, reason = "the snapshot is written at the call")]
fn check(step: Step, settings: &Settings, expect: Expect) {
    expect.assert_eq(&format!("{}\n", CommandLine("nix", &step.argv(settings))));
}

fn text(words: &[&str]) -> Vec<String> {
    words.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn build() {
    let build = Build { installables: text(&["./aleph#toplevel", ".#a"]), ..Build::default() };
    check(
        Step::Build(build.clone()),
        &Settings::default(),
        expect![[r#"
        nix build --json --no-link ./aleph#toplevel .#a --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    let elsewhere = Build { builder: Some("ssh-ng://root@[::1] aarch64-linux".into()), ..build.clone() };
    let emulated = Build { platform: Some("aarch64-linux".into()), ..build.clone() };
    check(
        Step::Build(elsewhere),
        &Settings::default(),
        expect![[r#"
        nix build --json --no-link ./aleph#toplevel .#a --builders 'ssh-ng://root@[::1] aarch64-linux' --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    check(
        Step::Build(emulated),
        &Settings::default(),
        expect![[r#"
        nix build --json --no-link ./aleph#toplevel .#a --option extra-extra-platforms aarch64-linux --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    let build = Build { keep_going: true, jobs: Some(2), ..build };
    let settings = Settings {
        offline: true,
        sandbox: false,
        accept_flake_config: true,
        connect_timeout: 9,
        extra: text(&["--impure", "-L", "--option", "a", "b"]),
    };
    check(
        Step::Build(build),
        &settings,
        expect![[r#"
        nix build --json --no-link ./aleph#toplevel .#a --keep-going --max-jobs 2 --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 9 --offline --accept-flake-config --option sandbox false --impure -L --option a b
    "#]],
    );
}

#[test]
fn others() {
    let settings = Settings::default();
    check(
        Step::Root { path: "/nix/store/x".into(), link: "result x".into() },
        &settings,
        expect![[r#"
            nix build /nix/store/x --out-link 'result x' --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
        "#]],
    );
    check(
        Step::Closure { paths: text(&["/nix/store/x"]), name_format: true },
        &settings,
        expect![[r#"
            nix path-info --json --json-format 1 --recursive /nix/store/x --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
        "#]],
    );
    check(
        Step::PathInfo { paths: text(&["/nix/store/x"]), cache: None, name_format: true },
        &settings,
        expect![[r#"
        nix path-info --json --json-format 1 /nix/store/x --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    check(
        Step::DevEnv { installable: ".#a".into(), profile: "p".into() },
        &settings,
        expect![[r#"
        nix print-dev-env --json .#a --profile p --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    check(
        Step::Develop { installable: ".#a".into(), command: text(&["echo", "a b"]) },
        &settings,
        expect![[r#"
            nix develop .#a --option flake-registry '' --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5 --command echo 'a b'
        "#]],
    );
    check(
        Step::Metadata { flake: ".".into() },
        &settings,
        expect![[r#"
        nix flake metadata --json . --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    check(
        Step::FlakeCheck { flake: ".".into(), build: false, all_systems: false },
        &settings,
        expect![[r#"
        nix flake check . --keep-going --no-build --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    check(
        names(".", "packages"),
        &settings,
        expect![[r#"
        nix eval --json --read-only .#.packages --apply builtins.attrNames --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
}

#[test]
fn many_outputs() {
    let settings = Settings::default();
    check(
        Step::EvalFlake { flake: ".".into(), apply: "x: x".into() },
        &settings,
        expect![[r#"
            nix eval --json --read-only .#. --apply 'x: x' --option eval-cache false --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
        "#]],
    );
    check(
        Step::EvalFile { file: "options.nix".into(), attr: "text" },
        &settings,
        expect![[r#"
            nix eval --json --read-only --file options.nix text --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
        "#]],
    );
    check(
        Step::DerivationGraph { installables: text(&[".#a"]) },
        &settings,
        expect![[r#"
        nix derivation show --recursive .#a --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    check(
        Step::PathInfo {
            paths: text(&["/nix/store/x"]),
            cache: Some("file:///c".into()),
            name_format: false,
        },
        &settings,
        expect![[r#"
            nix path-info --json --store file:///c --option narinfo-cache-negative-ttl 0 --option narinfo-cache-positive-ttl 0 /nix/store/x --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
        "#]],
    );
}

#[test]
fn quoting() {
    for (word, want) in [("", "''"), ("a", "a"), (".#a", ".#a"), ("#a", "'#a'"), ("it's", r"'it'\''s'")] {
        assert_eq!(quoted(word), want);
    }
}

#[test]
fn locks() {
    let settings = Settings { offline: true, ..Settings::default() };
    let overrides = vec![("nixpkgs".to_owned(), "github:o/r/abc".to_owned())];
    check(
        Step::Update { flake: "/w".into(), inputs: text(&["a", "b"]), overrides: overrides.clone() },
        &settings,
        expect![[r#"
            nix flake update a b --flake /w --override-input nixpkgs github:o/r/abc --extra-experimental-features 'nix-command flakes' --option connect-timeout 5 --offline
        "#]],
    );
    check(
        Step::Update { flake: "/w".into(), inputs: Vec::new(), overrides: Vec::new() },
        &settings,
        expect![[r#"
            nix flake update --flake /w --extra-experimental-features 'nix-command flakes' --option connect-timeout 5 --offline
        "#]],
    );
    check(
        Step::Lock { flake: "/w/a b".into(), overrides },
        &settings,
        expect![[r#"
        nix flake lock '/w/a b' --override-input nixpkgs github:o/r/abc --extra-experimental-features 'nix-command flakes' --option connect-timeout 5 --offline
    "#]],
    );
}

#[test]
fn where_something_would_be_built() {
    let settings = Settings {
        extra: text(&["--impure", "--builders", "a b", "-j", "0", "--option", "c", "d"]),
        ..Settings::default()
    };
    check(
        Step::WouldBuild { installable: "./aleph#a".into() },
        &settings,
        expect![[r#"
        nix build --dry-run --json --no-link ./aleph#a --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5 --impure --builders 'a b' -j 0 --option c d
    "#]],
    );
    check(
        Step::Derivations { paths: text(&["/nix/store/a.drv"]) },
        &settings,
        expect![[r#"
        nix derivation show /nix/store/a.drv --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    check(
        Step::Config,
        &settings,
        expect![[r#"
        nix config show --json --extra-experimental-features 'nix-command flakes' --option connect-timeout 5 --builders 'a b' -j 0 --option c d
    "#]],
    );
    check(
        Step::StoreInfo { store: Some("ssh://a".into()) },
        &settings,
        expect![[r#"
        nix store info --json --store ssh://a --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    let caches = text(&["https://a.example", "https://b.example"]);
    check(
        Step::Trust { substituters: caches },
        &settings,
        expect![[r#"
        nix store info --json --option extra-substituters 'https://a.example https://b.example' --extra-experimental-features 'nix-command flakes'
    "#]],
    );
    check(
        Step::StoreInfo { store: None },
        &settings,
        expect![[r#"
        nix store info --json --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
}

#[test]
fn to_other_stores() {
    let settings = Settings::default();
    check(
        Step::Closure { paths: text(&["/nix/store/x"]), name_format: true },
        &settings,
        expect![[r#"
            nix path-info --json --json-format 1 --recursive /nix/store/x --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
        "#]],
    );
    check(
        Step::Sign { path: "/nix/store/x".into(), key: "k".into() },
        &settings,
        expect![[r#"
        nix store sign --key-file k --recursive /nix/store/x --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]],
    );
    for (substitute, check_signatures) in [(true, true), (false, false)] {
        let to = "ssh-ng://root@[fde1::1]".to_owned();
        let step = Step::Copy { path: "/nix/store/x".into(), to, substitute, check_signatures };
        let argv = step.argv(&settings).join(" ");
        assert_eq!(argv.contains("--substitute-on-destination"), substitute, "{argv}");
        assert_eq!(argv.contains("--no-check-sigs"), !check_signatures, "{argv}");
        assert!(argv.starts_with("copy --to ssh-ng://root@[fde1::1] "), "{argv}");
    }
}
