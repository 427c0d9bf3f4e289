//! `size`: what is in a closure, what became of it, and a budget for it.

use expect_test::expect;

use crate::support::{Sandbox, system};

/// `app` needs `tool` and `data`; `tool` needs `data`. Sizes are those of their text.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let flake = flake(&sandbox, 40_000);
    sandbox.file("flake.nix", &flake)
}

fn flake(sandbox: &Sandbox, data: usize) -> String {
    format!(
        r#"{{
          outputs = _: let
            mk = name: script: derivation {{
              inherit name;
              system = "{system}";
              builder = "/bin/sh";
              args = ["-c" script];
              nonce = "{nonce}";
              allowSubstitutes = false;
            }};
            data = mk "data-2.1" "printf '%{data}s' . >$out";
            tool = mk "tool-1.0" "echo ${{data}} >$out; printf '%5000s' . >>$out";
          in {{
            packages.{system} = {{
              inherit data tool;
              default = mk "app-3" "echo ${{tool}} ${{data}} >$out";
            }};
          }};
        }}
        "#,
        system = system(),
        nonce = sandbox.nonce(),
    )
}

/// A path of a closure with its real hash, by its row.
fn path(sandbox: &Sandbox, name: &str, row: usize) -> String {
    let output = sandbox.command(&["size", name]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().nth(row).unwrap().split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_closure_as_a_tree() {
    let sandbox = sandbox();
    let run = sandbox.run("size -q").good();
    expect![[r#"
        exit 0
        --- stdout
        224 /nix/store/HASH-app-3
        40112 /nix/store/HASH-data-2.1
        5168 /nix/store/HASH-tool-1.0
        --- stderr
    "#]]
    .assert_eq(&run.text());
    let run = sandbox.run("size").good();
    expect![[r#"
        exit 0
        --- stdout
        224 /nix/store/HASH-app-3
        40112 /nix/store/HASH-data-2.1
        5168 /nix/store/HASH-tool-1.0
        --- stderr
        default: 45 kB in 3 paths
        adds    own     path         by way of
        45 kB   224 B   app-3
        40 kB   40 kB   ├─ data-2.1
        5.1 kB  5.1 kB  └─ tool-1.0
    "#]]
    .assert_eq(&run.text());
    let json = sandbox.run("size tool --json").good().json();
    assert_eq!((&json["name"], &json["max"], &json["compared"]), (&"tool".into(), &().into(), &().into()));
    assert_eq!(json["paths"].as_array().unwrap().len(), 2);
    assert_eq!(json["paths"][1]["way"].as_array().unwrap().len(), 2);
    // A path of the store is as good as a name.
    let path = path(&sandbox, "tool", 1);
    let alone = sandbox.run(&format!("size {path} --json")).good().json();
    assert_eq!(alone["size"], json["paths"][1]["size"]);
}

#[test]
fn a_budget_fails() {
    let sandbox = sandbox();
    sandbox.run("size --max 1GB").good();
    sandbox.run("size --max 10kB").bad().says("error: `default` is 35 kB over its budget of 10 kB");
    let json = sandbox.run("size --max 10kB --json").bad().json();
    assert_eq!((&json["ok"], &json["max"]), (&false.into(), &10_000.into()));
    let run = sandbox.run("size --max much").wrong_usage();
    assert!(run.stderr.contains("write it like 800MB, 1.5GB or 64MiB"), "{}", run.text());
}

#[test]
fn what_changed_since_a_revision() {
    let sandbox = sandbox();
    sandbox.git("-c user.name=a -c user.email=a@b commit --quiet -m x");
    let larger = std::fs::read_to_string(sandbox.root().join("flake.nix")).unwrap();
    let larger = larger.replace("40000", "90000").replace("data-2.1", "data-2.2");
    let sandbox = sandbox.file("flake.nix", &larger);
    let run = sandbox.run("size --since HEAD").good();
    let told = &run.stderr[run.stderr.find("default: ").unwrap()..];
    expect![[r#"
        default: 95 kB in 3 paths
        HEAD: 45 kB in 3 paths
        in both: 0 paths, 0 B; only in default: 3 paths, 95 kB; only in HEAD: 3 paths, 45 kB
        growth against HEAD: +50 kB
        growth  package  before     now
        +50 kB  data     2.1 40 kB  2.2 90 kB
    "#]]
    .assert_eq(told);
    let json = sandbox.run("size --since HEAD --json").good().json();
    assert_eq!(json["compared"]["changes"][0]["package"], "data");
    // Against a path, and against another package.
    let path = path(&sandbox, "default", 0);
    sandbox.run(&format!("size --since {path}")).good().says("growth against ");
    sandbox.run("size default tool").good().says("in both: 2 paths");
    sandbox.run("size --since no-such-branch").bad().says("git knows no commit `no-such-branch` here");
    sandbox.run("size --since -x").wrong_usage();
}

#[test]
fn a_page_that_asks_nobody() {
    let sandbox = sandbox();
    sandbox.run("size --html map.html").good().says("wrote map.html");
    let page = sandbox.read("map.html");
    for part in ["app-3", "tool-1.0", "data-2.1", "squarify"] {
        assert!(page.contains(part), "{part}");
    }
    for part in ["/*DATA*/", "/*CODE*/", "/*STYLE*/", "http://", "https://", "src=", "@import"] {
        assert!(!page.contains(part), "{part}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let sandbox = sandbox();
    sandbox.run("size tol").bad().says("did you mean `tool`?");
    sandbox.run("size /nix/store/x").bad().says("`/nix/store/x` has no name");
    let absent = format!("/nix/store/{}-absent", "a".repeat(32));
    sandbox.run(&format!("size {absent}")).bad().says("is not in this store");
    sandbox.run("size --html flake.nix/map.html").bad().says("cannot create `");
    // Nothing is built or written.
    let run = sandbox.run("size --dry-run --html map.html").good();
    assert!(run.stdout.contains("$NIX build") && !sandbox.root().join("map.html").exists(), "{}", run.text());
}
