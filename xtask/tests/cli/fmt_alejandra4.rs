//! `fmt` on what only Alejandra 4 can lay out, with a flake that has one. Its program is a stand-in: what matters here
//! is who is asked, what is believed, and what reaches the file.

use std::process::Command;

use crate::support::{Sandbox, system};

/// A workspace with two such files, whose flake's formatter runs `script` on a file.
fn with_formatter(script: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let nix = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/offline/nix");
    assert!(Command::new("cp").args(["-r", nix, sandbox.root().as_str()]).status().unwrap().success());
    let flake = format!(
        "{{\n  outputs = _: let\n    system = \"{}\";\n    mkDerivation = import ./nix/mk-derivation.nix {{inherit \
         system;}};\n    mkDirectory = import ./nix/mk-directory.nix {{inherit system mkDerivation;}};\n  in {{\n    \
         formatter.${{system}} = mkDirectory {{\n      pname = \"alejandra\";\n      version = \"4.0.0\";\n      \
         directory = \"bin\";\n      meta.mainProgram = \"alejandra\";\n      script = ''\n        . \
         ${{./nix/lib}}/bytes.sh\n        . ${{./nix/lib}}/tar.sh\n        put \"$(\n          tar_directory bin\n          \
         tar_text 755 bin/alejandra '#!/bin/sh\n        {script}'\n          tar_end\n        )\" > \"$out\"\n      \
         '';\n    }};\n  }};\n}}\n",
        system()
    );
    sandbox.file("flake.nix", &flake).file("a.nix", "{a = 1   |>   toString;}\n")
}

const TIDY: &str = "[ $# = 2 ] || exit 9; sed -i \"s/   |>   / |> /\" \"$2\"";

#[test]
fn the_flakes_formatter_does_it() {
    let sandbox = with_formatter(TIDY);
    let run = sandbox.run("fmt --check a.nix").bad();
    assert!(run.stderr.contains("not formatted: a.nix"), "{}", run.text());
    assert_eq!(sandbox.read("a.nix"), "{a = 1   |>   toString;}\n");
    sandbox.run("fmt a.nix").good();
    assert_eq!(sandbox.read("a.nix"), "{a = 1 |> toString;}\n");
    // What it wrote is known to be clean.
    sandbox.run("fmt --check --strict a.nix").good();
}

#[test]
fn it_is_not_believed_blindly() {
    let sandbox = with_formatter("sed -i \"s/1/2/\" \"$2\"");
    let run = sandbox.run("fmt a.nix").bad();
    assert!(run.stderr.contains("error: a.nix:1:"), "{}", run.text());
    assert_eq!(sandbox.read("a.nix"), "{a = 1   |>   toString;}\n");
}

#[test]
fn without_a_nix_the_file_is_left_alone() {
    let sandbox = with_formatter(TIDY).env("PATH", "/usr/bin:/bin").env("XTASK_PRIVATE_NIX", "off");
    let run = sandbox.run("fmt a.nix").good();
    assert!(run.stderr.contains("needs Alejandra 4: a.nix:1:"), "{}", run.text());
    sandbox.run("fmt --check --strict a.nix").bad();
    assert_eq!(sandbox.read("a.nix"), "{a = 1   |>   toString;}\n");
}
