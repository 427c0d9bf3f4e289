//! A temporary workspace, and the real binary with a real Nix acting on it.
//!
//! The Nix is a private one, fetched once per machine by the product itself: 2.26 from Debian trixie, or with
//! `XTASK_TEST_SUITE=sid` the newest.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "these are the tests' own tools"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};

pub(crate) mod builder;
pub(crate) mod cache;
pub(crate) mod daemon;
pub(crate) mod flakes;
pub(crate) mod image;
mod plain;
pub(crate) mod port;
pub(crate) mod registry;
pub(crate) mod scripted;
pub(crate) mod terminal;
pub(crate) mod wait;

use flakes::shell_flake;
pub(crate) use flakes::{flake, system};

/// A git work tree with an `xtask.toml`, a home of its own, and an environment that names no other Nix.
pub(crate) struct Sandbox {
    pub(crate) temp: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

/// What a run of the binary left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    /// An empty workspace in which no Nix is needed, or one that will fetch its own.
    pub(crate) fn new() -> Sandbox {
        Sandbox::named("work")
    }

    /// The same, in a directory of that name.
    pub(crate) fn named(name: &str) -> Sandbox {
        // The first test of all fetches the Nix, so that no other test is told of it.
        static NIX: OnceLock<()> = OnceLock::new();
        NIX.get_or_init(|| {
            let first = Sandbox::empty("work").packages(&[("default", ": > $out")]);
            first.run("build --no-link").good();
        });
        Sandbox::empty(name)
    }

    /// A workspace for what never starts a Nix.
    pub(crate) fn without_nix() -> Sandbox {
        Sandbox::empty("work")
    }

    fn empty(name: &str) -> Sandbox {
        let temp = tempfile::Builder::new().prefix("xtask-").tempdir().unwrap();
        fs::create_dir_all(temp.path().join("home")).unwrap();
        fs::create_dir_all(temp.path().join(name)).unwrap();
        let home = temp.path().join("home").to_str().unwrap().to_owned();
        let path = std::env::var("PATH").unwrap();
        let env = [
            ("HOME", home.as_str()),
            ("PATH", path.as_str()),
            ("LC_ALL", "C.UTF-8"),
            ("SHELL", "/bin/bash"),
            ("XDG_CACHE_HOME", &cache()),
            ("XTASK_PRIVATE_NIX", &suite()),
            ("APT_CONFIG", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/apt.conf")),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("CARGO", "cargo"),
            // Other tests keep the machine busy.
            ("XTASK_DOCTOR_PATIENCE", "60"),
            ("WORK", name),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let res = Sandbox { temp, env };
        res.git("init --quiet .");
        res.file("xtask.toml", "").file(".gitignore", "/target\n/result*\n")
    }

    pub(crate) fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.temp.path()).unwrap().join(&self.env["WORK"])
    }

    /// Writes a file and tells git of it.
    pub(crate) fn file(self, path: &str, content: &str) -> Sandbox {
        self.untracked(path, content);
        self.git("add --all --force .");
        self
    }

