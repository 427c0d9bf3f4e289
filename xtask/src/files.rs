//! Files of ours: made with the directories above them, replaced as a whole.

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

/// Makes a directory and those above it.
///
/// # Errors
/// With the path in the message.
pub fn create_dir(dir: &Utf8Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create `{dir}`"))
}

/// Replaces a file as a whole: nobody ever sees half of it. Its mode stays.
///
/// # Errors
/// With the path in the message; the old file is then still there.
pub fn write_atomic(path: &Utf8Path, content: &[u8]) -> anyhow::Result<()> {
    let temporary = Utf8PathBuf::from(format!("{path}.{}.tmp", std::process::id()));
    if let Some(dir) = path.parent() {
        create_dir(dir)?;
    }
    std::fs::write(&temporary, content)
        .and_then(|()| match path.metadata() {
            Ok(old) => std::fs::set_permissions(&temporary, old.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| std::fs::rename(&temporary, path))
        .inspect_err(|_| drop(std::fs::remove_file(&temporary)))
        .with_context(|| format!("cannot write `{path}`"))
}
