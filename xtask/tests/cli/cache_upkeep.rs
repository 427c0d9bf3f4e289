//! `cache status`, `verify`, `repair` and `prune`, on a cache that real Nix has made the paths for.

use std::fs;

use camino::Utf8PathBuf;
use expect_test::expect;

use crate::support::Sandbox;
use crate::support::cache::Bucket;

/// A workspace whose packages are built and pushed to a directory.
fn pushed() -> (Sandbox, Utf8PathBuf) {
    let sandbox = built();
    let cache = sandbox.temp().join("cache");
    (push(sandbox, &format!("file://{cache}")), cache)
}

fn built() -> Sandbox {
    let packages =
        [("default", "echo ${dep} > $out"), ("dep", "echo dependency > $out"), ("new", ": > $out")];
    let sandbox = Sandbox::new().rust().packages(&packages);
    sandbox.run("build").good();
    sandbox
}

fn push(sandbox: Sandbox, url: &str) -> Sandbox {
    let file = sandbox.temp().join("home/lab-1.secret");
    let key = sandbox.run(&format!("cache keygen lab-1 --output {file}")).good().stdout.trim().to_owned();
    let manifest = format!("[cache]\npush = \"{url}\"\npublic-keys = [\"{key}\"]\nupstream = []\n");
    let sandbox = sandbox.file("xtask.toml", &manifest).env("XTASK_CACHE_KEY_FILE", file.as_str());
    sandbox.run("cache push").good();
    sandbox
}

/// The archives of the cache.
fn archives(cache: &camino::Utf8Path) -> Vec<Utf8PathBuf> {
    let mut res: Vec<_> =
        cache.join("nar").read_dir_utf8().unwrap().map(|it| it.unwrap().into_path()).collect();
    res.sort();
    res
}

#[test]
fn what_is_served_and_what_is_not() {
    let (sandbox, cache) = pushed();
    let run = sandbox.run("cache status").good();
    assert!(run.stderr.contains("served"), "{}", run.text());
    let run = sandbox.run("cache status default new").bad();
    assert!(run.stderr.contains("missing"), "{}", run.text());
    let json = sandbox.run("cache status --all --json").bad().json();
    let state = |name: &str| {
        let results = json["results"].as_array().unwrap();
        results.iter().find(|it| it["name"] == name).unwrap()["state"].clone()
    };
    assert_eq!(
        (state("default"), state("dep"), state("new")),
        ("served".into(), "served".into(), "missing".into())
    );
    // A cache that is not there is no cache without paths.
    let run = sandbox.run("cache status new --cache http://127.0.0.1:1").bad();
    assert!(run.stderr.contains("does not answer") && run.stderr.contains("unknown"), "{}", run.text());
    sandbox.run("cache status nwe").bad().says("did you mean `new`?");
    drop(cache);
}

#[test]
fn what_is_damaged_is_found_and_repaired() {
    let (sandbox, cache) = pushed();
    sandbox.run("cache verify --deep").good().says("2 paths, ").says("all good");
    fs::remove_file(&archives(&cache)[0]).unwrap();
    let rotten = archives(&cache)[0].clone();
    let size = usize::try_from(rotten.metadata().unwrap().len()).unwrap();
    fs::write(&rotten, vec![b'x'; size]).unwrap();
    sandbox.run("cache verify").bad().says("is not there").says("run `cargo xtask cache repair`");
    let json = sandbox.run("cache verify --deep --json").bad().json();
    let mut faults: Vec<&str> =
        json["findings"].as_array().unwrap().iter().map(|it| it["fault"].as_str().unwrap()).collect();
    faults.sort_unstable();
    assert_eq!(faults, ["nar-content", "nar-missing"]);
    let planned = sandbox.run("cache repair --deep --dry-run").good();
    assert_eq!(planned.stdout.lines().count(), 2, "{}", planned.text());
    sandbox.run("cache repair --deep").good().says("pushed 2 paths").says("all good");
    sandbox.run("cache verify --deep").good();
}

/// What is wrong is better than what is gone: it goes only when something right takes its place.
#[test]
fn a_repair_that_cannot_push_deletes_nothing() {
    let (sandbox, cache) = pushed();
    let narinfos = || -> Vec<String> {
        let files = cache.read_dir_utf8().unwrap().map(|it| it.unwrap().into_path());
        files
            .filter(|it| it.extension() == Some("narinfo"))
            .map(|it| fs::read_to_string(it).unwrap())
            .collect()
    };
    let before = narinfos();
    fs::remove_file(&archives(&cache)[0]).unwrap();
    let sandbox = sandbox.env("XTASK_CACHE_KEY_FILE", "/no/key");
    sandbox.run("cache repair").bad().says("cannot read the signing key `/no/key`");
    assert_eq!(narinfos(), before);
    sandbox.file("xtask.toml", "").run("cache repair").bad().says("or say `--cache URL`");
}

