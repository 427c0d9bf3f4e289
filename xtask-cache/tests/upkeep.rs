//! What a cache can serve, what is wrong with it, and what nobody needs: on caches with planted faults.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use expect_test::expect;
use xtask_cache::bucket::{Access, Bucket, Patience};
use xtask_cache::hash::Sha256;
use xtask_cache::keys::{self, PublicKey, SecretKey};
use xtask_cache::machine::Machine;
use xtask_cache::narinfo::{NarInfo, key_of};
use xtask_cache::{prune, survey, verify};

/// A cache in a directory, made by hand.
struct Lab {
    temp: tempfile::TempDir,
    key: SecretKey,
    public: PublicKey,
}

fn machine() -> Machine {
    Machine { env: BTreeMap::new(), now: SystemTime::now, random: || 4 }
}

/// Nix's alphabet has no e, o, t and u.
fn path(name: &str) -> String {
    format!("/nix/store/{:0>32}-{name}", name.replace(['e', 'o', 't', 'u'], "x"))
}

impl Lab {
    fn new() -> Lab {
        let temp = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(temp.path()).unwrap().join("key");
        let public = keys::generate("lab-1", &file).unwrap();
        let key = SecretKey::read(&file).unwrap();
        Lab { temp, key, public }
    }

    fn dir(&self, cache: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.temp.path()).unwrap().join(cache)
    }

    fn bucket(&self, cache: &str) -> Bucket {
        let url = format!("file://{}", self.dir(cache));
        Bucket::open(&url, Access::Write, &machine(), Patience::default(), 2).unwrap()
    }

    /// Writes an archive, and says what its narinfo is to be.
    fn info(&self, cache: &str, name: &str, references: &[&str]) -> NarInfo {
        let nar = format!("the content of {name}");
        let file = zstd::encode_all(nar.as_bytes(), 1).unwrap();
        let url = format!("nar/{name}.nar.zst");
        fs::create_dir_all(self.dir(cache).join("nar")).unwrap();
        fs::write(self.dir(cache).join(&url), &file).unwrap();
        let references = references.iter().map(|it| path(it).replace("/nix/store/", ""));
        let mut info = NarInfo::parse(&format!(
            "StorePath: {}\nURL: {url}\nCompression: zstd\nFileHash: {}\nFileSize: {}\nNarHash: {}\nNarSize: {}\n\
             References: {}\n",
            path(name),
            Sha256::of(&file),
            file.len(),
            Sha256::of(nar.as_bytes()),
            nar.len(),
            references.collect::<Vec<_>>().join(" ")
        ))
        .unwrap();
        info.sign(&self.key);
        info
    }

    fn write(&self, cache: &str, key: &str, text: &str) {
        fs::create_dir_all(self.dir(cache)).unwrap();
        fs::write(self.dir(cache).join(key), text).unwrap();
    }

    /// `app lib libc, lib libc, libc`: names and references.
    fn cache(self, cache: &str, paths: &str) -> Lab {
        for part in paths.split(", ") {
            let words: Vec<&str> = part.split(' ').collect();
            let info = self.info(cache, words[0], &words[1..]);
            self.write(cache, &info.key(), &info.to_string());
        }
        self
    }

    /// All findings, a line each.
    fn verify(&self, cache: &str, upstream: &[&str], paths: Option<&[String]>, deep: bool) -> String {
        let upstream: Vec<Bucket> = upstream.iter().map(|it| self.bucket(it)).collect();
        let keys = [self.public.clone()];
        let bucket = self.bucket(cache);
        let job = verify::Job { cache: &bucket, upstream: &upstream, keys: &keys, paths, deep, threads: 4 };
        let verdict = verify::verify(&job, &|_| ()).unwrap();
        let lines = verdict.findings.iter().map(|it| format!("{:?} {}: {}\n", it.fault, it.at, it.what));
        lines.collect::<String>().replace(&"0".repeat(20), "")
    }
}