    pub(crate) fn untracked(&self, path: &str, content: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A flake of raw derivations: each package is a name and the script that its `/bin/sh` runs.
    pub(crate) fn packages(self, packages: &[(&str, &str)]) -> Sandbox {
        let flake = flake(&self.nonce(), packages);
        self.file("flake.nix", &flake)
    }

    /// A flake with a dev shell: Nix attributes of its derivation, and bash code that it sources.
    pub(crate) fn shell(self, attributes: &str, setup: &str) -> Sandbox {
        let flake = shell_flake(&self.nonce(), attributes);
        self.file("shell-setup/setup", setup).file("flake.nix", &flake)
    }

    /// Makes derivations of this test differ from those of all others, in this run of the tests and before.
    pub(crate) fn nonce(&self) -> String {
        let age = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        format!("{} {age}", self.temp.path().display())
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Sandbox {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Lets rustup find its tools from another home.
    pub(crate) fn rust(mut self) -> Sandbox {
        for name in ["RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HOME"] {
            if let Ok(value) = std::env::var(name) {
                self = self.env(name, &value);
            }
        }
        self
    }

    pub(crate) fn git(&self, args: &str) {
        let status = Command::new("git").args(args.split(' ')).current_dir(self.root()).status().unwrap();
        assert!(status.success(), "git {args}");
    }

    /// The binary with these arguments, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut res = Command::new(env!("CARGO_BIN_EXE_xtask"));
        res.args(args).env_clear().envs(&self.env).current_dir(self.root()).stdin(Stdio::null());
        res
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs the binary; the arguments are split at blanks.
    pub(crate) fn run(&self, args: &str) -> Run {
        self.run_args(&args.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_args(&self, args: &[&str]) -> Run {
        self.told(self.command(args).output().unwrap())
    }

    /// An output with what differs from run to run replaced.
    pub(crate) fn told(&self, output: Output) -> Run {
        let text = |it: Vec<u8>| self.plain(&String::from_utf8(it).unwrap());
        Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// A text with what differs from run to run replaced.
    pub(crate) fn plain(&self, text: &str) -> String {
        plain::plain(text, &self.root(), self.temp())
    }

    pub(crate) fn temp(&self) -> &Utf8Path {
        Utf8Path::from_path(self.temp.path()).unwrap()
    }

    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.root().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Writes a program.
    pub(crate) fn program(&self, path: &str, text: &str) -> Utf8PathBuf {
        let path = self.temp().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // By another process: a child that another test starts would inherit the open file, and a program that
        // somebody writes to cannot be started.
        let draft = format!("{path}.draft");
        fs::write(&draft, text).unwrap();
        let installed = Command::new("install").args(["-m", "755", &draft, path.as_str()]).status().unwrap();
        assert!(installed.success());
        fs::remove_file(draft).unwrap();
        path
    }

    /// Runs the binary in a directory of the workspace.
    pub(crate) fn run_in(&self, dir: &str, args: &str) -> Run {
        let args: Vec<_> = args.split_whitespace().collect();
        self.told(self.command(&args).current_dir(self.root().join(dir)).output().unwrap())
    }

    /// Runs the binary with something on its stdin.
    pub(crate) fn run_with(&self, args: &str, stdin: &[u8]) -> Run {
        let args: Vec<_> = args.split_whitespace().collect();
        let mut command = self.command(&args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that does not read it closes the pipe; that is for the test to judge.
        drop(child.stdin.take().unwrap().write_all(stdin));
        self.told(child.wait_with_output().unwrap())
    }
}

impl Run {
    /// All that the user sees, for a snapshot.
    pub(crate) fn text(&self) -> String {
        let code = self.code.map_or_else(|| "signal".to_owned(), |it| it.to_string());
        format!("exit {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub(crate) fn good(self) -> Run {
        assert_eq!(self.code, Some(0), "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn bad(self) -> Run {
        assert_eq!(self.code, Some(1), "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn says(self, what: &str) -> Run {
        assert!(self.stderr.contains(what), "it does not say `{what}`:\n{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn wrong_usage(self) -> Run {
        assert_eq!(self.code, Some(2), "{}", self.text());
        self
    }

    /// The result, under `--json`.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// Which private Nix the tests use.
pub(crate) fn suite() -> String {
    std::env::var("XTASK_TEST_SUITE").unwrap_or_else(|_| "trixie".to_owned())
}

/// What the private Nix keeps from its garbage collector: `LINK -> PATH`, a line each.
pub(crate) fn roots() -> String {
    let program = format!("{}/elodin-xtask/nix/{}/bin/nix-store", cache(), suite());
    let output = Command::new(program).args(["--gc", "--print-roots"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The tests' own cache: what they fetch never reaches the user's.
pub(crate) fn cache() -> String {
    // `CARGO_TARGET_TMPDIR` is `target/tmp`.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    dir.to_str().unwrap().to_owned()
}

/// Whether a test must be left out because a tool is missing; says so, and fails where nothing may be.
pub(crate) fn lacks(tool: &str) -> bool {
    let there = std::env::var_os("PATH")
        .is_some_and(|it| std::env::split_paths(&it).any(|it| it.join(tool).exists()));
    if !there {
        missing(tool);
    }
    !there
}

/// Says what a test was left out for, and fails where nothing may be left out.
pub(crate) fn missing(what: &str) {
    let all = std::env::var("XTASK_TEST_REQUIRE").is_ok_and(|it| it == "all");
    assert!(!all, "this test needs {what}, and XTASK_TEST_REQUIRE=all forbids to skip it");
    eprintln!("skipped: needs {what}");
}
