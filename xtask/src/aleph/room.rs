//! Whether there is room for a result, asked before it is made.

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use unix::sys::statvfs::statvfs;

use crate::report::bytes;

/// Bytes that this user may still write on the disk that has, or will have, a path.
///
/// # Errors
/// When the disk cannot be asked.
pub fn free(path: &Utf8Path) -> anyhow::Result<u64> {
    let there = path.ancestors().find(|it| it.exists()).unwrap_or(Utf8Path::new("/"));
    let disk =
        statvfs(there.as_std_path()).with_context(|| format!("cannot ask for the room at `{there}`"))?;
    Ok(wide(disk.blocks_available()).saturating_mul(wide(disk.fragment_size())))
}

/// These numbers have another width on macOS.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

/// # Errors
/// When there is less room than `wanted` bytes; `what` needs it, `cure` makes more.
pub fn check(path: &Utf8Path, wanted: u64, what: &str, cure: &str) -> anyhow::Result<()> {
    let free = free(path)?;
    if free < wanted {
        bail!(
            "not enough room: {what} needs {}, and {} are free at `{path}`; {cure}",
            bytes(wanted),
            bytes(free)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_not_there_yet() {
        let free = free(Utf8Path::new("/tmp/no/such/place")).unwrap();
        assert!(free > 0);
        assert!(check(Utf8Path::new("/tmp"), 1, "it", "x").is_ok());
        let error = check(Utf8Path::new("/tmp"), u64::MAX, "the image", "delete something").unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("not enough room: the image needs 18446744 TB, and "), "{error}");
        assert!(error.ends_with(" are free at `/tmp`; delete something"), "{error}");
    }
}
