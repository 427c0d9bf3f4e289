//! `--src`: a local checkout instead of the locked source

use crate::support::{Sandbox, system};

/// A flake whose only package says which source it was made from.
fn sandbox() -> Sandbox {
    let flake = format!(
        "{{\n  inputs.elodin = {{\n    url = \"path:./locked\";\n    flake = false;\n  }};\n  outputs = {{elodin, ...}}: \
         {{\n    packages.{}.default = derivation {{\n      name = \"which\";\n      system = \"{}\";\n      builder = \
         \"/bin/sh\";\n      args = [\"-c\" \"read -r line < ${{elodin}}/which; echo $line > $out\"];\n      outputs = \
         [\"out\"];\n      allowSubstitutes = false;\n    }};\n  }};\n}}\n",
        system(),
        system()
    );
    let sandbox = Sandbox::new().file("flake.nix", &flake).file("locked/which", "the locked one\n");
    let lock = r#"{"nodes": {"elodin": {"flake": false, "locked": {"path": "./locked", "type": "path"},
        "original": {"path": "./locked", "type": "path"}, "parent": []},
        "root": {"inputs": {"elodin": "elodin"}}}, "root": "root", "version": 7}"#;
    sandbox.file("flake.lock", lock).file("xtask.toml", "source = \"elodin\"\n")
}

#[test]
fn a_checkout_replaces_the_input_for_once() {
    let sandbox = sandbox();
    sandbox.untracked("../checkout/which", "the local one\n");
    let lock = sandbox.read("flake.lock");
    for (args, want) in [
        ("build", "the locked one\n"),
        ("build --src ../checkout", "the local one\n"),
        ("build", "the locked one\n"),
    ] {
        let run = sandbox.run(args).good();
        assert!(!run.stderr.contains("lock file"), "{}", run.text());
        assert_eq!(sandbox.read("result"), want, "{args}");
    }
    assert_eq!(sandbox.read("flake.lock"), lock);
    let run = sandbox.run("build -n --src ../checkout").good();
    assert!(run.stdout.contains("--override-input elodin $TEMP/checkout"), "{}", run.text());
}

#[test]
fn a_wrong_one_is_refused() {
    let sandbox = sandbox();
    sandbox.run("build --src nowhere").bad().says("cannot use `--src nowhere`: No such file or directory");
    sandbox.run("build --src flake.nix").bad().says("is not a directory");
    let sandbox = sandbox.file("xtask.toml", "");
    sandbox.run("build --src .").bad().says("set `source` in xtask.toml");
}
