//! The manifest: what is read, and what is said about what is wrong.

use expect_test::{Expect, expect, expect_file};

use super::*;

/// What is said about each text, a line for each.
#[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
fn check_errors(texts: &[&str], expect: Expect) {
    let error =
        |text: &&str| format!("{:#}\n", Manifest::parse(text, Utf8Path::new("xtask.toml")).unwrap_err());
    expect.assert_eq(&texts.iter().map(error).collect::<String>());
}

#[test]
fn an_empty_file_is_a_manifest() {
    assert_eq!(Manifest::parse("", Utf8Path::new("xtask.toml")).unwrap(), Manifest::default());
    assert_eq!(Manifest::parse("[nix]\n", Utf8Path::new("xtask.toml")).unwrap(), Manifest::default());
}

#[test]
fn every_key_is_read() {
    let text = r#"
        flakes = ["aleph/", "tools/*/flake.nix"]
        ignore = ["third_party/**"]
        nix = { minimum = "2.30.1", sandbox = false, connect-timeout = 1 }
        lock = { without-lock = [] }
        image = { registry = "ghcr.io/elodin-sys" }
        [cache]
        substituters = ["https://elodin.example"]
        public-keys = ["elodin-1:AAAA"]
        [shell]
        watch = ["shell.nix"]
    "#;
    let manifest = Manifest::parse(text, Utf8Path::new("xtask.toml")).unwrap();
    let Manifest { flakes, ignore, source, nix, cache, shell, lock, image, aleph, ci, setup } = manifest;
    let tables: [&dyn std::fmt::Debug; 11] =
        [&flakes, &ignore, &source, &nix, &cache, &shell, &lock, &image, &aleph, &ci.default_branch, &setup];
    expect![[r#"
        ["aleph", "tools/*/flake.nix"]
        ["third_party/**"]
        None
        NixSettings { minimum: "2.30.1", sandbox: false, connect_timeout: 1 }
        CacheSettings { substituters: ["https://elodin.example"], public_keys: ["elodin-1:AAAA"], push: None, key_file: None, compression_level: 3, upstream: ["https://cache.nixos.org"], staging_dir: None, staging_size: 4000 }
        ShellSettings { watch: ["shell.nix"] }
        LockSettings { max_age: None, allowed_refs: [], allowed_owners: [], differ: {}, without_lock: [], duplicates: Fail, end_of_life: Warn, bump_docs: [] }
        ImageSettings { registry: Some("ghcr.io/elodin-sys") }
        AlephSettings { flake: None, config: "default", target: None, sign_key: None, confirm_timeout: 120, probes: [] }
        "main"
        SetupSettings { installer: None }
    "#]].assert_eq(&tables.map(|it| format!("{it:?}\n")).concat());
}

#[test]
fn unknown_keys_are_errors_with_the_nearest_one() {
    let texts = [
        "flakes = []\n\nflaks = []\n",
        "[nix]\nconnect_timeout = 3\n",
        "[cash]\n",
        "nix.sandobx = true\n",
        "[shell]\nzzz = 1\n",
        "cache = { \"a`b\" = 1 }\n",
    ];
    check_errors(
        &texts,
        expect![[r#"
            xtask.toml:3:1: unknown key `flaks`; did you mean `flakes`? (valid here: flakes, ignore, source, nix, cache, shell, lock, image, aleph, ci, setup)
            xtask.toml:2:1: unknown key `connect_timeout`; did you mean `connect-timeout`? (valid here: minimum, sandbox, connect-timeout)
            xtask.toml:1:2: unknown key `cash` (valid here: flakes, ignore, source, nix, cache, shell, lock, image, aleph, ci, setup)
            xtask.toml:1:5: unknown key `sandobx`; did you mean `sandbox`? (valid here: minimum, sandbox, connect-timeout)
            xtask.toml:2:1: unknown key `zzz` (valid here: watch)
            xtask.toml:1:11: unknown key `a`b` (valid here: substituters, public-keys, push, key-file, compression-level, upstream, staging-dir, staging-size)
        "#]],
    );
}

#[test]
fn wrong_types_and_values_are_errors() {
    let texts = [
        "flakes = \"aleph\"\n",
        "flakes = [\"a\",\n  3]\n",
        "[nix]\nsandbox = \"no\"\n",
        "[nix]\nconnect-timeout = -1\n",
        "nix = 3\n",
        "[nix]\nminimum = \"newest\"\n",
        "[nix]\nminimum = 2.26\n",
        "[cache]\npublic-keys = [\"AAAA\"]\n",
    ];
    check_errors(
        &texts,
        expect![[r#"
        xtask.toml:1:10: invalid type: string "aleph", expected an array of strings
        xtask.toml:2:3: invalid type: integer `3`, expected a string
        xtask.toml:2:11: invalid type: string "no", expected a boolean
        xtask.toml:2:19: invalid value: integer `-1`, expected a whole number from 0
        xtask.toml:1:7: invalid type: integer `3`, expected a table
        xtask.toml:2:11: `newest` is not a version of Nix; write it like "2.26"
        xtask.toml:2:11: invalid type: floating point `2.26`, expected a string
        xtask.toml:2:16: `AAAA` is not a public key; write it like "name:base64"
    "#]],
    );
}

#[test]
fn bad_globs_are_errors() {
    let texts = [
        "flakes = [\n  \"good\",\n  \"a/**b\",\n]\n",
        "ignore = [\"[a\"]\n",
        "ignore = [\"../other\"]\n",
        "[shell]\nwatch = [\"/etc/*\"]\n",
    ];
    check_errors(
        &texts,
        expect![[r#"
        xtask.toml:3:3: bad glob `a/**b`: recursive wildcards must form a single path component (at character 5)
        xtask.toml:1:11: bad glob `[a`: invalid range pattern (at character 1)
        xtask.toml:1:11: bad glob `../other`: write it relative to the root, without `./` or `..`
        xtask.toml:2:10: bad glob `/etc/*`: write it relative to the root, without `./` or `..`
    "#]],
    );
}

#[test]
fn bad_toml_is_an_error() {
    let texts = ["flakes = [\n", "[nix\n", "[nix]\n[nix]\n", "<<<<<<< HEAD\n"];
    check_errors(
        &texts,
        expect![[r#"
        xtask.toml:1:11: unclosed array, expected `]`
        xtask.toml:1:5: unclosed table, expected `]`
        xtask.toml:2:2: duplicate key
        xtask.toml:1: merge conflict (`<<<<<<<`); edit the file to resolve it
    "#]],
    );
}

/// The schema is made from the types that the parser uses, so both know the same keys. `UPDATE_EXPECT=1` rewrites it.
#[test]
fn the_schema_is_up_to_date() {
    let mut schema = serde_json::to_string_pretty(&schemars::schema_for!(Manifest)).unwrap();
    schema.push('\n');
    expect_file!["../../../../docs/xtask.schema.json"].assert_eq(&schema);
}

#[test]
fn the_schema_describes_every_key_and_allows_no_other() {
    let schema = serde_json::to_value(schemars::schema_for!(Manifest)).unwrap();
    let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    // What is no table is a choice of words.
    for table in tables.filter(|it| it["properties"].is_object()) {
        assert_eq!(table["additionalProperties"], false);
        for (key, property) in table["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{key} has no description");
        }
    }
}
