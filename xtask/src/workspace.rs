//! The workspace on disk: where its root is, what its manifest says, which flakes it has.

mod aleph_settings;
mod cache_settings;
mod checked_text;
mod ci_settings;
mod ci_text;
mod find_flakes;
pub mod flake;
pub mod flake_source;
mod image_settings;
mod input_source;
mod lock_settings;
pub mod manifest;
pub mod nearest;
pub mod nix_config;
mod nix_literal;
pub mod nix_value;
pub mod position;
pub mod registry;
mod setup_settings;
pub mod target;

use std::fs;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};

pub use self::aleph_settings::Probe;
pub use flake_lock::{Lock, Reference};

pub use self::cache_settings::CacheSettings;
pub use self::ci_settings::{CiMachines, CiSettings, GithubSettings, Job, MatrixSettings, When};
pub use self::flake::Flake;
pub use self::flake_source::FlakeSource;
pub use self::input_source::InputSource;
pub use self::lock_settings::{LockSettings, Severity};
pub use self::manifest::Manifest;
pub use self::nix_config::{ConfigVerdict, config_differences};
pub(crate) use self::nix_literal::{attr_name, source_text, without_parens};
pub use self::nix_value::NixConfigValue;
pub use self::registry::Registry;
pub use self::setup_settings::InstallerSettings;
pub use self::target::Target;

/// The repository on disk.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The directory with `xtask.toml`.
    pub root: Utf8PathBuf,
    pub manifest: Manifest,
    /// The root's flake first, then by path.
    pub flakes: Vec<Flake>,
}

/// Which flakes are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All that the manifest names.
    All,
    /// The one in the root, if that is there: the tree is then not walked, which takes 8 ms in a large one.
    Root,
}

impl Workspace {
    /// Finds the workspace that a directory (absolute) belongs to: the nearest one up with an `xtask.toml`.
    pub fn discover(start: &Utf8Path, scope: Scope) -> anyhow::Result<Workspace> {
        // Without this the parent of `a/..` would be `a`.
        let start = start.canonicalize_utf8().with_context(|| format!("cannot go to `{start}`"))?;
        if !start.is_dir() {
            bail!("`{start}` is not a directory");
        }
        let Some(root) = start.ancestors().find(|it| it.join("xtask.toml").is_file()) else {
            bail!("{}", no_workspace(&start));
        };
        Workspace::open(root, scope)
    }

    /// Reads the workspace whose root this is.
    pub fn open(root: &Utf8Path, scope: Scope) -> anyhow::Result<Workspace> {
        let file = Utf8Path::new("xtask.toml");
        let text = fs::read_to_string(root.join(file))
            .with_context(|| format!("cannot read `{}`", root.join(file)))?;
        let manifest = Manifest::parse(&text, file)?;
        let root_is_one = manifest.flakes == Manifest::default().flakes && root.join("flake.nix").is_file();
        let dirs = match scope {
            Scope::Root if root_is_one => vec![Utf8PathBuf::from(".")],
            _ => find_flakes::find_flakes(root, &manifest)?,
        };
        let flakes = flake::name_flakes(dirs);
        Ok(Workspace { root: root.to_owned(), manifest, flakes })
    }

    /// What a name on the command line may mean; relative paths start at `cwd` (absolute).
    pub fn target(&self, text: &str, cwd: &Utf8Path) -> anyhow::Result<Target> {
        target::parse(self, text, cwd)
    }
}

/// An empty manifest is enough, so the cure is one command.
fn no_workspace(start: &Utf8Path) -> String {
    let flake = start.ancestors().find(|it| it.join("flake.nix").is_file());
    match flake {
        Some(dir) => format!(
            "`{start}` is not in a workspace: no xtask.toml here or above; to make one of the flake in `{dir}`, run `touch {}`",
            shell_quoted(&dir.join("xtask.toml"))
        ),
        None => format!(
            "`{start}` is not in a workspace: no xtask.toml here or above; go to a checkout, name one with `-C DIR`, \
             or put an empty file beside a flake.nix: `touch xtask.toml`"
        ),
    }
}

