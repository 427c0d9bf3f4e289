//! Which block devices a mount or swap is on, down through partitions, LUKS, LVM, RAID, loop devices, btrfs and overlays.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::linux::{Block, read};
use crate::host::Host;

/// Overlays on overlays: deeper than anybody stacks them.
const DEPTH: usize = 16;

/// A line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// `MAJOR:MINOR`; of no block device for btrfs, overlays and the like.
    number: String,
    pub(super) point: String,
    kind: String,
    source: String,
    options: String,
}

#[derive(Debug)]
pub(super) struct Backing<'a> {
    host: &'a Host,
    blocks: &'a BTreeMap<String, Block>,
    pub(super) mounts: Vec<Mount>,
    /// Swap files and devices.
    swaps: Vec<String>,
}

impl Backing<'_> {
    pub(super) fn read<'a>(host: &'a Host, blocks: &'a BTreeMap<String, Block>) -> Backing<'a> {
        let text = |path: &str| std::fs::read_to_string(host.path(path)).unwrap_or_default();
        let mounts = text("/proc/self/mountinfo").lines().filter_map(mount).collect();
        let swaps = text("/proc/swaps");
        let swaps = swaps.lines().skip(1).filter_map(|it| it.split_whitespace().next());
        Backing { host, blocks, mounts, swaps: swaps.map(unescape).collect() }
    }

    /// For each block device what is on it: mount points, and `swap`.
    pub(super) fn uses(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut res: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mounts = self.mounts.iter().map(|it| (it.point.as_str(), self.of_mount(it, 0)));
        let swaps = self.swaps.iter().map(|it| ("swap", self.of_swap(it)));
        for (what, blocks) in mounts.chain(swaps) {
            let mut seen = BTreeSet::new();
            for block in &blocks {
                self.down(block, &mut seen);
            }
            for block in seen {
                res.entry(block).or_default().insert(what.to_owned());
            }
        }
        res
    }

    /// Where a block device itself is mounted.
    pub(super) fn mounted(&self, block: &str) -> Vec<String> {
        let mounts = self.mounts.iter().filter(|it| self.of_mount(it, DEPTH).iter().any(|it| it == block));
        // What was mounted last goes first.
        mounts.rev().map(|it| it.point.clone()).collect()
    }

    /// The block device that a path in `/dev` is.
    pub(super) fn device(&self, path: &str) -> Option<String> {
        let name = path.strip_prefix("/dev/")?;
        if let Some(mapped) = name.strip_prefix("mapper/") {
            let is_it = |it: &&Block| read(&it.dir.join("dm/name")).as_deref() == Some(mapped);
            if let Some(block) = self.blocks.values().find(is_it) {
                return Some(block.name.clone());
            }
        }
        let name = name.replace('/', "!");
        if self.blocks.contains_key(&name) {
            return Some(name);
        }
        let real = self.host.path(path).canonicalize_utf8().ok()?;
        real.file_name().filter(|it| self.blocks.contains_key(*it)).map(str::to_owned)
    }

    fn of_mount(&self, mount: &Mount, depth: usize) -> Vec<String> {
        if let Some(block) = self.blocks.values().find(|it| it.number == mount.number) {
            return vec![block.name.clone()];
        }
        if mount.source.starts_with("/dev/") {
            // bcachefs lists all of its devices.
            let sources: Vec<String> = mount.source.split(':').filter_map(|it| self.device(it)).collect();
            return sources.iter().flat_map(|it| self.pool(it)).collect();
        }
        if mount.kind != "overlay" || depth >= DEPTH {
            return Vec::new();
        }
        let dirs = mount.options.split(',').filter_map(|it| it.split_once('='));
        let dirs = dirs.filter(|it| ["lowerdir", "lowerdir+", "upperdir"].contains(&it.0));
        dirs.flat_map(|it| it.1.split(':')).flat_map(|it| self.of_file(it, depth + 1)).collect()
    }

    /// All devices of the btrfs that a device is one of; else itself.
    fn pool(&self, block: &str) -> Vec<String> {
        let all = entries(&self.host.path("/sys/fs/btrfs"));
        let pools = all.iter().map(|it| entries(&it.join("devices")));
        let names = |it: Vec<Utf8PathBuf>| -> Vec<String> {
            it.iter().filter_map(|it| it.file_name()).map(str::to_owned).collect()
        };
        pools.map(names).find(|it| it.iter().any(|it| it == block)).unwrap_or_else(|| vec![block.to_owned()])
    }

    fn of_file(&self, path: &str, depth: usize) -> Vec<String> {
        let path = Utf8Path::new(path);
        // Of those that are equally near, the last one covers the others.
        let over = self.mounts.iter().filter(|it| path.starts_with(&it.point));
        over.max_by_key(|it| it.point.len()).map(|it| self.of_mount(it, depth)).unwrap_or_default()
    }

    fn of_swap(&self, path: &str) -> Vec<String> {
        self.device(path).map_or_else(|| self.of_file(path, 0), |it| vec![it])
    }

    /// The device and all that it is made of.
    fn down(&self, name: &str, seen: &mut BTreeSet<String>) {
        let Some(block) = self.blocks.get(name) else { return };
        if !seen.insert(name.to_owned()) {
            return;
        }
        let below = block.parent.iter().cloned().chain(block.slaves.iter().cloned());
        let file = block.backing_file.as_deref().map(|it| self.of_swap(it)).unwrap_or_default();
        below.chain(file).for_each(|it| self.down(&it, seen));
    }
}

/// The files of a directory; none where there is no such directory.
pub(super) fn entries(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = dir.read_dir_utf8().into_iter().flatten();
    entries.filter_map(Result::ok).map(|it| it.path().to_owned()).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(2);
    let (number, _, point) = (before.next()?, before.next()?, before.next()?);
    let mut after = after.split(' ');
    Some(Mount {
        number: number.to_owned(),
        point: unescape(point),
        kind: after.next()?.to_owned(),
        source: unescape(after.next()?),
        options: unescape(after.next().unwrap_or_default()),
    })
}

/// The kernel writes blanks as `\040`.
fn unescape(text: &str) -> String {
    let mut res = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        res.push_str(before);
        let code = after.get(..3).and_then(|it| u8::from_str_radix(it, 8).ok());
        match code {
            Some(code) => res.push(char::from(code)),
            None => res.push('\\'),
        }
        rest = if code.is_some() { &after[3..] } else { after };
    }
    res + rest
}
