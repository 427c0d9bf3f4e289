//! A machine whose private Nix belongs to the tests.

use std::fmt::Write as _;
use std::process::{Child, Output, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use xshell::{Shell, cmd};
use xtask::host::Host;
use xtask::nix::discover::{Wanted, discover};
use xtask::nix::{Nix, Suite, Version};

/// A machine whose cache directory belongs to a test.
pub(crate) struct Machine {
    pub(crate) host: Host,
    /// What it said.
    pub(crate) said: String,
    /// Removes a directory that only this test uses.
    _dir: Option<tempfile::TempDir>,
}

impl Machine {
    /// Shared by all tests that do not care whether Nix is there already.
    pub(crate) fn shared() -> Machine {
        Machine::at(&Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join("private-nix"), None)
    }

    pub(crate) fn fresh() -> Machine {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        Machine::at(&path, Some(dir))
    }

    pub(crate) fn at(cache: &Utf8Path, dir: Option<tempfile::TempDir>) -> Machine {
        std::fs::create_dir_all(cache).unwrap();
        let mut host = Host::current().unwrap();
        let suite = host.env("XTASK_TEST_SUITE").unwrap_or("trixie").to_owned();
        for name in ["XTASK_NIX", "NIX_REMOTE", "NIX_CONFIG"] {
            host.env.remove(std::ffi::OsStr::new(name));
        }
        host.env.insert("XDG_CACHE_HOME".into(), cache.into());
        host.env.insert("HOME".into(), cache.join("home").into());
        host.env.insert("XTASK_PRIVATE_NIX".into(), suite.into());
        let it = Machine { host, said: String::new(), _dir: dir };
        it.apt("Acquire::Check-Valid-Until \"false\";\n")
    }

    /// Configures the host's apt; tests on frozen mirrors need that.
    pub(crate) fn apt(mut self, text: &str) -> Machine {
        let file = self.cache().join("apt.conf");
        if std::fs::read_to_string(&file).unwrap_or_default() != text {
            std::fs::write(&file, text).unwrap();
        }
        self.host.env.insert("APT_CONFIG".into(), file.into());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Machine {
        self.host.env.insert(name.into(), value.into());
        self
    }

    pub(crate) fn cache(&self) -> Utf8PathBuf {
        self.host.cache_dir().unwrap().parent().unwrap().to_owned()
    }

    pub(crate) fn discover(&mut self) -> anyhow::Result<Nix> {
        self.discover_with(true)
    }

    pub(crate) fn discover_with(&mut self, sandbox: bool) -> anyhow::Result<Nix> {
        let wanted = Wanted { explicit: None, minimum: Version::new(2, 26, 0), sandbox, fetch: true };
        discover(&self.host, &wanted, &mut |it| writeln!(self.said, "{it:?}").unwrap())
    }

    /// Names in the directory of private Nixes, but for the lock and the stores.
    pub(crate) fn left(&self) -> Vec<String> {
        let dir = self.host.cache_dir().unwrap().join("nix");
        let Ok(entries) = dir.read_dir_utf8() else { return Vec::new() };
        let names = entries.map(|it| it.unwrap().file_name().to_owned());
        names.filter(|it| it.strip_suffix(".lock").is_none() && !it.ends_with("-store")).collect()
    }

    pub(crate) fn suite(&self) -> Suite {
        if self.host.env("XTASK_TEST_SUITE") == Some("sid") { Suite::Sid } else { Suite::Trixie }
    }

    /// The same machine in a process of its own: this test binary, started with `before` in front of it.
    #[expect(clippy::disallowed_methods, reason = "a child that is killed is the test")]
    pub(crate) fn child(&self, program: &Utf8Path, before: &[&str]) -> Child {
        let own = [program.as_str(), "--exact", "child", "--nocapture"];
        let argv = [before, &own].concat();
        std::process::Command::new(argv[0])
            .args(&argv[1..])
            .env_clear()
            .envs(&self.host.env)
            .env("XTASK_TEST_CHILD", self.cache())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

pub(crate) fn this_program() -> Utf8PathBuf {
    Utf8PathBuf::from_path_buf(std::env::current_exe().unwrap()).unwrap()
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Whether the machine has what a test needs; says what is missing.
pub(crate) fn has(tools: &[&str], root: bool) -> bool {
    let host = Host::current().unwrap();
    let mut missing: Vec<&str> = tools.iter().copied().filter(|it| host.which(it).is_none()).collect();
    if root && !unix::unistd::geteuid().is_root() {
        missing.push("root");
    }
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    assert_ne!(host.env("XTASK_TEST_REQUIRE"), Some("all"), "needs {missing}");
    println!("skipped: needs {missing}");
    false
}

/// A raw derivation that sees whether it is in a sandbox.
pub(crate) const EXPR: &str = r#"derivation { name = "private-nix-test"; system = builtins.currentSystem; builder = "/bin/sh";
  args = [ "-c" "if [ -e /etc/debian_version ]; then echo outside; else echo inside; fi > $out" ];
  allowSubstitutes = false; }"#;

/// Builds `EXPR` by the program alone, as a user would by hand; returns what the real output file says.
pub(crate) fn build(machine: &Machine, nix: &Nix) -> String {
    let sh = Shell::new().unwrap();
    let (program, expr) = (&nix.program, EXPR);
    let cmd = cmd!(sh, "{program} build --impure --no-link --print-out-paths --expr {expr}");
    let path = cmd.env_clear().envs(&machine.host.env).env("NIX_REMOTE", "daemon").quiet().read().unwrap();
    std::fs::read_to_string(nix.real(&path)).unwrap()
}
