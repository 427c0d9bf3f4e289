//! `bump`

use std::fs;

use expect_test::expect;

use crate::support::Sandbox;
use crate::update::Inputs;

/// Two flakes and a template on the branch `nixos-25.05` of a repository that has `nixos-25.11`, too.
fn workspace(outputs: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let inputs = Inputs::new(&sandbox);
    inputs.commit("nixpkgs", 1, "");
    inputs.git("nixpkgs", 1, &["branch", "nixos-25.05"]);
    inputs.commit("nixpkgs", 5, "");
    inputs.git("nixpkgs", 5, &["branch", "nixos-25.11"]);
    let url = format!("{}?ref=nixos-25.05", inputs.url("nixpkgs"));
    let flake = |outputs: &str| {
        format!(
            "{{\n  inputs.nixpkgs.url = \"{url}\"; # nixos-25.05\n\n  outputs = {{nixpkgs, ...}}: {{\n    \
             lib.stateVersion = \"25.05\";\n{outputs}  }};\n}}\n"
        )
    };
    let sandbox = sandbox
        .file("xtask.toml", "[lock]\nbump-docs = [\"docs/*.md\"]\n")
        .file("flake.nix", &flake(outputs))
        .file("b/flake.nix", &flake(""))
        .file("template/flake.nix", &flake(""))
        .file("docs/nix.md", "We are on nixos-25.05.\n")
        .file("README.md", "We were on nixos-25.05.\n");
    sandbox.run("update").good();
    sandbox
}

fn read(sandbox: &Sandbox, file: &str) -> String {
    fs::read_to_string(sandbox.root().join(file)).unwrap()
}

/// Without blanks at the ends of lines, which no snapshot can hold.
fn plain(text: &str) -> String {
    text.lines().map(|it| format!("{}\n", it.trim_end())).collect()
}

#[test]
fn everything_moves_but_state_versions() {
    let sandbox = workspace("");
    let flake = read(&sandbox, "flake.nix");
    let dry = sandbox.run("--dry-run bump 25.11").good();
    expect![[r#"
        --- a/flake.nix
        +++ b/flake.nix
        @@ -1,5 +1,5 @@
         {
        -  inputs.nixpkgs.url = "git+file://$TEMP/nixpkgs?ref=nixos-25.05"; # nixos-25.05
        +  inputs.nixpkgs.url = "git+file://$TEMP/nixpkgs?ref=nixos-25.11"; # nixos-25.05

           outputs = {nixpkgs, ...}: {
             lib.stateVersion = "25.05";
        --- a/b/flake.nix
        +++ b/b/flake.nix
        @@ -1,5 +1,5 @@
         {
        -  inputs.nixpkgs.url = "git+file://$TEMP/nixpkgs?ref=nixos-25.05"; # nixos-25.05
        +  inputs.nixpkgs.url = "git+file://$TEMP/nixpkgs?ref=nixos-25.11"; # nixos-25.05

           outputs = {nixpkgs, ...}: {
             lib.stateVersion = "25.05";
        --- a/template/flake.nix
        +++ b/template/flake.nix
        @@ -1,5 +1,5 @@
         {
        -  inputs.nixpkgs.url = "git+file://$TEMP/nixpkgs?ref=nixos-25.05"; # nixos-25.05
        +  inputs.nixpkgs.url = "git+file://$TEMP/nixpkgs?ref=nixos-25.11"; # nixos-25.05

           outputs = {nixpkgs, ...}: {
             lib.stateVersion = "25.05";
        --- a/docs/nix.md
        +++ b/docs/nix.md
        @@ -1 +1 @@
        -We are on nixos-25.05.
        +We are on nixos-25.11.
    "#]]
    .assert_eq(&plain(&dry.stdout));
    assert_eq!(read(&sandbox, "flake.nix"), flake);
    let run = sandbox.run("bump 25.11").good().says("moved 4 files to 25.11; 0 errors");
    assert!(run.stderr.contains("nixpkgs  b"), "{}", run.text());
    assert_eq!(read(&sandbox, "flake.nix"), flake.replacen("ref=nixos-25.05", "ref=nixos-25.11", 1));
    assert_eq!(read(&sandbox, "docs/nix.md"), "We are on nixos-25.11.\n");
    assert_eq!(read(&sandbox, "README.md"), "We were on nixos-25.05.\n");
    assert!(!sandbox.root().join("template/flake.lock").exists());
    assert_eq!(read(&sandbox, "flake.lock"), read(&sandbox, "b/flake.lock"));
    sandbox.run("lock check").good();
    sandbox.run("bump 25.11").good().says("no input names another release");
    let usage = sandbox.run("bump 2511");
    assert_eq!(usage.code, Some(2), "{}", usage.text());
}

#[test]
fn what_breaks_is_listed() {
    let sandbox = workspace(
        "    checks.x86_64-linux.a = builtins.warn \"The option `a' has been renamed to `b'.\" nixpkgs.gone;\n    \
         overlays.default = final: prev: {};\n    nixosModules.x = throw \"'y' has been removed\";\n",
    );
    let run = sandbox.run("bump 25.11").bad();
    let troubles: Vec<&str> = run.stderr.lines().skip_while(|it| !it.starts_with("severity")).collect();
    expect![[r#"
        severity  kind               flake  what
        error     missing attribute  .      attribute 'gone' missing
        error     removed            .      'y' has been removed
        warning   renamed            .      The option `a' has been renamed to `b'."#]]
    .assert_eq(&troubles.join("\n"));
    let json = sandbox.run("bump 25.11 --json").good().json();
    for key in ["files", "changes", "troubles"] {
        assert_eq!(json[key].as_array().unwrap().len(), 0, "{key}");
    }
}

#[test]
fn a_release_that_is_not_there_changes_nothing() {
    let sandbox = workspace("");
    let files = ["flake.nix", "b/flake.nix", "docs/nix.md", "flake.lock", "b/flake.lock"];
    let before = files.map(|it| read(&sandbox, it));
    sandbox.run("bump 26.05").bad().says("restored, so nothing is changed");
    assert_eq!(files.map(|it| read(&sandbox, it)), before);
}
