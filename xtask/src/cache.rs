//! The binary cache that this workspace fills: what the manifest says of it, and who does the work, `xtask-cache`.

mod display;
pub mod last_build;
pub mod pusher;
pub mod upkeep;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::host::Os;
use crate::nix::store_path::StorePath;
use crate::plan::{Settings, Step};

/// Says where the signing key is, before the manifest does.
pub const KEY_VARIABLE: &str = "XTASK_CACHE_KEY_FILE";
/// Has the signing key itself: how a service of CI gives a secret.
pub const KEY_ITSELF: &str = "XTASK_CACHE_KEY";
/// Requests at once. On S3 most of the time is waiting.
pub const JOBS: usize = 16;

/// Where to push to, and how.
#[derive(Debug, Clone)]
pub struct Destination {
    pub url: String,
    pub key: KeySource,
    pub jobs: usize,
}

/// Where the signing key is. Its text is never ours to hold: `xtask-cache` reads it.
#[derive(Debug, Clone)]
pub enum KeySource {
    File(Utf8PathBuf),
    /// In the variable of this name.
    Variable(&'static str),
}

impl Destination {
    /// What the manifest and the environment say, with what the command line says instead; by `flag` it says where to.
    ///
    /// # Errors
    /// When nobody says where to push to, or which key signs.
    pub fn of(
        cx: &Context,
        flag: Option<&str>,
        to: Option<&str>,
        jobs: Option<usize>,
    ) -> anyhow::Result<Destination> {
        let settings = &cx.workspace.manifest.cache;
        let url = to.or(settings.push.as_deref()).with_context(|| {
            let say = flag.map(|it| format!(", or say `{it} URL`")).unwrap_or_default();
            format!(
                "there is no cache to push to: set `cache.push` in xtask.toml, such as \"s3://BUCKET?region=REGION\"{say}"
            )
        })?;
        let key = if let Some(file) = cx.host.env(KEY_VARIABLE) {
            KeySource::File(cx.host.cwd.join(file))
        } else if cx.host.env(KEY_ITSELF).is_some() {
            KeySource::Variable(KEY_ITSELF)
        } else {
            let file = settings.key_file.as_deref().with_context(|| {
                format!(
                    "no key signs what is pushed: set `cache.key-file` in xtask.toml, {KEY_VARIABLE} or {KEY_ITSELF}; \
                     `cargo xtask cache keygen NAME` makes one"
                )
            })?;
            KeySource::File(in_home(cx, file)?)
        };
        Ok(Destination { url: url.to_owned(), key, jobs: jobs.unwrap_or(JOBS) })
    }

    /// The job for `xtask-cache push`.
    ///
    /// # Errors
    /// When there is no Nix.
    pub fn job(&self, cx: &mut Context, paths: &Map<String, Value>, dry_run: bool) -> anyhow::Result<Value> {
        let settings = cx.workspace.manifest.cache.clone();
        let staging = match settings.staging_dir.as_deref() {
            Some(dir) => in_home(cx, dir)?,
            None => cx.state().join("cache-staging"),
        };
        let (key_file, key_variable) = match &self.key {
            KeySource::File(file) => (Some(file), None),
            KeySource::Variable(name) => (None, Some(name)),
        };
        Ok(json!({
            "to": self.url,
            "upstream": settings.upstream,
            "key_file": key_file,
            "key_variable": key_variable,
            "level": settings.compression_level,
            "jobs": self.jobs,
            "staging": {"dir": staging, "size": u64::from(settings.staging_size) * 1_000_000},
            "store": cx.nix()?.real("/nix/store"),
            "case_hack": cx.host.os == Os::MacOs,
            "dry_run": dry_run,
            "each": cx.ui.style().verbose || cx.recording.is_on(),
            "paths": paths,
        }))
    }
}

/// A path that may begin in the user's home, else in the workspace.
fn in_home(cx: &Context, path: &str) -> anyhow::Result<Utf8PathBuf> {
    Ok(match path.strip_prefix("~/") {
        Some(rest) => cx.host.home()?.join(rest),
        None => cx.workspace.root.join(path),
    })
}

/// What Nix is asked for: all that paths need at run time.
///
/// # Errors
/// When there is no Nix.
pub fn closure_step(cx: &mut Context, paths: &[StorePath]) -> anyhow::Result<Step> {
    let name_format = cx.nix()?.names_json_format();
    Ok(Step::Closure { paths: paths.iter().map(ToString::to_string).collect(), name_format })
}

/// The closure of valid paths, as Nix prints it.
///
/// # Errors
/// When a path is not valid.
pub fn closure(cx: &mut Context, paths: &[StorePath]) -> anyhow::Result<Map<String, Value>> {
    let step = closure_step(cx, paths)?;
    let mut answer: Map<String, Value> = cx.query(&step, &Settings::default())?;
    // A newer Nix says more than paths.
    answer.retain(|path, _| path.starts_with('/'));
    if let Some((path, _)) = answer.iter().find(|it| it.1.is_null()) {
        bail!("`{path}` is not in the store; build it first");
    }
    Ok(answer)
}

/// Whether a file would lie in a git work tree, and in which.
#[must_use]
pub fn work_tree_of(file: &Utf8Path) -> Option<Utf8PathBuf> {
    let dir = file.ancestors().skip(1).find(|it| it.exists())?;
    // A link to a directory in a work tree leads into it.
    crate::revision::work_tree(&dir.canonicalize_utf8().ok()?)
}
