//! A store of files, a server that checks signatures, and the real program between them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "these are the tests' own tools")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use serde_json::{Value, json};
use xtask_cache::hash::{self, Sha256};
use xtask_cache::nar;
use xtask_cache::narinfo::NarInfo;

pub(crate) mod proxy;

pub(crate) const ID: &str = "AKIAEXAMPLE";
pub(crate) const SECRET: &str = "hunter2hunter2";

/// A store, a cache in a bucket, and a key.
pub(crate) struct Lab {
    pub(crate) temp: tempfile::TempDir,
    _server: Server,
    pub(crate) address: String,
    /// What each path is, as Nix would print it.
    pub(crate) paths: BTreeMap<String, Value>,
    /// Other keys of the job.
    pub(crate) more: Vec<(&'static str, Value)>,
    pub(crate) env: Vec<(String, String)>,
}

/// A server of buckets. It ends with its stdin.
pub(crate) struct Server {
    process: Child,
    _stdin: ChildStdin,
    pub(crate) address: String,
}

impl Server {
    /// `more` is what it is told besides.
    pub(crate) fn start(dir: &Path, more: &[&str]) -> Server {
        let mut process = Command::new(example("s3-server"))
            .args([dir.to_str().unwrap(), ID, SECRET])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Server { process, _stdin: stdin, address: address.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Lab {
    pub(crate) fn new() -> Lab {
        let temp = tempfile::tempdir().unwrap();
        for dir in ["s3/bkt", "store"] {
            fs::create_dir_all(temp.path().join(dir)).unwrap();
        }
        let server = Server::start(&temp.path().join("s3"), &[]);
        let file = temp.path().join("key").to_str().unwrap().to_owned();
        xtask_cache::keys::generate("lab-1", file.as_str().into()).unwrap();
        let env = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET), ("HOME", "/nonexistent")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let address = server.address.clone();
        Lab { temp, _server: server, address, paths: BTreeMap::new(), more: Vec::new(), env }
    }

    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// Where the bucket's files are.
    pub(crate) fn bucket(&self) -> PathBuf {
        self.dir("s3/bkt")
    }

    /// Adds a path to the store: a file of that content, that refers to paths by their numbers.
    pub(crate) fn path(&mut self, n: usize, references: &[usize], content: &[u8]) -> String {
        let path = store_path(n);
        fs::write(self.real(&path), content).unwrap();
        self.register(&path, references);
        path
    }

    pub(crate) fn real(&self, path: &str) -> PathBuf {
        self.dir("store").join(path.trim_start_matches("/nix/store/"))
    }

    pub(crate) fn register(&mut self, path: &str, references: &[usize]) {
        let mut hashing = hash::HashingWriter::new(std::io::sink());
        nar::Writer::new(false).write(&self.real(path), &mut hashing).unwrap();
        let (_, hash, size) = hashing.finish();
        let references: Vec<String> = references.iter().map(|it| store_path(*it)).collect();
        let info = json!({"narHash": hash.to_string(), "narSize": size, "references": references,
            "deriver": null, "signatures": [], "ca": null, "ultimate": true});
        self.paths.insert(path.to_owned(), info);
    }

    /// `count` paths of a few bytes; each refers to two others.
    pub(crate) fn many(&mut self, count: usize) {
        for n in 0..count {
            let references: Vec<usize> = [n / 2, n / 3].into_iter().filter(|it| *it < n).collect();
            self.path(n, &references, format!("path {n} {}", "x".repeat(n % 700)).as_bytes());
        }
    }

    /// The bucket at another address, such as that of a link to it.
    #[expect(clippy::unused_self, reason = "it is this lab's")]
    pub(crate) fn url_at(&self, address: &str) -> String {
        format!("s3://bkt?endpoint=http://{address}&region=us-east-1")
    }

    pub(crate) fn job(&self, to: &str) -> Value {
        let mut res = json!({
            "to": to, "upstream": [], "key_file": self.dir("key"), "level": 3, "jobs": 8,
            "staging": {"dir": self.dir("staging"), "size": 4_000_000_000_u64},
            "store": self.dir("store"), "paths": self.paths,
        });
        for (name, value) in &self.more {
            res[*name] = value.clone();
        }
        res
    }

    /// A push, not started yet, with its job on its stdin.
    pub(crate) fn command(&self, program: &[&str], job: &Value) -> Command {
        self.verb("push", program, job)
    }

    /// The same for any verb.
    pub(crate) fn verb(&self, verb: &str, program: &[&str], job: &Value) -> Command {
        let file = self.dir(&format!("{verb}.json"));
        fs::write(&file, job.to_string()).unwrap();
        let mut words = program.to_vec();
        words.extend([env!("CARGO_BIN_EXE_xtask-cache"), verb]);
        let mut res = Command::new(words[0]);
        res.args(&words[1..]).env_clear().envs(self.env.iter().map(|(a, b)| (a, b)));
        res.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        res.env("AWS_EC2_METADATA_DISABLED", "true");
        res.stdin(fs::File::open(file).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
        res
    }

    pub(crate) fn push_to(&self, to: &str) -> Pushed {
        Pushed::of(self.command(&[], &self.job(to)).output().unwrap())
    }

    pub(crate) fn push(&self) -> Pushed {
        self.push_to(&self.url_at(&self.address))
    }

    /// All that a reader of the cache could be hurt by.
    pub(crate) fn holes(&self) -> Vec<String> {
        holes(&self.bucket())
    }

    pub(crate) fn narinfos(&self) -> usize {
        fs::read_dir(self.bucket())
            .unwrap()
            .filter(|it| it.as_ref().unwrap().path().extension().is_some_and(|it| it == "narinfo"))
            .count()
    }

    /// The archives of the bucket, and when each was written.
    pub(crate) fn archives(&self) -> BTreeMap<PathBuf, std::time::SystemTime> {
        let Ok(dir) = fs::read_dir(self.bucket().join("nar")) else { return BTreeMap::new() };
        dir.map(|it| it.unwrap().path())
            .filter(|it| it.extension().is_some_and(|it| it == "zst"))
            .filter_map(|it| Some((it.clone(), it.metadata().ok()?.modified().unwrap())))
            .collect()
    }

    #[track_caller]
    pub(crate) fn complete(&self) {
        assert_eq!(self.holes(), [""; 0]);
        assert_eq!(self.narinfos(), self.paths.len());
    }
}

/// What the program said.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) good: bool,
    pub(crate) summary: Value,
    pub(crate) talk: String,
}

impl Pushed {
    pub(crate) fn of(output: Output) -> Pushed {
        let text = String::from_utf8(output.stdout).unwrap();
        let talk = String::from_utf8(output.stderr).unwrap();
        assert!(!text.contains(SECRET) && !talk.contains(SECRET), "{text}{talk}");
        let summary = serde_json::from_str(&text).unwrap_or_else(|it| panic!("{it}: {text}\n{talk}"));
        Pushed { good: output.status.success(), summary, talk }
    }

    #[track_caller]
    pub(crate) fn good(self) -> Pushed {
        assert!(self.good, "{self:?}");
        self
    }

    /// Why it was given up.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        assert!(!self.good, "{self:?}");
        self.summary["error"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    pub(crate) fn pushed(&self) -> usize {
        self.summary["pushed"].as_array().map_or(0, Vec::len)
    }
}

pub(crate) fn store_path(n: usize) -> String {
    format!("/nix/store/{}-p{n}", &Sha256::of(&n.to_le_bytes()).nix32()[..32])
}

/// Narinfos without their archive, with another than they name, or without what they refer to.
pub(crate) fn holes(bucket: &Path) -> Vec<String> {
    let mut res = Vec::new();
    for entry in fs::read_dir(bucket).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "narinfo") {
            continue;
        }
        let info = NarInfo::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        match fs::read(bucket.join(&info.url)) {
            Err(error) => res.push(format!("{}: {}: {error}", info.store_path, info.url)),
            Ok(bytes) if Some(Sha256::of(&bytes)) != info.file_hash => {
                res.push(format!("{}: damaged", info.url));
            }
            Ok(_) => {}
        }
        for reference in &info.references {
            if !bucket.join(format!("{}.narinfo", &reference[..32])).exists() {
                res.push(format!("{}: needs {reference}", info.store_path));
            }
        }
    }
    res
}

/// A program of `examples/`, which cargo puts beside the tests. It makes them only when all tests are made.
fn example(name: &str) -> PathBuf {
    static MADE: std::sync::Once = std::sync::Once::new();
    MADE.call_once(|| {
        let args = ["build", "--quiet", "--package", "xtask-cache", "--example", name];
        assert!(Command::new("cargo").args(args).status().unwrap().success());
    });
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().parent().unwrap().join("examples").join(name)
}

/// Bytes that cannot be compressed.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut res = Vec::with_capacity(size + 8);
    while res.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        res.write_all(&state.to_le_bytes()).unwrap();
    }
    res.truncate(size);
    res
}
