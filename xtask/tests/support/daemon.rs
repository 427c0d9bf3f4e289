//! A real nix-daemon with a store and settings of its own, and a user whom it need not trust.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use camino::Utf8PathBuf;

use super::wait::wait_for;
use super::{Run, Sandbox, cache, suite};

const NOBODY: &str = "65534";

/// The daemon; it is stopped when this goes away.
pub(crate) struct Daemon {
    pub(crate) sandbox: Sandbox,
    child: Child,
    /// A copy of the binary that everybody may run.
    program: Utf8PathBuf,
    /// The real program, without the wrapper that names a store.
    pub(crate) nix: String,
    /// What is done before it in a mount namespace of its own.
    mounts: String,
}

impl Daemon {
    /// Starts it with these settings; needs root, for the user beside it.
    pub(crate) fn start(sandbox: Sandbox, settings: &str) -> Daemon {
        Daemon::start_mounted(sandbox, settings, ":")
    }

    /// The same, after commands in a mount namespace of its own.
    pub(crate) fn start_mounted(sandbox: Sandbox, settings: &str, mounts: &str) -> Daemon {
        let temp = sandbox.temp().to_owned();
        let nix = format!("{}/elodin-xtask/nix/{}/bin/nix", cache(), suite());
        // The wrapper says where the program is: the cache may be a copy of another.
        let wrapper = fs::read_to_string(&nix).unwrap();
        let line = wrapper.lines().rfind(|it| it.starts_with("exec '")).unwrap();
        let nix = line.split('\'').nth(1).unwrap().to_owned();
        fs::create_dir_all(temp.join("conf")).unwrap();
        let text = format!("build-users-group =\n{settings}");
        fs::write(temp.join("conf/nix.conf"), text).unwrap();
        fs::set_permissions(&temp, fs::Permissions::from_mode(0o755)).unwrap();
        let program = temp.join("xtask");
        // By another process: a child of another test would inherit the open file, which then cannot be run.
        let copied =
            Command::new("cp").args([env!("CARGO_BIN_EXE_xtask"), program.as_str()]).status().unwrap();
        assert!(copied.success());
        let child = spawn(&sandbox, &nix, mounts);
        let own = format!("{NOBODY}:{NOBODY}");
        let home = temp.join("home");
        let owned = Command::new("chown")
            .args(["-R", &own, home.as_str(), sandbox.root().as_str()])
            .status()
            .unwrap();
        assert!(owned.success());
        Daemon { sandbox, child, program, nix, mounts: mounts.to_owned() }
    }

    /// Lets it read its settings anew.
    pub(crate) fn restart(&mut self) {
        self.stop();
        fs::remove_file(self.sandbox.temp().join("socket")).unwrap();
        self.child = spawn(&self.sandbox, &self.nix, &self.mounts);
    }

    pub(crate) fn stop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// The binary as a user whom the daemon need not trust.
    pub(crate) fn nobody(&self, args: &str) -> Run {
        self.run(
            "setpriv",
            &["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", self.program.as_str()],
            args,
        )
    }

    /// The same, with more in the environment.
    pub(crate) fn nobody_with(&self, env: &[(&str, &str)], args: &str) -> Run {
        let env: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let who = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "env"];
        let before: Vec<&str> =
            who.into_iter().chain(env.iter().map(String::as_str)).chain([self.program.as_str()]).collect();
        self.run("setpriv", &before, args)
    }

    /// The binary as root.
    pub(crate) fn root(&self, args: &str) -> Run {
        self.run(self.program.as_str(), &[], args)
    }

    /// The binary as root, after commands in a mount namespace of its own.
    pub(crate) fn mounted(&self, commands: &str, args: &str) -> Run {
        let before = mounting(commands);
        let words: Vec<&str> =
            before[1..].iter().map(String::as_str).chain([self.program.as_str()]).collect();
        self.run("unshare", &words, args)
    }

    /// What makes a Nix its client.
    pub(crate) fn client(&self) -> Vec<(&'static str, String)> {
        let temp = self.sandbox.temp();
        vec![
            ("NIX_CONF_DIR", format!("{temp}/conf")),
            ("NIX_DAEMON_SOCKET_PATH", format!("{temp}/socket")),
            ("NIX_REMOTE", "daemon".to_owned()),
            ("USER", "nobody".to_owned()),
            ("XTASK_NIX", self.nix.clone()),
            // The work tree is the user's, and root looks at it, too.
            ("GIT_CONFIG_COUNT", "1".to_owned()),
            ("GIT_CONFIG_KEY_0", "safe.directory".to_owned()),
            ("GIT_CONFIG_VALUE_0", "*".to_owned()),
        ]
    }

    fn run(&self, program: &str, before: &[&str], args: &str) -> Run {
        let mut command = Command::new(program);
        command.args(before).args(args.split_whitespace());
        let env = self.sandbox.environment().iter().filter(|(name, _)| *name != "XDG_CACHE_HOME");
        command.env_clear().envs(env).current_dir(self.sandbox.root()).stdin(Stdio::null());
        command.envs(self.client());
        self.sandbox.told(command.output().unwrap())
    }
}

/// The words before a program that is to run after these commands, which nobody else sees.
fn mounting(commands: &str) -> Vec<String> {
    let script = format!("set -e; {commands}; exec \"$0\" \"$@\"");
    ["unshare", "-m", "--propagation", "private", "sh", "-c", &script].map(str::to_owned).to_vec()
}

fn spawn(sandbox: &Sandbox, nix: &str, mounts: &str) -> Child {
    let temp = sandbox.temp();
    let log = fs::File::create(temp.join("daemon.log")).unwrap();
    let program = nix.replace("/bin/nix", "/bin/nix-daemon");
    let mut command = if mounts == ":" {
        Command::new(program)
    } else {
        let words = mounting(mounts);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program);
        command
    };
    command.env("NIX_CONF_DIR", temp.join("conf")).env("NIX_DAEMON_SOCKET_PATH", temp.join("socket"));
    command.env("NIX_REMOTE", temp.join("store")).env("HOME", temp.join("daemon-home"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    wait_for("the daemon's socket", || UnixStream::connect(temp.join("socket")).ok());
    child
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}
