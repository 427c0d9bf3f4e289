//! Prunes a bucket behind a real S3 server.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use xtask_cache::bucket::{Access, Bucket, Patience};
use xtask_cache::machine::Machine;
use xtask_cache::prune;

use crate::support::proxy::{self, Faults};
use crate::support::{Lab, Pushed, Server, noise, store_path};

impl Lab {
    /// What is in the bucket was written long ago.
    fn age(&self) {
        let old = SystemTime::now() - Duration::from_hours(240);
        for dir in [self.bucket(), self.bucket().join("nar")] {
            for entry in fs::read_dir(dir).unwrap() {
                let file = fs::File::open(entry.unwrap().path()).unwrap();
                file.set_modified(old).unwrap();
            }
        }
    }

    fn prune_job(&self, address: &str, keep: &[String], delete: bool) -> Value {
        json!({"cache": self.url_at(address), "paths": keep, "keep_days": 1, "jobs": 8, "delete": delete})
    }

    fn prune(&self, address: &str, keep: &[String], delete: bool) -> Pushed {
        let job = self.prune_job(address, keep, delete);
        Pushed::of(self.verb("prune", &[], &job).output().unwrap())
    }

    fn open(&self) -> Bucket {
        let env = self.env.iter().cloned().collect();
        let machine = Machine { env, now: SystemTime::now, random: || 4 };
        let url = self.url_at(&self.address);
        Bucket::open(&url, Access::Write, &machine, Patience::default(), 8).unwrap()
    }

    fn plan(&self, bucket: &Bucket, keep: &[String]) -> prune::Plan {
        let (younger_than, now) = (Duration::from_hours(24), SystemTime::now());
        let _ = self;
        prune::plan(bucket, &prune::Keep { paths: keep, younger_than, now }, 8, &|_| ()).unwrap()
    }
}

#[test]
fn more_than_one_page() {
    let mut lab = Lab::new();
    lab.many(1203);
    lab.push().good();
    let young = lab.prune(&lab.address, &[], true).good();
    assert_eq!((&young.summary["kept"], &young.summary["paths"]), (&json!(1203), &json!([])));
    lab.age();
    // Path 1000 needs 500 and 333, and so on.
    let keep = [store_path(1000)];
    let planned = lab.prune(&lab.address, &keep, false).good().summary;
    assert_eq!((lab.narinfos(), lab.archives().len()), (1203, 1203), "a plan has deleted something");
    let done = lab.prune(&lab.address, &keep, true).good().summary;
    assert_eq!(done, planned);
    let kept = usize::try_from(done["kept"].as_u64().unwrap()).unwrap();
    assert!((9..40).contains(&kept), "{kept}");
    assert_eq!((lab.narinfos(), lab.archives().len()), (kept, kept));
    assert_eq!(lab.holes(), [""; 0]);
    // The rest can be pushed again.
    assert_eq!(lab.push().good().pushed(), 1203 - kept);
    lab.complete();
}

#[test]
fn killed_in_the_middle() {
    let mut lab = Lab::new();
    lab.many(300);
    lab.push().good();
    lab.age();
    for left in [250, 120, 1] {
        let faults = Arc::new(Faults { slow: AtomicU64::new(2), ..Faults::default() });
        let server = Server::start(&lab.dir("s3"), &[]);
        let slow = proxy::start(&server.address, &faults);
        let mut child = lab.verb("prune", &[], &lab.prune_job(&slow, &[], true)).spawn().unwrap();
        while lab.narinfos() > left && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // With it goes what it was still about to do.
        drop(server);
        assert_eq!(lab.holes(), [""; 0]);
    }
    lab.prune(&lab.address, &[], true).good();
    assert_eq!((lab.narinfos(), lab.archives().len()), (0, 0));
}

#[test]
fn who_may_not_delete_is_told() {
    let mut lab = Lab::new();
    lab.many(20);
    lab.push().good();
    lab.age();
    let server = Server::start(&lab.dir("s3"), &["keep"]);
    lab.prune(&server.address, &[], false).good();
    let error = lab.prune(&server.address, &[], true).error();
    assert!(error.contains("AccessDenied") && error.contains("we are access key …MPLE"), "{error}");
    assert!(error.contains("s3:DeleteObject"), "{error}");
    lab.complete();
}

/// It was planned what goes; then somebody pushes what needs some of it.
#[test]
fn a_push_after_the_plan() {
    let mut lab = Lab::new();
    lab.many(40);
    lab.push().good();
    lab.age();
    let bucket = lab.open();
    let mut plan = lab.plan(&bucket, &[]);
    assert_eq!(plan.paths.len(), 40);
    lab.path(40, &[20, 13], b"new");
    assert_eq!(lab.push().good().pushed(), 1);
    prune::sweep(&bucket, &mut plan, 8, &|_| ()).unwrap();
    assert_eq!(lab.holes(), [""; 0]);
    // 20 needs 10 and 6, 13 needs 6 and 4, 10 needs 5 and 3, and so on.
    let back: BTreeSet<String> = [20, 13, 10, 6, 5, 4, 3, 2, 1, 0].map(store_path).into();
    assert_eq!(plan.back.iter().cloned().collect::<BTreeSet<_>>(), back);
    assert_eq!((plan.paths.len(), lab.narinfos(), lab.archives().len()), (30, 11, 11));
}

/// A push has looked what is there; then it goes.
#[test]
fn a_prune_in_the_middle_of_a_push() {
    let mut lab = Lab::new();
    lab.many(40);
    lab.push().good();
    lab.age();
    for n in 40..140 {
        lab.path(n, &[n % 40], format!("new {n}").as_bytes());
    }
    let faults = Arc::new(Faults { hold: true.into(), ..Faults::default() });
    let link = proxy::start(&lab.address, &faults);
    let push = lab.command(&[], &lab.job(&lab.url_at(&link))).spawn().unwrap();
    while faults.held.load(Ordering::Relaxed) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    lab.prune(&lab.address, &[], true).good();
    faults.hold.store(false, Ordering::Relaxed);
    let pushed = Pushed::of(push.wait_with_output().unwrap()).good();
    assert!(pushed.talk.contains("have been deleted from the cache since we began"), "{}", pushed.talk);
    lab.complete();
}

/// It has the right name and the right size, and the wrong content.
#[test]
fn a_large_archive_that_has_rotted_is_sent_again() {
    let mut lab = Lab::new();
    let path = lab.path(0, &[], &noise(3 << 20));
    lab.push().good();
    let file = lab.archives().into_keys().next().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert_eq!(lab.holes().len(), 1);
    assert_eq!(lab.push().good().pushed(), 0);
    let mut job = lab.job(&lab.url_at(&lab.address));
    job["again"] = json!([path]);
    job["rotten"] = json!([path]);
    assert_eq!(Pushed::of(lab.command(&[], &job).output().unwrap()).good().pushed(), 1);
    lab.complete();
}
