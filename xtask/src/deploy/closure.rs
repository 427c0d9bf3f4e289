//! What has to get to the device: the closure of a system, what of it is missing there, and whether it may be taken.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::facts::Facts;
use super::packages::{self, Change};
use super::script::{COMPARE, Script};
use super::ssh::{Line, Ssh};
use super::units::{Changes, OnChange, UnitFile};
use crate::context::Context;
use crate::nix::Nix;
use crate::nix::store_path::StorePath;
use crate::plan::{Settings, Step};
use crate::report::{bytes, count};

/// What a boot loader needs beside kernel and initrd.
const BOOT_MARGIN: u64 = 1 << 20;
/// What the database of the store needs to take paths in.
const STORE_MARGIN: u64 = 16 << 20;

/// A path of the closure, as this machine's Nix knows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    pub nar_size: u64,
    #[serde(default)]
    signatures: Vec<String>,
    /// The path proves its content by its name; no signature is needed.
    ca: Option<String>,
}

/// What a deployment would change on a device.
#[derive(Debug, Clone)]
pub struct Difference {
    pub paths: usize,
    /// Not there yet, and their sizes.
    pub missing: Vec<(StorePath, u64)>,
    /// Missing ones that no key of the device vouches for; `None` where it does not say which keys it believes.
    pub unsigned: Option<Vec<StorePath>>,
    pub packages: Vec<Change>,
    pub units: Changes,
    /// The kernel that runs is not the new system's.
    pub reboot: bool,
    /// Bytes that the boot loader will copy.
    pub boot_need: u64,
}

impl Difference {
    /// Compares a system in this machine's store with what is on the device.
    ///
    /// # Errors
    /// When either cannot be asked.
    pub fn of(cx: &mut Context, ssh: &Ssh, facts: &Facts, new: &StorePath) -> anyhow::Result<Difference> {
        let name_format = cx.nix()?.names_json_format();
        let step = Step::Closure { paths: vec![new.to_string()], name_format };
        let answer: BTreeMap<String, serde_json::Value> = cx.query(&step, &Settings::default())?;
        let mut closure: BTreeMap<StorePath, Info> = BTreeMap::new();
        for (path, info) in answer {
            // A newer Nix adds keys that are no paths.
            if let Ok(path) = path.parse() {
                closure.insert(
                    path,
                    serde_json::from_value(info).context("unexpected answer of `nix path-info`")?,
                );
            }
        }
        let paths: Vec<&str> = closure.keys().map(StorePath::as_str).collect();
        let script = Script::new().set("OLD", &facts.current).set("PATHS", &paths.join("\n")).then(COMPARE);
        let answer = ssh.ask(cx, Line::Kept, &script, Duration::from_mins(2))?;
        let missing: Vec<(StorePath, u64)> = answer
            .all("missing")
            .filter_map(|it| it.parse::<StorePath>().ok())
            .filter_map(|it| closure.get(&it).map(|info| (it.clone(), info.nar_size)))
            .collect();
        let unsigned = facts.keys.as_ref().map(|_| {
            let vouched = |it: &StorePath| closure.get(it).is_some_and(|info| is_vouched_for(info, facts));
            missing.iter().map(|it| &it.0).filter(|it| !vouched(it)).cloned().collect()
        });
        let old: Vec<StorePath> = answer.all("old").filter_map(|it| it.parse().ok()).collect();
        let old_files =
            answer.under("file.").map(|(name, hash)| (name.to_owned(), hash.to_owned())).collect();
        let nix = cx.nix()?;
        let same = |name: &str, there: Option<&str>| linked(nix, new, name).as_deref() == there;
        let size = |name: &str, there: &str| match linked(nix, new, name) {
            Some(file) if answer.get(there) != Some(&file) => {
                nix.real(&file).metadata().map_or(0, |it| it.len())
            }
            _ => 0,
        };
        Ok(Difference {
            paths: closure.len(),
            unsigned,
            packages: packages::changes(old.iter(), closure.keys()),
            units: Changes::between(&old_files, &unit_files(nix, new), &facts.units),
            reboot: facts.kernel.is_some() && !same("kernel", facts.kernel.as_deref()),
            boot_need: size("kernel", "link.kernel") + size("initrd", "link.initrd"),
            missing,
        })
    }

    /// Bytes to copy, as NARs.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.missing.iter().map(|it| it.1).sum()
    }

    /// Refuses what would break off in the middle.
    ///
    /// # Errors
    /// With the reason, and what to do.
    pub fn check(&self, facts: &Facts, target: &str) -> anyhow::Result<()> {
        let need = self.size() + STORE_MARGIN;
        if let Some(free) = facts.free_store.filter(|it| !self.missing.is_empty() && *it < need) {
            bail!(
                "not enough room in the device's store: {} to copy, {} free; free some with \
                 `ssh {target} nix-collect-garbage --delete-older-than 30d`, which removes older generations",
                bytes(self.size()),
                bytes(free)
            );
        }
        let need = self.boot_need + BOOT_MARGIN;
        if let Some(free) = facts.free_boot.filter(|it| self.boot_need > 0 && *it < need) {
            bail!(
                "not enough room in the device's /boot: its kernel and initrd take {}, {} are free; remove old \
                 generations with `ssh {target} nix-collect-garbage --delete-older-than 30d` and then clean /boot with \
                 `ssh {target} /run/current-system/bin/switch-to-configuration boot`",
                bytes(self.boot_need),
                bytes(free)
            );
        }
        Ok(())
    }

    /// What the user decides by.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        const SHOWN: usize = 20;
        let mut res = vec![match self.missing.len() {
            0 => format!("all {} are there", count(self.paths, "path")),
            missing => format!("{missing} of {} to copy, {}", count(self.paths, "path"), bytes(self.size())),
        }];
        res.extend(self.packages.iter().take(SHOWN).map(ToString::to_string));
        if self.packages.len() > SHOWN {
            res.push(format!("… and {} more", count(self.packages.len() - SHOWN, "package")));
        }
        res.extend(self.units.lines());
        if self.reboot {
            res.push("its kernel is another one: it is used after the next boot".to_owned());
        }
        res
    }
}

