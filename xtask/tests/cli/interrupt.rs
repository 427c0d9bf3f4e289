//! Being stopped in the middle of a build: quickly, with nothing left running, and with a word on what was finished.

use std::process::Child;

use expect_test::expect;
use unix::sys::signal::{Signal, kill};
use unix::unistd::Pid;

use crate::support::terminal::Terminal;
use crate::support::wait::{processes_with, wait_for};
use crate::support::{Run, Sandbox, lacks};

/// `done` is built at once, `default` waits for ever. The text finds the builder among all processes.
fn waiting() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    let marker = format!("marker-{}", sandbox.temp().file_name().unwrap());
    let wait = format!("# {marker}\necho ${{ready}}; exec 3<> <(:); read -t 900 -u 3 x; echo > $out");
    let sandbox = sandbox.packages(&[("default", &wait), ("ready", "echo > $out")]);
    (sandbox, marker)
}

fn started(marker: &str) {
    wait_for("the builder", || (!processes_with(marker).is_empty()).then_some(()));
}

/// Sends a signal, and checks that all is over long before the builder would have ended by itself.
fn stopped(sandbox: &Sandbox, child: Child, signal: Signal, marker: &str) -> Run {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    let run = sandbox.told(child.wait_with_output().unwrap());
    nobody_is_left(marker);
    run
}

/// The builder, which waits for much longer than we do here, is gone.
fn nobody_is_left(marker: &str) {
    wait_for("the end of the builder", || processes_with(marker).is_empty().then_some(()));
}

#[test]
fn a_signal_stops_all_and_what_is_finished_is_told() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (sandbox, marker) = waiting();
        let child = sandbox.start(&["build", "ready", "default"]);
        started(&marker);
        let run = stopped(&sandbox, child, signal, &marker);
        assert_eq!(run.code, Some(1), "{signal}: {}", run.text());
        assert!(
            run.stderr.contains("interrupted; Nix and its builders were stopped"),
            "{signal}: {}",
            run.text()
        );
        let table: Vec<&str> = run.stderr.lines().skip_while(|it| !it.starts_with("name ")).collect();
        let status = |line: &str| line.rsplit("  ").next().unwrap().to_owned();
        let statuses: Vec<String> = table.iter().map(|it| status(it)).collect();
        assert_eq!(statuses, ["status", "built", "not built"], "{signal}: {}", run.text());
        assert!(sandbox.root().join("result-ready").exists());
        assert!(!sandbox.root().join("result").exists());
    }
}

#[test]
fn as_json_it_says_so_too() {
    let (sandbox, marker) = waiting();
    let child = sandbox.start(&["build", "--json"]);
    started(&marker);
    let run = stopped(&sandbox, child, Signal::SIGINT, &marker);
    assert_eq!(run.json()["interrupted"], true);
    assert_eq!(run.json()["ok"], false);
    assert_eq!(run.code, Some(1));
}

#[test]
fn it_can_be_built_afterwards() {
    let (sandbox, marker) = waiting();
    let child = sandbox.start(&["build"]);
    started(&marker);
    stopped(&sandbox, child, Signal::SIGTERM, &marker);
    let flake = sandbox.read("flake.nix").replace("read -t 900 -u 3 x; ", "");
    let sandbox = sandbox.file("flake.nix", &flake);
    sandbox.run("build").good();
}

#[test]
fn run_shell_and_check_are_stopped_as_well() {
    for args in [&["run", "default"][..], &["check"]] {
        let (sandbox, marker) = waiting();
        let flake = sandbox.read("flake.nix").replace("removeAttrs packages [\"default\"]", "packages");
        let sandbox = sandbox.file("flake.nix", &flake);
        let child = sandbox.start(args);
        started(&marker);
        let run = stopped(&sandbox, child, Signal::SIGINT, &marker);
        assert_eq!(run.code, Some(1), "{args:?}: {}", run.text());
        assert!(run.stderr.contains("interrupted"), "{args:?}: {}", run.text());
    }
}

#[test]
fn a_dev_shell_that_is_being_made() {
    let sandbox = Sandbox::new();
    let marker = format!("marker-{}", sandbox.temp().file_name().unwrap());
    let wait = format!("# {marker}\nexec 3<> <(:); read -t 900 -u 3 x; echo > $out");
    let sandbox = sandbox.packages(&[("tool", &wait)]);
    let flake = sandbox.read("flake.nix").replace(
        "packages.${system} = packages;",
        "packages.${system} = packages;\n    devShells.${system}.default = packages.tool // derivation {name = \"shell\"; inherit system; builder = \"/bin/bash\"; tool = packages.tool;};",
    );
    let sandbox = sandbox.file("flake.nix", &flake);
    let child = sandbox.start(&["shell", "--", "true"]);
    started(&marker);
    let run = stopped(&sandbox, child, Signal::SIGINT, &marker);
    expect!["error: cannot make the dev shell `work`: interrupted"]
        .assert_eq(run.stderr.lines().last().unwrap());
    assert_eq!(run.code, Some(1), "{}", run.text());
}

#[test]
fn control_c_in_a_terminal() {
    if lacks("tmux") {
        return;
    }
    let (sandbox, marker) = waiting();
    let terminal = Terminal::start(&sandbox, &["build", "ready", "default"]);
    terminal.shows("default  building");
    started(&marker);
    terminal.key("C-c");
    let (code, screen) = terminal.end();
    nobody_is_left(&marker);
    assert_eq!(code, "1");
    // The terminal's own `^C` makes a line of the bars stay: only what follows is compared.
    let screen = sandbox.plain(&screen);
    let rest: Vec<&str> = screen.lines().skip_while(|it| !it.starts_with("interrupted")).collect();
    expect![[r#"
        interrupted; Nix and its builders were stopped
        name     path          size   time   status
        ready    result-ready  120 B  T s  built
        default  -             -      -      not built"#]]
    .assert_eq(&rest.join("\n"));
}

#[test]
fn a_nix_that_does_not_stop_is_killed() {
    let sandbox = Sandbox::new();
    let marker = format!("marker-{}", sandbox.temp().file_name().unwrap());
    let stubborn =
        format!("trap '' INT TERM HUP; touch $temp/started; while :; do sleep 0.1; done # {marker}");
    let sandbox = sandbox.scripted(&stubborn);
    let child = sandbox.start(&["build"]);
    let file = sandbox.temp().join("started");
    wait_for("the script", || file.exists().then_some(()));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    // It would go on for ever.
    let run = sandbox.told(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(1), "{}", run.text());
}
