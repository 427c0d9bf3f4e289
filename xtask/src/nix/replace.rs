//! Becomes another program: exit codes and signals are then its own, and nothing of ours is in between.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;

use anyhow::Context as _;
use camino::Utf8Path;

use super::namespace;

/// A program with its arguments and its whole environment.
#[derive(Debug)]
pub struct Program<'a> {
    pub program: &'a str,
    pub args: &'a [String],
    pub env: &'a BTreeMap<OsString, OsString>,
    /// The directory that it starts in.
    pub dir: &'a Utf8Path,
}

/// Replaces this process. A private store, when given, is then at `/nix`.
///
/// # Errors
/// When it could not: on success this does not return.
pub fn replace(
    store_root: Option<&Utf8Path>,
    program: &Program<'_>,
) -> anyhow::Result<std::convert::Infallible> {
    if let Some(store_root) = store_root {
        namespace::enter(store_root, program.dir)?;
    }
    #[expect(clippy::disallowed_methods, reason = "it is not a child: this process becomes it")]
    let error = std::process::Command::new(program.program)
        .args(program.args)
        .env_clear()
        .envs(program.env)
        .current_dir(program.dir)
        .exec();
    Err(error).with_context(|| format!("cannot run `{}`", program.program))
}
