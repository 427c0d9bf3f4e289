//! `shell`: commands in the dev shell.

use std::os::unix::process::ExitStatusExt as _;

use expect_test::expect;

use crate::support::{Sandbox, lacks};

/// A dev shell with a variable, a function, an array and a hook.
fn shell() -> Sandbox {
    Sandbox::new().shell(
        "COLOUR = \"ultra marine\"; PATH = \"/nix/store/made-up/bin\"; shellHook = ''export HOOKED=\"by $COLOUR\"'';",
        "list=('a b' c)\ngreet() { echo \"hello $1\"; }\nnot_exported=quiet\n",
    )
}

fn plain() -> Sandbox {
    Sandbox::new().shell("COLOUR = \"red\";", "")
}

#[test]
fn a_commands_words_arrive_untouched() {
    for sandbox in [shell(), plain()] {
        let args = [
            "shell", "--", "printf", "<%s>\n", "a b", "", "*", "$COLOUR", "it's", "-c", "--", "--help",
            "ä\n2",
        ];
        let run = sandbox.run_args(&args).good();
        let expect: String = args[4..].iter().map(|it| format!("<{it}>\n")).collect();
        assert_eq!(run.stdout, expect);
    }
}

#[test]
fn exit_codes_and_signals_pass() {
    for sandbox in [shell(), plain()] {
        assert_eq!(sandbox.run_args(&["shell", "--", "sh", "-c", "exit 7"]).code, Some(7));
        let output = sandbox.command(&["shell", "--", "sh", "-c", "kill -9 $$"]).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{output:?}");
    }
}

