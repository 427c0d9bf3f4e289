//! Pushes over bad links, from bad machines, and ones that are killed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use crate::support::proxy::{self, Faults};
use crate::support::{ID, Lab, Pushed, SECRET, noise};
use serde_json::json;
use xtask_cache::bucket::{Access, Bucket, Patience};
use xtask_cache::failure::Kind;
use xtask_cache::http::{Client, Content, Request};
use xtask_cache::machine::Machine;

const BUSY: &str =
    "HTTP/1.1 503 Slow Down\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Starts a push over a link that is slow enough, kills it when the bucket has so many files, and looks.
fn killed_at(lab: &Lab, url: &str, files: usize) -> usize {
    let mut child = lab.command(&[], &lab.job(url)).spawn().unwrap();
    let started = Instant::now();
    while lab.archives().len() + lab.narinfos() < files && started.elapsed() < Duration::from_mins(1) {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lab.archives().len() + lab.narinfos()
}

#[test]
fn killed_at_every_stage_there_is_no_hole_and_the_next_goes_on() {
    for files in [0, 1, 20, 40, 60, 75] {
        let mut lab = Lab::new();
        lab.many(40);
        lab.more = vec![("jobs", json!(4))];
        let faults = Arc::new(Faults::default());
        faults.slow.store(3, Ordering::Relaxed);
        // What is remembered belongs to the cache's URL, so the second push goes through the same link.
        let url = lab.url_at(&proxy::start(&lab.address, &faults));
        let reached = killed_at(&lab, &url, files);
        assert!(reached >= files, "{reached}");
        left_alone(&faults);
        let before = settled_at(|| lab.archives());
        assert_eq!(lab.holes(), [""; 0], "killed at {files} files");
        lab.push_to(&url).good();
        lab.complete();
        let after = lab.archives();
        let again: Vec<_> = before.iter().filter(|(path, time)| after.get(*path) != Some(*time)).collect();
        assert!(again.is_empty(), "uploaded twice: {again:?}");
    }
}

/// Waits until nobody uses the link any more: what is on its way when a process is killed is passed on.
fn left_alone(faults: &Faults) {
    while faults.open.load(Ordering::Relaxed) > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What the server has been given still arrives in the bucket.
fn settled_at<T: PartialEq>(look: impl Fn() -> T) -> T {
    let mut last = look();
    loop {
        std::thread::sleep(Duration::from_millis(150));
        let now = look();
        if now == last {
            return now;
        }
        last = now;
    }
}

/// The parts of a large archive that have arrived are not sent again.
#[test]
fn killed_in_the_middle_of_a_large_archive() {
    let mut lab = Lab::new();
    let size = 300 << 20;
    lab.path(0, &[], &noise(size));
    // The last of its five parts does not get through.
    let faults = Arc::new(Faults { hold: true.into(), hold_at: "partNumber=5&", ..Faults::default() });
    let address = proxy::start(&lab.address, &faults);
    let url = lab.url_at(&lab.address);
    let job = lab.job(&url.replace(&lab.address, &address));
    let mut child = lab.command(&[], &job).spawn().unwrap();
    let journal = || {
        let slots = fs::read_dir(lab.dir("staging")).into_iter().flatten();
        let texts = slots.filter_map(|it| fs::read_to_string(it.ok()?.path().join("journal")).ok());
        texts.collect::<String>()
    };
    let started = Instant::now();
    while journal().matches("\"part\"").count() < 2 && started.elapsed() < Duration::from_mins(2) {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    faults.hold.store(false, Ordering::Relaxed);
    let parts = journal().matches("\"part\"").count() as u64;
    assert!((2..5).contains(&parts), "{parts}");
    assert_eq!(lab.narinfos(), 0);
    left_alone(&faults);
    let first = faults.sent.swap(0, Ordering::Relaxed);
    Pushed::of(lab.command(&[], &job).output().unwrap()).good();
    lab.complete();
    let second = faults.sent.load(Ordering::Relaxed);
    let rest = size as u64 - parts * (64 << 20);
    assert!(second < rest + (1 << 20), "{first} and then {second} bytes for {parts} parts");
}

#[test]
fn a_storm_of_503() {
    let mut lab = Lab::new();
    lab.many(60);
    // Connections end soon, so that there are enough to be refused.
    let faults = Faults { refuse: 100.into(), with: BUSY, every_second: true, ..Faults::default() };
    let faults = Arc::new(Faults { cut: usize::MAX.into(), cut_after: 4000, ..faults });
    let address = proxy::start(&lab.address, &faults);
    let pushed = lab.push_to(&lab.url_at(&address)).good();
    lab.complete();
    assert!(pushed.summary["retries"].as_u64().unwrap() >= 40, "{:?}", pushed.summary["retries"]);
}

/// Also in the middle of a body: then a part of it has arrived.
#[test]
fn connections_that_are_cut() {
    let mut lab = Lab::new();
    lab.many(30);
    lab.path(30, &[1], &noise(3 << 20));
    lab.path(31, &[2], &noise(9 << 20));
    let faults = Arc::new(Faults { cut: 12.into(), cut_after: 100_000, ..Faults::default() });
    let address = proxy::start(&lab.address, &faults);
    lab.push_to(&lab.url_at(&address)).good();
    lab.complete();
    assert_eq!(faults.cut.load(Ordering::Relaxed), 0, "not all were cut");
}

#[test]
fn a_slow_link() {
    let mut lab = Lab::new();
    lab.many(20);
    lab.path(20, &[1], &noise(1 << 20));
    let faults = Arc::new(Faults::default());
    faults.slow.store(20, Ordering::Relaxed);
    let address = proxy::start(&lab.address, &faults);
    lab.push_to(&lab.url_at(&address)).good();
    lab.complete();
}

fn machine(now: fn() -> SystemTime) -> Machine {
    let env = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Machine { env: env.into(), now, random: || 7 }
}

/// For who will not be answered.
fn little_patience() -> Patience {
    let second = Duration::from_secs(1);
    Patience { total: second, stall: second, connect: second, ..Patience::default() }
}

#[test]
fn clocks_that_differ_are_explained() {
    let lab = Lab::new();
    for (now, want) in [
        (
            (|| SystemTime::now() + Duration::from_secs(3605)) as fn() -> SystemTime,
            "is 60 min ahead of the server's",
        ),
        (|| SystemTime::now() - Duration::from_secs(7195), "is 120 min behind the server's"),
    ] {
        let patience = Patience::default();
        let bucket =
            Bucket::open(&lab.url_at(&lab.address), Access::Write, &machine(now), patience, 1).unwrap();
        let failure = bucket.get("x").unwrap_err();
        assert_eq!(failure.kind, Kind::Skewed);
        assert!(failure.text.contains(want), "{failure}");
    }
}

/// No real server of ours has sessions: this one only says what S3 says.
#[test]
fn a_session_that_is_over() {
    let body = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let with: &'static str = answer.leak();
    let faults = Arc::new(Faults { refuse: usize::MAX.into(), with, ..Faults::default() });
    let mut lab = Lab::new();
    lab.many(1);
    let address = proxy::start(&lab.address, &faults);
    let error = lab.push_to(&lab.url_at(&address)).error();
    assert!(
        error.contains("the session of access key …MPLE from the environment is over; sign in again"),
        "{error}"
    );
    assert!(faults.connections.load(Ordering::Relaxed) < 5, "it was asked again and again");
}

#[test]
fn a_dead_cache_is_not_an_empty_one() {
    let lab = Lab::new();
    let faults = Arc::new(Faults { refuse: usize::MAX.into(), with: BUSY, ..Faults::default() });
    let busy = proxy::start(&lab.address, &faults);
    for url in
        ["s3://bkt?endpoint=http://127.0.0.1:1".to_owned(), lab.url_at(&busy), format!("http://{busy}")]
    {
        let access = if url.starts_with("s3") { Access::Write } else { Access::Read };
        let bucket = Bucket::open(&url, access, &machine(SystemTime::now), little_patience(), 1).unwrap();
        for failure in [bucket.get("x").unwrap_err(), bucket.size("x").unwrap_err()] {
            assert_eq!(failure.kind, Kind::Unreachable, "{url}: {failure}");
        }
    }
    let (url, patience) = (lab.url_at(&lab.address), Patience::default());
    let bucket = Bucket::open(&url, Access::Write, &machine(SystemTime::now), patience, 1);
    assert_eq!(bucket.unwrap().get("x").unwrap(), None);
}

/// Whoever asks again meanwhile is told that there is no such upload.
#[test]
fn who_has_to_work_for_the_answer_is_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            drop(client.read(&mut [0; 4096]));
            std::thread::sleep(Duration::from_secs(3));
            drop(client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        }
    });
    let second = Duration::from_secs(1);
    let patience = Patience { total: second, stall: 2 * second, ..Patience::default() };
    let client = Client::new(&url, &machine(SystemTime::now), patience, 1).unwrap();
    let send = |method| {
        let request = Request { method, url: url.clone(), headers: Vec::new(), content: Content::bytes(b"") };
        client.send(&request, &Vec::new)
    };
    assert_eq!(send("POST").unwrap().status, 200);
    assert_eq!(send("GET").unwrap_err().kind, Kind::Unreachable);
}

