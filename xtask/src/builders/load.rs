//! How busy each machine is: Nix holds a lock on a file for each slot that it uses.

use std::os::unix::fs::MetadataExt as _;

use super::Machine;
use crate::host::Host;

/// How many builds Nix has on each machine now, told from the kernel's list of locks; nothing is locked for it.
#[must_use]
pub fn of(host: &Host, machines: &[Machine], state: &camino::Utf8Path) -> Vec<u32> {
    let locks = std::fs::read_to_string(host.path("/proc/locks")).unwrap_or_default();
    let inodes: Vec<&str> = locks
        .lines()
        .filter_map(|it| it.split_whitespace().find(|it| it.matches(':').count() == 2))
        .collect();
    let taken = |machine: &Machine, slot: u32| {
        let names = [machine.store_with_keys(), machine.store.clone()];
        let files =
            names.map(|it| state.join("current-load").join(format!("{}-{slot}", it.replace('/', "_"))));
        let found = files.iter().find_map(|it| it.metadata().ok());
        found.is_some_and(|it| {
            inodes.iter().any(|lock| lock.rsplit(':').next() == Some(&it.ino().to_string()))
        })
    };
    let load = |it: &Machine| (0..it.jobs).filter(|slot| taken(it, *slot)).count();
    machines.iter().map(|it| u32::try_from(load(it)).unwrap_or(u32::MAX)).collect()
}
