//! The disks of macOS, from what `diskutil` writes as property lists.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use super::plist::Value;
use super::{Disk, Partition, Transport};

/// The names of all whole disks, from `diskutil list -plist`.
///
/// # Errors
/// When it is no property list.
pub fn names(list: &str) -> anyhow::Result<Vec<String>> {
    let list = Value::parse(list).context("unexpected answer of diskutil")?;
    Ok(wholes(&list).filter_map(|it| it.text("DeviceIdentifier")).map(str::to_owned).collect())
}

/// All disks, from `diskutil list -plist` and from `diskutil info -plist DISK` of each.
///
/// # Errors
/// When one of them is no property list.
pub fn inventory(list: &str, infos: &[String]) -> anyhow::Result<Vec<Disk>> {
    let list = Value::parse(list).context("unexpected answer of diskutil")?;
    let uses = uses(&list);
    let wholes: BTreeMap<&str, &Value> =
        wholes(&list).filter_map(|it| Some((it.text("DeviceIdentifier")?, it))).collect();
    let mut res = Vec::new();
    for info in infos {
        let info = Value::parse(info).context("unexpected answer of diskutil")?;
        let name = info.text("DeviceIdentifier").context("diskutil names no device")?;
        if let Some(whole) = wholes.get(name) {
            res.push(disk(name, &info, whole, &uses));
        }
    }
    Ok(res)
}

fn wholes(list: &Value) -> impl Iterator<Item = &Value> {
    list.list("AllDisksAndPartitions").iter()
}

fn disk(name: &str, info: &Value, whole: &Value, uses: &BTreeMap<String, BTreeSet<String>>) -> Disk {
    let parts: Vec<&Value> = whole.list("Partitions").iter().collect();
    let mount = |it: &Value| it.text("MountPoint").map(str::to_owned);
    let partitions = parts.iter().filter_map(|it| {
        Some(Partition {
            name: it.text("DeviceIdentifier")?.to_owned(),
            size: it.number("Size").unwrap_or(0),
            mounts: mount(it).into_iter().collect(),
        })
    });
    let all = parts.iter().filter_map(|it| it.text("DeviceIdentifier")).chain([name]);
    let writable = info.get("WritableMedia") != Some(&Value::Bool(false));
    Disk {
        name: name.to_owned(),
        path: format!("/dev/{name}"),
        raw_path: format!("/dev/r{name}"),
        number: None,
        size: info.number("TotalSize").or_else(|| info.number("Size")).unwrap_or(0),
        sector: info.number("DeviceBlockSize").unwrap_or(512),
        read_only: !writable,
        removable: !info.is("Internal") && (info.is("RemovableMedia") || info.is("Ejectable")),
        transport: transport(info, whole),
        model: info.text("MediaName").or_else(|| info.text("IORegistryEntryName")).map(str::to_owned),
        // diskutil does not tell it.
        serial: None,
        mounts: parts.iter().filter_map(|it| mount(it)).chain(mount(whole)).collect(),
        uses: all.filter_map(|it| uses.get(it)).flatten().cloned().collect(),
        partitions: partitions.collect(),
        holders: BTreeSet::new(),
        facts: Vec::new(),
        eject: None,
    }
}

fn transport(info: &Value, whole: &Value) -> Transport {
    if !whole.list("APFSPhysicalStores").is_empty() {
        return Transport::Composite;
    }
    match info.text("BusProtocol") {
        Some("USB") => Transport::Usb,
        Some("Secure Digital") => Transport::Sd,
        Some("PCI-Express" | "Apple Fabric") => Transport::Nvme,
        Some("SATA") => Transport::Sata,
        // Also a real one that somebody else has attached: never a stick.
        Some("Disk Image") => Transport::Composite,
        _ if info.text("VirtualOrPhysical") == Some("Virtual") => Transport::Composite,
        Some(other) => Transport::Other(other.to_lowercase()),
        None => Transport::Other("fixed".to_owned()),
    }
}

/// For each device what is mounted from it; what a container of APFS has is on the disks that it is made of.
fn uses(list: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut res: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for whole in wholes(list) {
        let Some(name) = whole.text("DeviceIdentifier") else { continue };
        let volumes = whole.list("APFSVolumes").iter().chain(whole.list("Partitions")).chain([whole]);
        for volume in volumes {
            let snapshots =
                volume.list("MountedSnapshots").iter().filter_map(|it| it.text("SnapshotMountPoint"));
            let mounts: Vec<&str> = volume.text("MountPoint").into_iter().chain(snapshots).collect();
            let stores = whole.list("APFSPhysicalStores").iter().filter_map(|it| it.text("DeviceIdentifier"));
            for device in stores.chain([name]) {
                res.entry(device.to_owned()).or_default().extend(mounts.iter().map(|it| (*it).to_owned()));
            }
        }
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = include_str!("../../tests/fixtures/disks/list.plist");

    fn info(name: &str, bus: &str, internal: bool, removable: bool, size: u64) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<plist version=\"1.0\">\n<dict><key>BusProtocol</key><string>{bus}</string>\n\
             <key>DeviceBlockSize</key><integer>512</integer><key>DeviceIdentifier</key><string>{name}</string>\
             <key>Internal</key><{internal}/><key>MediaName</key><string>A &amp; B</string>\
             <key>RemovableMedia</key><{removable}/><key>TotalSize</key><integer>{size}</integer>\
             <key>Content</key><string></string><key>WritableMedia</key><true/></dict></plist>"
        )
    }

    #[test]
    fn a_mac_with_a_stick_and_a_card() {
        let infos = [
            info("disk0", "Apple Fabric", true, false, 500_000_000_000),
            info("disk3", "Apple Fabric", true, false, 494_000_000_000),
            info("disk4", "USB", false, true, 31_000_000_000),
            info("disk5", "Secure Digital", true, true, 64_000_000_000),
            info("disk6", "Disk Image", false, true, 1_000_000),
        ];
        assert_eq!(names(LIST).unwrap(), ["disk0", "disk3", "disk4", "disk5", "disk6"]);
        let disks = inventory(LIST, &infos).unwrap();
        let told: Vec<(String, String)> = disks
            .iter()
            .map(|it| (it.describe(), it.refusal(None).map_or_else(|| "yes".to_owned(), |it| it.to_string())))
            .collect();
        let told: Vec<(&str, &str)> = told.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
        assert_eq!(
            told,
            [
                ("disk0 (A & B, 500 GB, nvme)", "this system runs from it (/, /System/Volumes/Data)"),
                ("disk3 (A & B, 494 GB, composite)", "this system runs from it (/, /System/Volumes/Data)"),
                ("disk4 (A & B, 31 GB, usb)", "yes"),
                ("disk5 (A & B, 64 GB, sd)", "yes"),
                ("disk6 (A & B, 1.0 MB, composite)", "it is no disk, but made of other ones"),
            ]
        );
        assert_eq!(
            (disks[2].raw_path.as_str(), &disks[2].mounts),
            ("/dev/rdisk4", &vec!["/Volumes/STICK".to_owned()])
        );
    }

    #[test]
    fn damaged_lists() {
        for text in
            ["", "<plist>", "<plist><dict><key>a</key>", "<plist><array>", "<plist><dict><string/></dict>"]
        {
            assert!(names(text).is_err(), "{text}");
        }
    }
}
