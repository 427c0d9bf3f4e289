//! `build`: the links to what was built.

use expect_test::expect;

use crate::support::Sandbox;

fn two() -> Sandbox {
    Sandbox::new().packages(&[("default", "echo default > $out"), ("tool", "echo tool > $out")])
}

#[test]
fn links_lead_to_real_files() {
    let sandbox = two();
    sandbox.run("build default tool").good();
    assert_eq!(sandbox.read("result"), "default\n");
    assert_eq!(sandbox.read("result-tool"), "tool\n");
    let link = std::fs::read_link(sandbox.root().join("result")).unwrap();
    assert!(link.is_absolute() && link.exists(), "{}", link.display());
}

#[test]
fn links_are_made_at_the_root_wherever_one_stands() {
    let sandbox = two().file("a/b/c", "");
    let run = sandbox.run_in("a/b", "build").good();
    assert_eq!(sandbox.read("result"), "default\n");
    assert!(run.stderr.contains("$WORK/result"), "{}", run.text());
}

#[test]
fn no_link_makes_none() {
    let sandbox = two();
    let run = sandbox.run("build --no-link tool").good();
    assert!(run.stderr.contains("$STORE/nix/store/HASH-tool"), "{}", run.text());
    assert!(!sandbox.root().join("result-tool").is_symlink());
    sandbox.run("build --no-link --out-link x").wrong_usage();
}

#[test]
fn links_elsewhere_have_the_bare_names() {
    let sandbox = two();
    let run = sandbox.run("build default tool --out-link out/there").good();
    assert_eq!(sandbox.read("out/there/default"), "default\n");
    assert_eq!(sandbox.read("out/there/tool"), "tool\n");
    assert!(!sandbox.root().join("result").is_symlink());
    assert!(run.stderr.contains("  out/there/tool  "), "{}", run.text());
}

#[test]
fn a_link_is_replaced_by_the_newer_build() {
    let sandbox = two();
    sandbox.run("build").good();
    let sandbox = sandbox.packages(&[("default", "echo newer > $out")]);
    sandbox.run("build").good();
    assert_eq!(sandbox.read("result"), "newer\n");
}

#[test]
fn a_file_in_the_way_is_kept() {
    let sandbox = two();
    sandbox.untracked("result", "mine");
    expect![[r#"
        build   default
        done    default in T s
        error: `$WORK/result` is in the way of a link; move it, or choose another place with `--out-link DIR`
    "#]]
    .assert_eq(&sandbox.run("build").bad().stderr);
    assert_eq!(sandbox.read("result"), "mine");
    sandbox.untracked("out/tool", "mine too");
    sandbox.run("build tool --out-link out").bad().says("is in the way of a link");
    sandbox.untracked("file", "");
    expect![[r#"
        error: cannot create `$WORK/file`: File exists (os error 17)
    "#]]
    .assert_eq(&sandbox.run("build tool --out-link file").bad().stderr);
}

#[test]
fn what_is_linked_survives_a_collection_of_garbage() {
    let sandbox = two();
    sandbox.run("build tool").good();
    let real = std::fs::read_link(sandbox.root().join("result-tool")).unwrap();
    let logical = format!("/nix/store/{}", real.file_name().unwrap().to_str().unwrap());
    let rooted = crate::support::roots()
        .lines()
        .any(|it| it.ends_with(&logical) && it.contains(sandbox.root().as_str()));
    assert!(rooted, "{logical} in:\n{}", crate::support::roots());
}

#[test]
fn a_second_build_does_not_touch_a_link() {
    let sandbox = two();
    sandbox.run("build").good();
    let made = || std::fs::symlink_metadata(sandbox.root().join("result")).unwrap().modified().unwrap();
    let before = made();
    sandbox.run("build").good();
    assert_eq!(made(), before);
}
