//! What a `flake.lock` pins, with every `follows` resolved.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{anyhow, bail};
use camino::Utf8Path;
use serde::Deserialize;

use crate::follows::resolve;
use crate::reference::Reference;
use crate::text::{line_of_input, line_of_node, reject_damaged, syntax_error};

/// A parsed `flake.lock`; what its inputs lead to is known to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    pub version: u64,
    /// The key of the node that stands for the flake itself.
    pub root: String,
    pub nodes: BTreeMap<String, Node>,
}

/// One locked flake or source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is locked to; only the root has none.
    pub locked: Option<Reference>,
    /// What `flake.nix` asked for; only the root has none.
    pub original: Option<Reference>,
    /// Whether it is a flake and not a mere source.
    pub flake: bool,
    pub inputs: BTreeMap<String, LockedInput>,
    /// For a relative path: the path of the input that it is relative to; empty is the flake itself.
    pub parent: Option<Vec<String>>,
}

/// Where an input of a node leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedInput {
    /// The key of the node that it is in the end.
    pub node: String,
    /// The path from the root that it follows; empty is the flake itself.
    pub follows: Option<Vec<String>>,
}

/// A node as it is written, with its `follows` as they are.
#[derive(Debug, Deserialize)]
pub(crate) struct RawNode {
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, RawInput>,
    locked: Option<Reference>,
    /// Version 5 kept `narHash` and `lastModified` here.
    info: Option<Reference>,
    original: Option<Reference>,
    #[serde(default = "yes")]
    flake: bool,
    pub(crate) parent: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "an input must be the name of a node, or the path that it follows")]
pub(crate) enum RawInput {
    Node(String),
    Follows(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct RawLock {
    version: u64,
    root: String,
    nodes: BTreeMap<String, RawNode>,
}

impl FromStr for Lock {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Lock> {
        Lock::parse(text, Utf8Path::new("flake.lock"))
    }
}

impl Lock {
    /// Reads the text of a `flake.lock`; `file` is what messages call it.
    pub fn parse(text: &str, file: &Utf8Path) -> anyhow::Result<Lock> {
        reject_damaged(text, file)?;
        let raw: RawLock = match serde_json::from_str::<RawLock>(text) {
            Ok(raw) if (5..=7).contains(&raw.version) => raw,
            // Another version may have another shape: that is then what is wrong.
            result => match version(text, file)? {
                5..=7 => result.map_err(|err| syntax_error(&err, text, file))?,
                other => bail!("{file}: unsupported version {other}; versions 5 to 7 can be read"),
            },
        };
        if !raw.nodes.contains_key(&raw.root) {
            bail!(
                "{file}: the root node `{}` is missing; make it anew: delete the file and run `nix flake lock`",
                raw.root
            );
        }
        let resolved = resolve(&raw.nodes, &raw.root).map_err(|it| {
            let line = line_of_input(text, &it.node, &it.input).map_or(String::new(), |it| format!(":{it}"));
            anyhow!("{file}{line}: {}", it.what)
        })?;
        let mut nodes = BTreeMap::new();
        for (key, node) in raw.nodes {
            let is_root = key == raw.root;
            let node = finish(&key, node, &resolved, is_root).map_err(|err| {
                let line = line_of_node(text, &key).map_or(String::new(), |it| format!(":{it}"));
                anyhow!("{file}{line}: {err:#}")
            })?;
            nodes.insert(key, node);
        }
        Ok(Lock { version: raw.version, root: raw.root, nodes })
    }

    /// The node that a path of inputs leads to, from the root; the empty path is the root.
    #[must_use]
    pub fn input(&self, path: &[&str]) -> Option<&Node> {
        self.nodes.get(self.input_key(path)?)
    }

    /// The key of the node that a path of inputs leads to.
    #[must_use]
    pub fn input_key(&self, path: &[&str]) -> Option<&str> {
        let mut key = self.root.as_str();
        for name in path {
            key = self.nodes.get(key)?.inputs.get(*name)?.node.as_str();
        }
        Some(key)
    }
}

/// Where each input of each node leads in the end, by node and name.
pub(crate) type Resolved = BTreeMap<(String, String), String>;

fn finish(key: &str, raw: RawNode, resolved: &Resolved, is_root: bool) -> anyhow::Result<Node> {
    let missing = |what: &str| {
        anyhow!(
            "the node `{key}` has no `{what}`; make the lock anew: delete the file and run `nix flake lock`"
        )
    };
    let locked = match raw.locked {
        Some(locked) => Some(locked.with_info(raw.info)),
        None if is_root => None,
        None => return Err(missing("locked")),
    };
    if raw.original.is_none() && !is_root {
        return Err(missing("original"));
    }
    let input = |(name, raw_input): (String, RawInput)| {
        let node = resolved.get(&(key.to_owned(), name.clone())).cloned().unwrap_or_default();
        let follows = match raw_input {
            RawInput::Node(_) => None,
            RawInput::Follows(path) => Some(path),
        };
        (name, LockedInput { node, follows })
    };
    let inputs = raw.inputs.into_iter().map(input).collect();
    Ok(Node { locked, original: raw.original, flake: raw.flake, inputs, parent: raw.parent })
}

/// The version alone: another one may have another shape.
fn version(text: &str, file: &Utf8Path) -> anyhow::Result<u64> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let version: Version = serde_json::from_str(text).map_err(|err| syntax_error(&err, text, file))?;
    Ok(version.version)
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// The fixtures are named after what they show.
    fn parse(name: &str) -> anyhow::Result<Lock> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/locks");
        let text = std::fs::read_to_string(format!("{dir}/{name}.lock")).unwrap();
        Lock::parse(&text, Utf8Path::new("flake.lock"))
    }

