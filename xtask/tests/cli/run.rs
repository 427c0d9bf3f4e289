//! `run`: the program is as if it had been started by hand.

use std::os::unix::process::ExitStatusExt as _;

use expect_test::expect;

use crate::support::{Sandbox, system};

/// A package with a bash script as its program. It is unpacked from a tar archive by Nix itself, since the sandbox
/// has no tools.
fn program(script: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let tar = tar(&[("bin/tool", script)]);
    std::fs::write(sandbox.root().join("tool.tar"), tar).unwrap();
    let flake = format!(
        "{{outputs = _: {{packages.{0}.tool = derivation {{name = \"tool\"; system = \"{0}\"; \
         builder = \"builtin:unpack-channel\"; src = ./tool.tar; channelName = \"bin\"; nonce = \"{1}\"; \
         outputs = [\"out\"]; preferLocalBuild = true; allowSubstitutes = false;}};}};}}",
        system(),
        sandbox.nonce()
    );
    sandbox.file("flake.nix", &flake)
}

/// A tar archive in which every file may be executed.
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut res = Vec::new();
    for (name, content) in files {
        let mut head = [0_u8; 512];
        let mut field = |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
        field(0, name);
        field(100, "0000755");
        field(108, "0000000");
        field(116, "0000000");
        field(124, &format!("{:011o}", content.len()));
        field(136, "00000000000");
        field(148, "        ");
        field(156, "0");
        field(257, "ustar");
        field(263, "00");
        let sum: u32 = head.iter().map(|it| u32::from(*it)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        res.extend(head);
        res.extend(content.as_bytes());
        res.resize(res.len().next_multiple_of(512), 0);
    }
    res.resize(res.len() + 1024, 0);
    res
}

const ARGUMENTS: &str = "#!/bin/sh\nfor it in \"$@\"; do printf '<%s>\\n' \"$it\"; done\n";

#[test]
fn arguments_arrive_untouched() {
    let sandbox = program(ARGUMENTS);
    let args =
        ["run", "tool", "--", "a b", "", "*", "$HOME", "it's", "\"q\"", "--help", "-v", "--", "ä\n2", "\\n"];
    let run = sandbox.run_args(&args).good();
    let expect: String = args[3..].iter().map(|it| format!("<{it}>\n")).collect();
    assert_eq!(run.stdout, expect);
}

#[test]
fn its_exit_code_is_ours() {
    let sandbox = program("#!/bin/sh\nexit $1\n");
    for code in [0, 1, 2, 42, 255] {
        assert_eq!(sandbox.run(&format!("run tool -- {code}")).code, Some(code));
    }
}

#[test]
fn its_signals_are_ours() {
    let sandbox = program("#!/bin/sh\nkill -$1 $$\n");
    for signal in [9, 15, 2] {
        let output = sandbox.command(&["run", "tool", "--", &signal.to_string()]).output().unwrap();
        assert_eq!(output.status.signal(), Some(signal), "{output:?}");
    }
}

#[test]
fn stdin_passes_and_stdout_is_its_own() {
    let sandbox = program("#!/bin/sh\nread x\nprintf 'got %s' \"$x\"\n");
    let run = sandbox.run_with("run tool", b"something\nmore\n").good();
    assert_eq!(run.stdout, "got something");
}

#[test]
fn it_runs_where_one_stands_with_ones_own_environment() {
    let sandbox = program("#!/bin/sh\npwd\necho $MINE\n").file("deep/er/file", "").env("MINE", "my own");
    let run = sandbox.run_in("deep/er", "run tool").good();
    expect![[r#"
        $WORK/deep/er
        my own
    "#]]
    .assert_eq(&run.stdout);
}

#[test]
fn no_process_of_ours_is_left_above_it() {
    let sandbox = program("#!/bin/sh\necho $PPID\n");
    let run = sandbox.run("run tool").good();
    assert_eq!(run.stdout.trim(), std::process::id().to_string());
}

#[test]
fn a_package_without_its_program() {
    let sandbox = program(ARGUMENTS);
    let flake = sandbox.read("flake.nix").replace("name = \"tool\";", "name = \"box\";");
    let sandbox = sandbox.file("flake.nix", &flake);
    expect![[r#"
        build   box
        done    box in T s
        error: `tool` has no program `bin/box`; it has tool: set meta.mainProgram to one of them
    "#]]
    .assert_eq(&sandbox.run("run tool").bad().stderr);
    let sandbox = Sandbox::new().packages(&[("plain", "echo > $out")]);
    let run = sandbox.run("run plain").bad();
    let error = run.stderr.lines().last().unwrap();
    expect!["error: `plain` has no program `bin/plain`; it has no programs at all"].assert_eq(error);
}

#[test]
fn main_program_is_believed() {
    let sandbox = program(ARGUMENTS);
    let flake = sandbox.read("flake.nix").replace("name = \"tool\";", "name = \"box\";").replace(
        "allowSubstitutes = false;}",
        "allowSubstitutes = false;} // {meta.mainProgram = \"tool\";}",
    );
    let run = sandbox.file("flake.nix", &flake).run("run tool -- x").good();
    assert_eq!(run.stdout, "<x>\n");
}

#[test]
fn a_build_that_fails_is_told_and_nothing_runs() {
    let sandbox = Sandbox::new().packages(&[("tool", "echo no luck; exit 1")]);
    let run = sandbox.run("run tool -- x").bad().says("no luck").says("ended with exit code 1");
    assert_eq!(run.stdout, "");
    sandbox.run("run").wrong_usage();
    sandbox.run("run tol").bad().says("did you mean `tool`?");
}

#[test]
fn a_dry_run_runs_nothing() {
    let sandbox = program("#!/bin/sh\necho ran\n");
    expect![[r#"
        $NIX build --json --no-link $WORK#.packages.$SYSTEM.tool --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]].assert_eq(&sandbox.run("run -n tool").good().stdout);
}
