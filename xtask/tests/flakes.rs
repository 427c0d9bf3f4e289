//! The repository's own flakes, evaluated by real Nix against stand-ins for their inputs: no network is needed.
//! `fixtures/stand-ins/README.md` says what that proves.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests start Nix, and read their own environment"
)]

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "most of it is for tests of the binary")]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::{Sandbox, cache, suite, system};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The private Nix that the product fetched for the tests.
fn nix(args: &[&str]) -> Output {
    let sandbox = Sandbox::new();
    let program = format!("{}/elodin-xtask/nix/{}/bin/nix", cache(), suite());
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(sandbox.environment()).current_dir(repository());
    command.output().unwrap()
}

fn proof(args: &[&str]) -> Output {
    let file = "xtask/tests/fixtures/stand-ins/proof.nix";
    nix(&[&["eval", "--offline", "-f", file], args].concat())
}

fn good(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&good(proof(&[&["--json"], args].concat()))).unwrap()
}

/// Every package on three systems, every module alone and together, every configuration, the template, the shell, the
/// images: all of it evaluates, and nothing is left over.
#[test]
fn everything_evaluates() {
    let report = json(&["report"]);
    for list in ["unlabelled", "strangeOptions", "undocumented", "rebuiltForNothing"] {
        assert!(report[list].as_array().is_some_and(Vec::is_empty), "{list}: {}", report[list]);
    }
    let unreachable = report["unreachable"].as_object().unwrap();
    for (kind, list) in unreachable {
        assert!(list.as_array().is_some_and(Vec::is_empty), "no flake reaches these {kind}: {list}");
    }
    assert!(report["aleph"]["alone"].as_object().unwrap().len() > 15, "{}", report["aleph"]["alone"]);
}

/// The stand-ins are no rubber stamp: each of these faults is found, and told in words that name it.
#[test]
fn faults_are_found() {
    let names = json(&["mutants", "--apply", "builtins.attrNames"]);
    let names = names.as_array().unwrap();
    assert!(names.len() >= 13, "{names:?}");
    for name in names.iter().map(|it| it.as_str().unwrap()) {
        let says = good(proof(&["--raw", &format!("mutants.{name}.says")]));
        let output = proof(&["--raw", &format!("mutants.{name}.value")]);
        assert!(!output.status.success(), "{name} is not found");
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mutant-{name}-{}", suite()));
        std::fs::write(&file, &output.stderr).unwrap();
        let found = Command::new("grep").args(["-Eq", "--", &says]).arg(&file).status().unwrap();
        assert!(found.success(), "{name} does not say `{says}`: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Nix itself looks at every output, with the inputs replaced.
#[test]
fn nix_flake_check_likes_them() {
    let stand_ins = repository().join("xtask/tests/fixtures/stand-ins");
    let overrides = |names: &[&str]| -> Vec<String> {
        let one = |it: &&str| {
            ["--override-input".to_owned(), (*it).to_owned(), format!("path:{}/{it}", stand_ins.display())]
        };
        names.iter().flat_map(one).collect()
    };
    for (dir, inputs) in [
        (".", &["nixpkgs", "crane", "rust-overlay", "elodin"][..]),
        ("aleph", &["nixpkgs", "crane", "rust-overlay", "elodin", "jetpack"]),
    ] {
        let overrides = overrides(inputs);
        let mut args =
            vec!["flake", "check", "--no-build", "--all-systems", "--no-write-lock-file", "--offline"];
        args.extend(overrides.iter().map(String::as_str));
        let flake = repository().join(dir);
        args.push(flake.to_str().unwrap());
        good(nix(&args));
    }
}

/// The locks are complete and fit, to both versions of Nix; and what needs no input is built without any.
#[test]
fn locks_are_taken_as_they_are() {
    for dir in [".", "aleph"] {
        let lock = repository().join(dir).join("flake.lock");
        let before = std::fs::read(&lock).unwrap();
        let flake = repository().join(dir);
        good(nix(&["flake", "metadata", "--offline", "--no-update-lock-file", flake.to_str().unwrap()]));
        assert_eq!(std::fs::read(&lock).unwrap(), before, "{dir}");
    }
    let flake = format!("{}#selftest", repository().display());
    let out =
        good(nix(&["build", "--offline", "--no-link", "--no-update-lock-file", "--print-out-paths", &flake]));
    let real = format!("{}/elodin-xtask/nix/{}-store{}", cache(), suite(), out.trim());
    assert_eq!(std::fs::read_to_string(real).unwrap().trim(), format!("built for {}", system()));
}

/// What `new` writes evaluates, whatever was answered.
#[test]
fn configurations_of_customers_evaluate() {
    let key = r#"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a"b${c}\d"#;
    let everything = "elodin-db,aleph-serial-bridge,tegrastats-bridge,mekf,msp-osd,udp-component-broadcast,\
                      udp-component-receive,elodinsink,aleph-dev";
    let sandbox = Sandbox::new();
    for (dir, host_name, wifi, services) in [
        ("one", "falcon", "--wifi", "elodin-db,mekf"),
        ("two", "serial", "--wifi", everything),
        ("three", "hawk", "--no-wifi", "none"),
        ("four", "kite", "--no-wifi", "aleph-dev"),
        ("five", "owl", "--wifi", "all"),
    ] {
        let answers = ["--host-name", host_name, wifi, "--services", services, "--ssh-key", key];
        sandbox.run_args(&[&["new", dir][..], &answers].concat()).good();
        sandbox.run(&format!("fmt --check {dir}/flake.nix")).good();
        let apply = format!("f: f {}/{dir}/flake.nix", sandbox.root());
        let told = json(&["customerReport", "--apply", &apply]);
        assert_eq!(told["name"], if host_name == "serial" { "" } else { host_name }, "{dir}");
        assert_eq!(told["keys"], serde_json::json!([key]), "{dir}");
        let runs = |it: &str| told["services"].as_array().unwrap().iter().any(|name| name == it);
        let wanted = |it: &str| services == "all" || services.split(',').any(|name| name == it);
        for service in ["elodin-db", "mekf", "msp-osd", "udp-component-receive"] {
            assert_eq!(runs(service), wanted(service), "{dir}: {service}");
        }
        assert!(told["packages"]["sdimage"].as_str().unwrap().ends_with(".drv"), "{dir}");
    }
}