    /// What is said about each lock, a line for each.
    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check_errors(names: &[&str], expect: Expect) {
        let error = |name: &&str| format!("{:#}\n", parse(name).unwrap_err());
        expect.assert_eq(&names.iter().map(error).collect::<String>());
    }

    /// The key that each path leads to, and what that is locked to.
    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(name: &str, paths: &[&str], expect: Expect) {
        let lock = parse(name).unwrap();
        let line = |path: &&str| {
            let path: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
            let locked = lock.input(&path).and_then(|it| it.locked.as_ref());
            let it = locked.map(|it| (&it.kind, &it.rev, &it.nar_hash, it.last_modified));
            format!("{} {it:?}\n", lock.input_key(&path).unwrap_or("nothing"))
        };
        expect.assert_eq(&paths.iter().map(line).collect::<String>());
    }

    #[test]
    fn follows_lead_to_the_node_they_mean() {
        let lock = parse("follows-of-all-kinds").unwrap();
        let key = |path: &[&str]| lock.input_key(path).unwrap_or("nothing").to_owned();
        assert_eq!(key(&[]), "root");
        assert_eq!(key(&["pkgs"]), "nixpkgs");
        assert_eq!(key(&["rust-overlay", "nixpkgs"]), "nixpkgs");
        assert_eq!(key(&["crane", "nixpkgs"]), "nixpkgs");
        assert_eq!(key(&["crane", "self"]), "root");
        assert_eq!(key(&["crane", "self", "crane", "overlay"]), "rust-overlay");
        assert_eq!(key(&["crane", "zzz"]), "nothing");
        assert_eq!(key(&["zzz"]), "nothing");
        let crane = lock.input(&["crane"]).unwrap();
        assert_eq!(crane.inputs["overlay"].follows.as_deref(), Some(&["rust-overlay".to_owned()][..]));
        assert_eq!(lock.nodes["root"].inputs["crane"].follows, None);
        assert!(!lock.nodes["elodin"].flake);
        let original = lock.nodes["nixpkgs"].original.as_ref().unwrap();
        assert_eq!(original.git_ref.as_deref(), Some("nixos-25.05"));
    }