/// A path as it can be pasted into a shell.
fn shell_quoted(path: &Utf8Path) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "/._-+@%,:".contains(it);
    if path.as_str().chars().all(plain) {
        return path.to_string();
    }
    format!("'{}'", path.as_str().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// A directory with these files; a name that ends in `/` is a directory, one with `->` a symbolic link.
    fn tree(files: &[&str]) -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap().join("my repo");
        fs::create_dir(&root).unwrap();
        for file in files {
            if let Some((link, to)) = file.split_once("->") {
                std::os::unix::fs::symlink(to, root.join(link)).unwrap();
                continue;
            }
            let (name, text) = file.split_once('=').unwrap_or((file, ""));
            let path = root.join(name);
            fs::create_dir_all(if name.ends_with('/') { &path } else { path.parent().unwrap() }).unwrap();
            if !name.ends_with('/') {
                fs::write(path, text).unwrap();
            }
        }
        (dir, root)
    }

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(start: &str, files: &[&str], expect: Expect) {
        let (_dir, root) = tree(files);
        let shown = match Workspace::discover(&root.join(start), Scope::All) {
            Ok(it) => it.flakes.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(" "),
            Err(err) => format!("{err:#}\n").replace(root.parent().unwrap().as_str(), "/t"),
        };
        expect.assert_eq(&shown);
    }

    #[test]
    fn finds_the_flakes() {
        check("", &["xtask.toml", "flake.nix"], expect!["."]);
        check(
            "a/b",
            &["xtask.toml", "a/b/", "b/flake.nix", "a/flake.nix", "flake.nix", "d d/flake.nix"],
            expect![". a b d d"],
        );
        check("", &["xtask.toml", "a/x/flake.nix", "b/x/flake.nix"], expect!["a/x b/x"]);
        check("", &["xtask.toml", "flake.nix/"], expect![""]);
    }

    #[test]
    fn leaves_out_what_is_made_hidden_linked_or_its_own_workspace() {
        let made = [
            "xtask.toml",
            "flake.nix",
            "target/a/flake.nix",
            "node_modules/b/flake.nix",
            ".direnv/c/flake.nix",
        ];
        check("", &made, expect!["."]);
        check(
            "",
            &["xtask.toml", "a/flake.nix", "result->a", "b->a", "c/", "c/flake.nix->../a/flake.nix"],
            expect!["a c"],
        );
        check(
            "",
            &["xtask.toml", "a/flake.nix", "o/xtask.toml", "o/flake.nix", "o/p/flake.nix"],
            expect!["a"],
        );
        check(
            "o/p",
            &["xtask.toml", "a/flake.nix", "o/xtask.toml", "o/flake.nix", "o/p/flake.nix"],
            expect![". p"],
        );
    }

    #[test]
    fn the_manifest_chooses() {
        let files = ["flake.nix", "a/flake.nix", "a/t/flake.nix", "b/flake.nix"];
        let with = |manifest: &'static str| [&[manifest][..], &files].concat();
        check("", &with("xtask.toml=ignore = [\"a/t\"]"), expect![". a b"]);
        check("", &with("xtask.toml=ignore = [\"a/**\"]"), expect![". b"]);
        check("", &with("xtask.toml=ignore = [\"**/t/flake.nix\"]"), expect![". a b"]);
        check("", &with("xtask.toml=flakes = [\"*/flake.nix\"]"), expect!["a b"]);
        check("", &with("xtask.toml=flakes = [\"flake.nix\", \"b\"]"), expect![". b"]);
        check(
            "",
            &with("xtask.toml=flakes = [\"a/tt\"]"),
            expect![[r#"
            `flakes` in xtask.toml names `a/tt`, but there is no such flake; did you mean `a/t`?
        "#]],
        );
        check(
            "",
            &with("xtask.toml=flaks = 1"),
            expect![[r#"
                xtask.toml:1:1: unknown key `flaks`; did you mean `flakes`? (valid here: flakes, ignore, source, nix, cache, shell, lock, image, aleph, ci, setup)
            "#]],
        );
    }

    #[test]
    fn says_what_to_do_without_a_manifest() {
        check(
            "",
            &["flake.nix"],
            expect![[r#"
            `/t/my repo` is not in a workspace: no xtask.toml here or above; to make one of the flake in `/t/my repo`, run `touch '/t/my repo/xtask.toml'`
        "#]],
        );
        check(
            "a",
            &["flake.nix", "a/"],
            expect![[r#"
            `/t/my repo/a` is not in a workspace: no xtask.toml here or above; to make one of the flake in `/t/my repo`, run `touch '/t/my repo/xtask.toml'`
        "#]],
        );
        check(
            "",
            &["a/"],
            expect![[r#"
            `/t/my repo` is not in a workspace: no xtask.toml here or above; go to a checkout, name one with `-C DIR`, or put an empty file beside a flake.nix: `touch xtask.toml`
        "#]],
        );
        check(
            "a/../b/..",
            &["a/xtask.toml", "b/"],
            expect![[r#"
            `/t/my repo` is not in a workspace: no xtask.toml here or above; go to a checkout, name one with `-C DIR`, or put an empty file beside a flake.nix: `touch xtask.toml`
        "#]],
        );
        check(
            "file",
            &["xtask.toml", "file"],
            expect![[r#"
            `/t/my repo/file` is not a directory
        "#]],
        );
        check(
            "gone",
            &["xtask.toml"],
            expect![[r#"
            cannot go to `/t/my repo/gone`: No such file or directory (os error 2)
        "#]],
        );
    }

    #[test]
    fn reads_sources_and_locks() {
        let (_dir, root) =
            tree(&["xtask.toml", "a/flake.nix={ description = 5; }", "a/flake.lock", "b/flake.nix={ }"]);
        let workspace = Workspace::discover(&root, Scope::All).unwrap();
        let [a, b] = workspace.flakes.as_slice() else { panic!("{:?}", workspace.flakes) };
        expect![[r#"
            a/flake.nix:1:17: `description` must be a string, not a number
        "#]]
        .assert_eq(&format!("{:#}\n", a.source(&root).unwrap_err()));
        expect![[r#"
            a/flake.lock is empty; bring it back with `git checkout HEAD -- a/flake.lock`, or delete it and run `nix flake lock`
        "#]].assert_eq(&format!("{:#}\n", a.lock(&root).unwrap_err()));
        assert_eq!(b.source(&root).unwrap(), FlakeSource::default());
        assert_eq!(b.lock(&root).unwrap(), None);
    }

    /// A name as it is typed in `aleph/modules`.
    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check_target(text: &str, expect: Expect) {
        let files = [
            "xtask.toml",
            "flake.nix",
            "aleph/flake.nix",
            "aleph/modules/",
            "a b/flake.nix",
            "o/xtask.toml",
            "o/flake.nix",
        ];
        let (_dir, root) = tree(&files);
        let workspace = Workspace::discover(&root, Scope::All).unwrap();
        let text = text.replace("$ROOT", root.as_str());
        let shown = match workspace.target(&text, &root.join("aleph/modules")) {
            Ok(Target::Short(name)) => format!("short {name}"),
            Ok(Target::In { flake, attr }) => format!("{} {attr}", workspace.flakes[flake].dir),
            Err(err) => format!("{err:#}\n").replace(root.parent().unwrap().as_str(), "/t"),
        };
        expect.assert_eq(&shown);
    }

    #[test]
    fn targets() {
        check_target("elodin-db", expect!["short elodin-db"]);
        check_target("aleph", expect!["short aleph"]);
        check_target("aleph#toplevel", expect!["aleph toplevel"]);
        check_target(
            "aleph/#nixosConfigurations.\"a#b\".config",
            expect![[r#"aleph nixosConfigurations."a#b".config"#]],
        );
        check_target("a b#x", expect!["a b x"]);
        check_target(".#x", expect!["aleph x"]);
        check_target("#x", expect!["aleph x"]);
        check_target(".", expect!["aleph default"]);
        check_target("../..#x", expect![". x"]);
        check_target("../../a b#x", expect!["a b x"]);
        check_target("$ROOT/aleph#x", expect!["aleph x"]);
    }

    #[test]
    fn targets_that_are_none() {
        check_target(
            "alpeh#x",
            expect![[r#"
            unknown flake `alpeh`; this workspace has: ., a b, aleph; did you mean `aleph`?
        "#]],
        );
        check_target(
            "./gone#x",
            expect![[r#"
            cannot find the flake `/t/my repo/aleph/modules/gone`: No such file or directory (os error 2)
        "#]],
        );
        check_target(
            "../../o#x",
            expect![[r#"
            the flake `o` is not of this workspace (it has its own xtask.toml, or is ignored); use `-C o`
        "#]],
        );
        check_target(
            "/#x",
            expect![[r#"
            `/` is outside of the workspace `/t/my repo`; use `-C` to act on another one
        "#]],
        );
        check_target(
            "github:NixOS/nixpkgs#hello",
            expect![[r#"
            unknown flake `github:NixOS/nixpkgs`; this workspace has: ., a b, aleph
        "#]],
        );
        check_target(
            " ",
            expect![[r#"
            a name is missing: write a package, or FLAKE#ATTRIBUTE
        "#]],
        );
    }
}
