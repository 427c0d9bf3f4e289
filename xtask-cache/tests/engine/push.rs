//! Pushes to a real S3 server that checks signatures.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::support::{Lab, Pushed, SECRET, noise, store_path};
use serde_json::json;
use xtask_cache::keys::{PublicKey, SecretKey};
use xtask_cache::narinfo::NarInfo;

#[test]
fn five_thousand_small_paths_and_nothing_the_second_time() {
    let mut lab = Lab::new();
    lab.many(5000);
    let pushed = lab.push().good();
    assert_eq!(pushed.pushed(), 5000);
    lab.complete();
    let again = lab.push().good();
    assert_eq!(again.summary["plan"]["there"], 5000);
    assert_eq!((again.pushed(), &again.summary["sent"]), (0, &json!(0)));
    // Few of many: each is asked for.
    lab.paths.retain(|path, _| (0..20).any(|n| store_path(n) == *path));
    assert_eq!(lab.push().good().summary["plan"]["there"], 20);
}

#[test]
fn what_is_written_is_signed_and_is_what_the_store_holds() {
    let mut lab = Lab::new();
    let tree = store_path(1);
    let dir = lab.real(&tree);
    fs::create_dir_all(dir.join("bin")).unwrap();
    fs::write(dir.join("bin/tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(dir.join("bin/tool"), fs::Permissions::from_mode(0o555)).unwrap();
    symlink("bin/tool", dir.join("link")).unwrap();
    lab.path(0, &[0], b"refers to itself");
    lab.register(&tree, &[0]);
    lab.push().good();
    lab.complete();
    let text = fs::read_to_string(lab.bucket().join(format!("{}.narinfo", &tree[11..43]))).unwrap();
    let info = NarInfo::parse(&text).unwrap();
    let key = SecretKey::read(lab.dir("key").to_str().unwrap().into()).unwrap().public();
    assert!(info.signed_by(&[key]).is_some(), "{text}");
    assert!(
        info.signed_by(&[PublicKey::parse("lab-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap()])
            .is_none()
    );
    let nar = zstd::decode_all(fs::File::open(lab.bucket().join(&info.url)).unwrap()).unwrap();
    assert_eq!(xtask_cache::hash::Sha256::of(&nar), info.nar_hash);
    let cache_info = fs::read_to_string(lab.bucket().join("nix-cache-info")).unwrap();
    assert_eq!(cache_info, "StoreDir: /nix/store\nWantMassQuery: 1\n");
}

/// 2 GB that are nothing when compressed, and 200 MB that are not: in parts. In little memory.
#[test]
fn large_paths() {
    let mut lab = Lab::new();
    let large = store_path(0);
    fs::File::create(lab.real(&large)).unwrap().set_len(2 << 30).unwrap();
    lab.register(&large, &[]);
    lab.path(1, &[0], &noise(200 << 20));
    let url = lab.url_at(&lab.address);
    let job = lab.job(&url);
    let mut child = lab.command(&[], &job).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|it| it.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
        most = most.max(kilobytes.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Pushed::of(child.wait_with_output().unwrap()).good();
    lab.complete();
    assert!((1..200_000).contains(&most), "{most} kB");
    assert_eq!(left_in_staging(&lab), ["lock"]);
}

fn left_in_staging(lab: &Lab) -> Vec<String> {
    let slots = fs::read_dir(lab.dir("staging")).unwrap();
    let files = slots.flat_map(|it| fs::read_dir(it.unwrap().path()).unwrap());
    files.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_damaged_path_is_not_pushed_nor_what_needs_it() {
    let mut lab = Lab::new();
    lab.many(10);
    fs::write(lab.real(&store_path(2)), "changed").unwrap();
    fs::remove_file(lab.real(&store_path(9))).unwrap();
    let pushed = lab.push();
    let failed: Vec<&str> =
        pushed.summary["failed"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap()).collect();
    let mut want = [store_path(2), store_path(9)];
    want.sort();
    let mut failed = failed;
    failed.sort_unstable();
    assert_eq!(failed, want, "{pushed:?}");
    assert!(pushed.talk.contains("it is damaged; run `nix store repair /nix/store/"), "{pushed:?}");
    assert!(pushed.talk.contains("is gone; was the garbage collected"), "{pushed:?}");
    assert_eq!(lab.holes(), [""; 0]);
    // 2 is needed by 4, 5, 6, 7 and 8.
    assert_eq!(lab.narinfos(), 3, "{pushed:?}");
}

#[test]
fn what_upstream_serves_is_left_out_with_all_below_it() {
    let mut lab = Lab::new();
    lab.many(8);
    let upstream = lab.dir("upstream");
    fs::create_dir_all(&upstream).unwrap();
    // Only its top is asked for: 3 refers to 1, and 1 to 0.
    fs::write(upstream.join(format!("{}.narinfo", &store_path(3)[11..43])), "x").unwrap();
    let url = format!("file://{}", upstream.to_str().unwrap());
    lab.more = vec![("upstream", json!([url, "http://127.0.0.1:1"])), ("dry_run", json!(true))];
    let planned = lab.push().good();
    assert_eq!(planned.summary["plan"]["upstream"], 3, "{planned:?}");
    assert_eq!(planned.summary["planned"].as_array().unwrap().len(), 5);
    assert!(planned.talk.contains("cannot ask `http://127.0.0.1:1` what it serves"), "{planned:?}");
    assert_eq!(fs::read_dir(lab.bucket()).unwrap().count(), 0, "a dry run wrote something");
}

#[test]
fn to_a_directory() {
    let mut lab = Lab::new();
    lab.many(100);
    let dir = lab.dir("cache");
    let url = format!("file://{}", dir.to_str().unwrap());
    assert_eq!(lab.push_to(&url).good().pushed(), 100);
    assert_eq!(crate::support::holes(&dir), [""; 0]);
    assert_eq!(lab.push_to(&url).good().summary["plan"]["there"], 100);
}

#[test]
fn refusals_say_who_we_are_and_what_to_do() {
    let mut lab = Lab::new();
    lab.many(40);
    let url = lab.url_at(&lab.address);
    let check = |lab: &Lab, url: &str, wants: &[&str]| {
        let error = lab.push_to(url).error();
        for want in wants {
            assert!(error.contains(want), "{want}: {error}");
        }
        assert_eq!(fs::read_dir(lab.bucket()).unwrap().count(), 0, "{error}");
    };
    let missing = url.replace("bkt", "bucket");
    check(&lab, &missing, &["NoSuchBucket", "there is no bucket `bucket` at http://127.0.0.1:"]);
    check(&lab, "https://cache.example", &["can only be read; push to s3://BUCKET"]);
    check(&lab, "s3://bkt?secret-key=/k", &["XTASK_CACHE_KEY_FILE"]);
    lab.env[1].1 = "wrong".to_owned();
    check(
        &lab,
        &url,
        &["SignatureDoesNotMatch", "the secret key of access key …MPLE from the environment is wrong"],
    );
    lab.env[0].1 = "AKIAUNKNOWN00".to_owned();
    check(&lab, &url, &["…WN00 from the environment"]);
    lab.env.remove(1);
    check(&lab, &url, &["there are no credentials for S3; tried:", "AWS_SECRET_ACCESS_KEY is not set"]);
    lab.env.extend([
        ("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET.to_owned()),
        ("AWS_CREDENTIAL_EXPIRATION".to_owned(), "2020-01-01T00:00:00Z".to_owned()),
    ]);
    check(&lab, &url, &["the credentials have expired", "was good until 2020-01-01 00:00 UTC"]);
    fs::set_permissions(lab.dir("key"), fs::Permissions::from_mode(0o644)).unwrap();
    check(&lab, &url, &["can be read by others (mode 0644); run `chmod 600 "]);
    fs::remove_file(lab.dir("key")).unwrap();
    check(&lab, &url, &["cannot read the signing key", "cargo xtask cache keygen NAME"]);
}

#[test]
fn a_cache_of_another_store_is_refused() {
    let mut lab = Lab::new();
    lab.many(1);
    fs::write(lab.bucket().join("nix-cache-info"), "StoreDir: /gnu/store\n").unwrap();
    assert!(lab.push().error().contains("is a cache for the store /gnu/store, not for /nix/store"));
}
