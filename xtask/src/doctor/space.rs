//! How much room there is in a directory, and on what.

use camino::{Utf8Path, Utf8PathBuf};
use unix::sys::statvfs::statvfs;

use crate::host::Host;

/// The file system that a directory is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// `ext4`, `tmpfs`; empty where the system does not say.
    pub kind: String,
    /// Where it is mounted.
    pub mount: String,
    /// Bytes.
    pub total: u64,
    pub free: u64,
    /// Files that there can be, and that can still be made; 0 where there is no limit.
    pub inodes: u64,
    pub free_inodes: u64,
}

impl Space {
    /// Of the directory, or of the nearest one above it that is there.
    #[must_use]
    pub fn of(host: &Host, dir: &Utf8Path) -> Option<Space> {
        let there = dir.ancestors().find(|it| host.path(it.as_str()).exists())?;
        let real = host.path(there.as_str()).canonicalize_utf8().ok()?;
        let stat = statvfs(real.as_std_path()).ok()?;
        // On a fake machine the mounts are named as if its root were `/`.
        let logical = match real.strip_prefix(host.root.canonicalize_utf8().ok()?) {
            Ok(it) => Utf8Path::new("/").join(it),
            Err(_) => real,
        };
        let mounts = std::fs::read_to_string(host.path("/proc/self/mountinfo")).unwrap_or_default();
        let (kind, mount) = mounted(&mounts, &logical).unwrap_or_default();
        let size = wide(stat.fragment_size());
        Some(Space {
            kind,
            mount,
            total: wide(stat.blocks()) * size,
            free: wide(stat.blocks_available()) * size,
            inodes: wide(stat.files()),
            free_inodes: wide(stat.files_available()),
        })
    }

    /// Whether it is memory.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        ["tmpfs", "ramfs"].contains(&self.kind.as_str())
    }

    /// Whether fewer files than this many in a hundred can still be made.
    #[must_use]
    pub fn inodes_below(&self, percent: u64) -> bool {
        self.inodes > 0 && self.free_inodes * 100 < self.inodes * percent
    }
}

/// macOS counts in smaller numbers.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

/// The file system and the mount point, of the last mount that is above a directory.
fn mounted(mountinfo: &str, dir: &Utf8Path) -> Option<(String, String)> {
    let mut best: Option<(String, Utf8PathBuf)> = None;
    for line in mountinfo.lines() {
        let Some((head, tail)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (head.split(' ').nth(4), tail.split(' ').next()) else { continue };
        let point = Utf8PathBuf::from(point.replace("\\040", " "));
        let longer = best.as_ref().is_none_or(|it| point.as_str().len() >= it.1.as_str().len());
        if dir.starts_with(&point) && longer {
            best = Some((kind.to_owned(), point));
        }
    }
    best.map(|(kind, point)| (kind, point.into_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mount_above_a_directory_counts() {
        let text = "22 1 0:20 / / rw - ext4 /dev/vda rw\n30 22 0:25 / /tmp rw,nosuid shared:3 - tmpfs tmpfs rw\n\
                    31 22 0:26 / /my\\040dir rw - xfs /dev/vdb rw\n32 22 0:27 / /tmp rw - btrfs /dev/vdc rw\n";
        let check = |dir: &str, kind: &str, mount: &str| {
            assert_eq!(mounted(text, Utf8Path::new(dir)), Some((kind.to_owned(), mount.to_owned())), "{dir}");
        };
        check("/tmp/nix-build", "btrfs", "/tmp");
        check("/tmpfile", "ext4", "/");
        check("/my dir/x", "xfs", "/my dir");
        assert_eq!(mounted("nonsense", Utf8Path::new("/")), None);
    }

    #[test]
    fn this_machine_has_room_for_something() {
        let space = Space::of(&Host::current().unwrap(), Utf8Path::new("/tmp/no/such/dir")).unwrap();
        assert!(space.total > 0 && space.free <= space.total);
    }
}