/// Half a narinfo, as after a power cut: its name alone says whose it is.
#[test]
fn a_narinfo_that_cannot_be_read_is_written_anew() {
    let (sandbox, cache) = pushed();
    let files = cache.read_dir_utf8().unwrap().map(|it| it.unwrap().into_path());
    let narinfos = files.filter(|it| it.extension() == Some("narinfo"));
    narinfos.for_each(|it| fs::write(it, "StorePath: /nix/sto").unwrap());
    sandbox.run("cache verify").bad().says(".narinfo: `/nix/sto` is no path of /nix/store\n");
    sandbox.run("cache repair").good().says("pushed 2 paths").says("all good");
}

#[test]
fn what_is_signed_by_others_is_told() {
    let (sandbox, _) = pushed();
    let manifest = sandbox.read("xtask.toml");
    let other = "lab-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let key = manifest.split("public-keys = [\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let sandbox = sandbox.file("xtask.toml", &manifest.replace(&key, other));
    sandbox.run("cache verify").bad().says("not validly by a trusted key");
}

#[test]
fn what_nobody_needs_goes() {
    let (sandbox, cache) = pushed();
    // Pushed before, and of no package any more.
    let flake = sandbox.read("flake.nix").replace("echo dependency", "echo another");
    let sandbox = sandbox.file("flake.nix", &flake);
    sandbox.run("build").good();
    sandbox.run("cache push").good();
    assert_eq!(archives(&cache).len(), 4);
    let run = sandbox.run("cache prune --keep-days 1").good();
    assert!(run.stderr.contains("would delete 0 paths"), "{}", run.text());
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(72);
    for file in cache.read_dir_utf8().unwrap().map(|it| it.unwrap().into_path()).chain(archives(&cache)) {
        if file.is_file() {
            fs::File::options().append(true).open(&file).unwrap().set_modified(old).unwrap();
        }
    }
    let run = sandbox.run("cache prune --keep-days 1").good();
    assert!(run.stderr.contains("would delete 2 paths and 2 archives"), "{}", run.text());
    sandbox.run("cache prune --keep-days 1 --delete").bad().says("say `--yes`");
    assert_eq!(archives(&cache).len(), 4);
    sandbox.run("cache prune --keep-days 1 --delete --yes").good().says("deleted 2 paths and 2 archives");
    assert_eq!(archives(&cache).len(), 2);
    sandbox.run("cache verify --deep").good();
    sandbox.run("cache status").good();
    sandbox.run("cache prune --keep-days 0").wrong_usage();
}

/// All of it with a real S3 server that checks signatures.
#[test]
fn the_same_on_s3() {
    let sandbox = built();
    let bucket = Bucket::open(sandbox.temp());
    let env = [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")];
    let sandbox = env.into_iter().fold(sandbox, |it, (name, value)| it.env(name, value));
    let sandbox = push(sandbox, &bucket.url);
    sandbox.run("cache verify --deep").good().says("2 paths, ").says("all good");
    let rotten = archives(&bucket.dir)[0].clone();
    let size = usize::try_from(rotten.metadata().unwrap().len()).unwrap();
    fs::write(&rotten, vec![b'x'; size]).unwrap();
    sandbox.run("cache verify --deep").bad().says("it cannot be unpacked");
    sandbox.run("cache repair --deep").good().says("pushed 1 path").says("all good");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(72);
    for file in
        bucket.dir.read_dir_utf8().unwrap().map(|it| it.unwrap().into_path()).chain(archives(&bucket.dir))
    {
        fs::File::open(&file).unwrap().set_modified(old).unwrap();
    }
    sandbox
        .run("cache prune --keep-days 1")
        .good()
        .says("would delete 0 paths and 0 archives (0 B), 2 paths stay");
    let sandbox = sandbox.packages(&[("default", "echo other > $out")]);
    sandbox.run("cache prune --keep-days 1 --delete --yes").good().says("deleted 2 paths and 2 archives");
    sandbox.run("cache verify").good().says("0 paths, all good");
}

/// Cargo's own words are shown where they tell something: that it waits for another cargo it says of every moment.
#[test]
fn a_companion_that_does_not_compile() {
    let sandbox = Sandbox::new().rust();
    let script = "#!/bin/sh
        echo '    Blocking waiting for file lock on build directory' >&2
        echo '   Compiling xtask-cache v0.1.0' >&2
        echo 'error[E0425]: cannot find it' >&2
        exit 101";
    let cargo = sandbox.program("cargo", script);
    let sandbox = sandbox.env("CARGO", cargo.as_str());
    let manifest = "[cache]\npush = \"file:///nowhere\"\nupstream = []\n";
    let run = sandbox.file("xtask.toml", manifest).run("cache verify").bad();
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        error[E0425]: cannot find it
        error: cannot compile xtask-cache (see above)
    "#]]
    .assert_eq(&run.text());
}
