//! A real registry of container images on this machine: Debian's `docker-registry`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::port::free_port;
use super::wait::wait_for;

/// `tester` with the password `correct-horse`, as `htpasswd -B` writes it.
const HTPASSWD: &str = "tester:$2y$05$75XVzQ6ssvgTf3yqrxR46uyzFBbquONopusKG1bp8OrhKbVnw0iaW\n";
/// The same as an `auth` of skopeo's files: base64 of `tester:correct-horse`.
pub(crate) const AUTH: &str = "dGVzdGVyOmNvcnJlY3QtaG9yc2U=";

/// Ends with this value.
pub(crate) struct Registry {
    child: Child,
    port: u16,
    _temp: tempfile::TempDir,
}

impl Registry {
    pub(crate) fn open() -> Registry {
        Registry::start("")
    }

    /// One that lets only `tester` in.
    pub(crate) fn with_password() -> Registry {
        Registry::start("auth: {htpasswd: {realm: test, path: $DIR/htpasswd}}\n")
    }

    fn start(more: &str) -> Registry {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().to_str().unwrap().to_owned();
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: $DIR/data}}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n{more}"
        );
        std::fs::write(temp.path().join("config.yml"), config.replace("$DIR", &dir)).unwrap();
        std::fs::write(temp.path().join("htpasswd"), HTPASSWD).unwrap();
        let mut command = Command::new("docker-registry");
        command.args(["serve", &format!("{dir}/config.yml")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        wait_for("docker-registry", || {
            assert!(child.try_wait().unwrap().is_none(), "docker-registry has ended");
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Registry { child, port, _temp: temp }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The digest that it has under a tag, asked without skopeo.
    pub(crate) fn digest(&self, name: &str, tag: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let types = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json";
        write!(
            stream,
            "HEAD /v2/{name}/manifests/{tag} HTTP/1.0\r\nHost: localhost\r\nAccept: {types}\r\nAuthorization: Basic {AUTH}\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let header = answer.lines().find_map(|it| it.strip_prefix("Docker-Content-Digest: "));
        header.filter(|_| answer.contains(" 200 ")).map(str::to_owned)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // The child is our own, so that no other process can have its id.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
