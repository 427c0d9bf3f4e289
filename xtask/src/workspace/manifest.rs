//! `xtask.toml`: what no flake can say about this repository. Parsed strictly, every key optional.

use anyhow::bail;
use camino::Utf8Path;
use serde::Deserialize;

use super::checked_text::{globs, public_keys, version};
use super::conflict::first_conflict;
use super::image_settings::ImageSettings;
use super::lock_settings::LockSettings;
use super::nearest::{did_you_mean, nearest};
use super::position::Position;

/// The workspace manifest. An empty file beside a `flake.nix` is a valid one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Globs, relative to the root, of the flakes of this workspace: `flake.nix` files or the directories that have one.
    #[serde(deserialize_with = "globs")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub flakes: Vec<String>,
    /// Globs, relative to the root, of directories and files that are left out.
    #[serde(deserialize_with = "globs")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub ignore: Vec<String>,
    /// The flake input that holds the source of what is built here; `--src DIR` replaces it by a local checkout.
    pub source: Option<String>,
    /// The Nix that is used, and how.
    pub nix: NixSettings,
    /// The binary caches that this workspace trusts.
    pub cache: CacheSettings,
    /// The dev shell.
    pub shell: ShellSettings,
    /// What the locks of this workspace must be like.
    pub lock: LockSettings,
    /// Container images.
    pub image: ImageSettings,
}

/// The Nix that is used, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NixSettings {
    /// The oldest Nix that will do, such as `2.26`.
    #[serde(deserialize_with = "version")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub minimum: String,
    /// Whether builds are isolated. Turn it off only where the kernel forbids user namespaces.
    pub sandbox: bool,
    /// Seconds to wait for a binary cache before going on without it.
    pub connect_timeout: u32,
}

/// The binary caches that this workspace trusts. A flake's own `nixConfig` is accepted only when it names the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheSettings {
    /// URLs of the caches.
    pub substituters: Vec<String>,
    /// The public keys that the caches sign with, as `name:base64`.
    #[serde(deserialize_with = "public_keys")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub public_keys: Vec<String>,
}

/// The dev shell.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ShellSettings {
    /// Globs, relative to the root, of the files that the dev shell is made from: when one changes, it is made anew.
    #[serde(deserialize_with = "globs")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub watch: Vec<String>,
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest {
            flakes: vec!["**/flake.nix".to_owned()],
            ignore: Vec::new(),
            source: None,
            nix: NixSettings::default(),
            cache: CacheSettings::default(),
            shell: ShellSettings::default(),
            lock: LockSettings::default(),
            image: ImageSettings::default(),
        }
    }
}

impl Default for NixSettings {
    fn default() -> NixSettings {
        NixSettings { minimum: "2.26".to_owned(), sandbox: true, connect_timeout: 5 }
    }
}

impl Default for ShellSettings {
    fn default() -> ShellSettings {
        let watch = ["flake.nix", "flake.lock", "nix/**/*.nix", "rust-toolchain.toml"];
        ShellSettings { watch: watch.map(str::to_owned).to_vec() }
    }
}

impl Manifest {
    /// Reads a manifest from its text; `file` is what messages call it.
    pub fn parse(text: &str, file: &Utf8Path) -> anyhow::Result<Manifest> {
        match toml::from_str(text) {
            Ok(manifest) => Ok(manifest),
            Err(err) => {
                if let Some((line, marker)) = first_conflict(text) {
                    bail!("{file}:{line}: merge conflict (`{marker}`); edit the file to resolve it");
                }
                let at = err.span().map_or(0, |it| it.start);
                bail!("{file}:{}: {}", Position::of(text, at), explain(err.message()))
            }
        }
    }
}

/// serde's words in ours; for an unknown key with what may have been meant.
fn explain(message: &str) -> String {
    let unknown = message.strip_prefix("unknown field `").and_then(|it| it.split_once("`, expected"));
    if let Some((bad, expected)) = unknown {
        let valid: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let near = did_you_mean(&nearest(bad, valid.iter().copied()));
        return format!("unknown key `{bad}`{near} (valid here: {})", valid.join(", "));
    }
    let message = message.trim().replace('\n', ", ");
    let message =
        message.replace("a sequence", "an array").replace("expected u32", "expected a whole number from 0");
    match message.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected a table"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
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
        expect![[r#"
            Manifest {
                flakes: [
                    "aleph",
                    "tools/*/flake.nix",
                ],
                ignore: [
                    "third_party/**",
                ],
                source: None,
                nix: NixSettings {
                    minimum: "2.30.1",
                    sandbox: false,
                    connect_timeout: 1,
                },
                cache: CacheSettings {
                    substituters: [
                        "https://elodin.example",
                    ],
                    public_keys: [
                        "elodin-1:AAAA",
                    ],
                },
                shell: ShellSettings {
                    watch: [
                        "shell.nix",
                    ],
                },
                lock: LockSettings {
                    max_age: None,
                    allowed_refs: [],
                    allowed_owners: [],
                    differ: {},
                    without_lock: [],
                    duplicates: Fail,
                    end_of_life: Warn,
                    bump_docs: [],
                },
                image: ImageSettings {
                    registry: Some(
                        "ghcr.io/elodin-sys",
                    ),
                },
            }
        "#]]
        .assert_debug_eq(&Manifest::parse(text, Utf8Path::new("xtask.toml")).unwrap());
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
                xtask.toml:3:1: unknown key `flaks`; did you mean `flakes`? (valid here: flakes, ignore, source, nix, cache, shell, lock, image)
                xtask.toml:2:1: unknown key `connect_timeout`; did you mean `connect-timeout`? (valid here: minimum, sandbox, connect-timeout)
                xtask.toml:1:2: unknown key `cash` (valid here: flakes, ignore, source, nix, cache, shell, lock, image)
                xtask.toml:1:5: unknown key `sandobx`; did you mean `sandbox`? (valid here: minimum, sandbox, connect-timeout)
                xtask.toml:2:1: unknown key `zzz` (valid here: watch)
                xtask.toml:1:11: unknown key `a`b` (valid here: substituters, public-keys)
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
        expect_file!["../../../docs/xtask.schema.json"].assert_eq(&schema);
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
}
