//! The workspace on disk: where its root is, what its manifest says, which flakes it has.

mod find_flakes;
pub mod flake;
pub mod flake_source;
pub mod lock;
mod lock_follows;
mod lock_text;
pub mod manifest;
pub mod nearest;
pub mod nix_config;
mod nix_literal;
pub mod position;
pub mod target;

use std::fs;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};

pub use self::flake::Flake;
pub use self::flake_source::{FlakeSource, InputSource, NixConfigValue};
pub use self::lock::Lock;
pub use self::manifest::Manifest;
pub use self::nix_config::{ConfigVerdict, config_differences};
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

impl Workspace {
    /// Finds the workspace that a directory (absolute) belongs to: the nearest one up with an `xtask.toml`.
    pub fn discover(start: &Utf8Path) -> anyhow::Result<Workspace> {
        if !start.is_dir() {
            bail!("there is no directory `{start}`");
        }
        let Some(root) = start.ancestors().find(|it| it.join("xtask.toml").is_file()) else {
            bail!("{}", no_workspace(start));
        };
        Workspace::open(root)
    }

    /// Reads the workspace whose root this is.
    pub fn open(root: &Utf8Path) -> anyhow::Result<Workspace> {
        let file = Utf8Path::new("xtask.toml");
        let text = fs::read_to_string(root.join(file))
            .with_context(|| format!("cannot read `{}`", root.join(file)))?;
        let manifest = Manifest::parse(&text, file)?;
        let flakes = flake::name_flakes(find_flakes::find_flakes(root, &manifest)?);
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
