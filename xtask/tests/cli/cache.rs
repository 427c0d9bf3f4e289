//! `cache push`, `cache watch`, `cache keygen` and `build --push`, with a real Nix at both ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8PathBuf;
use expect_test::expect;
use unix::sys::signal::{Signal, kill};
use unix::unistd::Pid;

use crate::support::Sandbox;
use crate::support::cache::{Bucket, serve, substitute};
use crate::support::wait::wait_for;

const PACKAGES: &[(&str, &str)] = &[
    ("default", "read -r line < ${dep}; echo \"$line for default\" > $out; echo ${dep} >> $out"),
    ("dep", "echo dependency > $out"),
];

/// A workspace, and a key of its own: the public half.
fn lab() -> (Sandbox, String) {
    let sandbox = Sandbox::new().rust().packages(PACKAGES);
    let file = key_file(&sandbox);
    let run = sandbox.run(&format!("cache keygen lab-1 --output {file}")).good();
    let key = run.stdout.trim().to_owned();
    let env = [
        ("XTASK_CACHE_KEY_FILE", file.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2hunter2"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    (env.into_iter().fold(sandbox, |it, (name, value)| it.env(name, value)), key)
}

fn key_file(sandbox: &Sandbox) -> Utf8PathBuf {
    sandbox.temp().join("home/lab-1.secret")
}

fn with_cache(sandbox: Sandbox, url: &str) -> Sandbox {
    sandbox.file("xtask.toml", &format!("[cache]\npush = \"{url}\"\nupstream = []\n"))
}

fn narinfos(dir: &camino::Utf8Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|it| it.path().extension().is_some_and(|it| it == "narinfo")).count()
}

#[test]
fn what_was_pushed_to_s3_is_substituted_with_only_the_public_key() {
    let (sandbox, key) = lab();
    let bucket = Bucket::open(sandbox.temp());
    let sandbox = with_cache(sandbox, &bucket.url);
    let built = sandbox.command(&["build", "--json"]).output().unwrap();
    let path: serde_json::Value = serde_json::from_slice(&built.stdout).unwrap();
    let path = path["results"][0]["outputs"]["out"]["path"].as_str().unwrap();
    let plan = sandbox.run("cache push --dry-run").good();
    assert!(plan.stderr.contains("2 paths to push, "), "{}", plan.text());
    assert!(plan.stdout.contains(" path-info --json "), "{}", plan.text());
    let json = sandbox.run("cache push --dry-run --json").good().json();
    assert_eq!((&json["plan"]["push"], json["planned"].as_array().unwrap().len()), (&2.into(), 2));
    assert_eq!(narinfos(&bucket.dir), 0);
    let run = sandbox.run("cache push -v").good();
    assert!(
        run.stderr.contains(
            "2 paths to push, 312 B, 0 already there, 0 upstream (access key …MPLE from the environment)"
        ),
        "{}",
        run.text()
    );
    assert!(!run.text().contains("hunter2"), "{}", run.text());
    assert_eq!(narinfos(&bucket.dir), 2);
    let again = sandbox.run("cache push --json").good().json();
    assert_eq!((&again["plan"]["there"], &again["sent"]), (&2.into(), &0.into()));
    let url = serve(&bucket.dir);
    let wrong = format!("{}AAAA=", &key[..key.len() - 5]);
    let refused = substitute(&sandbox, "refused", &url, &wrong, path);
    assert!(!refused.status.success(), "{refused:?}");
    let got = substitute(&sandbox, "second", &url, &key, path);
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    let text = fs::read_to_string(sandbox.temp().join("second").join(&path[1..])).unwrap();
    assert!(text.starts_with("dependency for default\n"), "{text}");
}

/// As services of CI give secrets. Nobody repeats it.
#[test]
fn a_key_that_is_in_a_variable() {
    let (sandbox, _) = lab();
    let dir = sandbox.temp().join("cache");
    let key = fs::read_to_string(key_file(&sandbox)).unwrap();
    let secret = key.split_once(':').unwrap().1.to_owned();
    let sandbox = with_cache(sandbox, &format!("file://{dir}")).env("XTASK_CACHE_KEY_FILE", "");
    sandbox.run("build --no-link").good();
    let run = sandbox.run("cache push").bad().says("no key signs what is pushed");
    assert!(run.stderr.contains("XTASK_CACHE_KEY_FILE"), "{}", run.text());
    let sandbox = sandbox.env("XTASK_CACHE_KEY", "lab-1:hunter2");
    let run = sandbox.run("cache push -v").bad().says("`XTASK_CACHE_KEY` holds no signing key");
    assert!(!run.text().contains("hunter2"), "{}", run.text());
    let sandbox = sandbox.env("XTASK_CACHE_KEY", &key);
    let run = sandbox.run("cache push -v").good();
    assert!(!run.text().contains(&secret), "{}", run.text());
    let files = fs::read_dir(&dir).unwrap().map(|it| fs::read_to_string(it.unwrap().path()));
    assert_eq!(files.flatten().filter(|it| it.contains("Sig: lab-1:")).count(), 2);
}

#[test]
fn the_page_of_timings_has_what_was_uploaded() {
    // By the watcher, or behind the build: each once.
    for (before, verb, target) in
        [("build", "cache push", "cache push"), ("--version", "build --push", "build")]
    {
        let (sandbox, _) = lab();
        let cache = sandbox.temp().join("cache");
        let sandbox = with_cache(sandbox, &format!("file://{cache}"));
        sandbox.run(before).good();
        sandbox.run(&format!("{verb} --timings")).good().says("timings ");
        let entries = sandbox.root().join("target/xtask/timings").read_dir_utf8().unwrap();
        let mut files: Vec<Utf8PathBuf> = entries.map(|it| it.unwrap().into_path()).collect();
        files.sort();
        let [page, json] = files.try_into().unwrap();
        let timings: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
        assert_eq!((&timings["target"], &timings["counts"]["uploaded"]), (&target.into(), &2.into()));
        assert_eq!(timings["bytes"]["uploaded"], 312, "{timings:#}");
        assert!(fs::read_to_string(page).unwrap().contains("\"uploaded\":2"));
    }
}

#[test]
fn build_and_push_in_one() {
    let (sandbox, _) = lab();
    let dir = sandbox.temp().join("cache");
    let sandbox = with_cache(sandbox, &format!("file://{dir}"));
    // Others build on this machine as well: only what is ours is pushed.
    let run = sandbox.run("build --push --json").good();
    assert_eq!(narinfos(&dir), 2, "{}", run.text());
    // There already: nothing is said of it.
    let run = sandbox.run("build --push").good();
    assert!(!run.stderr.contains("warning"), "{}", run.text());
}

#[test]
fn a_cache_that_is_not_there_fails_no_build() {
    let (sandbox, _) = lab();
    let sandbox = sandbox.env("AWS_ACCESS_KEY_ID", "").env("HOME", "/nonexistent").rust();
    let sandbox = with_cache(sandbox, "s3://bkt?endpoint=http://127.0.0.1:1");
    let run = sandbox.run("build --push").good();
    assert!(run.stderr.contains("there are no credentials for S3; tried:"), "{}", run.text());
    assert!(run.stderr.contains("built"), "{}", run.text());
}

#[test]
fn what_others_build_is_pushed_while_we_watch() {
    let (sandbox, _) = lab();
    let dir = sandbox.temp().join("cache");
    let sandbox = with_cache(sandbox, &format!("file://{dir}"));
    let watch = sandbox.start(&["cache", "watch"]);
    let (flake, mut n) = (sandbox.read("flake.nix"), 0);
    // Until it has looked at the store for the first time nothing is new to it: then another build is.
    wait_for("the watcher to push a build", || {
        n += 1;
        sandbox.untracked("flake.nix", &flake.replace("echo dependency", &format!("echo {n} dependency")));
        sandbox.run("build --no-link").good();
        (narinfos(&dir) >= 2).then_some(())
    });
    kill(Pid::from_raw(i32::try_from(watch.id()).unwrap()), Signal::SIGINT).unwrap();
    let run = sandbox.told(watch.wait_with_output().unwrap());
    assert!(run.stderr.contains("until Ctrl-C"), "{}", run.text());
    assert!(run.stderr.contains("interrupted"), "{}", run.text());
}

#[test]
fn keygen_writes_where_only_the_user_can_read() {
    let (sandbox, key) = lab();
    let file = key_file(&sandbox);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let secret = fs::read_to_string(&file).unwrap();
    let run = sandbox.run(&format!("cache keygen lab-1 --output {file}")).bad();
    assert!(run.stderr.contains("exists; it is not overwritten"), "{}", run.text());
    assert_eq!(fs::read_to_string(&file).unwrap(), secret);
    for inside in ["key", "new/dir/key"] {
        let run = sandbox.run(&format!("cache keygen lab-1 --output {inside}")).bad();
        assert!(run.stderr.contains("is in the git work tree"), "{}", run.text());
    }
    sandbox.run("cache keygen a:b").wrong_usage();
    let run = sandbox.run("cache keygen lab-2").good();
    assert!(!run.text().contains(&secret[6..]), "the secret is printed");
    let text = run.text().replace(run.stdout.trim(), "lab-2:KEY");
    assert!(key.starts_with("lab-1:"));
    expect![[r#"
        exit 0
        --- stdout
        lab-2:KEY
        --- stderr
        the secret key is in $TEMP/home/.config/elodin-xtask/lab-2.secret (mode 0600); without it nobody can sign: keep a copy in a safe place
        xtask.toml:
          [cache]
          key-file = "$TEMP/home/.config/elodin-xtask/lab-2.secret"
          public-keys = ["lab-2:KEY"]
        flake.nix:
          nixConfig = {
            extra-substituters = [ "https://CACHE" ];
            extra-trusted-public-keys = [ "lab-2:KEY" ];
          };
        NixOS:
          nix.settings.substituters = [ "https://CACHE" ];
          nix.settings.trusted-public-keys = [ "lab-2:KEY" ];
    "#]].assert_eq(&text);
}

#[test]
fn what_is_missing_is_named() {
    let sandbox = Sandbox::new().rust().packages(PACKAGES);
    let mut said = String::new();
    let mut tell = |sandbox: &Sandbox, args: &str| {
        said.push_str(&format!("{args}\n{}", sandbox.run(args).bad().stderr));
    };
    tell(&sandbox, "cache push");
    let sandbox = with_cache(sandbox, "s3://bkt?secret-key=/k");
    tell(&sandbox, "cache push");
    let sandbox = sandbox.env("XTASK_CACHE_KEY_FILE", "/nonexistent/key");
    tell(&sandbox, "cache push");
    tell(&sandbox, "cache push default");
    tell(&sandbox, "cache push defualt");
    tell(&sandbox, "cache push /nix/store/abc");
    sandbox.run("build").good();
    tell(&sandbox, "cache push");
    expect![[r#"
        cache push
        error: there is no cache to push to: set `cache.push` in xtask.toml, such as "s3://BUCKET?region=REGION", or say `--to URL`
        cache push
        error: no key signs what is pushed: set `cache.key-file` in xtask.toml, XTASK_CACHE_KEY_FILE or XTASK_CACHE_KEY; `cargo xtask cache keygen NAME` makes one
        cache push
        error: nothing was built in this workspace yet; run `cargo xtask build`, or name what to push
        cache push default
        error: `/nix/store/HASH-default` is not in the store; run `cargo xtask build` first
        cache push defualt
        error: there is no package `defualt` for $SYSTEM; did you mean `default`?
        cache push /nix/store/abc
        error: `/nix/store/abc` has no name
        cache push
        error: cannot read the signing key `/nonexistent/key`; `cargo xtask cache keygen NAME` makes one: No such file or directory (os error 2)
    "#]].assert_eq(&said);
}
