//! What is said about locks: flakes and locks in, findings out.

use camino::Utf8Path;
use expect_test::{Expect, expect};

use super::{State, check};
use crate::workspace::{FlakeSource, Lock, LockSettings, Manifest};

/// 2026-11-22, like the locks of the fixtures.
const NOW: i64 = 1_795_344_000;

/// A flake in a directory; the lock is the file of that fixture, a JSON of the nodes, or none when empty.
fn state(dir: &str, source: &str, lock: &str) -> State {
    let file = |name: &str| if dir == "." { name.to_owned() } else { format!("{dir}/{name}") };
    let text = match lock {
        "" => None,
        it if it.starts_with('{') => Some(format!(r#"{{"version": 7, "root": "root", "nodes": {it}}}"#)),
        it => {
            let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../flake-lock/tests/locks");
            Some(std::fs::read_to_string(format!("{dir}/{it}.lock")).unwrap())
        }
    };
    let parse = |it: &String| Lock::parse(it, Utf8Path::new(&file("flake.lock")));
    State {
        dir: dir.into(),
        source: FlakeSource::parse(source, Utf8Path::new(&file("flake.nix"))).map_err(|it| format!("{it:#}")),
        lock: text.as_ref().map(parse).transpose().map_err(|it| format!("{it:#}")),
        template: dir == "template",
    }
}

/// A node of GitHub: owner/repo, branch, first digit of its revision, day.
fn node(repo: &str, branch: &str, digit: u8, day: i64, inputs: &str) -> String {
    let (owner, name) = repo.split_once('/').unwrap();
    let branch = if branch.is_empty() { String::new() } else { format!(r#""ref": "{branch}","#) };
    let (rev, at) = (digit.to_string().repeat(40), NOW - day * 86_400);
    format!(
        r#"{{"inputs": {{{inputs}}},
          "locked": {{"type": "github", "owner": "{owner}", "repo": "{name}", "rev": "{rev}", "lastModified": {at}}},
          "original": {{{branch} "type": "github", "owner": "{owner}", "repo": "{name}"}}}}"#
    )
}

fn nixpkgs(branch: &str, digit: u8, day: i64) -> String {
    let node = node("NixOS/nixpkgs", branch, digit, day, "");
    format!(r#"{{"nixpkgs": {node}, "root": {{"inputs": {{"nixpkgs": "nixpkgs"}}}}}}"#)
}

fn asks(branch: &str) -> String {
    format!("{{\n  inputs.nixpkgs.url = \"github:NixOS/nixpkgs/{branch}\";\n}}")
}

fn settings(text: &str) -> LockSettings {
    Manifest::parse(&format!("[lock]\n{text}"), Utf8Path::new("xtask.toml")).unwrap().lock
}

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
fn finds(states: &[State], policy: &str, expect: Expect) {
    let found = check(states, &settings(policy), NOW);
    let text = |it: &super::Finding| format!("{:?} {}\n", it.severity, it.text());
    expect.assert_eq(&found.iter().map(text).collect::<String>());
}

#[test]
fn good_locks_have_no_findings() {
    let states = [
        state(".", &asks("nixos-26.05"), &nixpkgs("nixos-26.05", 1, 3)),
        state("aleph", &asks("nixos-26.05"), &nixpkgs("nixos-26.05", 1, 3)),
        state("template", &asks("nixos-26.05"), ""),
        state("offline", "{ outputs = _: {}; }", ""),
    ];
    finds(&states, "max-age = 3\nallowed-refs = [\"nixos-*\"]\nallowed-owners = [\"nixos\"]", expect![""]);
}

#[test]
fn broken_files_are_told_with_place_and_cure() {
    let fixtures = [
        "empty",
        "truncated",
        "merge-conflict",
        "version-99",
        "root-node-missing",
        "input-is-a-number",
        "follows-nothing",
    ];
    let states: Vec<State> = fixtures.iter().map(|it| state("a", "{ }", it)).collect();
    finds(
        &states,
        "",
        expect![[r#"
            Fail a/flake.lock: is empty
              repair: bring it back with `git checkout HEAD -- a/flake.lock`, or delete it and run `nix flake lock ./a`
            Fail a/flake.lock:48: the file is truncated here
              repair: bring it back with `git checkout HEAD -- a/flake.lock`
            Fail a/flake.lock:9: merge conflict (`<<<<<<<`)
              repair: take one side with `git checkout --ours -- a/flake.lock` (or `--theirs`), then run `nix flake lock ./a`
            Fail a/flake.lock: unsupported version 99; versions 5 to 7 can be read
              repair: run `rm a/flake.lock` and `nix flake lock ./a`
            Fail a/flake.lock: the root node `root` is missing
              repair: make it anew: delete the file and run `nix flake lock ./a`
            Fail a/flake.lock:6:7: an input must be the name of a node, or the path that it follows
              repair: run `rm a/flake.lock` and `nix flake lock ./a`
            Fail a/flake.lock:5: the input `nixpkgs` of `crane` follows `nixpkgz`, but there is no such input
              repair: run `rm a/flake.lock` and `nix flake lock ./a`
        "#]],
    );
    finds(
        &[state(".", "{ inputs.a.url = 5; }", ""), state("b", "{ inputs = {", "")],
        "",
        expect![[r#"
        Fail flake.nix:1:18: `url` of the input `a` must be a string, not a number
          repair: edit flake.nix:1:18
        Fail b/flake.nix:1:13: syntax error: the file ends too early
          repair: edit b/flake.nix:1:13
    "#]],
    );
}

#[test]
fn a_lock_must_match_its_flake() {
    let source = r#"{
      inputs = {
        nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.11";
        new.url = "github:o/new";
        pkgs.follows = "nixpkgs";
        src = { url = "github:o/src"; flake = false; };
      };
    }"#;
    let (a, b, c) = (
        node("NixOS/nixpkgs", "nixos-26.05", 1, 3, ""),
        node("o/gone", "", 2, 3, ""),
        node("o/src", "", 3, 3, ""),
    );
    let lock = format!(
        r#"{{"a": {a}, "b": {b}, "c": {c}, "root": {{"inputs": {{"nixpkgs": "a", "gone": "b", "pkgs": "a", "src": "c"}}}}}}"#
    );
    finds(
        &[state("aleph", source, &lock), state("none", &asks("x"), "")],
        "",
        expect![[r#"
        Fail aleph/flake.nix:4:9: `new`: is not in flake.lock
          repair: run `nix flake lock ./aleph`
        Fail aleph/flake.nix:3:9: `nixpkgs`: asks for github:NixOS/nixpkgs/nixos-24.11, but flake.lock is of github:NixOS/nixpkgs/nixos-26.05
          repair: run `nix flake lock ./aleph`
        Fail aleph/flake.nix:5:9: `pkgs`: follows `nixpkgs`, but in flake.lock it follows nothing
          repair: run `nix flake lock ./aleph`
        Fail aleph/flake.nix:6:9: `src`: is a mere source, but flake.lock has it as a flake
          repair: run `nix flake lock ./aleph`
        Fail aleph/flake.lock: `gone`: is in aleph/flake.lock, but flake.nix has no such input
          repair: run `nix flake lock ./aleph`
        Fail none/flake.nix: has inputs, but no flake.lock
          repair: run `nix flake lock ./none`
    "#]],
    );
}

#[test]
fn follows_must_lead_somewhere() {
    let source = r#"{
      inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
      inputs.crane = {
        url = "github:ipetkov/crane";
        inputs.nixpkgs.follows = "nixpkg";
        inputs.flake-utils.follows = "nixpkgs";
      };
      inputs.other.follows = "crane";
      inputs.other.inputs = {};
    }"#;
    let (a, b) = (
        node("NixOS/nixpkgs", "nixos-26.05", 1, 3, ""),
        node("ipetkov/crane", "", 2, 3, r#""nixpkgs": ["nixpkgs"]"#),
    );
    let lock = format!(
        r#"{{"a": {a}, "b": {b}, "root": {{"inputs": {{"nixpkgs": "a", "crane": "b", "other": ["nixpkgs"]}}}}}}"#
    );
    finds(
        &[state(".", source, &lock)],
        "",
        expect![[r#"
            Fail flake.nix:6:16: `crane/flake-utils`: is set here, but `crane` has no such input: it does nothing
              repair: delete line 6 of flake.nix
            Fail flake.nix:5:16: `crane/nixpkgs`: follows `nixpkg`, but this flake has no such input
              repair: edit flake.nix:5:16; did you mean `nixpkgs`?
            Fail flake.nix:3:14: `crane/nixpkgs`: follows `nixpkg`, but in flake.lock it follows `nixpkgs`
              repair: run `nix flake lock .`
            Fail flake.nix:8:14: `other`: follows `crane`, but in flake.lock it follows `nixpkgs`
              repair: run `nix flake lock .`
        "#]],
    );
}

#[test]
fn every_node_must_be_locked() {
    let path = |name: &str| format!("{{ inputs.{name}.url = \"./{name}\"; }}");
    let dirty = r#"{"d": {"locked": {"type": "git", "url": "file:///d", "dirtyRev": "abc-dirty", "narHash": "sha256-x"},
        "original": {"type": "git", "url": "file:///d"}}, "t": {"locked": {"type": "tarball", "url": "https://h/t.tgz"},
        "original": {"type": "tarball", "url": "https://h/t.tgz"}}, "g": {"locked": {"type": "github", "owner": "o",
        "repo": "r", "narHash": "sha256-x"}, "original": {"type": "github", "owner": "o", "repo": "r"}},
        "root": {"inputs": {"d": "d", "t": "t", "g": "g"}}}"#;
    let asks = r#"{ inputs.d.url = "git+file:///d"; inputs.t.url = "https://h/t.tgz"; inputs.g.url = "github:o/r"; }"#;
    let states = [
        state(".", asks, dirty),
        state(
            "new",
            "{ inputs = { sub.url = \"./sub\"; other.url = \"./other\"; }; }",
            "relative-path-inputs",
        ),
        state("old", &path("sub"), "relative-path-inputs-written-by-nix-2.8"),
    ];
    finds(
        &states,
        "",
        expect![[r#"
        Fail flake.lock: `d`: is locked to a tree with uncommitted changes (abc-dirty): nobody else can fetch it
          repair: commit in git+file:///d, then run `nix flake update d --flake .`
        Fail flake.lock: `g`: is not locked: it has no `rev`
          repair: run `nix flake update g --flake .`
        Fail flake.lock: `t`: is not locked: it has no `narHash`
          repair: run `nix flake update t --flake .`
        Fail old/flake.lock: `other`: is in old/flake.lock, but flake.nix has no such input
          repair: run `nix flake lock ./old`
        Fail old/flake.lock: `sub`: is a relative path without `parent`, as Nix before 2.26 wrote it: newer ones want to rewrite it
          repair: run `nix flake lock ./old`
    "#]],
    );
}

/// As Nix itself takes or refuses them: what it refuses must be a finding.
#[test]
fn what_nix_takes_and_refuses() {
    let check = |asks: &str, locked: &str| {
        let url = |it: &str| it.replace("URL", "file:///a");
        let lock = format!(
            r#"{{"a": {{"locked": {}, "original": {}}}, "root": {{"inputs": {{"a": "a"}}}}}}"#,
            url(locked),
            url(asks)
        );
        let source = match asks.contains("path") {
            true => "{ inputs.a.url = \"path:/a\"; }",
            false if asks.contains("git\"") => "{ inputs.a.url = \"git+file:///a\"; }",
            false => "{ inputs.a.url = \"github:o/r\"; }",
        };
        let found = check(&[state(".", source, &lock)], &settings(""), NOW);
        found.into_iter().map(|it| it.what).collect::<Vec<_>>().join("; ")
    };
    let (git, path) = (r#"{"type": "git", "url": "URL"}"#, r#"{"type": "path", "path": "/a"}"#);
    let github = r#"{"type": "github", "owner": "o", "repo": "r"}"#;
    let with = |base: &str, more: &str| base.replace('}', &format!(", {more}}}"));
    let (rev, hash) = (format!(r#""rev": "{}""#, "1".repeat(40)), r#""narHash": "sha256-x""#);
    assert_eq!(check(github, &with(github, &rev)), "", "a hash is not needed");
    assert_eq!(check(git, &with(git, &rev)), "", "a hash is not needed");
    assert_eq!(check(path, &with(path, hash)), "");
    assert_eq!(check(github, &with(github, hash)), "is not locked: it has no `rev`");
    assert_eq!(check(git, git), "is not locked: it has no `rev`");
    assert_eq!(check(path, path), "is not locked: it has no `narHash`");
    assert_eq!(
        check(&with(github, r#""ref": "x""#), &with(github, &rev)),
        "asks for github:o/r, but flake.lock is of github:o/r/x"
    );
    for fixture in ["github-without-nar-hash", "version-5-with-info"] {
        let source = "{ inputs.nixpkgs.url = \"github:NixOS/nixpkgs/nixos-25.05\"; }";
        let found = super::check(&[state(".", source, fixture)], &settings("end-of-life = \"ignore\""), NOW);
        let found = found.into_iter().map(|it| it.what).filter(|it| it.contains("not locked"));
        let found: Vec<String> = found.collect();
        assert_eq!(found, [] as [String; 0], "{fixture}");
    }
}

#[test]
fn copies_that_could_follow() {
    let source = r#"{
      inputs = {
        nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
        crane.url = "github:ipetkov/crane";
      };
    }"#;
    let a = node("NixOS/nixpkgs", "nixos-26.05", 1, 3, "");
    let b = node("NixOS/nixpkgs", "nixos-unstable", 2, 3, "");
    let c = node("ipetkov/crane", "", 3, 3, r#""nixpkgs": "b", "deep": "d""#);
    let d = node("o/deep", "", 4, 3, r#""pkgs": "e", "nixpkgs": ["crane", "nixpkgs"]"#);
    let lock = format!(
        r#"{{"a": {a}, "b": {b}, "c": {c}, "d": {d}, "e": {a}, "root": {{"inputs": {{"nixpkgs": "a", "crane": "c"}}}}}}"#
    );
    let states = [state(".", source, &lock)];
    finds(
        &states,
        "",
        expect![[r#"
        Fail flake.nix:4:9: `crane/nixpkgs`: has its own copy (222222222) of what could follow `nixpkgs` (111111111): both are fetched and evaluated
          repair: run `cargo xtask lock check --fix`, or write `inputs.crane.inputs.nixpkgs.follows = "nixpkgs";` and run `nix flake lock .`
        Fail flake.nix:4:9: `crane/deep/pkgs`: has its own copy (111111111) of what could follow `nixpkgs` (111111111): both are fetched and evaluated
          repair: run `cargo xtask lock check --fix`, or write `inputs.crane.inputs.deep.inputs.pkgs.follows = "nixpkgs";` and run `nix flake lock .`
    "#]],
    );
    finds(&states, "duplicates = \"ignore\"", expect![""]);
}

#[test]
fn shared_inputs_must_agree_unless_allowed() {
    let states = [
        state(".", &asks("nixos-26.05"), &nixpkgs("nixos-26.05", 1, 9)),
        state("b", &asks("nixos-26.05"), &nixpkgs("nixos-26.05", 2, 3)),
        state("c", &asks("nixos-unstable"), &nixpkgs("nixos-unstable", 3, 5)),
    ];
    finds(
        &states,
        "",
        expect![[r#"
        Fail flake.nix:2:10: `nixpkgs`: is 111111111 of 2026-11-13, but `b` has 222222222 of 2026-11-19, 6 days newer
          repair: run `cargo xtask lock sync nixpkgs`; or allow it: `differ.nixpkgs = "REASON"` under [lock] in xtask.toml
        Fail c/flake.nix:2:10: `nixpkgs`: is 333333333 of 2026-11-17, but `b` has 222222222 of 2026-11-19, 2 days newer; it asks for github:NixOS/nixpkgs/nixos-unstable, not github:NixOS/nixpkgs/nixos-26.05
          repair: edit the URL, then run `nix flake lock ./c`; or allow it: `differ.nixpkgs = "REASON"` under [lock] in xtask.toml
    "#]],
    );
    finds(
        &states,
        "differ = { nixpkgs = \"c is an experiment\", crane = \"old\" }",
        expect![[r#"
        Warn xtask.toml: `crane`: lock.differ allows a difference (old), but there is none
          repair: delete `crane` under [lock.differ] in xtask.toml
    "#]],
    );
}

#[test]
fn the_policy_of_the_manifest() {
    let states = [state(".", &asks("nixos-25.05"), &nixpkgs("nixos-25.05", 1, 31))];
    finds(
        &states,
        "",
        expect![[r#"
        Warn flake.nix:2:24: `nixpkgs`: NixOS 25.05 has had no security updates since 2025-12-31
          repair: run `cargo xtask bump 26.05`; or set `end-of-life = "ignore"` under [lock] in xtask.toml
    "#]],
    );
    let policy = "max-age = 30\nend-of-life = \"fail\"\nallowed-refs = [\"release-*\"]\nallowed-owners = [\"elodin-sys\"]";
    finds(
        &states,
        policy,
        expect![[r#"
        Fail flake.nix:2:24: `nixpkgs`: is 31 days old (2026-10-22); lock.max-age in xtask.toml allows 30
          repair: run `cargo xtask update nixpkgs`
        Fail flake.nix:2:24: `nixpkgs`: asks for `nixos-25.05`; lock.allowed-refs in xtask.toml has only `release-*`
          repair: edit the URL, then run `nix flake lock .`; or allow it
        Fail flake.nix:2:24: `nixpkgs`: NixOS 25.05 has had no security updates since 2025-12-31
          repair: run `cargo xtask bump 26.05`; or set `end-of-life = "ignore"` under [lock] in xtask.toml
        Fail flake.nix:2:24: `nixpkgs`: is of the owner `NixOS`; lock.allowed-owners in xtask.toml has only `elodin-sys`
          repair: add "NixOS" to lock.allowed-owners in xtask.toml, or remove the input
    "#]],
    );
    finds(&states, "end-of-life = \"ignore\"", expect![""]);
}

/// The two locks of this repository are good.
#[test]
fn our_own_locks_are_good() {
    let root = Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let workspace = crate::workspace::Workspace::open(root, crate::workspace::Scope::All).unwrap();
    let found = check(&super::load(&workspace), &workspace.manifest.lock, NOW);
    let failed: Vec<String> = found
        .iter()
        .filter(|it| it.severity == crate::workspace::Severity::Fail)
        .map(super::Finding::text)
        .collect();
    assert_eq!(failed, [] as [String; 0]);
}
