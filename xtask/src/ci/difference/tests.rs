//! Differences of small graphs.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::nix::derivations;

/// A path whose hash is this letter.
fn hashed(letter: &str, name: &str) -> String {
    format!("{}-{name}", letter.repeat(HASH))
}

/// A graph of `top` over `mid` over what is given.
fn graph(letter: &str, leaf: &str, env: &serde_json::Value, srcs: &[String]) -> Graph {
    let drv = |name: &str| format!("/nix/store/{}", hashed(letter, &format!("{name}.drv")));
    let node = |name: &str, env: serde_json::Value, needs: &[&str], srcs: &[String]| {
        let needs: serde_json::Map<_, _> = needs.iter().map(|it| (drv(it), json!({}))).collect();
        json!({"name": name, "system": "s", "builder": "/bin/sh", "env": env, "inputDrvs": needs, "inputSrcs": srcs})
    };
    let above = |name: &str| json!({"dep": format!("/nix/store/{}/x", hashed(letter, name)), "out": format!("/nix/store/{}", hashed(letter, "o"))});
    derivations::parse(json!({
        drv("top"): node("top", above("mid"), &["mid"], &[]),
        drv("mid"): node("mid", above(leaf), &[leaf], &[]),
        drv(leaf): node(leaf, env.clone(), &[], srcs),
    }))
    .unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "the snapshot is written at the call")]
fn check(before: &Graph, after: &Graph, expect: Expect) {
    let marks = |it: &str| vec![it.repeat(40), it.repeat(7)];
    let (left, right) = (marks("a"), marks("b"));
    let difference = difference(
        Side { graph: before, marks: &left },
        &hashed("a", "top.drv"),
        Side { graph: after, marks: &right },
        &hashed("b", "top.drv"),
    );
    let causes: String =
        difference.causes.iter().map(|it| format!("{}: {:?}\n", it.chain.join(" > "), it.what)).collect();
    expect.assert_eq(&format!("{causes}cascade {}\n", difference.cascade));
}

#[test]
fn roots() {
    let none = json!({});
    let source = |letter: &str| vec![hashed(letter, "source")];
    check(
        &graph("a", "leaf", &none, &source("1")),
        &graph("b", "leaf", &none, &source("2")),
        expect![[r#"
            top > mid > leaf: Source { before: "11111111111111111111111111111111-source", after: "22222222222222222222222222222222-source" }
            cascade 2
        "#]],
    );
    check(
        &graph("a", "rustc-1.90.0", &none, &[]),
        &graph("b", "rustc-1.91.0", &none, &source("2")),
        expect![[r#"
            top > mid > rustc-1.91.0: Version { name: "rustc", before: "1.90.0", after: "1.91.0" }
            cascade 2
        "#]],
    );
    check(
        &graph("a", "leaf", &json!({"rev": "a".repeat(40), "short": "v1-aaaaaaa"}), &[]),
        &graph("b", "leaf", &json!({"rev": format!("{}-dirty", "b".repeat(40)), "short": "v1-bbbbbbb"}), &[]),
        expect![[r#"
            top > mid > leaf: Revision { attribute: "rev" }
            top > mid > leaf: Revision { attribute: "short" }
            cascade 2
        "#]],
    );
    check(
        &graph("a", "leaf", &json!({"flags": "-O2", "gone": "1"}), &[]),
        &graph("b", "leaf", &json!({"flags": "-O3"}), &[]),
        expect![[r#"
            top > mid > leaf: Attribute { attribute: "flags", before: Some("-O2"), after: Some("-O3") }
            top > mid > leaf: Attribute { attribute: "gone", before: Some("1"), after: None }
            cascade 2
        "#]],
    );
    check(
        &graph("a", "leaf", &none, &[]),
        &graph("b", "other", &none, &[]),
        expect![[r#"
            top > mid: Added("other")
            top > mid: Removed("leaf")
            cascade 1
        "#]],
    );
    check(
        &graph("a", "leaf", &none, &source("1")),
        &graph("b", "leaf", &none, &source("1")),
        expect![[r#"
        cascade 3
    "#]],
    );
}

#[test]
fn names_without_hashes_and_versions() {
    let path = |letter: &str| format!("a:/nix/store/{}/b /nix/store/short é", hashed(letter, "x-y-1.2"));
    assert_eq!(nameless(&path("a")), "a:/nix/store/…-x-y/b /nix/store/short é");
    assert_eq!(split_name("gcc-wrapper-13.2.0"), ("gcc-wrapper", "13.2.0"));
    assert_eq!(split_name("a-b"), ("a-b", ""));
}
