//! A bucket behind a server that checks signatures, the same files behind a dumb web server, and a second store.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Sandbox, cache, suite};

/// Ends with its stdin.
pub(crate) struct Bucket {
    server: Child,
    _stdin: ChildStdin,
    pub(crate) url: String,
    /// Where its files are.
    pub(crate) dir: Utf8PathBuf,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

impl Bucket {
    pub(crate) fn open(temp: &Utf8Path) -> Bucket {
        static MADE: std::sync::Once = std::sync::Once::new();
        MADE.call_once(|| {
            let args = ["build", "--quiet", "--package", "xtask-cache", "--example", "s3-server"];
            assert!(Command::new("cargo").args(args).status().unwrap().success());
        });
        let program = Utf8Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("examples").join("s3-server");
        let dir = temp.join("s3/bkt");
        fs::create_dir_all(&dir).unwrap();
        let mut server = Command::new(program)
            .args([dir.parent().unwrap().as_str(), "AKIAEXAMPLE", "hunter2hunter2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = server.stdin.take().unwrap();
        let mut address = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let url = format!("s3://bkt?endpoint=http://{}&region=us-east-1", address.trim());
        Bucket { server, _stdin: stdin, url, dir }
    }
}

/// Serves files for as long as the test runs: its address.
pub(crate) fn serve(dir: &Utf8Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let dir = dir.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let dir = dir.clone();
            // A reader that goes away is no concern of ours.
            std::thread::spawn(move || answer(client, &dir).ok());
        }
    });
    url
}

fn answer(mut client: TcpStream, dir: &Utf8Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, body) = match fs::read(dir.join(path.trim_start_matches('/'))) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    write!(client, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    if method == "GET" { client.write_all(&body) } else { Ok(()) }
}

/// Lets a second, empty store get a path from a cache, by a Nix that knows only its public key.
pub(crate) fn substitute(sandbox: &Sandbox, name: &str, url: &str, key: &str, path: &str) -> Output {
    let program = format!("{}/elodin-xtask/nix/{}/bin/nix", cache(), suite());
    let (store, own) = (sandbox.temp().join(name), sandbox.temp().join(format!("{name}-cache")));
    let mut command = Command::new(program);
    command.args(["build", "--no-link", "--store", store.as_str(), path]);
    command.args(["--extra-experimental-features", "nix-command flakes", "--max-jobs", "0"]);
    command.args(["--option", "substituters", url, "--option", "trusted-public-keys", key]);
    // Its memory of caches is one that nobody shares.
    command.env_clear().env("PATH", &sandbox.environment()["PATH"]);
    command.env("HOME", own.as_str()).env("XDG_CACHE_HOME", own.as_str()).output().unwrap()
}
