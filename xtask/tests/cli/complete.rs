//! Tab in the shells themselves: bash, zsh and fish, with the names of the workspace.

use crate::support::terminal::Terminal;
use crate::support::{Sandbox, lacks};

/// Two packages that Nix has told of once, and the directory that has `debug/xtask`.
fn sandbox() -> Sandbox {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_xtask"));
    let target = binary.parent().unwrap().parent().unwrap().to_str().unwrap().to_owned();
    let sandbox = Sandbox::new().packages(&[("orbit", ": > $out"), ("telemetry", ": > $out")]);
    sandbox.run("build orbit --dry-run").good();
    sandbox.env("CARGO_TARGET_DIR", &target)
}

fn script(shell: &str) -> String {
    format!("{}/../docs/completions/cargo-xtask.{shell}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn words_and_what_they_mean() {
    let sandbox = sandbox();
    let lines = |words: &str| sandbox.run(&format!("complete -- {words}")).good().stdout;
    assert_eq!(lines("build or"), "orbit\n");
    assert_eq!(lines("run t"), "telemetry\n");
    assert!(lines("bui").starts_with("build\tBuild packages by short name"), "{}", lines("bui"));
    assert_eq!(lines("build --system=aarch64-l"), "--system=aarch64-linux\n");
    // Where there is no workspace there are no names, and no error either.
    let run =
        sandbox.told(sandbox.command(&["complete", "--", "build", ""]).current_dir("/").output().unwrap());
    assert_eq!(run.text(), "exit 0\n--- stdout\n--- stderr\n");
    std::fs::write(sandbox.root().join("target/xtask/names.json"), "{").unwrap();
    assert_eq!(lines("build or"), "");
}

#[test]
fn bash() {
    if lacks("tmux") {
        return;
    }
    let sandbox = sandbox();
    let terminal = Terminal::start_in(&sandbox, &["bash", "--norc", "--noprofile"]);
    terminal.line(&format!("PS1='mine> '; source {}", script("bash")));
    terminal.line("clear");
    asks(&terminal);
    tab(&terminal, "cargo xtask build or", "cargo xtask build orbit");
    tab(&terminal, "--out", "orbit --out-link");
    terminal.key("C-u");
    asks(&terminal);
    tab(&terminal, "cargo dev --re", "cargo dev --refresh");
    terminal.key("C-u");
    asks(&terminal);
    // A file, where the verb wants one.
    tab(&terminal, "cargo xtask fmt flak", "cargo xtask fmt flake.nix");
}

#[test]
fn zsh() {
    if lacks("tmux") || lacks("zsh") {
        return;
    }
    let sandbox = sandbox();
    let terminal = Terminal::start_in(&sandbox, &["zsh", "-f"]);
    terminal.line(&format!("PS1='mine> '; autoload -U compinit; compinit -u; source {}", script("zsh")));
    terminal.line("clear");
    asks(&terminal);
    tab(&terminal, "cargo xtask build or", "cargo xtask build orbit");
    tab(&terminal, "--keep", "orbit --keep-going");
    terminal.key("C-u");
    asks(&terminal);
    tab(&terminal, "cargo xtask fmt flak", "cargo xtask fmt flake.nix");
}

#[test]
fn fish() {
    if lacks("fish") {
        return;
    }
    let sandbox = sandbox();
    let complete = |line: &str| {
        let code = format!("source {}; complete -C '{line}'", script("fish"));
        let mut command = std::process::Command::new("fish");
        command.args(["--no-config", "-c", &code]).env_clear().envs(sandbox.environment());
        let output = command.current_dir(sandbox.root()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete("cargo xtask build or"), "orbit\n");
    assert!(
        complete("cargo xtask lock ch").starts_with("check\tCheck the locks"),
        "{}",
        complete("cargo xtask lock ch")
    );
    assert!(complete("cargo dev --re").starts_with("--refresh\t"));
    assert_eq!(complete("cargo xtask fmt flak").trim_end(), "flake.nix");
}

/// Waits until the shell wants a line.
#[track_caller]
fn asks(terminal: &Terminal) {
    terminal.becomes("an empty prompt", |it| it.lines().last() == Some("mine>"));
}

/// Types, presses Tab, and waits for what is to be seen then. Who clears the line afterwards does it by `C-u`: a
/// signal may come later than what is typed behind it.
#[track_caller]
fn tab(terminal: &Terminal, typed: &str, want: &str) {
    terminal.text(typed);
    terminal.key("Tab");
    terminal.shows(want);
}