#[test]
fn a_sound_cache() {
    let lab = Lab::new().cache("c", "app lib libc, lib libc, libc libc");
    lab.write("c", "nix-cache-info", "StoreDir: /nix/store\n");
    assert_eq!(lab.verify("c", &[], None, true), "");
    assert_eq!(lab.verify("c", &[], Some(&[path("app")]), true), "");
}

#[test]
fn every_fault_is_found() {
    let lab = Lab::new().cache("c", "app lib gone away, lib, libc").cache("up", "away");
    let write = |info: &NarInfo| lab.write("c", &info.key(), &info.to_string());
    let info = |name: &str| lab.info("c", name, &[]);
    write(&NarInfo { signatures: Vec::new(), ..info("naked") });
    write(&NarInfo { signatures: Vec::new(), ca: Some("fixed:r:sha256:x".to_owned()), ..info("fixed") });
    write(&NarInfo { signatures: vec!["other-1:AAAA".to_owned()], ..info("foreign") });
    // Signed, and changed after that.
    write(&NarInfo { nar_size: 3, ..info("forged") });
    write(&NarInfo { file_size: Some(7), ..info("cut") });
    write(&info("lost"));
    fs::remove_file(lab.dir("c").join("nar/lost.nar.zst")).unwrap();
    let rotten = info("rotten");
    write(&rotten);
    let size = usize::try_from(rotten.file_size.unwrap()).unwrap();
    fs::write(lab.dir("c").join("nar/rotten.nar.zst"), vec![b'x'; size]).unwrap();
    lab.write("c", &key_of(&path("garbled")), "<html>\n");
    lab.write("c", &key_of(&path("wrong")), &info("moved").to_string());
    lab.write(
        "c",
        &key_of(&path("elsewhere")),
        "StorePath: /opt/store/x-y\nURL: x\nNarHash: x\nNarSize: 1\n",
    );
    fs::write(lab.dir("c").join("nar/nobody.nar.zst"), "12345").unwrap();
    expect![[r#"
        Hole /nix/store/00000000gxnx-gone: the cache has no narinfo of it
        Unreadable 0000000wrxng.narinfo: 0000000wrxng.narinfo speaks of /nix/store/0000000mxvxd-moved
        Unreadable 00000garblxd.narinfo: line 1: no key
        WrongStore 000xlsxwhxrx.narinfo: `/opt/store/x-y` is no path of /nix/store
        Unsigned /nix/store/0000000nakxd-naked: nobody has signed it
        UnknownSigner /nix/store/000000fxrgxd-forged: signed by lab-1, and not validly by a trusted key
        UnknownSigner /nix/store/00000fxrxign-foreign: signed by other-1, and not validly by a trusted key
        NarMissing /nix/store/00000000lxsx-lost: its archive nar/lost.nar.zst is not there
        NarSize /nix/store/000000000cxx-cut: its archive nar/cut.nar.zst has 27 bytes, and should have 7
        Orphan nar/nobody.nar.zst: no narinfo speaks of this archive of 5 bytes
    "#]]
    .assert_eq(&lab.verify("c", &["up"], None, false));
    // Only by reading them can what is in the archives be told.
    let deep = lab.verify("c", &["up"], Some(&[path("rotten"), path("forged"), path("lib")]), true);
    expect![[r#"
        UnknownSigner /nix/store/000000fxrgxd-forged: signed by lab-1, and not validly by a trusted key
        NarContent /nix/store/000000fxrgxd-forged: its archive nar/forged.nar.zst: unpacked it has 21 bytes, and should have 3
        NarContent /nix/store/000000rxxxxn-rotten: its archive nar/rotten.nar.zst: it cannot be unpacked: Unknown frame descriptor
    "#]].assert_eq(&deep);
}

#[test]
fn what_can_be_served() {
    let lab = Lab::new().cache("c", "app lib far, lib libc").cache("up", "libc, lib libc, alone");
    lab.write("c", &key_of(&path("garbled")), "<html>\n");
    let roots = [path("app"), path("alone"), path("absent"), path("garbled")];
    let caches = [lab.bucket("c"), lab.bucket("up")];
    let found = survey::survey(&caches, &roots, 4, &|_| ());
    let by = |name: &str| match &found.states[&path(name)] {
        survey::State::Served { cache, .. } => format!("{cache}"),
        other => format!("{other:?}"),
    };
    let names = ["app", "lib", "libc", "alone", "far", "absent"];
    assert_eq!(names.map(by), ["0", "0", "1", "1", "Missing", "Missing"]);
    assert!(by("garbled").starts_with("Unreadable"), "{}", by("garbled"));
    let reach = found.reach(&path("app"));
    assert_eq!((reach.paths.len(), reach.missing), (4, [path("far")].into()));
    assert!(found.dead.is_empty());
}

#[test]
fn a_dead_cache_is_not_an_empty_one() {
    let lab = Lab::new().cache("c", "app lib, other");
    let patience = Patience { total: Duration::from_millis(100), ..Patience::default() };
    let dead = Bucket::open("http://127.0.0.1:1", Access::Read, &machine(), patience, 2).unwrap();
    let found = survey::survey(&[lab.bucket("c"), dead], &[path("app")], 4, &|_| ());
    let reach = found.reach(&path("app"));
    assert_eq!((reach.missing.len(), reach.unknown), (0, [path("lib")].into()));
    assert_eq!(found.dead.keys().copied().collect::<Vec<_>>(), [1]);
}

#[test]
fn pruning_keeps_what_is_needed() {
    let paths = "app lib, lib libc, libc, old lib oldlib, oldlib older, older, young dep, dep";
    let lab = Lab::new().cache("c", paths);
    fs::write(lab.dir("c").join("nar/nobody.nar.zst"), "12345").unwrap();
    let day = Duration::from_hours(24);
    let now = SystemTime::now() + 10 * day;
    let young = lab.dir("c").join(key_of(&path("young")));
    fs::File::options().append(true).open(young).unwrap().set_modified(now - day).unwrap();
    let bucket = lab.bucket("c");
    let keep = prune::Keep { paths: &[path("app")], younger_than: 5 * day, now };
    let mut plan = prune::plan(&bucket, &keep, 4, &|_| ()).unwrap();
    assert_eq!(plan.paths, ["old", "oldlib", "older"].map(path));
    let archives: Vec<&str> = plan.archives.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(archives, ["nobody", "old", "older", "oldlib"].map(|it| format!("nar/{it}.nar.zst")));
    prune::sweep(&bucket, &mut plan, 4, &|_| ()).unwrap();
    assert_eq!(lab.verify("c", &[], None, true), "");
    // Again: there is nothing left to do.
    let plan = prune::plan(&bucket, &keep, 4, &|_| ()).unwrap();
    assert_eq!((plan.paths.len(), plan.archives.len(), plan.kept), (0, 0, 5));
}

/// Whoever dies while pruning leaves archives too many, never a path without one.
#[test]
fn a_pruning_cut_short_leaves_no_hole() {
    let lab = Lab::new().cache("c", "old lib, lib libc, libc, circle ring, ring circle");
    let bucket = lab.bucket("c");
    let now = SystemTime::now() + Duration::from_secs(1000);
    let keep = prune::Keep { paths: &[], younger_than: Duration::ZERO, now };
    let plan = prune::plan(&bucket, &keep, 1, &|_| ()).unwrap();
    assert_eq!(plan.paths.len(), 5);
    for path in &plan.paths[..3] {
        bucket.delete(&key_of(path)).unwrap();
        let told = lab.verify("c", &[], None, false);
        assert!(!told.contains("Hole") && !told.contains("NarMissing"), "{told}");
    }
}

#[test]
fn what_cannot_be_read_stops_the_pruning() {
    let lab = Lab::new().cache("c", "app");
    lab.write("c", &key_of(&path("garbled")), "<html>\n");
    let now = SystemTime::now() + Duration::from_secs(9);
    let keep = prune::Keep { paths: &[], younger_than: Duration::ZERO, now };
    let error = prune::plan(&lab.bucket("c"), &keep, 2, &|_| ()).unwrap_err();
    assert!(error.text.contains("nothing is deleted"), "{error}");
}
