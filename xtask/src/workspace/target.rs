//! What a name on the command line means: a short name, or an attribute of one flake.

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::Workspace;
use super::nearest::{did_you_mean, nearest};

/// What a name on the command line may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A name to look for in all flakes.
    Short(String),
    /// An attribute of one flake.
    In {
        /// The index in [`Workspace::flakes`].
        flake: usize,
        /// `default` where none was written.
        attr: String,
    },
}

pub(super) fn parse(workspace: &Workspace, text: &str, cwd: &Utf8Path) -> anyhow::Result<Target> {
    if text.trim().is_empty() {
        bail!("a name is missing: write a package, or FLAKE#ATTRIBUTE");
    }
    let (flake, attr) = match text.split_once('#') {
        Some((flake, attr)) => (flake, attr),
        None if is_path(text) => (text, ""),
        None => return Ok(Target::Short(text.to_owned())),
    };
    let flake = if flake.is_empty() || is_path(flake) {
        by_path(workspace, flake, cwd)?
    } else {
        by_name(workspace, flake)?
    };
    Ok(Target::In { flake, attr: if attr.is_empty() { "default" } else { attr }.to_owned() })
}

/// The same that Nix takes for a path.
fn is_path(text: &str) -> bool {
    text == "." || text == ".." || ["/", "./", "../"].iter().any(|it| text.starts_with(it))
}

/// Like Nix, takes the nearest flake at the path or above it, but never leaves the workspace.
fn by_path(workspace: &Workspace, text: &str, cwd: &Utf8Path) -> anyhow::Result<usize> {
    let path: Utf8PathBuf = cwd.join(text).components().collect();
    // Both sides may be reached through symbolic links.
    let real =
        |it: &Utf8Path| it.canonicalize_utf8().with_context(|| format!("cannot find the flake `{it}`"));
    let (root, dir) = (real(&workspace.root)?, real(&path)?);
    let Ok(inside) = dir.strip_prefix(&root) else {
        bail!("`{text}` is outside of the workspace `{}`; use `-C` to act on another one", workspace.root);
    };
    for above in inside.ancestors() {
        let name = if above == "" { Utf8Path::new(".") } else { above };
        if let Some(index) = workspace.flakes.iter().position(|it| it.dir == name) {
            return Ok(index);
        }
        if root.join(above).join("flake.nix").is_file() {
            bail!(
                "the flake `{name}` is not of this workspace (it has its own xtask.toml, or is ignored); use `-C {name}`"
            );
        }
    }
    bail!("`{text}` is no flake of this workspace; {}", known(workspace))
}

fn by_name(workspace: &Workspace, text: &str) -> anyhow::Result<usize> {
    let wanted = Utf8PathBuf::from(text.trim_end_matches('/'));
    let found = workspace.flakes.iter().position(|it| it.dir == wanted || it.name == wanted.as_str());
    found.with_context(|| {
        let names = workspace
            .flakes
            .iter()
            .flat_map(|it| [it.name.as_str(), it.dir.as_str()])
            .filter(|it| *it != ".");
        format!("unknown flake `{text}`; {}{}", known(workspace), did_you_mean(&nearest(text, names)))
    })
}

fn known(workspace: &Workspace) -> String {
    if workspace.flakes.is_empty() {
        return "this workspace has no flake".to_owned();
    }
    let names: Vec<&str> = workspace.flakes.iter().map(|it| it.name.as_str()).collect();
    format!("this workspace has: {}", names.join(", "))
}
