//! `ci why` and `ci lint`: the roots of a rebuild, and outputs that rebuild for nothing.

use expect_test::expect;

use crate::support::{Sandbox, system};

fn flake(nonce: &str) -> String {
    let system = system();
    format!(
        "{{\n  outputs = {{self}}: let\n    mk = name: attrs:\n      derivation ({{\n        inherit name;\n        system = \"{system}\";\n        \
         nonce = \"{nonce}\";\n        builder = \"/bin/sh\";\n        args = [\"-c\" \"echo > $out\"];\n      }}\n      // attrs);\n    \
         rustc = mk \"rustc-1.90.0\" {{}};\n    library = mk \"library\" {{\n      src = ./src;\n      inherit rustc;\n    }};\n  in {{\n    packages.{system} = {{\n      \
         app = mk \"app\" {{\n        inherit library;\n        flags = \"-O2\";\n      }};\n      \
         rev = mk \"rev\" {{rev = self.shortRev or self.dirtyShortRev;}};\n      all = mk \"all\" {{src = self;}};\n    }};\n  }};\n}}\n"
    )
}

fn commit(sandbox: &Sandbox) {
    sandbox.git("add --all");
    sandbox.git("-c user.name=a -c user.email=a@b commit --quiet --allow-empty -m x");
}

fn repository() -> Sandbox {
    let sandbox = Sandbox::new();
    let text = flake(&sandbox.nonce());
    let sandbox = sandbox.file("flake.nix", &text).file("src/main.rs", "1\n").file("README.md", "Hello.\n");
    commit(&sandbox);
    sandbox.git("branch -M main");
    sandbox
}

