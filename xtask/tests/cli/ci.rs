//! `ci`: one table for all that a commit must pass.

use expect_test::expect;
use unix::sys::signal::{Signal, kill};
use unix::unistd::Pid;

use crate::support::Sandbox;
use crate::support::wait::wait_for;

const JOBS: &str = r#"
[[ci.job]]
name = "rustfmt"
run = ["cargo fmt --check"]
local = true

[[ci.job]]
name = "nix"
run = ["fmt --check", "lock check"]
local = true

[[ci.job]]
name = "push"
run = ["check --static"]
needs = ["nix"]
secrets = ["CACHE_KEY"]
"#;

fn a_crate(lib: &str) -> Sandbox {
    Sandbox::new()
        .file("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n[workspace]\n")
        .file("src/lib.rs", lib)
        .file("xtask.toml", JOBS)
        .rust()
}

fn table(text: &str) -> String {
    text.lines().skip_while(|it| !it.starts_with("job ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_jobs_that_there_are() {
    let sandbox = a_crate("pub fn f() {}\n");
    expect![[r#"
        cargo fmt --check
        cargo xtask fmt --check
        cargo xtask lock check
    "#]]
    .assert_eq(&sandbox.run("ci -n").good().stdout);
    expect![[r#"
        exit 0
        --- stdout
        rustfmt
        nix
        push
        --- stderr
        job      here     system  needs  when    runs
        rustfmt  yes      any     -      always  cargo fmt --check
        nix      yes      any     -      always  cargo xtask fmt --check; cargo xtask lock check
        push     by name  any     nix    always  cargo xtask check --static
    "#]]
    .assert_eq(&sandbox.run("ci list").good().text());
    let json = sandbox.run("ci list --json").good().json();
    assert_eq!(json["jobs"][2]["secrets"][0], "CACHE_KEY");
    assert!(["env", "runner", "queue"].iter().all(|it| json["jobs"][0].get(it).is_some()), "{json}");
    // A workspace without a table has one job.
    expect![[r#"
        cargo xtask check
    "#]]
    .assert_eq(&Sandbox::new().run("ci -n").good().stdout);
}

#[test]
fn a_job_that_fails_does_not_hide_the_others() {
    let sandbox = a_crate("pub fn f() {}\n").file("ugly.nix", "{a=1;}");
    let run = sandbox.run("ci rustfmt nix push --junit out/junit.xml").bad();
    expect![[r#"
        job      result   time   hint
        rustfmt  good     T s
        nix      failed   T s  cargo xtask fmt --check
        push     skipped  T s  it needs `nix`"#]]
    .assert_eq(&table(&run.stderr));
    assert_eq!(run.stdout, "", "{}", run.text());
    let junit = sandbox.read("out/junit.xml");
    assert!(junit.contains("tests=\"3\" failures=\"1\" skipped=\"1\""), "{junit}");
    let json = sandbox.run("ci rustfmt nix --json").bad().json();
    assert_eq!((&json["ok"], &json["results"][1]["result"]), (&false.into(), &"failed".into()));
    assert!(json["results"][1]["problem"].as_str().unwrap().contains("not formatted: ugly.nix"), "{json}");
}

#[test]
fn a_report_that_cannot_be_written_hides_no_result() {
    let sandbox = Sandbox::new().file("xtask.toml", JOBS).file("out/there", "");
    let run = sandbox.run("ci nix --junit out").bad().says("error: cannot write `$WORK/out`: Is a directory");
    assert!(table(&run.stderr).contains("nix  good"), "{}", run.text());
    let json = sandbox.run("ci nix --junit out --json").bad().json();
    assert_eq!((&json["ok"], &json["results"][0]["ok"]), (&false.into(), &true.into()), "{json}");
}

#[test]
fn only_the_jobs_asked_for() {
    let sandbox = a_crate("pub fn f() {}\n");
    expect![[r#"
        job      result  time   hint
        rustfmt  good    T s"#]]
    .assert_eq(&table(&sandbox.run("ci rustfmt").good().stderr));
    sandbox
        .run("ci rustfnt")
        .wrong_usage()
        .says("there is no job `rustfnt` in xtask.toml; did you mean `rustfmt`?");
}

#[test]
fn a_secret_that_is_not_there() {
    let sandbox = a_crate("pub fn f() {}\n");
    sandbox.run("ci push --json").bad().json();
    let run = sandbox.run("ci push").bad().says("error: it needs the secret `CACHE_KEY` in its environment");
    expect![[r#"
        job   result  time   hint
        push  failed  T s  cargo xtask check --static"#]]
    .assert_eq(&table(&run.stderr));
    sandbox.env("CACHE_KEY", "x").run("ci push").good();
}

/// All are looked at before the first one runs.
#[test]
fn a_job_whose_words_are_none_of_ours() {
    for (line, problem) in [
        ("chekc", "unrecognized subcommand 'chekc'"),
        ("check --statik", "unexpected argument '--statik' found"),
        ("ci rustfmt", "a job cannot run jobs"),
        (
            "build -n",
            "a dry run does nothing, so no job can be one: take `--dry-run` out of it in xtask.toml",
        ),
        ("shell -- true", "it would replace this process, so no job can run it"),
    ] {
        let table = format!("[[ci.job]]\nname = \"a\"\nrun = [\"{line}\"]\n");
        let problem = format!("xtask.toml: the job `a`: `{line}`: {problem}");
        Sandbox::new().file("xtask.toml", &table).run("ci").bad().says(&problem);
    }
}

#[test]
fn a_line_of_a_job_has_flags_of_its_own() {
    let table = "[[ci.job]]\nname = \"a\"\nrun = [\"--nix /nowhere/nix build\"]\n";
    let sandbox = Sandbox::new().packages(&[("default", ": > $out")]).file("xtask.toml", table);
    sandbox.run("ci a").bad().says("/nowhere/nix");
}

/// What is remembered of the tree is remembered of the files as they were.
#[test]
fn a_line_that_writes_a_flake_before_one_that_reads_it() {
    let table = "[[ci.job]]\nname = \"a\"\nrun = [\"build one --no-link\", \"cargo more\", \"build two --no-link\"]\n";
    let sandbox = a_crate("").packages(&[("one", ": > $out")]).file("xtask.toml", table);
    sandbox.program("bin/cargo-more", "#!/bin/sh\nsed -i 's/one/two/g' flake.nix\n");
    let path = format!("{}/bin:{}", sandbox.temp(), sandbox.environment()["PATH"]);
    sandbox.env("PATH", &path).run("ci a").good();
}

#[test]
fn on_github() {
    let sandbox = a_crate("pub fn f() {}\n").packages(&[("one", "echo > $out")]);
    let text = sandbox.read("flake.nix").replace("mk \"one\"", "mkk \"one\"");
    let table = "[[ci.job]]\nname = \"nix\"\nlocal = true\nrun = [\"check --no-build\"]\n[[ci.job]]\nname = \"fmt\"\nlocal = true\nrun = [\"fmt\"]\n";
    let summary = sandbox.temp().join("summary.md");
    let sandbox = sandbox.file("flake.nix", &text).file("xtask.toml", table);
    let sandbox = sandbox.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", summary.as_str());
    let run = sandbox.run("ci").bad();
    let marks: Vec<&str> = run.stderr.lines().filter(|it| it.starts_with("::")).collect();
    expect![[r#"
        ::group::nix
        ::endgroup::
        ::error file=flake.nix,line=15,col=13,title=nix::undefined variable 'mkk'
        ::group::fmt
        ::endgroup::"#]]
    .assert_eq(&marks.join("\n"));
    let page = std::fs::read_to_string(summary).unwrap();
    assert!(page.contains("| nix | ❌ failed |") && page.contains("| fmt | ✅ good |"), "{page}");
    assert!(page.contains("- `flake.nix:1"), "{page}");
}

/// cargo says where, and so does the page.
#[test]
fn what_cargo_finds_is_told_at_its_line() {
    let table = "[[ci.job]]\nname = \"rust\"\nlocal = true\nrun = [\"cargo fmt --check\", \"cargo check --quiet --offline\"]\n";
    let sandbox = a_crate("fn unused() {}\npub fn f() -> u8 {\n    \"text\"\n}\n\npub fn  g() {}\n")
        .file("xtask.toml", table);
    let sandbox = sandbox.env("GITHUB_ACTIONS", "true").env("CARGO_TERM_COLOR", "always");
    let run = sandbox.run("ci --junit junit.xml").bad();
    let marks: Vec<&str> = run.stderr.lines().filter(|it| it.starts_with("::error")).collect();
    expect![[r#"
        ::error file=src/lib.rs,line=3,title=rust::Diff in $WORK/src/lib.rs:3:
        ::error file=src/lib.rs,line=3,col=5,title=rust::error[E0308]: mismatched types"#]]
    .assert_eq(&marks.join("\n"));
    let junit = sandbox.read("junit.xml");
    assert!(junit.contains("mismatched types") && !junit.contains('\u{1b}'), "{junit}");
    assert!(junit.contains("`cargo check --quiet --offline` ended with exit code 101"), "{junit}");
    assert_eq!(run.stdout, "", "{}", run.text());
}

/// Services end by a signal what takes too long.
#[test]
fn a_run_that_is_stopped_tells_what_was_done() {
    let table = "[[ci.job]]\nname = \"one\"\nrun = [\"check --static\"]\nlocal = true\n[[ci.job]]\nname = \"two\"\nrun = [\"build slow --no-link\"]\nlocal = true\n[[ci.job]]\nname = \"three\"\nrun = [\"check --static\"]\nlocal = true\n";
    let sandbox = Sandbox::new()
        .packages(&[("slow", "exec 3<> <(:); read -t 900 -u 3 x; echo > $out")])
        .file("xtask.toml", table);
    let log = sandbox.temp().join("log");
    let mut child = sandbox
        .command(&["ci", "--junit", "junit.xml"])
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let read = || std::fs::read_to_string(&log).unwrap();
    wait_for("the build to start", || read().contains("build   slow").then_some(()));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{}", read());
    let rows: Vec<String> = table_of(&read());
    assert_eq!(rows, ["one good", "two failed", "three skipped"], "{}", read());
    let junit = sandbox.read("junit.xml");
    assert!(junit.contains("tests=\"3\" failures=\"1\" skipped=\"1\""), "{junit}");
}

/// The first two words of each row.
fn table_of(text: &str) -> Vec<String> {
    let two = |it: &str| it.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    table(text).lines().skip(1).map(two).collect()
}

#[test]
fn on_buildkite() {
    let sandbox = a_crate("pub fn f() {}\n").file("ugly.nix", "{a=1;}");
    let agent = format!("#!/bin/sh\necho \"$@\" > {0}/args; cat > {0}/page\n", sandbox.temp());
    sandbox.program("bin/buildkite-agent", &agent);
    let path = format!("{}/bin:{}", sandbox.temp(), sandbox.environment()["PATH"]);
    let sandbox = sandbox.env("PATH", &path).env("BUILDKITE", "true");
    let run = sandbox.run("ci nix rustfmt").bad();
    let marks: Vec<&str> =
        run.stderr.lines().filter(|it| it.starts_with("---") || it.starts_with("^^^")).collect();
    assert_eq!(marks, ["--- rustfmt", "--- nix", "^^^ +++"], "{}", run.text());
    let read = |it: &str| std::fs::read_to_string(sandbox.temp().join(it)).unwrap();
    assert_eq!(read("args"), "annotate --style error --context xtask-rustfmt\n");
    assert!(read("page").contains("not formatted: ugly.nix"), "{}", read("page"));
}

/// Services end what says nothing for long.
#[test]
fn a_long_silent_build_says_that_it_goes_on() {
    let sandbox = Sandbox::new().packages(&[(
        "slow",
        "read -t 4 x < /dev/zero 2>/dev/null; n=0; while [ $n -lt 300000 ]; do n=$((n+1)); done; echo > $out",
    )]);
    let run = sandbox.env("XTASK_HEARTBEAT", "0").run("build slow --no-link").good();
    assert!(run.stderr.lines().any(|it| it.starts_with("still   slow  building")), "{}", run.text());
}

#[test]
fn a_table_that_is_wrong() {
    let sandbox =
        Sandbox::new().file("xtask.toml", "[[ci.job]]\nname = \"a\"\nrun = [\"check\"]\nneeds = [\"b\"]\n");
    sandbox.run("ci").bad().says("the job `a` needs `b`, which is no job in front of it in the table");
    let sandbox = sandbox.file("xtask.toml", "[[ci.job]]\nname = \"a\"\nrum = []\n");
    sandbox.run("ci").bad().says("unknown key `rum`; did you mean `run`?");
}
