//! `build`: what is built, and what is said of it.

use expect_test::expect;

use crate::support::Sandbox;

const THREE: [(&str, &str); 3] =
    [("one", "echo 1 > $out"), ("two", "echo ${one} > $out"), ("three", "echo ${two} > $out")];

#[test]
fn a_package_and_what_it_needs() {
    let sandbox = Sandbox::new()
        .packages(&[("default", "echo ${lib} > $out"), ("lib", "echo working; echo lib > $out")]);
    let run = sandbox.run("build");
    expect![[r#"
        exit 0
        --- stdout
        $STORE/nix/store/HASH-default
        --- stderr
        build   lib
        done    lib in T s
        build   default
        done    default in T s
        name     path    size   time   status
        default  result  160 B  T s  built
    "#]]
    .assert_eq(&run.text());
    assert!(sandbox.read("result").contains("-lib"));
    let again = sandbox.run("build");
    expect![[r#"
        exit 0
        --- stdout
        $STORE/nix/store/HASH-default
        --- stderr
        name     path    size   time  status
        default  result  160 B  -     was there
    "#]]
    .assert_eq(&again.text());
}

#[test]
fn without_a_default_no_name_means_all() {
    let sandbox = Sandbox::new().packages(&THREE);
    expect![[r#"
        exit 0
        --- stdout
        $STORE/nix/store/HASH-one
        $STORE/nix/store/HASH-three
        $STORE/nix/store/HASH-two
        --- stderr
        build   one
        done    one in T s
        build   two
        done    two in T s
        build   three
        done    three in T s
        name   path          size   time   status
        one    result-one    120 B  T s  built
        three  result-three  160 B  T s  built
        two    result-two    160 B  T s  built
    "#]]
    .assert_eq(&sandbox.run("build").text());
}

#[test]
fn all_is_all_of_every_flake_and_the_default_is_not_told_twice() {
    let sandbox = Sandbox::new().packages(&[("tool", "echo tool > $out"), ("last", "echo ${tool} > $out")]);
    let flake = sandbox.read("flake.nix").replace(
        "packages.${system} = packages;",
        "packages.${system} = packages // {default = packages.tool;};",
    );
    let sandbox = sandbox.file("flake.nix", &flake);
    let inner = crate::support::flake(&sandbox.nonce(), &[("inner", "echo inner > $out")]);
    let sandbox = sandbox.file("parts/flake.nix", &inner);
    let run = sandbox.run("build --all --no-link").good();
    let names: Vec<&str> = run.stderr.lines().filter(|it| it.contains("  built")).collect();
    assert_eq!(names.len(), 3, "{}", run.text());
    let names: Vec<&str> = names.iter().filter_map(|it| it.split(' ').next()).collect();
    assert_eq!(names, ["last", "tool", "parts#inner"]);
    assert_eq!(run.stdout.lines().count(), 3);
    sandbox.run("build --all tool").wrong_usage();
}

#[test]
fn names_are_built_once_and_in_the_order_asked_for() {
    let sandbox = Sandbox::new().packages(&THREE);
    let run = sandbox.run("build three one three").good();
    let link = |line: &str| line.rsplit('-').next().unwrap_or_default().to_owned();
    assert_eq!(run.stdout.lines().map(link).collect::<Vec<_>>(), ["three", "one"]);
    for name in ["three", "one"] {
        assert!(sandbox.root().join(format!("result-{name}")).exists(), "{name}");
    }
    assert!(!sandbox.root().join("result-two").exists());
}

#[test]
fn a_dry_run_prints_the_command_and_builds_nothing() {
    let sandbox = Sandbox::new().packages(&THREE);
    let run = sandbox.run("build -n three one -k -j 3 --offline -- --show-trace").good();
    expect![[r#"
        exit 0
        --- stdout
        $NIX build --json --no-link $WORK#.packages.$SYSTEM.three $WORK#.packages.$SYSTEM.one --keep-going --max-jobs 3 --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5 --offline --show-trace
        --- stderr
    "#]].assert_eq(&run.text());
    sandbox.run("build three --json").good();
    assert!(!sandbox.run("build -n three --json").stdout.contains("built"));
}

#[test]
fn a_dry_run_of_what_was_never_built_leaves_it_so() {
    let sandbox = Sandbox::new().packages(&THREE);
    sandbox.run("build -n one").good();
    let run = sandbox.run("build one --json").good();
    assert_eq!(run.json()["results"][0]["status"], "built");
}

#[test]
fn the_result_as_json() {
    let sandbox = Sandbox::new().packages(&[("default", "echo hi > $out")]);
    let run = sandbox.run("build --json").good();
    let json = run.json();
    let result = &json["results"][0];
    assert!(result["seconds"].as_f64().is_some_and(|it| it >= 0.0), "{}", run.text());
    let real = result["outputs"]["out"]["real"].as_str().unwrap();
    assert!(real.starts_with("$STORE/nix/store/HASH-default"), "{real}");
    let text = regular(&run.stdout);
    expect![[r#"
        {
          "errors": [],
          "failures": [],
          "hints": [],
          "interrupted": false,
          "ok": true,
          "results": [
            {
              "attr": "packages.$SYSTEM.default",
              "drv": "/nix/store/HASH-default.drv",
              "error": null,
              "flake": ".",
              "link": "$WORK/result",
              "name": "default",
              "outputs": {
                "out": {
                  "path": "/nix/store/HASH-default",
                  "real": "$STORE/nix/store/HASH-default"
                }
              },
              "seconds": T,
              "size": 120,
              "status": "built",
              "system": "$SYSTEM"
            }
          ],
          "version": 1
        }
    "#]]
    .assert_eq(&text);
    let run = sandbox.run("build --json --no-link").good();
    assert_eq!(run.json()["results"][0]["status"], "was there");
    assert_eq!(run.json()["results"][0]["seconds"], serde_json::Value::Null);
    assert_eq!(run.json()["results"][0]["link"], serde_json::Value::Null);
}

fn regular(json: &str) -> String {
    let lines = json.lines().map(|it| match it.split_once("\"seconds\": ") {
        Some((head, _)) => format!("{head}\"seconds\": T,\n"),
        None => format!("{it}\n"),
    });
    lines.collect()
}

#[test]
fn options_after_two_dashes_reach_nix() {
    let sandbox = Sandbox::new()
        .packages(&[("default", "echo got ${builtins.getEnv \"SECRET_OF_TEST\"} > $out")])
        .env("SECRET_OF_TEST", "treasure");
    sandbox.run("build").good();
    assert_eq!(sandbox.read("result"), "got\n");
    sandbox.run("build -- --impure").good();
    assert_eq!(sandbox.read("result"), "got treasure\n");
    sandbox.run("build -- --no-such-option").bad().says("unrecognised flag '--no-such-option'");
}

#[test]
fn a_path_with_blanks_and_letters_of_any_kind() {
    let sandbox = Sandbox::named("mein schönes 'Werk' & mehr").packages(&[("default", "echo hi > $out")]);
    sandbox.run("build").good();
    assert_eq!(sandbox.read("result"), "hi\n");
    sandbox.run("build --out-link to/ünder").good();
    assert_eq!(sandbox.read("to/ünder/default"), "hi\n");
}

#[test]
fn several_outputs() {
    let sandbox = Sandbox::new().packages(&[("default", "echo main > $out; echo doc > $doc")]);
    let flake = sandbox.read("flake.nix").replace("[\"out\"]", "[\"out\" \"doc\"]");
    let sandbox = sandbox.file("flake.nix", &flake);
    let run = sandbox.run("build --json").good();
    let outputs = run.json()["results"][0]["outputs"].as_object().unwrap().clone();
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["doc", "out"], "{}", run.text());
    assert_eq!(sandbox.read("result"), "main\n");
}

#[test]
fn a_package_is_evaluated_anew_when_a_tracked_file_changes() {
    let sandbox = Sandbox::new().packages(&[("default", "echo ${builtins.readFile ./text} > $out")]);
    let sandbox = sandbox.file("text", "before").counted();
    sandbox.run("build").good();
    assert!(sandbox.calls().contains("eval"));
    sandbox.run("build").good();
    assert!(!sandbox.calls().contains("eval"));
    sandbox.untracked("text", "after");
    sandbox.run("build").good();
    assert!(sandbox.calls().contains("eval"));
    assert_eq!(sandbox.read("result"), "after\n");
}

#[test]
fn a_damaged_memory_is_made_again() {
    let sandbox = Sandbox::new().packages(&[("default", "echo hi > $out")]);
    sandbox.run("build").good();
    for dir in ["eval", "."] {
        let dir = sandbox.root().join("target/xtask").join(dir);
        for entry in dir.read_dir_utf8().unwrap().flatten().filter(|it| it.path().is_file()) {
            std::fs::write(entry.path(), b"{\"version\": 1, \xff").unwrap();
        }
    }
    sandbox.run("build").good().says("was there");
}