#[test]
fn four_kinds_of_cause() {
    let sandbox = repository();
    let text = sandbox.read("flake.nix");
    sandbox.untracked("src/main.rs", "2\n");
    sandbox.untracked("src/new.rs", "");
    sandbox.git("add --all");
    expect![[r#"
        `app` rebuilds for 1 reason; 1 derivation only because of that
          app → library: 2 files of the source `src` changed: ~ main.rs, + new.rs
    "#]]
    .assert_eq(&sandbox.run("ci why app").good().stdout);
    sandbox.git("reset --quiet --hard main");
    sandbox.untracked("flake.nix", &text.replace("rustc-1.90.0", "rustc-1.91.0"));
    expect![[r#"
        `app` rebuilds for 1 reason; 2 derivations only because of that
          app → library → rustc-1.91.0: rustc went from 1.90.0 to 1.91.0
    "#]]
    .assert_eq(&sandbox.run("ci why app").good().stdout);
    sandbox.untracked("flake.nix", &text.replace("-O2", "-O3"));
    expect![[r#"
        `app` rebuilds for 1 reason
          app: `flags` changed from «-O2» to «-O3»
    "#]]
    .assert_eq(&sandbox.run("ci why app").good().stdout);
    sandbox.git("reset --quiet --hard main");
    commit(&sandbox);
    expect![[r#"
        `rev` rebuilds though only the commit changed
          rev: `rev` names the commit, and only that changed
    "#]]
    .assert_eq(&sandbox.run("ci why rev --since HEAD~1").good().stdout);
    // On the default branch the commit before is what is compared with.
    expect![[r#"
        `app` does not rebuild: it is the same derivation as at HEAD~1
    "#]]
    .assert_eq(&sandbox.run("ci why app").good().stdout);
    let json = sandbox.run("ci why rev --json").good().json();
    assert_eq!((&json["verdict"], &json["causes"][0]["kind"]), (&"changed".into(), &"revision".into()));
    sandbox.untracked("flake.nix", &text.replace("app = mk", "later = mk \"later\" {};\n      app = mk"));
    expect![[r#"
        `later` is new: there was no such output at main
    "#]]
    .assert_eq(&sandbox.run("ci why later").good().stdout);
    sandbox.run("ci why ap").bad().says("did you mean `app`?");
}

#[test]
fn what_makes_ci_slow() {
    let sandbox = repository()
        .file("Cargo.toml", "[workspace]\nmembers = [\"src\"]\n")
        .file("src/Cargo.toml", "[package]\nname = \"main\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    commit(&sandbox);
    expect![[r#"
        evaluating HEAD with a planted commit, README and crates
        3 outputs, 3 findings
        rule      output  finding
        revision  rev     rebuilds with every commit: it contains the revision
        readme    all     rebuilds when README.md changes
        crate     app     rebuilds when the crate `main` changes, which it does not seem to contain
    "#]]
    .assert_eq(&sandbox.run("ci lint").bad().stderr);
    let accept = "[ci.lint.accept]\nrev = \"it says so\"\nall = \"a test\"\napp = \"the crate is in it\"\n";
    let sandbox = sandbox.file("xtask.toml", accept);
    sandbox.run("ci lint").good().says("accepted: it says so");
    sandbox.untracked("src/large", &"x".repeat(2_000_000));
    sandbox.git("add --all");
    let sandbox = sandbox.file("xtask.toml", "[ci.lint]\nmax-source = 1\n");
    sandbox.run("ci lint").bad().says("has 2.0 MB; 1.0 MB is the most");
    assert!(!sandbox.root().join("target/xtask/worktrees").read_dir().unwrap().any(|_| true));
}

/// `git commit -a` tells its hooks of an index that is to become the commit: what is planted must not get into it.
#[test]
fn in_a_hook_of_git() {
    let sandbox = repository();
    let hook = format!("#!/bin/sh\nexec {} ci lint\n", env!("CARGO_BIN_EXE_xtask"));
    let hook = sandbox.program("pre-commit", &hook);
    std::fs::copy(hook, sandbox.root().join(".git/hooks/pre-commit")).unwrap();
    sandbox.untracked("xtask.toml", "[ci.lint.accept]\nrev = \"a\"\nall = \"b\"\napp = \"c\"\n");
    let mut commit = std::process::Command::new("git");
    commit.args(["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-am", "x"]);
    let run = commit.env_clear().envs(sandbox.environment()).current_dir(sandbox.root()).output().unwrap();
    sandbox.told(run).good().says("3 outputs, 0 findings");
    let git = |args: &[&str]| {
        let told = std::process::Command::new("git").args(args).current_dir(sandbox.root()).output().unwrap();
        String::from_utf8(told.stdout).unwrap()
    };
    assert_eq!(git(&["show", "--format=", "--name-only"]), "xtask.toml\n");
    assert_eq!(git(&["status", "--porcelain"]), "");
}

#[test]
fn where_git_has_nothing_to_compare_with() {
    let sandbox = Sandbox::new().packages(&[("app", ": > $out")]);
    for verb in
        ["ci why app", "ci why app --since HEAD", "ci matrix --changed-since", "size app --since HEAD"]
    {
        sandbox.run(verb).bad().says("there is no commit in `$WORK` yet");
    }
    std::fs::remove_dir_all(sandbox.root().join(".git")).unwrap();
    for verb in ["ci why app", "ci matrix --changed-since"] {
        sandbox.run(verb).bad().says("`$WORK` is not in a git work tree");
    }
}

/// What the cache lacks every machine builds. Of a cache that does not answer nothing is said.
#[test]
fn outputs_that_no_cache_has() {
    let sandbox = repository();
    let cache = format!("file://{}/cache-of-ours", sandbox.temp());
    let systems = format!("[ci.systems.{}]\n[ci.lint.accept]\nrev = \"x\"\nall = \"x\"\n", system());
    let table = |cache: &str| format!("[cache]\nsubstituters = [\"{cache}\"]\n{systems}");
    let text = sandbox.read("flake.nix");
    // Nobody builds for this one, so nobody misses it.
    let far = "packages.riscv64-linux.far = mk \"far\" {system = \"riscv64-linux\";};\n  };\n}\n";
    let text = text.strip_suffix("  };\n}\n").unwrap().to_owned() + far;
    let sandbox = sandbox.file("flake.nix", &text).file("xtask.toml", &table(&cache));
    commit(&sandbox);
    let findings = |run: &crate::support::Run| -> Vec<String> {
        let json = run.json();
        let all = json["findings"].as_array().unwrap().iter().filter(|it| it["rule"] == "cache");
        all.map(|it| it["output"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(findings(&sandbox.run("ci lint --json").bad()), ["all", "app", "rev"]);
    // As it is, not as snapshots have it.
    let built = sandbox.command(&["build", "app", "--no-link", "--json"]).output().unwrap();
    let built: serde_json::Value = serde_json::from_slice(&built.stdout).unwrap();
    let path = built["results"][0]["outputs"]["out"]["path"].as_str().unwrap().to_owned();
    let nix = format!("{}/elodin-xtask/nix/{}/bin/nix", crate::support::cache(), crate::support::suite());
    let copied = std::process::Command::new(nix).args(["copy", "--to", &cache, &path]).output().unwrap();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let run = sandbox.run("ci lint --json").good();
    assert_eq!(findings(&run), ["all", "rev"], "{}", run.text());
    sandbox.untracked("xtask.toml", &table("http://127.0.0.1:9"));
    let run = sandbox.run("ci lint --json").good().says("cannot ask the cache http://127.0.0.1:9");
    assert_eq!(findings(&run), [""; 0], "{}", run.text());
    assert!(run.stderr.contains("not every cache answered"), "{}", run.text());
}