    #[test]
    fn reads_every_kind_of_reference() {
        check(
            "git-tarball-and-file-inputs",
            &["dep", "blob", "tb"],
            expect![[r#"
            dep Some(("git", Some("1624a16ed2d60d3d1fe0d4eb4d6dc7f647ad05b8"), Some("sha256-f0EAGDLu4LkNC7j2RUiRjL8stWFMHiOfLBVEOtLIbB8="), Some(1795344396)))
            blob Some(("file", None, Some("sha256-sW0NfgmqGCKDlWYSKOs5tKqUabRUxTO88dkPaotgRhc="), None))
            tb Some(("tarball", None, Some("sha256-f0EAGDLu4LkNC7j2RUiRjL8stWFMHiOfLBVEOtLIbB8="), Some(1795344424)))
        "#]],
        );
        check(
            "relative-path-inputs",
            &["sub", "other"],
            expect![[r#"
            sub Some(("path", None, None, None))
            other Some(("path", None, None, None))
        "#]],
        );
        check(
            "relative-path-inputs-written-by-nix-2.8",
            &["sub"],
            expect![[r#"
            sub Some(("path", None, Some("sha256-+1QFv5ZXlwl/pVDxf4LotyGIaUGqaAZ6qAhBgOSSaCA="), Some(1)))
        "#]],
        );
        check(
            "github-without-nar-hash",
            &["nixpkgs"],
            expect![[r#"
            nixpkgs Some(("github", Some("0123456789abcdef0123456789abcdef01234567"), None, Some(1763800000)))
        "#]],
        );
        check(
            "version-5-with-info",
            &["nixpkgs"],
            expect![[r#"
            nixpkgs Some(("github", Some("0123456789abcdef0123456789abcdef01234567"), Some("sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), Some(1763800000)))
        "#]],
        );
        assert_eq!(parse("relative-path-inputs").unwrap().nodes["sub"].parent, Some(Vec::new()));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let names = [
            "empty",
            "truncated",
            "merge-conflict",
            "version-99",
            "root-key-missing",
            "root-node-missing",
            "input-without-node",
            "input-is-a-number",
            "node-not-locked",
            "parent-is-nothing",
        ];
        check_errors(
            &names,
            expect![[r#"
            flake.lock is empty; bring it back with `git checkout HEAD -- flake.lock`, or delete it and run `nix flake lock`
            flake.lock:48: the file is truncated here; bring it back with `git checkout HEAD -- flake.lock`
            flake.lock:9: merge conflict (`<<<<<<<`); take one side with `git checkout --ours -- flake.lock` (or `--theirs`), then run `nix flake lock`
            flake.lock: unsupported version 99; versions 5 to 7 can be read
            flake.lock:26:1: missing field `root`
            flake.lock: the root node `root` is missing; make it anew: delete the file and run `nix flake lock`
            flake.lock:5: the input `nixpkgs` of `root` is the node `nixpkgs_2`, which is missing
            flake.lock:6:7: an input must be the name of a node, or the path that it follows
            flake.lock:3: the node `nixpkgs` has no `locked`; make the lock anew: delete the file and run `nix flake lock`
            flake.lock:17: the parent of `sub` is `gone`, but there is no such input
        "#]],
        );
    }

    #[test]
    fn a_lock_cut_anywhere_is_an_error() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/locks");
        let text = std::fs::read_to_string(format!("{dir}/git-tarball-and-file-inputs.lock")).unwrap();
        for at in 0..text.trim_end().len() {
            let err = text[..at].parse::<Lock>().unwrap_err().to_string();
            assert!(
                err.starts_with("flake.lock") && (err.contains("truncated") || err.contains("empty")),
                "{err}"
            );
        }
    }

    #[test]
    fn says_which_follows_lead_nowhere() {
        let names = ["follows-nothing", "follows-itself", "follows-in-a-circle"];
        check_errors(
            &names,
            expect![[r#"
            flake.lock:5: the input `nixpkgs` of `crane` follows `nixpkgz`, but there is no such input
            flake.lock:5: these inputs follow each other in a circle: `a` of `root` → `a` of `root`
            flake.lock:5: these inputs follow each other in a circle: `c` of `a` → `c` of `b` → `c` of `a`
        "#]],
        );
    }

    #[test]
    fn a_chain_too_long_is_an_error() {
        let chain = |length: usize| {
            let link = |it: usize| format!(r#""i{it}": ["i{}"]"#, it + 1);
            let links: Vec<String> = (0..length).map(link).collect();
            let text = format!(
                r#"{{"version": 7, "root": "r", "nodes": {{"r": {{"inputs": {{{}, "i{length}": "r"}}}}}}}}"#,
                links.join(", ")
            );
            text.parse::<Lock>()
                .map(|it| it.nodes["r"].inputs["i0"].node.clone())
                .map_err(|err| format!("{err:#}"))
        };
        assert_eq!(chain(400), Ok("r".to_owned()));
        expect![[r#"
            Err(
                "flake.lock: the input `i500` of `r` follows more than 500 others",
            )
        "#]]
        .assert_debug_eq(&chain(10_000));
    }
}
