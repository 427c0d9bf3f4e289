//! `ci matrix`: which outputs a change makes CI build, each with the reason.

use std::collections::BTreeSet;

use expect_test::expect;

use crate::support::wait::wait_for;
use crate::support::{Sandbox, system};

/// A flake whose packages read files of it, in a directory of several flakes.
fn flake(nonce: &str) -> String {
    let system = system();
    format!(
        "{{\n  outputs = {{self}}: let\n    mk = name: attrs:\n      derivation ({{\n        inherit name;\n        system = \"{system}\";\n        \
         nonce = \"{nonce}\";\n        builder = \"/bin/sh\";\n        args = [\"-c\" \"echo > $out\"];\n      }}\n      // attrs);\n    \
         tool = mk \"tool-${{builtins.readFile ./version}}\" {{}};\n  in {{\n    packages.{system} = {{\n      \
         a = mk \"a\" {{\n        src = ./a;\n        inherit tool;\n      }};\n      b = mk \"b\" {{src = ./b;}};\n      \
         rev = mk \"rev\" {{rev = self.rev or self.dirtyRev or \"none\";}};\n    }};\n    \
         checks.{system}.a = self.packages.{system}.a;\n    packages.riscv64-linux.far = mk \"far\" {{system = \"riscv64-linux\";}};\n  }};\n}}\n"
    )
}

fn commit(sandbox: &Sandbox) {
    sandbox.git("add --all");
    sandbox.git("-c user.name=a -c user.email=a@b commit --quiet --allow-empty -m x");
}

/// Two flakes, committed on `main`; the work goes on on another branch.
fn repository() -> Sandbox {
    let sandbox = Sandbox::new();
    let nonce = sandbox.nonce();
    let mut sandbox = sandbox.file("README.md", "Hello.\n");
    for dir in ["", "part/"] {
        sandbox = sandbox
            .file(&format!("{dir}flake.nix"), &flake(&format!("{nonce}{dir}")))
            .file(&format!("{dir}version"), "1.0")
            .file(&format!("{dir}a/x"), "a\n")
            .file(&format!("{dir}b/x"), "b\n");
    }
    commit(&sandbox);
    sandbox.git("branch -M main");
    sandbox.git("checkout --quiet -b work");
    sandbox
}

