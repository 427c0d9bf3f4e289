//! Edits in every spelling of a flake, and of the real flakes of this repository.

use camino::{Utf8Path, Utf8PathBuf};
use expect_test::{Expect, expect};

use super::*;

const FILE: &str = "flake.nix";

fn follow(text: &str, input: &str, target: &str) -> anyhow::Result<String> {
    let input: Vec<String> = input.split('/').map(str::to_owned).collect();
    set_follows(text, Utf8Path::new(FILE), &input, target)
}

#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
fn check(text: &str, input: &str, expect: Expect) {
    let new = follow(text, input, "nixpkgs").unwrap();
    // A carriage return cannot stand in a raw string.
    expect.assert_eq(&new.replace('\r', "<CR>"));
    only_adds(text, &new);
    assert_eq!(follow(&new, input, "nixpkgs").unwrap(), new, "it is there already");
    let source = FlakeSource::parse(&new, Utf8Path::new(FILE)).unwrap();
    let (first, rest) = input.split_once('/').unwrap();
    let mut found = &source.inputs[first];
    for name in rest.split('/') {
        found = &found.inputs[name];
    }
    assert_eq!(found.follows.as_deref(), Some(&["nixpkgs".to_owned()][..]));
}

/// The old text is the new one without one stretch.
#[track_caller]
fn only_adds(old: &str, new: &str) {
    let head = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
    let added = new.len() - old.len();
    let rest = (0..=head).any(|it| old.as_bytes()[it..] == new.as_bytes()[it + added..]);
    assert!(rest, "more than an addition:\n{new}");
}

