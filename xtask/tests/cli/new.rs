//! `new`: a customer's own configuration.

use std::fs;

use crate::support::terminal::Terminal;
use crate::support::{Sandbox, lacks};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@laptop";

fn new(sandbox: &Sandbox, more: &[&str]) -> crate::support::Run {
    let args = [
        "new",
        "my-aleph",
        "--ssh-key",
        KEY,
        "--host-name",
        "falcon",
        "--wifi",
        "--services",
        "elodin-db,mekf",
    ];
    sandbox.run_args(&[&args, more].concat())
}

#[test]
fn a_configuration_by_flags() {
    let sandbox = Sandbox::new();
    let json = new(&sandbox, &["--json"]).good().json();
    assert_eq!(json["host_name"], "falcon");
    let flake = sandbox.read("my-aleph/flake.nix");
    for line in [
        "        elodin-db\n",
        "        wifi\n",
        &format!("      aleph.access.authorizedKeys = [\"{KEY}\"];\n"),
        "      networking.hostName = lib.mkOverride 10 \"falcon\";\n",
    ] {
        assert!(flake.contains(line), "{line}: {flake}");
    }
    for word in ["consoleLogin", "msp-osd", "elodinsink\n"] {
        assert!(!flake.contains(word), "{word}: {flake}");
    }
    // Formatted as we format, a manifest that we read, and nothing that git does not know.
    sandbox.run("fmt --check my-aleph/flake.nix").good();
    sandbox.run("-C my-aleph build-aleph --dry-run --on-device -q");
    assert!(sandbox.read("my-aleph/README.md").starts_with("# my-aleph\n"));
    // Locked to the revision that this repository is at, as if it had come from GitHub.
    let lock: serde_json::Value = serde_json::from_str(&sandbox.read("my-aleph/flake.lock")).unwrap();
    let aleph = &lock["nodes"]["aleph"];
    assert_eq!((&aleph["locked"]["type"], &aleph["locked"]["rev"]), (&"github".into(), &json["revision"]));
    assert!(aleph["locked"]["narHash"].as_str().unwrap().starts_with("sha256-"));
    assert_eq!(lock["nodes"]["root"]["inputs"]["nixpkgs"], serde_json::json!(["aleph", "nixpkgs"]));
    let left: Vec<_> =
        sandbox.root().read_dir_utf8().unwrap().map(|it| it.unwrap().file_name().to_owned()).collect();
    assert!(!left.iter().any(|it| it.contains(".tmp")), "{left:?}");
}

/// Nix takes the lock as it is, without network: nothing in it is missing or out of step with the flake.
#[test]
fn the_lock_is_complete() {
    let sandbox = Sandbox::new();
    new(&sandbox, &[]).good();
    let before = sandbox.read("my-aleph/flake.lock");
    let nix = format!("{}/elodin-xtask/nix/{}/bin/nix", crate::support::cache(), crate::support::suite());
    let mut command = std::process::Command::new(nix);
    command
        .args(["flake", "metadata", "--offline", "--no-update-lock-file"])
        .arg(sandbox.root().join("my-aleph"));
    let output = command.env_clear().envs(sandbox.environment()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sandbox.read("my-aleph/flake.lock"), before);
}

#[test]
fn a_first_commit_where_git_knows_the_user() {
    let sandbox = Sandbox::new();
    new(&sandbox, &[]).good().says("git knows no name of yours");
    fs::remove_dir_all(sandbox.root().join("my-aleph")).unwrap();
    let sandbox = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"]
        .iter()
        .fold(sandbox, |sandbox, name| sandbox.env(name, "me@example.org"));
    assert_eq!(new(&sandbox, &["--json"]).good().json()["committed"], true);
}

#[test]
fn nothing_is_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.untracked("my-aleph/notes", "mine");
    new(&sandbox, &[]).bad().says("`$WORK/my-aleph` is not empty, and nothing is overwritten");
    assert_eq!(sandbox.read("my-aleph/notes"), "mine");
    fs::remove_dir_all(sandbox.root().join("my-aleph")).unwrap();
    sandbox.untracked("my-aleph", "a file");
    new(&sandbox, &[]).bad().says("`$WORK/my-aleph` is there and is no directory");
    fs::remove_file(sandbox.root().join("my-aleph")).unwrap();
    fs::create_dir(sandbox.root().join("my-aleph")).unwrap();
    new(&sandbox, &[]).good();
}

/// As a shell completes it, and through a link; nothing is left where it fails.
#[test]
fn directories_as_they_are_written() {
    let sandbox = Sandbox::new();
    let new = |dir: &str| {
        sandbox.run_args(&[
            "new",
            dir,
            "--ssh-key",
            KEY,
            "--host-name",
            "a",
            "--no-wifi",
            "--services",
            "none",
        ])
    };
    new("./slash/").good().says("now: cargo xtask -C slash build-aleph");
    fs::create_dir(sandbox.root().join("real")).unwrap();
    std::os::unix::fs::symlink("real", sandbox.root().join("link")).unwrap();
    new("link").good();
    assert!(sandbox.read("real/README.md").starts_with("# real\n"));
    new("..").bad().says("is not empty");
    new(".").bad().says("that is where you are: name a new directory");
}

#[test]
fn wrong_answers() {
    let sandbox = Sandbox::new();
    sandbox
        .run("new x")
        .bad()
        .says("say --host-name NAME, --wifi (or --no-wifi), --services LIST, --ssh-key KEY");
    sandbox.run("new x --host-name A.b").wrong_usage().says("is no host name");
    sandbox
        .run("new x --services mekv")
        .wrong_usage()
        .says("there is no service `mekv`; there are: elodin-db");
    let rest = "--host-name a --no-wifi --services none --ssh-key";
    sandbox.untracked("id", "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n");
    let run = sandbox.run(&format!("new x {rest} id")).bad().says("that is a private key");
    assert!(!run.text().contains("c2VjcmV0"));
    sandbox.run(&format!("new x {rest} nonsense")).bad().says("that is no public key of SSH");
    sandbox.untracked("id.pub", KEY);
    sandbox
        .run("new x --host-name serial --no-wifi --services none --ssh-key id.pub")
        .bad()
        .says("needs WiFi");
    assert!(!sandbox.root().join("x").exists());
    let run = sandbox.run(&format!("new -n x {rest} id.pub")).good();
    assert!(run.stdout.contains(" flake lock $WORK/x "), "{}", run.text());
    assert!(!sandbox.root().join("x").exists());
    sandbox.run(&format!("new x {rest} id.pub")).good();
}

#[test]
fn answers_in_a_terminal() {
    if lacks("tmux") {
        return;
    }
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.temp().join("home/.ssh")).unwrap();
    fs::write(sandbox.temp().join("home/.ssh/id_ed25519.pub"), KEY).unwrap();
    let terminal = Terminal::start(&sandbox, &["new", "hawk"]);
    terminal.shows("Host name (`serial`: each board by its serial number) [hawk]");
    terminal.line("Hawk");
    terminal.shows("is no host name");
    terminal.line("");
    terminal.shows("or a number above [1]:");
    terminal.line("");
    terminal.shows("Does it have WiFi? [yes]");
    terminal.line("no");
    terminal.shows("What does it run?");
    terminal.line("mekf");
    let (code, screen) = terminal.end();
    assert_eq!(code, "0", "{screen}");
    assert!(sandbox.read("hawk/flake.nix").contains("networking.hostName = \"hawk\";"));
}
