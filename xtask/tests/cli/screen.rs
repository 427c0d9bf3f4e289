//! What a terminal shows: narrow ones, dumb ones, those that are resized, those that have neither colours nor Unicode.

use std::process::Command;

use expect_test::expect;

use crate::support::terminal::Terminal;
use crate::support::{Sandbox, lacks};

#[test]
fn a_terminal_shows_bars_and_cleans_them_away() {
    if lacks("tmux") {
        return;
    }
    let sandbox = Sandbox::new();
    let gate = sandbox.temp().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let script = "echo ${part}; read x < /gate; echo > $out";
    let sandbox = sandbox.packages(&[("default", script), ("part", "echo > $out")]);
    let open = format!("/gate={gate}");
    let terminal = Terminal::start(&sandbox, &["build", "--", "--option", "extra-sandbox-paths", &open]);
    let screen = terminal.shows("default  building");
    expect![[r#"
        * built 1 of 2, T s
            default  building  T s"#]]
    .assert_eq(&moving(&sandbox.plain(&screen)));
    std::fs::write(&gate, "go\n").unwrap();
    let (code, screen) = terminal.end();
    assert_eq!(code, "0");
    expect![[r#"
        name     path    size   time   status
        default  result  120 B  T s  built"#]]
    .assert_eq(&sandbox.plain(&screen));
}

#[test]
fn more_builds_than_fit_are_counted() {
    if lacks("tmux") {
        return;
    }
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..13).map(|it| format!("p{it}")).collect();
    let wait = "echo one of many; exec 3<> <(:); read -t 300 -u 3 x";
    let packages: Vec<(&str, &str)> = names.iter().map(|it| (it.as_str(), wait)).collect();
    let sandbox = sandbox.packages(&packages);
    let terminal = Terminal::start(&sandbox, &["build", "-j", "13"]);
    let screen = terminal.shows("and 3 more");
    assert!(screen.contains("built 0 of 13"), "{screen}");
    assert_eq!(screen.lines().filter(|it| it.contains("building")).count(), 10, "{screen}");
    terminal.key("C-c");
    assert_eq!(terminal.end().0, "1");
}

#[test]
fn lines_of_builders_go_above_the_bars() {
    if lacks("tmux") {
        return;
    }
    let sandbox =
        Sandbox::new().packages(&[("default", "echo first; echo second; exec 3<> <(:); read -t 300 -u 3 x")]);
    let terminal = Terminal::start(&sandbox, &["build", "-v"]);
    // The builder may say it after a picture was drawn.
    let screen = terminal
        .becomes("the bars below the lines", |it| it.contains("> second") && it.contains("built 0 of 1"));
    let at = |what: &str| {
        screen.lines().position(|it| it.contains(what)).unwrap_or_else(|| panic!("{what}:\n{screen}"))
    };
    assert!(at("default> first") < at("default> second"), "{screen}");
    assert!(at("default> second") < at("built 0 of 1"), "{screen}");
    terminal.key("C-c");
    assert_eq!(terminal.end().0, "1");
}

/// The spinner's sign differs from picture to picture.
fn moving(screen: &str) -> String {
    screen.replace(|it: char| ('\u{2800}'..='\u{28ff}').contains(&it), "*")
}

const WAIT: &str = "echo one of many; exec 3<> <(:); read -t 300 -u 3 x";
const LONG: &str = "a-very-long-name-of-a-package-that-nobody-would-ever-choose-unstable-2026-11-23";

/// Thirty builds that wait, one with a long name.
fn thirty() -> Sandbox {
    let names: Vec<String> = (0..29).map(|it| format!("p{it}")).collect();
    let packages: Vec<(&str, &str)> =
        names.iter().map(|it| (it.as_str(), WAIT)).chain([(LONG, WAIT)]).collect();
    Sandbox::new().packages(&packages)
}

#[test]
fn many_builds_fit_any_terminal_also_one_that_is_resized() {
    if lacks("tmux") {
        return;
    }
    let sandbox = thirty();
    let terminal = Terminal::sized(&sandbox, (80, 24), &["build", "-j", "30"]);
    let screen = terminal.shows("and 22 more");
    let long = screen.lines().find(|it| it.contains("a-very")).unwrap();
    expect!["    a-very-long-name-of-a-package…r-choose-unstable-2026-11-23  building  T s"]
        .assert_eq(&sandbox.plain(long));
    // Each size leaves what the next one finds.
    for (columns, rows, rest) in [(40, 18, 24), (30, 12, 26), (200, 60, 10), (24, 9, 27), (80, 24, 22)] {
        terminal.resize(columns, rows);
        let screen = terminal.shows(&format!("and {rest} more"));
        assert_eq!(screen.matches("built 0 of 30").count(), 1, "{columns}:\n{screen}");
        assert_eq!(screen.matches(" more").count(), 1, "{columns}:\n{screen}");
        assert_eq!(screen.lines().count(), 2 + (30 - rest), "{columns}:\n{screen}");
    }
    terminal.key("C-c");
    assert_eq!(terminal.end().0, "1");
}

#[test]
fn ctrl_c_leaves_nothing_of_what_moved() {
    if lacks("tmux") {
        return;
    }
    let sandbox = Sandbox::new().packages(&[("default", WAIT)]);
    let terminal = Terminal::sized(&sandbox, (40, 20), &["build"]);
    terminal.shows("default  building");
    terminal.key("C-c");
    let (code, screen) = terminal.end();
    assert_eq!(code, "1");
    expect![[r#"
        interrupted; Nix and its builders were
        stopped
        name     path  size  time  status
        default  -     -     -     not built"#]]
    .assert_eq(&sandbox.plain(&screen));
}

#[test]
fn narrow_tables_are_folded() {
    if lacks("tmux") {
        return;
    }
    let script = [("default", "echo ${broken} > $out"), ("broken", "echo the reason; exit 3")];
    let sandbox = Sandbox::new().packages(&script);
    let (code, screen) = Terminal::sized(&sandbox, (40, 20), &["build"]).end();
    assert_eq!(code, "1");
    // Where the log is depends on this machine.
    let shown: Vec<&str> = screen.lines().filter(|it| !it.contains('/') && !it.contains(".log")).collect();
    expect![[r#"
        failed  broken after T s
        broken: its builder ended with exit code
        3
          > the reason
          full log:
        name     status
        default  dependency failed"#]]
    .assert_eq(&sandbox.plain(&shown.join("\n")));
}

#[test]
fn without_colours_the_display_is_the_same() {
    if lacks("tmux") {
        return;
    }
    for (name, value, coloured) in [("NO_COLOR", "1", false), ("NO_COLOR", "", true)] {
        let sandbox = Sandbox::new().packages(&[("default", WAIT)]).env(name, value);
        let terminal = Terminal::sized(&sandbox, (80, 24), &["build"]);
        terminal.shows("default  building");
        assert_eq!(terminal.colours().contains('\u{1b}'), coloured, "{:?}", terminal.colours());
        terminal.key("C-c");
        terminal.end();
    }
}

#[test]
fn without_unicode_there_is_only_ascii() {
    if lacks("tmux") {
        return;
    }
    let fails = "n=0; while [ $n != 60 ]; do n=$((n + 1)); echo $n; done; exit 1";
    let packages = [("default", "echo ${broken} > $out"), ("broken", fails), (LONG, WAIT)];
    let sandbox = Sandbox::new().packages(&packages).env("LC_ALL", "C");
    let terminal = Terminal::sized(&sandbox, (60, 90), &["build", "-k", "-j", "2", "default", LONG]);
    let screen = terminal.shows("1 failed");
    assert!(screen.is_ascii() && screen.contains("a-very-long-name") && screen.contains('~'), "{screen}");
    terminal.key("C-c");
    let (_, screen) = terminal.end();
    assert!(screen.is_ascii() && screen.contains("\n  ... "), "{screen}");
}

#[test]
fn a_dumb_terminal_gets_lines() {
    if lacks("tmux") {
        return;
    }
    let sandbox = Sandbox::new().packages(&[("default", "echo > $out")]);
    let words = ["env", "TERM=dumb", env!("CARGO_BIN_EXE_xtask"), "build"];
    let terminal = Terminal::start_in(&sandbox, &words);
    let (_, screen) = terminal.end();
    expect![[r#"
        build   default
        done    default in T s
        name     path    size   time   status
        default  result  120 B  T s  built"#]]
    .assert_eq(&sandbox.plain(&screen));
    assert!(!terminal.colours().contains('\u{1b}'), "{:?}", terminal.colours());
}