#[test]
fn an_unknown_command_is_127() {
    for sandbox in [shell(), plain()] {
        let run = sandbox.run("shell -- no-such-command");
        assert_eq!((run.code, run.stdout.as_str()), (Some(127), ""), "{}", run.text());
        assert!(run.stderr.contains("no-such-command"), "{}", run.text());
    }
    let run = plain().run("shell -- no-such-command");
    expect![[r#"
        build   shell-env
        done    shell-env in T s
        error: there is no command `no-such-command` in the dev shell `work`
    "#]]
    .assert_eq(&run.stderr);
}

#[test]
fn what_the_shell_sets_and_what_stays_the_callers() {
    let sandbox = shell().env("MINE", "kept").env("TERM", "vt220");
    let before = sandbox.environment().clone();
    let run = sandbox.run("shell -- env -0").good();
    let env: std::collections::BTreeMap<&str, &str> =
        run.stdout.split_terminator('\0').filter_map(|it| it.split_once('=')).collect();
    for name in ["MINE", "TERM", "HOME", "SHELL", "LC_ALL"] {
        assert_eq!(sandbox.plain(&before[name]), env[name], "{name}");
    }
    assert_eq!(env["COLOUR"], "ultra marine");
    assert_eq!(env["HOOKED"], "by ultra marine");
    assert_eq!(env["IN_NIX_SHELL"], "impure");
    assert!(env["PATH"].starts_with("/nix/store/made-up/bin:"), "{}", env["PATH"]);
    assert!(env["PATH"].ends_with(&before["PATH"]), "{}", env["PATH"]);
    let own: Vec<&str> = env.keys().copied().filter(|it| !before.contains_key(*it)).collect();
    expect!["COLOUR HOOKED IN_NIX_SHELL NIX_BUILD_CORES NIX_STORE PWD SHLVL XTASK_SHELL XTASK_SHELL_PATH allowSubstitutes builder dontAddDisableDepTrack name nonce out outputs preferLocalBuild stdenv system"].assert_eq(&own.join(" "));
}

#[test]
fn nothing_of_the_sandbox_leaks() {
    let sandbox = plain();
    let run = sandbox.run("shell -- env").good();
    for leak in [
        "/homeless-shelter",
        "NIX_BUILD_TOP",
        "/no-cert-file.crt",
        "NIX_ENFORCE_PURITY",
        "/build",
        "noshell",
        "NIX_LOG_FD",
        "TMPDIR",
    ] {
        assert!(!run.stdout.contains(leak), "{leak}: {}", run.stdout);
    }
}

#[test]
fn the_environment_is_remembered_and_a_hit_starts_no_nix() {
    let sandbox = shell().counted();
    sandbox.run("shell -- true").good();
    assert!(!sandbox.calls().is_empty());
    // From here on, Nix would fail.
    let nix = format!("cache/elodin-xtask/nix/{}/bin/nix", crate::support::suite());
    sandbox.program(&nix, "#!/bin/sh\necho used >> \"$0.calls\"; exit 1\n");
    let run = sandbox.run_args(&["shell", "--", "sh", "-c", "echo $COLOUR $HOOKED"]).good();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("ultra marine by ultra marine\n", ""));
    assert!(!sandbox.temp().join(format!("{nix}.calls")).exists());
    sandbox.run("shell --refresh -- true").bad();
    assert!(sandbox.temp().join(format!("{nix}.calls")).exists());
}

#[test]
fn what_the_manifest_watches_makes_it_anew() {
    let sandbox = shell().file("nix/part.nix", "1").file("other.txt", "1").counted();
    let made = |sandbox: &Sandbox| {
        sandbox.run("shell -- true").good();
        sandbox.calls().contains("print-dev-env")
    };
    assert!(made(&sandbox));
    assert!(!made(&sandbox));
    let sandbox = sandbox.file("other.txt", "2");
    assert!(!made(&sandbox));
    let sandbox = sandbox.file("nix/part.nix", "2");
    assert!(made(&sandbox));
    let sandbox = sandbox.file("xtask.toml", "[shell]\nwatch = [\"*.txt\"]\n").file("other.txt", "3");
    assert!(made(&sandbox));
    let sandbox = sandbox.file("other.txt", "4");
    assert!(made(&sandbox));
    let flake = sandbox.read("flake.nix").replace("ultra marine", "yellow");
    let sandbox = sandbox.file("flake.nix", &flake);
    let run = sandbox.run("shell -- printenv COLOUR").good();
    assert_eq!(run.stdout, "yellow\n");
    sandbox.calls();
    sandbox.run("shell --refresh -- true").good();
    assert!(sandbox.calls().contains("print-dev-env"));
}

#[test]
fn a_damaged_memory_is_made_again() {
    let sandbox = shell().counted();
    sandbox.run("shell -- true").good();
    let file = std::process::Command::new("find")
        .arg(sandbox.root().join("target/xtask"))
        .args(["-name", "environment.json"])
        .output()
        .unwrap();
    let file = String::from_utf8(file.stdout).unwrap().trim().to_owned();
    let whole = std::fs::read(&file).unwrap();
    for damage in [&b""[..], b"{", b"null", &whole[..whole.len() / 2], b"\xff\xfe"] {
        std::fs::write(&file, damage).unwrap();
        sandbox.calls();
        let run = sandbox.run("shell -- printenv COLOUR").good();
        assert_eq!(run.stdout, "ultra marine\n");
        assert!(sandbox.calls().contains("print-dev-env"));
    }
}

#[test]
fn the_closure_is_kept_from_the_garbage_collector() {
    let sandbox = shell();
    sandbox.run("shell -- true").good();
    let mine: Vec<String> = crate::support::roots()
        .lines()
        .filter(|it| it.contains(sandbox.root().as_str()))
        .map(str::to_owned)
        .collect();
    assert!(mine.iter().any(|it| it.contains("target/xtask/roots/shell-work")), "{mine:?}");
    // Older generations are not kept.
    let flake = sandbox.read("flake.nix").replace("ultra marine", "yellow");
    let sandbox = sandbox.file("flake.nix", &flake);
    sandbox.run("shell -- true").good();
    let now = crate::support::roots().lines().filter(|it| it.contains(sandbox.root().as_str())).count();
    assert_eq!(now, mine.len());
}

#[test]
fn nothing_is_left_in_tmp() {
    let sandbox = shell();
    let tmp = sandbox.temp().join("tmp");
    std::fs::create_dir(&tmp).unwrap();
    let sandbox = sandbox.env("TMPDIR", tmp.as_str());
    sandbox.run("shell -- true").good();
    sandbox.run("shell -- true").good();
    let left: Vec<_> = tmp.read_dir_utf8().unwrap().map(|it| it.unwrap().path().to_owned()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_shell_in_a_shell_is_refused_but_not_a_command() {
    let sandbox = shell().env("XTASK_SHELL", "outer");
    expect![[r#"
        error: you are already in the dev shell `outer`; leave it with `exit` first
    "#]]
    .assert_eq(&sandbox.run("shell").bad().stderr);
    sandbox.run("shell -- true").good();
}

#[test]
fn commands_may_come_from_a_pipe() {
    let sandbox = shell();
    let run = sandbox.run_with("shell", b"echo $COLOUR; exit 3\n");
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), "ultra marine\n"), "{}", run.text());
}

#[test]
fn another_shell_by_name() {
    let sandbox = plain();
    let flake = sandbox.read("flake.nix").replace(".default = ", ".special = ");
    let sandbox = sandbox.file("flake.nix", &flake);
    assert_eq!(sandbox.run("shell special -- printenv COLOUR").good().stdout, "red\n");
    assert_eq!(sandbox.run("shell .#special -- printenv COLOUR").good().stdout, "red\n");
    let run = sandbox.run("shell -- true").bad();
    assert!(run.stderr.contains("cannot make the dev shell `work`"), "{}", run.text());
}

#[test]
fn a_shell_that_cannot_be_built() {
    let sandbox = Sandbox::new().shell("broken = throw \"not today\";", "");
    let run = sandbox.run("shell -- true").bad();
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        error: cannot make the dev shell `work`: not today
    "#]]
    .assert_eq(&run.text());
}

#[test]
fn a_dry_run_enters_nothing() {
    let sandbox = shell();
    expect![[r#"
        exit 0
        --- stdout
        $NIX develop $WORK#default --option flake-registry '' --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5 --command echo hi
        --- stderr
    "#]].assert_eq(&sandbox.run("shell -n -- echo hi").good().text());
}

#[test]
fn a_hit_forks_no_process() {
    if lacks("strace") {
        return;
    }
    let sandbox = plain();
    sandbox.run("shell -- true").good();
    let trace = sandbox.temp().join("trace");
    let mut words = vec!["-f", "-e", "trace=execve,fork,vfork,clone,clone3", "-o", trace.as_str()];
    words.extend([env!("CARGO_BIN_EXE_xtask"), "shell", "--", "true"]);
    let mut command = std::process::Command::new("strace");
    command.env_clear().envs(sandbox.environment()).current_dir(sandbox.root());
    let output = command.args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(trace).unwrap();
    let started: Vec<&str> = text.lines().filter(|it| it.contains("= 0") && it.contains("execve")).collect();
    assert_eq!(started.len(), 2, "{text}");
    assert!(!text.contains("fork(") && !text.contains("clone"), "{text}");
}
