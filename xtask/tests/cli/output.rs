//! What is printed where: in pipes, in terminals, and to those who want silence.

use std::process::{Command, Stdio};

use expect_test::expect;

use crate::support::{Sandbox, lacks};

fn chain() -> Sandbox {
    Sandbox::new()
        .packages(&[("default", "echo ${part} > $out"), ("part", "echo said by the builder; echo > $out")])
}

#[test]
fn in_a_pipe_there_is_a_line_for_each_start_and_end_and_no_escape_code() {
    let sandbox = Sandbox::new().packages(&[("default", "echo ${part}; exit 1"), ("part", "echo > $out")]);
    let sandbox = sandbox.env("TERM", "xterm-256color").env("CLICOLOR_FORCE", "1");
    let run = sandbox.run("build").bad();
    assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains('\r'), "{:?}", run.stderr);
    for line in ["build   part", "done    part in", "build   default", "failed  default after"] {
        assert_eq!(run.stderr.lines().filter(|it| it.starts_with(line)).count(), 1, "{line}: {}", run.text());
    }
}

#[test]
fn verbose_says_commands_and_lines_and_quiet_says_nothing() {
    let sandbox = chain();
    let run = sandbox.run("build -v").good().says("$ $NIX build --json").says("part> said by the builder");
    assert_eq!(run.stdout.lines().count(), 1);
    let sandbox = chain();
    expect![[r#"
        exit 0
        --- stdout
        $STORE/nix/store/HASH-default
        --- stderr
    "#]]
    .assert_eq(&sandbox.run("build -q").good().text());
    let sandbox = Sandbox::new().packages(&[("default", "echo why; exit 1")]);
    sandbox.run("build --quiet").bad().says("> why").says("failed");
    sandbox.run("build -q -v").wrong_usage();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = chain();
    let xtask = env!("CARGO_BIN_EXE_xtask");
    for args in ["build --no-link", "build --json --no-link", "--help", "build --help", "fmt --check"] {
        let script = format!("{xtask} {args} | head -c 0; echo ${{PIPESTATUS[0]}}");
        let mut command = Command::new("bash");
        command.args(["-c", &script]).env_clear().envs(sandbox.environment()).current_dir(sandbox.root());
        let run = sandbox.told(command.output().unwrap());
        assert!(!run.stderr.contains("panicked"), "{args}: {}", run.text());
        let code = run.stdout.trim();
        assert!(["0", "1", "141"].contains(&code), "{args}: {}", run.text());
    }
}

#[test]
fn closed_streams_are_no_error() {
    let sandbox = chain();
    let xtask = env!("CARGO_BIN_EXE_xtask");
    for redirect in [">&-", "2>&-", "<&-", ">&- 2>&- <&-"] {
        let mut command = Command::new("bash");
        command.args(["-c", &format!("{xtask} build --no-link {redirect}")]);
        command.env_clear().envs(sandbox.environment()).current_dir(sandbox.root());
        let run = sandbox.told(command.output().unwrap());
        assert_eq!(run.code, Some(0), "{redirect}: {}", run.text());
        assert!(!run.stderr.contains("panicked"), "{redirect}: {}", run.text());
    }
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let sandbox = Sandbox::without_nix().file("flake.nix", "{outputs = _: {};}");
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = |args: &[&str]| {
        sandbox.told(sandbox.command(args).stdout(full()).stderr(Stdio::piped()).output().unwrap())
    };
    for args in [&["lock", "status", "--json"], &["ci", "list", "-q"], &["explain", "--list", "-q"]] {
        output(args).bad().says("error: cannot write the result: No space left on device");
    }
    // `fmt --stdin < a > b` is how editors format, who then take `b` for `a`.
    let mut command = sandbox.command(&["fmt", "--stdin"]);
    let stdin = std::fs::File::open(sandbox.root().join("flake.nix")).unwrap();
    let run = command.stdin(stdin).stdout(full()).stderr(Stdio::piped()).output().unwrap();
    sandbox.told(run).bad().says("error: cannot write the result");
}

/// One object, whatever a dry run has to tell.
#[test]
fn a_dry_run_as_json() {
    let sandbox = chain();
    for (args, told) in [("build", "build --json"), ("check", "flake check"), ("ci", "cargo xtask check")] {
        let lines = sandbox.run(&format!("{args} -n")).good().stdout;
        assert!(lines.contains(told), "{args}: {lines}");
        let json = sandbox.run(&format!("{args} -n --json")).good().json();
        let planned: Vec<&str> =
            json["dry_run"].as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
        assert_eq!(planned.join("\n") + "\n", lines);
        assert_eq!((&json["version"], &json["ok"]), (&1.into(), &true.into()), "{json}");
    }
}

/// What reaches a terminal, byte by byte.
fn typescript(sandbox: &Sandbox, args: &str) -> String {
    let file = sandbox.temp().join("typescript");
    let line = format!("{} {args}", env!("CARGO_BIN_EXE_xtask"));
    let mut command = Command::new("script");
    command.args(["-qec", &line, file.as_str()]).env_clear().envs(sandbox.environment());
    command.env("TERM", "xterm").current_dir(sandbox.root()).stdin(Stdio::null());
    command.output().unwrap();
    String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()
}

#[test]
fn a_terminal_has_colours_unless_one_does_not_want_them() {
    if lacks("script") {
        return;
    }
    let red = "\u{1b}[31;1m";
    let sandbox = Sandbox::new().packages(&[("default", "exit 1")]);
    assert!(typescript(&sandbox, "build").contains(red));
    let sandbox = sandbox.env("NO_COLOR", "1");
    let said = typescript(&sandbox, "build");
    assert!(said.contains("default: its builder ended with exit code 1"), "{said}");
    assert!(!said.contains("\u{1b}[3"), "{said:?}");
}

#[test]
fn help_of_every_verb() {
    let sandbox = Sandbox::new();
    for verb in ["build", "run", "shell", "fmt", "check", "ci"] {
        let run = sandbox.run(&format!("{verb} --help")).good();
        assert!(run.stdout.contains(&format!("Usage: cargo xtask {verb}")), "{}", run.text());
    }
    sandbox.run("--version").good();
}