#[test]
fn follows_are_added_where_people_would_write_them() {
    check(
        "{\n  inputs = {\n    # why\n    crane.url = \"github:ipetkov/crane\"; # comment\n\n    x.url = \"u\";\n  };\n}\n",
        "crane/nixpkgs",
        expect![[r#"
            {
              inputs = {
                # why
                crane.url = "github:ipetkov/crane"; # comment
                crane.inputs.nixpkgs.follows = "nixpkgs";

                x.url = "u";
              };
            }
        "#]],
    );
    check(
        "{\n  inputs.crane.url = \"u\";\n  inputs.x.url = \"u\";\n}\n",
        "crane/nixpkgs",
        expect![[r#"
        {
          inputs.crane.url = "u";
          inputs.crane.inputs.nixpkgs.follows = "nixpkgs";
          inputs.x.url = "u";
        }
    "#]],
    );
    check(
        "{\n  inputs = {\n    crane = {\n      url = \"u\"; /* a */\n      flake = true;\n    };\n  };\n}\n",
        "crane/nixpkgs",
        expect![[r#"
            {
              inputs = {
                crane = {
                  url = "u"; /* a */
                  flake = true;
                  inputs.nixpkgs.follows = "nixpkgs";
                };
              };
            }
        "#]],
    );
}

#[test]
fn follows_are_added_in_other_spellings() {
    check(
        "{ inputs = { crane = { url = \"u\"; }; x = {}; }; }",
        "crane/nixpkgs",
        expect![[r#"{ inputs = { crane = { url = "u"; inputs.nixpkgs.follows = "nixpkgs"; }; x = {}; }; }"#]],
    );
    check(
        "{ inputs = { crane = {}; }; }",
        "crane/nixpkgs",
        expect![[r#"{ inputs = { crane = { inputs.nixpkgs.follows = "nixpkgs"; }; }; }"#]],
    );
    check(
        "{ inputs.crane = { url = \"u\"; inputs.a.follows = \"x\"; }; }",
        "crane/nixpkgs",
        expect![[
            r#"{ inputs.crane = { url = "u"; inputs.a.follows = "x"; inputs.nixpkgs.follows = "nixpkgs"; }; }"#
        ]],
    );
    check(
        "{\r\n  inputs.crane = {\r\n    url = \"u\";\r\n    inputs = {\r\n      a.follows = \"x\";\r\n    };\r\n  };\r\n}\r\n",
        "crane/deep/nixpkgs",
        expect![[r#"
            {<CR>
              inputs.crane = {<CR>
                url = "u";<CR>
                inputs = {<CR>
                  a.follows = "x";<CR>
                  deep.inputs.nixpkgs.follows = "nixpkgs";<CR>
                };<CR>
              };<CR>
            }<CR>
        "#]],
    );
    check(
        "{ inputs.\"a b\".url = \"u\"; }",
        "a b/c d",
        expect![[r#"{ inputs."a b".url = "u"; inputs."a b".inputs."c d".follows = "nixpkgs"; }"#]],
    );
    check(
        "{ inputs.crane.url = \"u\"; inputs.crane.inputs.nixpkgs.url = \"v\"; }",
        "crane/nixpkgs",
        expect![[
            r#"{ inputs.crane.url = "u"; inputs.crane.inputs.nixpkgs.url = "v"; inputs.crane.inputs.nixpkgs.follows = "nixpkgs"; }"#
        ]],
    );
}

#[test]
fn follows_that_are_there_are_changed_in_place() {
    let text = "{ inputs.crane = { url = \"u\"; inputs.nixpkgs.follows = \"old\"; /* why */ }; }";
    let new = follow(text, "crane/nixpkgs", "new").unwrap();
    assert_eq!(new, text.replace("old", "new"));
}

#[test]
fn what_cannot_be_edited_is_an_error() {
    for (text, input) in [
        ("{ inputs = {}; }", "crane/nixpkgs"),
        ("{ outputs = { crane, ... }: {}; }", "crane/nixpkgs"),
        ("{ inputs.crane.url = \"u\" }", "crane/nixpkgs"),
        ("{ inputs.crane = { url = \"u\"; inputs.nixpkgs.follows = ''x''; }; }", "crane/nixpkgs"),
    ] {
        assert!(follow(text, input, "x").is_err(), "{text}");
    }
}

/// The flakes of this repository, the examples and those that our tests are made of.
fn real_flakes() -> Vec<(Utf8PathBuf, String)> {
    let root = Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut found = Vec::new();
    let mut dirs = vec![root];
    while let Some(dir) = dirs.pop() {
        for entry in dir.read_dir_utf8().unwrap().flatten() {
            let name = entry.file_name();
            if name == "flake.nix" {
                found.push((entry.path().to_owned(), std::fs::read_to_string(entry.path()).unwrap()));
            } else if entry.file_type().is_ok_and(|it| it.is_dir())
                && name != "target"
                && !name.starts_with('.')
            {
                dirs.push(entry.path().to_owned());
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// Every input of every real flake gets a `follows`, in each of many spellings; it is an addition, it parses, it
/// is idempotent, and all other inputs are as before.
#[test]
fn every_input_of_real_flakes_can_be_edited() {
    let mut flakes = real_flakes();
    let texts = ["github:o/r", "path:./x"];
    for url in texts {
        flakes.push((FILE.into(), format!("{{\n  # äö\n  inputs.a.url = \"{url}\";\n  inputs = {{\n    b.url = \"{url}\"; # c\n    c = {{ url = \"{url}\"; flake = false; }};\n  }};\n\n  outputs = _: {{ }};\n}}\n")));
    }
    for (path, text) in &flakes {
        let before = FlakeSource::parse(text, path).unwrap();
        let mut edited = text.clone();
        for (name, input) in before.inputs.iter().filter(|it| !it.1.implicit) {
            let old = edited.clone();
            edited = follow(&edited, &format!("{name}/added"), "t").unwrap();
            only_adds(&old, &edited);
            assert_eq!(follow(&edited, &format!("{name}/added"), "t").unwrap(), edited);
            let after = FlakeSource::parse(&edited, path).unwrap();
            assert_eq!((&after.inputs[name].url, after.inputs.len()), (&input.url, before.inputs.len()));
            assert_eq!(after.inputs[name].inputs.len(), input.inputs.len() + 1);
        }
        // Only whole lines are added where each input has lines of its own.
        let kept: Vec<&str> = edited.lines().filter(|it| !it.contains("added")).collect();
        let old: Vec<&str> = text.lines().collect();
        if path != FILE {
            assert_eq!(kept, old, "{path}");
        }
    }
}

/// Every string of the inputs can be replaced by itself, and by something else and back.
#[test]
fn strings_are_replaced_to_the_byte() {
    for (path, text) in real_flakes() {
        let found = input_texts(&text, &path).unwrap();
        let same: Vec<_> =
            found.iter().map(|it| (it.range.clone(), text[it.range.clone()].to_owned())).collect();
        assert_eq!(splice(&text, &same), text);
        for it in &found {
            let new = splice(&text, &[(it.range.clone(), "github:new/new".to_owned())]);
            assert_eq!(new[..it.range.start], text[..it.range.start]);
            assert!(new.ends_with(&text[it.range.end..]));
            FlakeSource::parse(&new, &path).unwrap();
        }
    }
}
