//! `shell` in a terminal: bash, zsh and fish with a marked prompt.

use expect_test::expect;

use crate::support::terminal::Terminal;
use crate::support::{Sandbox, lacks};

fn shell(program: &str) -> Sandbox {
    Sandbox::new()
        .shell(
            "COLOUR = \"ultra marine\"; shellHook = ''export HOOKED=\"by $COLOUR\"'';",
            "list=('a b' c)\ngreet() { echo \"hello $1\"; }\n",
        )
        .env("SHELL", program)
}

/// Types lines into a shell, each when it asks for one, then leaves with a code.
fn talk(sandbox: &Sandbox, lines: &[(&str, &str)]) -> (String, String) {
    let terminal = Terminal::start(sandbox, &["shell"]);
    // What is typed before would be seen twice.
    let asks = |n: usize| {
        let last_of = |it: &str| it.lines().last().is_some_and(|it| it.starts_with("(work) "));
        let prompts = |it: &str| it.lines().filter(|it| it.starts_with("(work) ")).count();
        terminal.becomes("the next prompt", |it| prompts(it) == n && last_of(it));
    };
    asks(1);
    for (n, (line, answer)) in lines.iter().enumerate() {
        terminal.line(line);
        terminal.shows(answer);
        asks(n + 2);
    }
    terminal.line("exit 5");
    terminal.end()
}

#[test]
fn bash_has_functions_arrays_hook_and_a_marked_prompt() {
    if lacks("tmux") {
        return;
    }
    let sandbox = shell("/bin/bash");
    std::fs::write(
        sandbox.temp().join("home/.bashrc"),
        "PS1='mine> '\nalias hi='echo alias works'\nPATH=/own:$PATH\n",
    )
    .unwrap();
    let lines = [
        ("greet \"${list[0]}\"", "hello a b"),
        ("echo \"<$COLOUR|$HOOKED>\"", "<ultra marine|by ultra marine>"),
        ("hi", "alias works"),
        ("cargo() { :; }; echo ${#list[@]}", "\n2\n"),
    ];
    let (code, screen) = talk(&sandbox, &lines);
    assert_eq!(code, "5", "{screen}");
    expect![[r#"
        (work) mine> greet "${list[0]}"
        hello a b
        (work) mine> echo "<$COLOUR|$HOOKED>"
        <ultra marine|by ultra marine>
        (work) mine> hi
        alias works
        (work) mine> cargo() { :; }; echo ${#list[@]}
        2
        (work) mine> exit 5
        exit"#]]
    .assert_eq(&sandbox.plain(&screen));
}

#[test]
fn zsh_keeps_its_own_files() {
    if lacks("tmux") || lacks("zsh") {
        return;
    }
    let sandbox = shell("/usr/bin/zsh");
    std::fs::write(sandbox.temp().join("home/.zshrc"), "PROMPT='mine> '\nalias hi='echo alias works'\n")
        .unwrap();
    std::fs::write(sandbox.temp().join("home/.zshenv"), "export FROM_ZSHENV=yes\n").unwrap();
    let lines = [
        ("hi", "alias works"),
        ("echo \"<$COLOUR|$HOOKED|$FROM_ZSHENV>\"", "<ultra marine|by ultra marine|yes>"),
        ("echo \"<${ZDOTDIR-unset}>\"", "<unset>"),
    ];
    let (code, screen) = talk(&sandbox, &lines);
    assert_eq!(code, "5", "{screen}");
    assert!(screen.contains("(work) mine> hi"), "{screen}");
}

#[test]
fn fish_keeps_its_own_files() {
    if lacks("tmux") || lacks("fish") {
        return;
    }
    let sandbox = shell("/usr/bin/fish");
    // Where this is missing, fish starts to write it, and goes on after its end.
    std::fs::create_dir_all(sandbox.temp().join("home/.local/share/fish/generated_completions")).unwrap();
    std::fs::create_dir_all(sandbox.temp().join("home/.cache/fish/generated_completions")).unwrap();
    let config = sandbox.temp().join("home/.config/fish/config.fish");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::write(&config, "set -g fish_greeting ''\nfunction fish_prompt; echo -n 'mine> '; end\n")
        .unwrap();
    let lines = [("echo \"<$COLOUR|$HOOKED>\"", "<ultra marine|by ultra marine>")];
    let (code, screen) = talk(&sandbox, &lines);
    assert_eq!(code, "5", "{screen}");
    assert!(screen.contains("(work) mine> "), "{screen}");
}

#[test]
fn the_flakes_tools_come_first_whatever_the_users_files_do() {
    if lacks("tmux") {
        return;
    }
    let sandbox = Sandbox::new().shell("PATH = \"/nix/store/made-up/bin\";", "").env("SHELL", "/bin/bash");
    std::fs::write(sandbox.temp().join("home/.bashrc"), "PATH=/own:$PATH\nPS1='> '\n").unwrap();
    let (_, screen) = talk(&sandbox, &[("echo \"<${PATH%%:*}>\"", "<")]);
    assert!(screen.contains("</nix/store/made-up/bin>"), "{screen}");
}

#[test]
fn a_shell_in_the_shell_is_refused() {
    if lacks("tmux") {
        return;
    }
    let sandbox = shell("/bin/bash").env("XTASK", env!("CARGO_BIN_EXE_xtask"));
    let (_, screen) = talk(&sandbox, &[("$XTASK shell; echo code $?", "code 1")]);
    assert!(screen.contains("you are already in the dev shell `work`"), "{screen}");
}

#[test]
fn a_shell_that_we_do_not_know() {
    if lacks("tmux") {
        return;
    }
    let sandbox = shell("/bin/sh");
    let terminal = Terminal::start(&sandbox, &["shell"]);
    terminal.shows("entering the dev shell `work`; /bin/sh cannot show that in its prompt");
    terminal.line("echo \"<$COLOUR>\"; exit 4");
    let (code, screen) = terminal.end();
    assert_eq!(code, "4", "{screen}");
    assert!(screen.contains("<ultra marine>"), "{screen}");
}
