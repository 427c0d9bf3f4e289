//! Another release of NixOS: what has to be written anew, and what kind of trouble an evaluation then has.

use std::collections::BTreeSet;

use camino::Utf8Path;
use serde_json::{Value, json};

use super::releases::{Release, mentions};
use crate::nix_edit::{input_texts, splice};

/// A `flake.nix` for another release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFlake {
    pub text: String,
    /// The flake's own inputs that ask for something else now.
    pub inputs: BTreeSet<String>,
    /// An override of an input's input asks for something else now.
    pub nested: bool,
}

/// Rewrites every branch of a release in the inputs of a flake. All else stays to the byte: `stateVersion` is about
/// the data on a machine, and must never move with the release.
///
/// # Errors
/// When it is no flake that can be read.
pub fn flake(text: &str, file: &Utf8Path, release: &Release) -> anyhow::Result<NewFlake> {
    let mut edits = Vec::new();
    let (mut inputs, mut nested) = (BTreeSet::new(), false);
    let may_name_one = |it: &str| it == "url" || it == "ref";
    for found in input_texts(text, file)? {
        if !found.path.last().is_some_and(|it| may_name_one(it)) {
            continue;
        }
        for (range, _) in mentions(&text[found.range.clone()]).into_iter().filter(|it| it.1 != *release) {
            let start = found.range.start;
            edits.push((start + range.start..start + range.end, release.to_string()));
            match found.path.as_slice() {
                [_, name, _] => drop(inputs.insert(name.clone())),
                _ => nested = true,
            }
        }
    }
    Ok(NewFlake { text: splice(text, &edits), inputs, nested })
}

/// Rewrites every mention of a release's branch in a document.
#[must_use]
pub fn document(text: &str, release: &Release) -> String {
    let edits = mentions(text).into_iter().filter(|it| it.1 != *release);
    let edits: Vec<_> = edits.map(|it| (it.0, release.to_string())).collect();
    splice(text, &edits)
}

/// One thing that an evaluation complains of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// Errors first.
    pub is_warning: bool,
    pub kind: &'static str,
    pub flake: String,
    pub what: String,
}

/// What people have to do about it, by what Nix and nixpkgs say. The first that fits.
const KINDS: [(&str, &str); 14] = [
    ("has been renamed", "renamed"),
    ("renamed to", "renamed"),
    ("was renamed", "renamed"),
    ("has been replaced", "renamed"),
    ("has been removed", "removed"),
    ("was removed", "removed"),
    ("no longer has any effect", "removed"),
    ("' missing", "missing attribute"),
    ("does not exist", "missing option or file"),
    ("undefined variable", "missing attribute"),
    ("unexpected argument", "changed arguments"),
    ("required argument", "changed arguments"),
    ("is marked as", "marked broken or insecure"),
    ("unfree", "unfree"),
];

/// Sorts what the evaluation of one flake has said.
pub fn triage<'a>(
    flake: &str,
    errors: impl IntoIterator<Item = &'a str>,
    warnings: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<Trouble> {
    let trouble = |is_warning: bool, text: &str| {
        let other = if is_warning { "warning" } else { "error" };
        // A trace comes first, and what it is about last.
        let text = text.rsplit("error:").find(|it| !it.trim().is_empty()).unwrap_or(text);
        // What follows the first line is a piece of somebody's code.
        let line = text.lines().map(str::trim).find(|it| !it.is_empty()).unwrap_or_default();
        let line = line.trim_start_matches("evaluation warning:").trim();
        let kind = KINDS.iter().find(|it| line.contains(it.0)).map_or(other, |it| it.1);
        Trouble { is_warning, kind, flake: flake.to_owned(), what: line.to_owned() }
    };
    // Those that every evaluation in a tree that is being worked on has.
    let is_noise = |it: &&str| {
        let noise =
            ["is dirty", "omitted these incompatible systems", "Use '--all-systems'", "updating lock file"];
        noise.iter().any(|noise| it.contains(noise)) || it.trim().is_empty()
    };
    let errors = errors.into_iter().filter(|it| !it.contains("some errors were encountered"));
    let errors: Vec<Trouble> = errors.map(|it| trouble(false, it)).collect();
    let warnings = warnings.into_iter().filter(|it| !is_noise(it)).map(|it| trouble(true, it));
    errors.into_iter().chain(warnings).collect()
}

impl Trouble {
    #[must_use]
    pub fn json(&self) -> Value {
        let severity = if self.is_warning { "warning" } else { "error" };
        json!({"flake": self.flake, "severity": severity, "kind": self.kind, "what": self.what})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_branches_of_inputs_move() {
        let text = r#"{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.05"; # nixos-25.05
    small = { type = "github"; owner = "NixOS"; repo = "nixpkgs"; ref = "nixos-24.11-small"; };
    home.url = "github:nix-community/home-manager/release-25.05";
    home.inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-25.05-darwin";
    new.url = "github:NixOS/nixpkgs/nixos-25.11";
    crane.url = "github:ipetkov/crane/v25.05";
  };
  outputs = _: { system.stateVersion = "25.05"; x = "nixos-25.05"; };
}
"#;
        let release = "25.11".parse().unwrap();
        let new = flake(text, Utf8Path::new("flake.nix"), &release).unwrap();
        let want = text
            .replace("nixpkgs/nixos-25.05", "nixpkgs/nixos-25.11")
            .replace("24.11-small", "25.11-small")
            .replace("release-25.05", "release-25.11")
            .replace("25.05-darwin", "25.11-darwin");
        assert_eq!(new.text, want);
        assert_eq!(new.inputs.iter().map(String::as_str).collect::<Vec<_>>(), ["home", "nixpkgs", "small"]);
        assert!(new.nested);
        let again = flake(&new.text, Utf8Path::new("flake.nix"), &release).unwrap();
        assert_eq!((again.text, again.inputs.len(), again.nested), (new.text, 0, false));
        assert_eq!(
            document("on `nixos-25.05`, stateVersion 25.05", &release),
            "on `nixos-25.11`, stateVersion 25.05"
        );
    }

    #[test]
    fn troubles_are_sorted() {
        let errors = [
            "attribute 'foo' missing",
            "some errors were encountered during the evaluation",
            "error (ignored): error:\n  … while evaluating\n\n  error: undefined variable 'zzz'\n  at x.nix:1:2",
            "The option `a.b' does not exist. Definition values:\n- In x",
            "'nerdfonts' has been renamed to/replaced by 'nerd-fonts'",
        ];
        let warnings =
            ["Git tree '/w' is dirty", "evaluation warning: The option `a' has been renamed to `b'", "odd"];
        let found = triage(".", errors, warnings);
        let shown: Vec<String> =
            found.iter().map(|it| format!("{} {}: {}", it.is_warning, it.kind, it.what)).collect();
        expect_test::expect![[r#"
            false missing attribute: attribute 'foo' missing
            false missing attribute: undefined variable 'zzz'
            false missing option or file: The option `a.b' does not exist. Definition values:
            false renamed: 'nerdfonts' has been renamed to/replaced by 'nerd-fonts'
            true renamed: The option `a' has been renamed to `b'
            true warning: odd"#]]
        .assert_eq(&shown.join("\n"));
    }
}