fn is_vouched_for(info: &Info, facts: &Facts) -> bool {
    info.ca.as_deref().is_some_and(|it| !it.is_empty())
        || info.signatures.iter().any(|it| facts.believes(it) == Some(true))
}

/// Where a file of a system is in the end, as the store calls it. Links are followed by name, because the store may be
/// a private one, whose links lead to nowhere on this machine.
#[must_use]
pub fn linked(nix: &Nix, system: &StorePath, name: &str) -> Option<String> {
    let mut path = Utf8PathBuf::from(format!("{system}/{name}"));
    // As many links as the kernel follows.
    for _ in 0..40 {
        let Some((link, rest)) = first_link(nix, &path) else {
            return nix.real(path.as_str()).exists().then(|| path.into_string());
        };
        let target = nix.real(link.as_str()).read_link_utf8().ok()?;
        let whole = link.parent()?.join(target).join(rest);
        path = without_dots(&whole);
    }
    None
}

/// The uppermost link in a path, and what follows it.
fn first_link(nix: &Nix, path: &Utf8Path) -> Option<(Utf8PathBuf, Utf8PathBuf)> {
    let parts: Vec<&Utf8Path> = path.ancestors().collect();
    let link = parts.into_iter().rev().filter(|it| it.starts_with("/nix/store") && *it != "/nix/store");
    let link = link.into_iter().find(|it| nix.real(it.as_str()).is_symlink())?;
    Some((link.to_owned(), path.strip_prefix(link).ok()?.to_owned()))
}

fn without_dots(path: &Utf8Path) -> Utf8PathBuf {
    let mut res = Utf8PathBuf::new();
    for part in path.components() {
        match part.as_str() {
            ".." => drop(res.pop()),
            "." | "" => {}
            part => res.push(part),
        }
    }
    res
}

/// The unit files of a system in this machine's store.
fn unit_files(nix: &Nix, system: &StorePath) -> BTreeMap<String, UnitFile> {
    let mut res = BTreeMap::new();
    let Some(dir) = linked(nix, system, "etc/systemd/system") else { return res };
    let Ok(entries) = nix.real(&dir).read_dir_utf8() else { return res };
    for name in entries.flatten().map(|it| it.file_name().to_owned()) {
        let kind = name.rsplit('.').next().unwrap_or_default();
        if !["service", "socket", "timer", "path", "mount"].contains(&kind) {
            continue;
        }
        let file = linked(nix, system, &format!("etc/systemd/system/{name}"));
        let content = file.and_then(|it| std::fs::read(nix.real(&it)).ok());
        if let Some(content) = content {
            let hash = Sha256::digest(&content).iter().map(|it| format!("{it:02x}")).collect();
            let on_change = OnChange::of(&String::from_utf8_lossy(&content));
            res.insert(name, UnitFile { hash, on_change });
        }
    }
    res
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::nix::{Flavour, Origin};

    /// As a NixOS system is made, in a private store.
    #[test]
    fn links_are_followed_in_a_private_store() {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temp.path()).unwrap();
        let path = |name: &str| format!("/nix/store/{}-{name}", "a".repeat(32));
        let real = |it: &str| root.join(it.trim_start_matches('/'));
        for dir in ["system", "etc/etc/systemd", "units", "unit-a"] {
            std::fs::create_dir_all(real(&path(dir))).unwrap();
        }
        std::fs::write(real(&path("unit-a/a.service")), "X-ReloadIfChanged=true\n").unwrap();
        std::fs::write(real(&path("linux")), "kernel").unwrap();
        let link = |target: String, at: String| symlink(target, real(&at)).unwrap();
        link(path("etc/etc"), path("system/etc"));
        link(path("units"), path("etc/etc/systemd/system"));
        link(path("unit-a/a.service"), path("units/a.service"));
        link("../linux".replace("../linux", &format!("../{}-linux", "a".repeat(32))), path("system/kernel"));
        link(path("gone"), path("system/initrd"));
        link("loop".to_owned(), path("system/loop"));
        let nix = Nix {
            program: "/usr/bin/nix".into(),
            version: "2.26.3".parse().unwrap(),
            flavour: Flavour::Upstream,
            origin: Origin::Path,
            store_root: Some(root.to_owned()),
        };
        let system: StorePath = path("system").parse().unwrap();
        assert_eq!(linked(&nix, &system, "kernel"), Some(path("linux")));
        assert_eq!(linked(&nix, &system, "etc/systemd/system/a.service"), Some(path("unit-a/a.service")));
        for name in ["initrd", "loop", "missing"] {
            assert_eq!(linked(&nix, &system, name), None, "{name}");
        }
        let units = unit_files(&nix, &system);
        assert_eq!(units["a.service"].on_change, OnChange::Reload);
    }
}
