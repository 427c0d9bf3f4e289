//! Workspaces in odd places, and several runs at once.

use expect_test::expect;
use unix::sys::signal::{Signal, kill};
use unix::unistd::Pid;

use crate::support::Sandbox;
use crate::support::wait::wait_for;

const HI: &[(&str, &str)] = &[("default", "echo hi > $out")];

#[test]
fn several_builds_at_once_do_not_harm_each_other() {
    let sandbox =
        Sandbox::new().packages(&[("default", "echo ${part} > $out"), ("part", "echo part; echo > $out")]);
    let children: Vec<_> = (0..4).map(|_| sandbox.start(&["build"])).collect();
    for child in children {
        sandbox.told(child.wait_with_output().unwrap()).good();
    }
    assert!(sandbox.read("result").contains("-part"));
    sandbox.run("build").good().says("was there");
    let left: Vec<String> = sandbox
        .root()
        .read_dir_utf8()
        .unwrap()
        .map(|it| it.unwrap().file_name().to_owned())
        .filter(|it| it.contains(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn several_shells_at_once() {
    let sandbox = Sandbox::new().shell("COLOUR = \"red\";", "");
    let children: Vec<_> = (0..3).map(|_| sandbox.start(&["shell", "--", "printenv", "COLOUR"])).collect();
    for child in children {
        assert_eq!(sandbox.told(child.wait_with_output().unwrap()).good().stdout, "red\n");
    }
}

#[test]
fn a_path_with_blanks_for_every_verb() {
    let sandbox = Sandbox::named("ein 'Ort' mit ä")
        .shell("COLOUR = \"red\"; shellHook = ''export H=1'';", "f() { :; }\n");
    assert_eq!(sandbox.run("shell -- printenv COLOUR").good().stdout, "red\n");
    assert_eq!(sandbox.run_with("shell", b"echo $COLOUR$H\n").good().stdout, "red1\n");
    sandbox.run("fmt").good();
    sandbox.run("check").good();
}

/// Nix takes the path of a flake apart at these signs.
#[test]
fn a_path_that_looks_like_a_url() {
    for name in ["work #1", "what? 100%", "a%20b"] {
        let sandbox = Sandbox::named(name).packages(HI);
        let inner = crate::support::flake(&sandbox.nonce(), &[("inner", "echo inner > $out")]);
        let sandbox = sandbox.file("a #2/flake.nix", &inner);
        sandbox.run("build default inner").good();
        assert_eq!(sandbox.read("result"), "hi\n");
        sandbox.run("check --no-build").good();
        std::fs::remove_dir_all(sandbox.root().join(".git")).unwrap();
        sandbox.run("build inner --out-link out").good();
    }
    let sandbox = Sandbox::named("what #1?").shell("COLOUR = \"red\";", "");
    assert_eq!(sandbox.run("shell -- printenv COLOUR").good().stdout, "red\n");
}

#[test]
fn without_git() {
    let sandbox = Sandbox::new().packages(HI).file("ugly.nix", "{a=1;}");
    std::fs::remove_dir_all(sandbox.root().join(".git")).unwrap();
    sandbox.run("build").good();
    assert_eq!(sandbox.read("result"), "hi\n");
    sandbox.run("fmt").good();
    assert_eq!(sandbox.read("ugly.nix"), "{a = 1;}\n");
    // A change is seen, although no git tells of it.
    let flake = sandbox.read("flake.nix").replace("echo hi", "echo changed");
    sandbox.untracked("flake.nix", &flake);
    sandbox.run("build").good();
    assert_eq!(sandbox.read("result"), "changed\n");
}

#[test]
fn in_a_work_tree_beside_the_repository() {
    let sandbox = Sandbox::new().packages(HI);
    sandbox.git("-c user.name=a -c user.email=a@b commit --quiet -m x");
    sandbox.git("worktree add --quiet ../beside");
    let output = sandbox.command(&["build"]).current_dir(sandbox.temp().join("beside")).output().unwrap();
    sandbox.told(output).good();
    assert_eq!(std::fs::read_to_string(sandbox.temp().join("beside/result")).unwrap(), "hi\n");
}

#[test]
fn through_a_symbolic_link() {
    let sandbox = Sandbox::new().packages(HI);
    std::os::unix::fs::symlink(sandbox.root(), sandbox.temp().join("link")).unwrap();
    let output = sandbox.command(&["build"]).current_dir(sandbox.temp().join("link")).output().unwrap();
    sandbox.told(output).good();
    assert_eq!(sandbox.read("result"), "hi\n");
}

#[test]
fn where_nothing_can_be_kept() {
    let sandbox = Sandbox::new().packages(HI);
    sandbox.untracked("target", "a file");
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        warning: cannot write to `$WORK/target/xtask`: Not a directory (os error 20); nothing is remembered for the next time
        build   default
        done    default in T s
        error: cannot create `$WORK/target/xtask/roots`: Not a directory (os error 20)
    "#]]
    .assert_eq(&sandbox.run("build").bad().text());
    // What needs no file of ours works.
    for verb in ["build --no-link", "size default", "ci matrix"] {
        sandbox.run(verb).good().says("nothing is remembered for the next time");
    }
    let run = sandbox.run("fmt");
    expect![[r#"
        exit 0
        --- stdout
        --- stderr
        warning: cannot create `$WORK/target/xtask`: Not a directory (os error 20)
        1 file, all formatted
    "#]]
    .assert_eq(&run.text());
}

/// Or there would be a Nix, with its store, in each directory that one stands in.
#[test]
fn a_relative_directory_for_what_is_kept_is_ignored() {
    let sandbox = Sandbox::without_nix().env("XDG_STATE_HOME", "state");
    sandbox.run("setup undo").bad().says("`$TEMP/home/.local/state/elodin-xtask/changes`");
}

#[test]
fn a_flake_in_a_directory_of_the_workspace_only() {
    let sandbox = Sandbox::new();
    let flake = crate::support::flake(&sandbox.nonce(), HI);
    let sandbox = sandbox.file("a/b/flake.nix", &flake);
    sandbox.run("build").good();
    assert_eq!(sandbox.read("result-b-default"), "hi\n");
    sandbox.run_in("a/b", "build .#default").good();
}

#[test]
fn an_evaluation_is_interrupted() {
    let sandbox = Sandbox::new()
        .file("flake.nix", "{outputs = _: {};}")
        .nix_script("touch $temp/started; exec sleep 900");
    let child = sandbox.start(&["build"]);
    let file = sandbox.temp().join("started");
    wait_for("the script", || file.exists().then_some(()));
    // Long before the script would end.
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let run = sandbox.told(child.wait_with_output().unwrap()).bad();
    expect![[r#"
        error: cannot evaluate the packages of `.`: interrupted
    "#]]
    .assert_eq(&run.stderr);
}
