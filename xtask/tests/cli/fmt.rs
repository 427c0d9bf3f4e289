//! `fmt`: what is changed, and what is left alone.

use std::os::unix::fs::PermissionsExt as _;

use expect_test::expect;

use crate::support::Sandbox;

const BAD: &str = "{a=1;\n  b   = [ 1 2 ];}\n";
const GOOD: &str = "{\n  a = 1;\n  b = [1 2];\n}\n";

#[test]
fn tracked_files_are_formatted_and_the_second_run_finds_nothing() {
    let sandbox = Sandbox::new().file("a.nix", BAD).file("deep/er/b.nix", BAD).file("good.nix", GOOD);
    expect![[r#"
        exit 0
        --- stdout
        --- stderr
        formatted a.nix
        formatted deep/er/b.nix
        3 files, 2 changed
    "#]]
    .assert_eq(&sandbox.run("fmt").good().text());
    assert_eq!(sandbox.read("a.nix"), GOOD);
    assert_eq!(sandbox.read("deep/er/b.nix"), GOOD);
    expect![[r#"
        exit 0
        --- stdout
        --- stderr
        3 files, all formatted
    "#]]
    .assert_eq(&sandbox.run("fmt").good().text());
    sandbox.run("fmt --check").good();
}

#[test]
fn check_says_what_is_wrong_and_changes_nothing() {
    let sandbox = Sandbox::new().file("a.nix", BAD);
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        not formatted: a.nix
        1 file, 1 not formatted: run `cargo xtask fmt`
    "#]]
    .assert_eq(&sandbox.run("fmt --check").bad().text());
    assert_eq!(sandbox.read("a.nix"), BAD);
    // It is not remembered as good.
    sandbox.run("fmt --check").bad();
}

#[test]
fn diff_shows_what_changes() {
    let sandbox = Sandbox::new().file("a.nix", BAD);
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        --- a/a.nix
        +++ b/a.nix
        @@ -1,2 +1,4 @@
        -{a=1;
        -  b   = [ 1 2 ];}
        +{
        +  a = 1;
        +  b = [1 2];
        +}
        1 file, 1 not formatted: run `cargo xtask fmt`
    "#]]
    .assert_eq(&sandbox.run("fmt --check --diff").bad().text());
    assert_eq!(sandbox.read("a.nix"), BAD);
    sandbox.run("fmt --diff").good().says("+  b = [1 2];");
    assert_eq!(sandbox.read("a.nix"), GOOD);
}

#[test]
fn stdin_goes_to_stdout() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run_with("fmt --stdin", BAD.as_bytes()).good().stdout, GOOD);
    assert_eq!(sandbox.run_with("fmt --stdin", GOOD.as_bytes()).good().stdout, GOOD);
    let run = sandbox.run_with("fmt --stdin", b"{a = ;}").bad();
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        error: <stdin>:1:6: syntax error: unexpected `;`, expected `(`, `rec`, `{`, `[`, a string or a name
    "#]]
    .assert_eq(&run.text());
    sandbox.run_with("fmt --stdin", b"\xff\xfe").bad();
    sandbox.run("fmt --stdin a.nix").wrong_usage();
}

#[test]
fn an_error_is_named_and_the_others_are_formatted() {
    let sandbox = Sandbox::new()
        .file("a.nix", BAD)
        .file("broken.nix", "{\n  a = 1\n  b = 2;\n}\n")
        .file("latin.nix", "");
    std::fs::write(sandbox.root().join("latin.nix"), b"# \xe4\n{a = 1;}\n").unwrap();
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        formatted a.nix
        error: broken.nix:3:5: syntax error: unexpected `= 2`, expected `;`
        error: latin.nix:1:3: byte 0xe4 is not UTF-8; convert the file, e.g. with `iconv -f ISO-8859-1 -t UTF-8`
        3 files, 1 changed, 2 in trouble
    "#]].assert_eq(&sandbox.run("fmt").bad().text());
    assert_eq!(sandbox.read("a.nix"), GOOD);
    let json = sandbox.run("fmt --json").bad().json();
    let broken = &json["files"][1];
    assert_eq!((broken["path"].as_str(), broken["outcome"].as_str()), (Some("broken.nix"), Some("refused")));
    assert_eq!(broken["line"], 3);
}

#[test]
fn files_that_git_ignores_or_does_not_know_are_not_touched() {
    let sandbox = Sandbox::new().file(".gitignore", "/ignored\n/target\n/result*\n");
    for path in ["ignored/a.nix", "unknown.nix", "target/b.nix"] {
        sandbox.untracked(path, BAD);
    }
    sandbox.run("fmt").good();
    for path in ["ignored/a.nix", "unknown.nix", "target/b.nix"] {
        assert_eq!(sandbox.read(path), BAD, "{path}");
    }
    // But a file that is named is meant.
    sandbox.run("fmt unknown.nix").good();
    assert_eq!(sandbox.read("unknown.nix"), GOOD);
}

#[test]
fn paths_are_files_and_directories() {
    let sandbox = Sandbox::new().file("a.nix", BAD).file("dir/b.nix", BAD).file("other/c.nix", BAD);
    sandbox.run("fmt dir a.nix").good();
    assert_eq!((sandbox.read("a.nix"), sandbox.read("dir/b.nix")), (GOOD.to_owned(), GOOD.to_owned()));
    assert_eq!(sandbox.read("other/c.nix"), BAD);
    let run = sandbox.run_in("other", "fmt .").good();
    expect![[r#"
        formatted c.nix
        1 file, 1 changed
    "#]]
    .assert_eq(&run.stderr);
    expect![[r#"
        error: cannot read `$WORK/nowhere`: No such file or directory (os error 2)
    "#]]
    .assert_eq(&sandbox.run("fmt nowhere").bad().stderr);
}

#[test]
fn the_mode_is_kept_and_a_link_is_not_replaced() {
    let sandbox = Sandbox::new().file("a.nix", BAD).file("real/b.nix", BAD);
    let path = sandbox.root().join("a.nix");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("real/b.nix", sandbox.root().join("link.nix")).unwrap();
    sandbox.git("add --all .");
    sandbox.run("fmt").good();
    assert_eq!(sandbox.read("a.nix"), GOOD);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    assert!(sandbox.root().join("link.nix").is_symlink());
    assert_eq!(sandbox.read("real/b.nix"), GOOD);
}

#[test]
fn line_ends_of_windows() {
    let sandbox = Sandbox::new().file("a.nix", &BAD.replace('\n', "\r\n"));
    let run = sandbox.run("fmt");
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        error: a.nix:1:6: the line ends in CR LF; convert the file with `sed -i 's/\r$//'`
        1 file, 1 in trouble
    "#]]
    .assert_eq(&run.text());
}

#[test]
fn what_only_alejandra_4_can_lay_out() {
    let sandbox = Sandbox::new().file("pipe.nix", "{a, b}: a |> b\n");
    expect![[r#"
        exit 0
        --- stdout
        --- stderr
        warning: needs Alejandra 4: pipe.nix:1:9: `|>`
        1 file, 1 left alone
    "#]]
    .assert_eq(&sandbox.run("fmt").text());
    sandbox.run("fmt --check").good();
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        error: needs Alejandra 4: pipe.nix:1:9: `|>`
        1 file, 1 left alone
    "#]]
    .assert_eq(&sandbox.run("fmt --check --strict").bad().text());
    assert_eq!(sandbox.read("pipe.nix"), "{a, b}: a |> b\n");
    sandbox.run("fmt --strict").wrong_usage();
}

#[test]
fn a_dry_run_lists_the_files() {
    let sandbox = Sandbox::new().file("a.nix", BAD).file("b/c.nix", GOOD);
    let run = sandbox.run("fmt --dry-run").good();
    assert_eq!(run.stdout, "$WORK/a.nix\n$WORK/b/c.nix\n");
    assert_eq!(sandbox.read("a.nix"), BAD);
}

#[test]
fn rust_is_formatted_too() {
    let sandbox = Sandbox::new()
        .file("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n[workspace]\n")
        .file("src/lib.rs", "pub fn  f( ){}\n")
        .file(".gitignore", "/target\nCargo.lock\n")
        .rust();
    sandbox.run("fmt --check").bad().says("not formatted by rustfmt").says("src/lib.rs");
    sandbox.run("fmt").good();
    assert_eq!(sandbox.read("src/lib.rs"), "pub fn f() {}\n");
    sandbox.run("fmt --check").good();
}

#[test]
fn a_damaged_memory_is_as_good_as_none() {
    let sandbox = Sandbox::new().file("a.nix", GOOD);
    sandbox.run("fmt").good();
    for damage in [&b""[..], b"\xff\xff\xff\xff", b"{}"] {
        std::fs::write(sandbox.root().join("target/xtask/fmt-cache"), damage).unwrap();
        let sandbox = &sandbox;
        sandbox.untracked("a.nix", BAD);
        sandbox.run("fmt").good();
        assert_eq!(sandbox.read("a.nix"), GOOD);
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let sandbox = Sandbox::new().file("a.nix", BAD);
    std::os::unix::fs::symlink("nowhere", sandbox.root().join("broken.nix")).unwrap();
    std::fs::create_dir(sandbox.root().join("dir.nix")).unwrap();
    sandbox.git("add --all .");
    let run = sandbox.run("fmt");
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        formatted a.nix
        error: broken.nix: a broken link: `nowhere` does not exist; remove the link or make its target
        2 files, 1 changed, 1 in trouble
    "#]]
    .assert_eq(&run.text());
    assert_eq!(sandbox.read("a.nix"), GOOD);
}

#[test]
fn text_inside_strings_is_not_changed() {
    let trailing = "{\n  a = ''\n    blank at the end \n  '';\n}\n";
    let sandbox = Sandbox::new().file("a.nix", trailing).file("b.nix", BAD);
    let run = sandbox.run("fmt");
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        error: a.nix:3:21: alejandra would change the text of this string: it strips the trailing blanks of the line; write them as ${" "} or remove them
        formatted b.nix
        2 files, 1 changed, 1 in trouble
    "#]].assert_eq(&run.text());
    assert_eq!(sandbox.read("a.nix"), trailing);
    assert_eq!(sandbox.read("b.nix"), GOOD);
}

#[test]
fn brackets_that_are_nested_too_deeply_do_not_take_for_ever() {
    let deep = format!("{}x{}\n", "(f ".repeat(60), ")".repeat(60));
    let sandbox = Sandbox::new().file("deep.nix", &deep).file("b.nix", BAD);
    // What is given up only after a while is told in other words.
    let run = sandbox.run("fmt");
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        formatted b.nix
        error: deep.nix:1:121: brackets are nested so deep that formatting would take minutes; name parts with `let`
        2 files, 1 changed, 1 in trouble
    "#]].assert_eq(&run.text());
    assert_eq!(sandbox.read("b.nix"), GOOD);
}
