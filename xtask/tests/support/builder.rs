//! Remote builders on this machine: an sshd on a high port for each, a store of its own, the real Nix behind it.

use std::io::Read as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::port::free_port;
use super::wait::wait_for;
use super::{cache, suite};

/// A machine that builds; ends with this value.
pub(crate) struct Builder {
    sshd: Child,
    /// How ssh knows it.
    pub(crate) name: String,
    features: String,
    dir: Utf8PathBuf,
    port: u16,
    temp: tempfile::TempDir,
}

impl Builder {
    /// One whose Nix says of itself that it has these features.
    pub(crate) fn start(name: &str, features: &str) -> Builder {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8PathBuf::from_path_buf(temp.path().to_owned()).unwrap();
        for key in ["host", "client"] {
            let file = dir.join(key);
            let done = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", file.as_str()])
                .status();
            assert!(done.unwrap().success());
        }
        std::fs::create_dir(dir.join("bin")).unwrap();
        let port = free_port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/client.pub\nUsePAM no\n\
             StrictModes no\nPidFile none\nPasswordAuthentication no\nPrintMotd no\n"
        );
        std::fs::write(dir.join("sshd_config"), config).unwrap();
        // sshd refuses to start without it.
        let _ = std::fs::create_dir_all("/run/sshd");
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f", dir.join("sshd_config").as_str()]);
        let sshd = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut builder =
            Builder { sshd, name: name.to_owned(), features: features.to_owned(), dir, port, temp };
        builder.program("nix", "");
        builder.program("nix-daemon", "daemon");
        builder.wait();
        builder
    }

    /// A program there that is Nix with these words before its own.
    pub(crate) fn program(&self, name: &str, words: &str) {
        let nix = format!("{}/elodin-xtask/nix/{}/bin", cache(), suite());
        let settings = format!(
            "system-features = {}\\nextra-experimental-features = nix-command daemon-trust-override",
            self.features
        );
        let text = format!(
            "#!/bin/sh\nNIX_CONFIG=$(printf '{settings}')\nexport NIX_CONFIG\nexec {nix}/nix {words} \"$@\"\n"
        );
        executable(&self.dir.join("bin").join(name), &text);
    }

    fn wait(&mut self) {
        wait_for("sshd", || {
            assert!(self.sshd.try_wait().unwrap().is_none(), "sshd has ended");
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            stream.read_exact(&mut [0; 4]).ok()
        });
    }

    /// Its line in a file of machines: systems, builds at once, speed, features, mandatory features.
    pub(crate) fn line(&self, rest: &str) -> String {
        let fields: Vec<&str> = rest.split(' ').collect();
        let [systems, more @ ..] = fields.as_slice() else { panic!("no systems") };
        format!(
            "ssh-ng://{0}?remote-program={1}/bin/nix-daemon&remote-store={1}/store {systems} {1}/client {2} {3}",
            self.name,
            self.dir,
            more.join(" "),
            self.host_key()
        )
    }

    /// The pinned host key, as Nix wants it.
    pub(crate) fn host_key(&self) -> String {
        let done = Command::new("base64").args(["-w0", self.dir.join("host.pub").as_str()]).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    }

    /// Its entry in the configuration of ssh. Nix pins a host key under the name that it connects to.
    pub(crate) fn entry(&self) -> String {
        format!(
            "Host {}\n  HostName 127.0.0.1\n  Port {}\n  User root\n  HostKeyAlias {0}\n",
            self.name, self.port
        )
    }

    /// Where its store has its files.
    pub(crate) fn store(&self) -> Utf8PathBuf {
        self.dir.join("store/nix/store")
    }

    pub(crate) fn key(&self) -> Utf8PathBuf {
        self.dir.join("client")
    }

    pub(crate) fn stop(&mut self) {
        drop(self.sshd.kill());
        drop(self.sshd.wait());
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        self.stop();
        // The store of Nix is read-only.
        drop(Command::new("chmod").args(["-R", "u+w", self.temp.path().to_str().unwrap()]).status());
    }
}

fn executable(path: &Utf8Path, text: &str) {
    // By another process: a child that another test starts would inherit the open file, and a program that somebody
    // writes to cannot be started.
    let draft = format!("{path}.draft");
    std::fs::write(&draft, text).unwrap();
    let installed = Command::new("install").args(["-m", "755", &draft, path.as_str()]).status().unwrap();
    assert!(installed.success());
    std::fs::remove_file(draft).unwrap();
}
