//! `--timings` with a real remote builder and a real cache: every lane of the page.

use std::process::Command;

use serde_json::Value;

use crate::support::builder::Builder;
use crate::support::{Sandbox, cache, lacks, suite, system};

/// `fetched` comes from a cache, `far` is built elsewhere from it, `near` here from that.
fn flake(nonce: &str) -> String {
    format!(
        "{{ outputs = _: let mk = name: more: derivation ({{ inherit name; system = \"{0}\"; nonce = \"{nonce}\"; \
         builder = \"/bin/sh\"; }} // more); in {{ packages.{0} = rec {{ \
         fetched = mk \"fetched\" {{ args = [\"-c\" \"echo fetched > $out\"]; }}; \
         far = mk \"far\" {{ inherit fetched; args = [\"-c\" \"read x < $fetched; echo far $x > $out\"]; }}; \
         default = mk \"near\" {{ inherit far; preferLocalBuild = true; args = [\"-c\" \"read x < $far; echo near $x > $out\"]; }}; \
         }}; }}; }}",
        system()
    )
}

/// Fills a cache from a store of its own, so that the store of the build has nothing of it.
fn fill(sandbox: &Sandbox, cache_dir: &str) {
    let store = sandbox.temp().join("store");
    let nix = format!("{}/elodin-xtask/nix/{}/bin/nix", cache(), suite());
    let features = ["--extra-experimental-features", "nix-command flakes"];
    let flake = format!("{}#fetched", sandbox.root());
    for args in [
        vec!["build", "--no-link", "--store", store.as_str(), &flake],
        vec!["copy", "--from", store.as_str(), "--to", cache_dir, "--no-check-sigs", &flake],
    ] {
        let done = Command::new(&nix).args(&args).args(features).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let done = Command::new("chmod").args(["-R", "u+w", store.as_str()]).status().unwrap();
    assert!(done.success());
}

/// A workspace whose cache is filled, with what it says to Nix.
fn workspace(builder: &Builder) -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    let text = flake(&sandbox.nonce());
    let sandbox = sandbox.file("flake.nix", &text);
    let dir = sandbox.temp().to_owned();
    let cache_dir = format!("file://{dir}/cache");
    fill(&sandbox, &cache_dir);
    let config = format!("{}\nHost *\n  StrictHostKeyChecking yes\n", builder.entry());
    std::fs::write(dir.join("ssh_config"), config).unwrap();
    std::fs::write(dir.join("machines"), builder.line(&format!("{} 2 1 - -", system())) + "\n").unwrap();
    (sandbox.env("NIX_SSHOPTS", &format!("-F {dir}/ssh_config")), cache_dir)
}

#[test]
fn a_remote_builder_and_a_cache() {
    if lacks("sshd") || lacks("ssh") {
        return;
    }
    let builder = Builder::start("box", "big-parallel");
    let (sandbox, cache_dir) = workspace(&builder);
    let builders = format!("@{}/machines", sandbox.temp());
    let run = sandbox.run_args(&[
        "build",
        "--timings",
        "--json",
        "--",
        "--builders",
        &builders,
        "--option",
        "substituters",
        &cache_dir,
        "--option",
        "require-sigs",
        "false",
    ]);
    let run = run.good();
    let text = std::fs::read_to_string(
        run.json()["timings"]["json"].as_str().unwrap().replace("$WORK", sandbox.root().as_str()),
    )
    .unwrap();
    let timings: Value = serde_json::from_str(&text).unwrap();
    let derivation = |name: &str| {
        let found = timings["derivations"].as_array().unwrap().iter().find(|it| it["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}: {text}")).clone()
    };
    let (fetched, far, near) = (derivation("fetched"), derivation("far"), derivation("near"));
    assert_eq!((&fetched["state"], &fetched["host"]), (&"downloaded".into(), &cache_dir.as_str().into()));
    assert_eq!((&far["state"], &far["host"]), (&"built".into(), &"box".into()));
    assert_eq!((&near["state"], &near["host"]), (&"built".into(), &Value::Null));
    // The builder's own time is within that with the copying.
    let [from, to] = [&far["inner"][0], &far["inner"][1]].map(|it| it.as_f64().unwrap());
    assert!(
        far["start"].as_f64().unwrap() <= from && from <= to && to <= far["end"].as_f64().unwrap(),
        "{far}"
    );
    let ways: Vec<(&Value, &Value)> =
        timings["transfers"].as_array().unwrap().iter().map(|it| (&it["way"], &it["place"])).collect();
    assert!(ways.contains(&(&"download".into(), &cache_dir.as_str().into())), "{ways:?}");
    assert!(ways.contains(&(&"send".into(), &"box".into())), "{ways:?}");
    assert!(ways.contains(&(&"fetch".into(), &"box".into())), "{ways:?}");
    // So small a download may take no time that can be measured.
    let steps: Vec<u64> =
        timings["critical"]["steps"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect();
    assert!(steps.ends_with(&[1, 2]), "{text}");
    // It was really built there, and where its key is is nobody's business.
    let entries: Vec<String> =
        builder.store().read_dir_utf8().unwrap().map(|it| it.unwrap().file_name().to_owned()).collect();
    assert!(entries.iter().any(|it| it.ends_with("-far")), "{entries:?}");
    assert!(!text.contains(builder.key().as_str()), "{text}");
}
