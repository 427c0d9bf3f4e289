//! The disks of Linux, read from `/sys` and `/proc` alone: what udev would tell is missing where there is no udev.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::backing::{Backing, entries};
use super::{Disk, Partition, Transport};
use crate::host::Host;

/// The kernel counts sizes in these, whatever the disk's sectors are.
const UNIT: u64 = 512;
/// The SCSI type of drives for CDs.
const CD: &str = "5";

/// An entry of `/sys/class/block`.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: String,
    /// Its directory under `/sys/devices`.
    pub(super) dir: Utf8PathBuf,
    /// `MAJOR:MINOR`
    pub(super) number: String,
    /// The disk that it is a part of.
    pub(super) parent: Option<String>,
    /// What LVM, LUKS or RAID made it of.
    pub(super) slaves: Vec<String>,
    /// The file or device under a loop device.
    pub(super) backing_file: Option<String>,
}

/// All disks, by name.
#[must_use]
pub fn inventory(host: &Host) -> Vec<Disk> {
    let blocks = blocks(host);
    let backing = Backing::read(host, &blocks);
    let uses = backing.uses();
    let disks = blocks.values().filter(|it| it.parent.is_none());
    disks.map(|it| disk(it, &blocks, &backing, &uses)).filter(is_there).collect()
}

/// Loop devices and the like that nobody has set up are no disks; an empty card reader is one.
fn is_there(disk: &Disk) -> bool {
    let idle = matches!(disk.transport, Transport::Loop | Transport::Memory | Transport::Composite);
    disk.size > 0 || !(idle || matches!(&disk.transport, Transport::Other(_)))
}

fn blocks(host: &Host) -> BTreeMap<String, Block> {
    let links = entries(&host.path("/sys/class/block"));
    let dirs: Vec<Utf8PathBuf> = links.iter().filter_map(|it| it.canonicalize_utf8().ok()).collect();
    let names: BTreeSet<&str> = dirs.iter().filter_map(|it| it.file_name()).collect();
    let block = |dir: &Utf8PathBuf| {
        let name = dir.file_name()?.to_owned();
        let parent = dir.parent()?.file_name().filter(|it| names.contains(it)).map(str::to_owned);
        let slaves = names_in(&dir.join("slaves"));
        // Paths of NVMe that the kernel itself puts together.
        if read(&dir.join("hidden")).as_deref() == Some("1") {
            return None;
        }
        let number = read(&dir.join("dev"))?;
        let backing_file = read(&dir.join("loop/backing_file"));
        Some((name.clone(), Block { name, dir: dir.clone(), number, parent, slaves, backing_file }))
    };
    dirs.iter().filter_map(block).collect()
}

fn disk(
    block: &Block,
    blocks: &BTreeMap<String, Block>,
    backing: &Backing<'_>,
    uses: &BTreeMap<String, BTreeSet<String>>,
) -> Disk {
    let Block { name, dir, .. } = block;
    let parts: Vec<&Block> = blocks.values().filter(|it| it.parent.as_ref() == Some(name)).collect();
    let partition = |it: &&Block| Partition {
        name: it.name.clone(),
        size: size(&it.dir),
        mounts: backing.mounted(&it.name),
    };
    let all: Vec<&Block> = parts.iter().copied().chain([block]).collect();
    let mut holders: BTreeSet<String> = all.iter().flat_map(|it| names_in(&it.dir.join("holders"))).collect();
    // The kernel does not list loop devices there.
    let on_it = |it: &&Block| {
        let under = it.backing_file.as_deref().and_then(|it| backing.device(it));
        under.is_some_and(|under| all.iter().any(|it| it.name == under))
    };
    holders.extend(blocks.values().filter(on_it).map(|it| it.name.clone()));
    let transport = transport(block);
    let serial = serial_file(block, &transport);
    let facts = [Some(dir.join("size")), Some(dir.join("diskseq")), serial.clone()];
    let facts = facts.into_iter().flatten().filter_map(|it| Some((it.to_string(), read(&it)?)));
    let eject = Some(dir.join("device/delete")).filter(|it| transport == Transport::Usb && it.exists());
    Disk {
        path: format!("/dev/{}", name.replace('!', "/")),
        raw_path: format!("/dev/{}", name.replace('!', "/")),
        number: Some(block.number.clone()),
        size: size(dir),
        sector: read(&dir.join("queue/logical_block_size")).and_then(|it| it.parse().ok()).unwrap_or(UNIT),
        read_only: read(&dir.join("ro")).is_some_and(|it| it != "0"),
        removable: read(&dir.join("removable")).is_some_and(|it| it == "1"),
        model: model(dir),
        serial: serial.map_or_else(|| scsi_serial(dir), |it| read(&it)),
        partitions: parts.iter().map(partition).collect(),
        mounts: all.iter().flat_map(|it| backing.mounted(&it.name)).collect(),
        uses: all.iter().filter_map(|it| uses.get(&it.name)).flatten().cloned().collect(),
        holders,
        facts: facts.collect(),
        eject: eject.map(Utf8PathBuf::into_string),
        transport,
        name: name.clone(),
    }
}

