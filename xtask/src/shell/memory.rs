//! The dev shell's environment, remembered for as long as nothing that it depends on has changed. A hit starts no
//! Nix.

use std::fs;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::environment::Environment;
use super::files::files;
use crate::files::write_atomic;
use crate::nix::Nix;
use crate::revision;
use crate::workspace::Workspace;

const FORMAT: u32 = 2;

/// One dev shell on disk: `target/xtask/shell/NAME/`.
#[derive(Debug)]
pub struct Memory {
    pub dir: Utf8PathBuf,
    /// Roots the shell's closure against garbage collection.
    pub profile: Utf8PathBuf,
    pub name: String,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    version: u32,
    key: String,
    environment: Environment,
}

impl Memory {
    #[must_use]
    pub fn new(state: &Utf8Path, name: &str) -> Memory {
        let file_name = name.replace(['/', '#'], "-");
        Memory {
            dir: state.join("shell").join(&file_name),
            profile: state.join("roots").join(format!("shell-{file_name}")),
            name: name.to_owned(),
        }
    }

    /// The environment, if it was made under this key and its closure is still there. A damaged file is as good as
    /// none.
    #[must_use]
    pub fn recall(&self, key: &str, nix: &Nix) -> Option<Environment> {
        let text = fs::read(self.dir.join("environment.json")).ok()?;
        let it: Remembered = serde_json::from_slice(&text).ok()?;
        (it.version == FORMAT && it.key == key && self.is_rooted(nix)).then_some(it.environment)
    }

    fn is_rooted(&self, nix: &Nix) -> bool {
        let generation = self.profile.read_link_utf8().ok();
        let path = generation.and_then(|it| self.profile.with_file_name(it).read_link_utf8().ok());
        path.is_some_and(|it| nix.real(it.as_str()).symlink_metadata().is_ok())
    }

    /// Keeps the environment, and the start-up files that go with it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn keep(&self, key: &str, environment: &Environment) -> anyhow::Result<()> {
        for (name, content) in files(&self.dir, &self.name, &environment.bash, &environment.hook) {
            write_atomic(&self.dir.join(name), content.as_bytes())?;
        }
        for (name, content) in &environment.attrs {
            write_atomic(&self.dir.join(name), content.as_bytes())?;
        }
        // Last, so that who finds it finds the others too.
        let it = Remembered { version: FORMAT, key: key.to_owned(), environment: environment.clone() };
        write_atomic(&self.dir.join("environment.json"), &serde_json::to_vec(&it)?)?;
        self.forget_old_generations()
    }

    /// Nix keeps every generation of a profile as a root; only the newest is of use here.
    fn forget_old_generations(&self) -> anyhow::Result<()> {
        let current =
            self.profile.read_link_utf8().with_context(|| format!("`{}` is no profile", self.profile))?;
        let (Some(dir), Some(name)) = (self.profile.parent(), self.profile.file_name()) else {
            return Ok(());
        };
        for entry in dir.read_dir_utf8().with_context(|| format!("cannot read `{dir}`"))? {
            let entry = entry?;
            let number = entry
                .file_name()
                .strip_prefix(name)
                .and_then(|it| it.strip_prefix('-')?.strip_suffix("-link"));
            if number.is_some_and(|it| it.parse::<u64>().is_ok()) && entry.file_name() != current {
                fs::remove_file(entry.path()).with_context(|| format!("cannot remove `{}`", entry.path()))?;
            }
        }
        Ok(())
    }
}

/// What the environment depends on: the files that the manifest watches, the flake and its lock, Nix, the system.
///
/// # Errors
/// When a watched file cannot be read.
pub fn key(workspace: &Workspace, flake: usize, nix: &Nix, question: &str) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    part(env!("CARGO_PKG_VERSION").as_bytes());
    part(question.as_bytes());
    part(workspace.root.as_str().as_bytes());
    part(format!("{} {:?} {:?}", nix.version, nix.flavour, nix.store_root).as_bytes());
    for file in watched(workspace, flake)? {
        part(file.as_str().as_bytes());
        match fs::read(&file) {
            Ok(content) => part(&content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => part(b""),
            Err(error) => return Err(error).with_context(|| format!("cannot read `{file}`")),
        }
    }
    Ok(revision::hex(&hash.finalize()[..16]))
}

fn watched(workspace: &Workspace, flake: usize) -> anyhow::Result<Vec<Utf8PathBuf>> {
    let dir = workspace.root.join(&workspace.flakes[flake].dir);
    let mut res = vec![dir.join("flake.nix"), dir.join("flake.lock")];
    for pattern in &workspace.manifest.shell.watch {
        let pattern = format!("{}/{pattern}", glob::Pattern::escape(workspace.root.as_str()));
        for path in glob::glob(&pattern).with_context(|| format!("bad pattern `{pattern}`"))? {
            let path = path.context("cannot read a directory that the shell depends on")?;
            if let Ok(path) = Utf8PathBuf::from_path_buf(path)
                && path.is_file()
            {
                res.push(path);
            }
        }
    }
    res.sort();
    res.dedup();
    Ok(res)
}