/// The outputs that are chosen, apart from those that name the commit.
fn chosen(sandbox: &Sandbox, args: &str) -> String {
    let json = sandbox.run(&format!("ci matrix --json {args}")).good().json();
    let names = json["outputs"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
    let names: BTreeSet<&str> = names.filter(|it| !it.ends_with("rev")).collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn ten_kinds_of_change() {
    let sandbox = repository();
    let check = |what: &str, want: &str| {
        assert_eq!(chosen(&sandbox, "--changed-since main"), want, "{what}");
        sandbox.git("reset --quiet --hard main");
    };
    check("nothing", "");
    sandbox.untracked("README.md", "Good bye.\n");
    check("README, not committed", "");
    sandbox.untracked("a/x", "changed\n");
    check("a source, not committed", "a");
    sandbox.untracked("part/b/x", "changed\n");
    commit(&sandbox);
    check("a source of the other flake, committed", "part#b");
    sandbox.untracked("a/new", "new\n");
    commit(&sandbox);
    check("a new file in a source", "a");
    std::fs::remove_file(sandbox.root().join("b/x")).unwrap();
    sandbox.untracked("b/y", "");
    commit(&sandbox);
    check("a file renamed", "b");
    sandbox.untracked("version", "2.0");
    check("what a package needs", "a");
    let text = sandbox.read("flake.nix");
    sandbox.untracked(
        "flake.nix",
        &text.replace("b = mk \"b\" {src = ./b;};", "b = mk \"b\" {src = ./b;}; c = mk \"c\" {};"),
    );
    check("a new output", "c");
    sandbox.untracked("flake.nix", &text.replace("b = mk \"b\" {src = ./b;};", ""));
    check("an output that is gone", "");
    sandbox.untracked("flake.nix", &format!("# A remark.\n{text}"));
    check("a remark", "");
    std::fs::remove_dir_all(sandbox.root().join("part")).unwrap();
    commit(&sandbox);
    check("a flake that is gone", "");
    // Untracked files are none of Nix's business.
    sandbox.untracked("a/untracked", "");
    check("a file that git does not know", "");
    assert!(!sandbox.root().join("target/xtask/worktrees").read_dir().unwrap().any(|_| true));
}

#[test]
fn each_choice_has_a_reason() {
    let sandbox = repository();
    let run = sandbox.run("ci matrix --system x86_64-linus --format github").good();
    assert_eq!(run.says("no flake has an output for `x86_64-linus`").stdout, "{\"include\":[]}\n");
    sandbox.untracked("a/x", "changed\n");
    commit(&sandbox);
    let sandbox =
        sandbox.file("xtask.toml", &format!("[ci.systems.{}]\nrunner = \"big\"\nqueue = \"q\"\n", system()));
    commit(&sandbox);
    expect![[r#"
        exit 0
        --- stdout
        a
        rev
        part#rev
        --- stderr
        3 of 10 outputs to build
        output                      system         build  why
        far                         riscv64-linux  no     [ci.systems] has no machine for riscv64-linux
        a                           $SYSTEM   yes    changed since main
        b                           $SYSTEM   no     the same derivation as at main
        rev                         $SYSTEM   yes    changed since main
        .#checks.$SYSTEM.a     $SYSTEM   no     the same derivation as `a`
        part#far                    riscv64-linux  no     [ci.systems] has no machine for riscv64-linux
        part#a                      $SYSTEM   no     the same derivation as at main
        part#b                      $SYSTEM   no     the same derivation as at main
        part#rev                    $SYSTEM   yes    changed since main
        part#checks.$SYSTEM.a  $SYSTEM   no     the same derivation as `part#a`
    "#]]
    .assert_eq(&sandbox.run("ci matrix --changed-since main").good().text());
    expect![[r#"
        exit 0
        --- stdout
        {"include":[{"build":"a --system $SYSTEM","name":"a","runner":"big","system":"$SYSTEM"},{"build":"rev --system $SYSTEM","name":"rev","runner":"big","system":"$SYSTEM"},{"build":"part#rev --system $SYSTEM","name":"part#rev","runner":"big","system":"$SYSTEM"}]}
        --- stderr
        3 of 10 outputs to build
    "#]].assert_eq(&sandbox.run("ci matrix --changed-since main --format github").good().text());
    expect![[r#"
        {"steps":[{"group":"$SYSTEM","steps":[{"agents":{"queue":"q"},"command":"cargo xtask build --no-link --keep-going a --system $SYSTEM","label":"a"},{"agents":{"queue":"q"},"command":"cargo xtask build --no-link --keep-going rev --system $SYSTEM","label":"rev"},{"agents":{"queue":"q"},"command":"cargo xtask build --no-link --keep-going part#rev --system $SYSTEM","label":"part#rev"}]}]}
    "#]].assert_eq(&sandbox.run("ci matrix --changed-since main --format buildkite").good().stdout);
    // On the default branch there is nothing to compare with.
    sandbox.git("branch --force main");
    sandbox
        .run("ci matrix --changed-since")
        .good()
        .says("so there is nothing to compare with: all are chosen");
    sandbox.run("ci matrix --changed-since nowhere").bad().says("git knows no commit `nowhere` here");
}

#[test]
fn one_broken_output_hides_no_other() {
    let sandbox = repository();
    let text = sandbox.read("flake.nix");
    for broken in ["throw \"not for you\"", "abort \"never\"", "1 + {}", "{type = \"other\";}"] {
        sandbox.untracked("flake.nix", &text.replace("mk \"b\" {src = ./b;}", &format!("({broken})")));
        let json = sandbox.run("ci matrix --json --changed-since main").good().json();
        let outputs = json["outputs"].as_array().unwrap();
        let b = outputs.iter().find(|it| it["name"] == "b").unwrap_or_else(|| panic!("{broken}: {json}"));
        assert_eq!(b["why"], "it cannot be evaluated any more", "{broken}");
        assert!(!b["error"].as_str().unwrap().is_empty(), "{broken}");
        assert!(!outputs.iter().any(|it| it["name"] == "a"), "{broken}: {json}");
    }
    // A whole set that cannot be listed.
    let set = format!("checks.{}.a = self.packages.{}.a;", system(), system());
    sandbox.untracked("flake.nix", &text.replace(&set, "checks = abort \"never\";"));
    let json = sandbox.run("ci matrix --json").good().json();
    let names: Vec<&str> =
        json["outputs"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"a") && names.contains(&".#checks") && names.contains(&"part#a"), "{names:?}");
    // A flake that does not even parse.
    sandbox.untracked("flake.nix", "{");
    let run = sandbox.run("ci matrix --json").good().says("cannot be evaluated: ");
    assert!(run.stdout.contains("\"part#a\""), "{}", run.text());
    let run = sandbox.run("ci lint");
    assert!(run.stderr.contains("warning: nothing is known of `.`, which cannot be"), "{}", run.text());
}

/// One output takes more than a process may have.
#[test]
fn an_output_that_takes_too_much_memory() {
    let sandbox = repository();
    let text = sandbox.read("flake.nix");
    let hungry = "src = ./b; n = builtins.length (builtins.sort (a: b: a < b) (builtins.genList (x: x * 7) 20000000));";
    sandbox.untracked("flake.nix", &text.replace("{src = ./b;}", &format!("{{{hungry}}}")));
    let sandbox = sandbox.file("xtask.toml", "[ci]\neval-memory = 200\n");
    let json = sandbox.run("ci matrix --json").good().json();
    let outputs = json["outputs"].as_array().unwrap();
    let errors: Vec<String> =
        outputs.iter().filter_map(|it| Some(format!("{}: {}", it["name"], it["error"].as_str()?))).collect();
    assert_eq!(
        errors,
        ["\"b\": out of memory: it may have 200 MiB; set eval-memory under [ci] in xtask.toml"],
        "{json}"
    );
    assert!(outputs.iter().any(|it| it["name"] == "a"), "{json}");
}

#[test]
fn what_the_cache_has_is_left_out() {
    let sandbox = repository();
    let cache = format!("file://{}/cache-of-ours", sandbox.temp());
    let sandbox = sandbox.file("xtask.toml", &format!("[cache]\nsubstituters = [\"{cache}\"]\n"));
    let built = sandbox.command(&["build", "b", "--no-link", "--json"]).output().unwrap();
    let built: serde_json::Value = serde_json::from_slice(&built.stdout).unwrap();
    let path = built["results"][0]["outputs"]["out"]["path"].as_str().unwrap().to_owned();
    assert!(chosen(&sandbox, "--skip-cached").split(' ').any(|it| it == "b"));
    let nix = format!("{}/elodin-xtask/nix/{}/bin/nix", crate::support::cache(), crate::support::suite());
    let copied = std::process::Command::new(nix).args(["copy", "--to", &cache, &path]).output().unwrap();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let run = sandbox.run("ci matrix --skip-cached").good();
    assert!(
        run.stderr.contains(&format!("no     {cache} has it")) || run.stderr.contains("cache-of-ours has it"),
        "{}",
        run.text()
    );
    assert!(!chosen(&sandbox, "--skip-cached").split(' ').any(|it| it == "b"));
    // A cache that does not answer has nothing.
    let sandbox = sandbox.file("xtask.toml", "[cache]\nsubstituters = [\"http://127.0.0.1:9\"]\n");
    let run = sandbox
        .run("ci matrix --skip-cached")
        .good()
        .says("cannot ask the cache http://127.0.0.1:9, so it counts as empty");
    assert!(run.stdout.lines().any(|it| it == "b"), "{}", run.text());
}

/// A killed run leaves its work tree; the next one removes it, and git forgets it.
#[test]
fn a_work_tree_that_was_left_is_removed() {
    let sandbox = repository();
    let slow = "case \"$*\" in *worktrees*) if [ ! -e \"$temp/there\" ]; then touch \"$temp/there\"; while [ -e \"$temp/there\" ]; do sleep 0.1; done; exit 1; fi;; esac";
    let real = sandbox.nix_script(&format!("{slow}; exec \"$nix\" \"$@\""));
    real.untracked("a/x", "changed\n");
    let mut child = real.start(&["ci", "matrix", "--changed-since", "main"]);
    let trees = real.root().join("target/xtask/worktrees");
    wait_for("the work tree to be used", || real.temp().join("there").exists().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    // What it has started goes on until the end of the test.
    assert_eq!(trees.read_dir().unwrap().count(), 1);
    let sandbox = real;
    sandbox.run("ci matrix --changed-since main").good();
    assert_eq!(trees.read_dir().unwrap().count(), 0);
    let listed = std::process::Command::new("git")
        .args(["worktree", "list"])
        .current_dir(sandbox.root())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 1);
}