/// A directory of 24 MB, in which two of five fit: they wait for each other.
#[test]
fn a_full_staging_disk() {
    let mut lab = Lab::new();
    for n in 0..5 {
        lab.path(n, &[], &[noise(8 << 20), n.to_le_bytes().to_vec()].concat());
    }
    let large = noise(40 << 20);
    let staging = lab.dir("staging");
    fs::create_dir_all(&staging).unwrap();
    let script = format!("mount -t tmpfs -o size=24m none {} && exec \"$@\"", staging.to_str().unwrap());
    let inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"];
    let url = lab.url_at(&lab.address);
    Pushed::of(lab.command(&inside, &lab.job(&url)).output().unwrap()).good();
    lab.complete();
    // One that never fits.
    lab.path(5, &[], &large);
    let pushed = Pushed::of(lab.command(&inside, &lab.job(&url)).output().unwrap());
    assert!(!pushed.good);
    let error = pushed.summary["failed"][0]["error"].as_str().unwrap();
    assert!(
        error.ends_with("is full; free some space, or set another `cache.staging-dir` in xtask.toml"),
        "{error}"
    );
    assert_eq!(lab.holes(), [""; 0]);
}

/// The bound is kept as long as more than one archive is waiting.
#[test]
fn staging_is_bounded() {
    let mut lab = Lab::new();
    for n in 0..4 {
        lab.path(n, &[], &[noise(6 << 20), n.to_le_bytes().to_vec()].concat());
    }
    lab.more = vec![("staging", json!({"dir": lab.dir("staging"), "size": 7_000_000}))];
    lab.push().good();
    lab.complete();
}

#[test]
fn two_at_once() {
    let mut lab = Lab::new();
    lab.many(300);
    lab.path(300, &[1], &noise(9 << 20));
    let job = lab.job(&lab.url_at(&lab.address));
    let children: Vec<_> = (0..2).map(|_| lab.command(&[], &job).spawn().unwrap()).collect();
    for child in children {
        Pushed::of(child.wait_with_output().unwrap()).good();
    }
    lab.complete();
}

#[test]
fn as_nobody() {
    let mut lab = Lab::new();
    lab.many(5);
    let key = lab.dir("key");
    fs::set_permissions(lab.temp.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let copied = std::process::Command::new("chown").args(["65534", key.to_str().unwrap()]).status().unwrap();
    // Who is not root is unprivileged already.
    let through: &[&str] =
        if copied.success() { &["setpriv", "--reuid", "65534", "--clear-groups"] } else { &[] };
    let job = lab.job(&lab.url_at(&lab.address));
    let output = lab.command(through, &job).output().unwrap();
    Pushed::of(output).good();
    lab.complete();
}