/// How it is connected, from the way of devices that leads to it.
fn transport(block: &Block) -> Transport {
    let Block { name, dir, .. } = block;
    let on = |bus: &str| {
        let numbered =
            |it: &str| it.strip_prefix(bus).is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()));
        dir.components().any(|it| numbered(it.as_str()))
    };
    let passes = |place: &str| dir.components().any(|it| it.as_str() == place);
    let kind = read(&dir.join("device/type"));
    if passes("virtual") {
        return match name.trim_end_matches(|it: char| it.is_ascii_digit()) {
            "loop" => Transport::Loop,
            "zram" | "ram" => Transport::Memory,
            "dm-" | "md" | "md_d" | "bcache" => Transport::Composite,
            other => Transport::Other(other.to_owned()),
        };
    }
    match kind.as_deref() {
        Some(CD) => Transport::Optical,
        Some("SD") if passes("mmc_host") => Transport::Sd,
        Some(_) if passes("mmc_host") => Transport::Emmc,
        _ if on("usb") => Transport::Usb,
        _ if on("nvme") => Transport::Nvme,
        _ if on("ata") => Transport::Sata,
        _ if on("virtio") => Transport::Virtio,
        _ => Transport::Other("fixed".to_owned()),
    }
}

/// Where its serial number is: a stick's is that of the USB device.
fn serial_file(block: &Block, transport: &Transport) -> Option<Utf8PathBuf> {
    let usb = || {
        let device = block.dir.ancestors().find(|it| it.join("idVendor").exists())?;
        Some(device.join("serial"))
    };
    let own = [block.dir.join("device/serial"), block.dir.join("serial")];
    let usb = if *transport == Transport::Usb { usb() } else { None };
    usb.into_iter().chain(own).find(|it| read(it).is_some_and(|it| !it.is_empty()))
}

/// What a SATA or SCSI disk answers when it is asked for its serial number: a page with four bytes before it.
fn scsi_serial(dir: &Utf8Path) -> Option<String> {
    let page = std::fs::read(dir.join("device/vpd_pg80")).ok()?;
    let serial = String::from_utf8_lossy(page.get(4..)?).trim_matches(['\0', ' ']).to_owned();
    (!serial.is_empty()).then_some(serial)
}

fn model(dir: &Utf8Path) -> Option<String> {
    let words = ["device/vendor", "device/model", "device/name"].map(|it| read(&dir.join(it)));
    // virtio has a number there.
    let words: Vec<String> =
        words.into_iter().flatten().filter(|it| !it.is_empty() && !it.starts_with("0x")).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn size(dir: &Utf8Path) -> u64 {
    read(&dir.join("size")).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0).saturating_mul(UNIT)
}

fn names_in(dir: &Utf8Path) -> Vec<String> {
    entries(dir).iter().filter_map(|it| it.file_name()).map(str::to_owned).collect()
}

/// A file of one line, without the blanks around it.
pub(super) fn read(path: &Utf8Path) -> Option<String> {
    std::fs::read(path).ok().map(|it| String::from_utf8_lossy(&it).trim().to_owned())
}
