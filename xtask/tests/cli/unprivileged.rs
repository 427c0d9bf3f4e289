//! Everything as a user without any rights, who fetches the Nix too.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::{Sandbox, lacks, missing};

const NOBODY: &str = "65534";

#[test]
fn nobody_builds_runs_and_enters_the_shell() {
    if lacks("setpriv") {
        return;
    }
    if Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout != b"0\n") {
        return missing("root, to become nobody");
    }
    let sandbox = Sandbox::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/offline/.");
    let copied = Command::new("cp").args(["-r", example, sandbox.root().as_str()]).status().unwrap();
    assert!(copied.success());
    sandbox.git("add --all .");
    let temp = sandbox.temp();
    let program = temp.join("xtask");
    // By another process: a child of another test would inherit the open file, which then cannot be run.
    let copied = Command::new("cp").args([env!("CARGO_BIN_EXE_xtask"), program.as_str()]).status().unwrap();
    assert!(copied.success());
    std::fs::set_permissions(temp, std::fs::Permissions::from_mode(0o755)).unwrap();
    let owned = Command::new("chown").args(["-R", NOBODY, temp.as_str()]).status().unwrap();
    assert!(owned.success());
    let run = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", program.as_str()]).args(args);
        let env = sandbox.environment().iter().filter(|(name, _)| *name != "XDG_CACHE_HOME");
        command.env_clear().envs(env).current_dir(sandbox.root());
        sandbox.told(command.output().unwrap())
    };
    run(&["build"]).good();
    // More than once: whether a thread of ours is still there when we become the program is a matter of luck.
    for minute in ["1", "2", "3", "4", "5"] {
        let run = run(&["-q", "run", "hello-aleph", "--", minute]).good();
        assert!(run.stdout.starts_with(&format!("Hello, Aleph! Minute {minute}:")), "{}", run.text());
    }
    for _ in 0..2 {
        let run = run(&["shell", "--", "sh", "-c", "id -u; hello-aleph 7 >&2"]).good();
        assert_eq!(run.stdout, "65534\n");
        assert!(run.stderr.contains("Minute 7:"), "{}", run.text());
    }
    // In the shell, one can build: the namespace is no chroot, in which there would be no sandbox.
    run(&["shell", "--", program.as_str(), "-q", "build", "telemetry"]).good();
}
