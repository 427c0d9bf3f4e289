//! `ci`: one table for all that a commit must pass.

use expect_test::expect;

use crate::support::Sandbox;

fn a_crate(lib: &str) -> Sandbox {
    Sandbox::new()
        .file("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n[workspace]\n")
        .file("src/lib.rs", lib)
        .rust()
}

#[test]
fn the_jobs_that_there_are() {
    expect![[r#"
        rustfmt
        clippy
        test
        test-sid
        check
    "#]]
    .assert_eq(&a_crate("").run("ci -n").good().stdout);
}

#[test]
fn a_job_that_fails_does_not_hide_the_others() {
    let sandbox = a_crate("pub fn  f( ){}\n").file("ugly.nix", "{a=1;}");
    let run = sandbox.run("ci rustfmt check").bad();
    let table: Vec<&str> = run.stderr.lines().skip_while(|it| !it.starts_with("job ")).collect();
    assert_eq!(table.len(), 3, "{}", run.text());
    assert!(table[1].starts_with("rustfmt ") && table[2].starts_with("check "), "{}", run.text());
    let json = sandbox.run("ci rustfmt check --json").bad();
    assert!(json.stdout.contains("\"job\": \"rustfmt\""), "{}", json.text());
}

#[test]
fn only_the_jobs_asked_for() {
    let sandbox = a_crate("pub fn f() {}\n");
    let run = sandbox.run("ci rustfmt").good();
    let table: Vec<&str> = run.stderr.lines().skip_while(|it| !it.starts_with("job ")).collect();
    expect![[r#"
        job      time   result
        rustfmt  T s  good"#]]
    .assert_eq(&table.join("\n"));
    sandbox.run("ci rustfnt").wrong_usage();
}
