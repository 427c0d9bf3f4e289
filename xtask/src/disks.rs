//! The disks of this machine as values: what they are, what uses them, and which of them may be overwritten.
//!
//! A disk must earn it: it is removable or on USB or an SD slot, and nothing of this system is on it, through whatever
//! layers. Everything else is refused, with the reason.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::report::bytes;

mod backing;
pub mod linux;
pub mod macos;
mod plist;
#[cfg(test)]
mod tests;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// As the kernel calls it: `sda`, `mmcblk0`, `disk4`.
    pub name: String,
    /// As users name it: `/dev/sda`.
    pub path: String,
    /// What is opened to write: on macOS the raw device.
    pub raw_path: String,
    /// `MAJOR:MINOR` on Linux.
    pub number: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Bytes of a logical sector.
    pub sector: u64,
    pub read_only: bool,
    /// The system says that its medium or itself can be taken out.
    pub removable: bool,
    pub transport: Transport,
    /// Vendor and model.
    pub model: Option<String>,
    pub serial: Option<String>,
    pub partitions: Vec<Partition>,
    /// Where it, or a partition of it, is mounted itself.
    pub mounts: Vec<String>,
    /// Mount points, and `swap`, whose data is on it, also through LUKS, LVM, RAID, loop devices and overlays.
    pub uses: BTreeSet<String>,
    /// Devices that are made of it: `dm-0`, `md127`, `loop1`.
    pub holders: BTreeSet<String>,
    /// Files of the kernel and what they say: another disk would have others.
    pub facts: Vec<(String, String)>,
    /// The file that takes it off the system when `1` is written to it.
    pub eject: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    pub name: String,
    /// Bytes.
    pub size: u64,
    pub mounts: Vec<String>,
}

/// How a disk is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Usb,
    /// A card in a slot.
    Sd,
    /// Soldered to the board, though on the bus of SD cards.
    Emmc,
    Nvme,
    Sata,
    Virtio,
    Optical,
    /// A file as a disk.
    Loop,
    /// Memory as a disk.
    Memory,
    /// Made of other disks: LVM, LUKS, RAID, an APFS container.
    Composite,
    #[serde(untagged)]
    Other(String),
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Usb => "usb",
            Transport::Sd => "sd",
            Transport::Emmc => "emmc",
            Transport::Nvme => "nvme",
            Transport::Sata => "sata",
            Transport::Virtio => "virtio",
            Transport::Optical => "optical",
            Transport::Loop => "loop",
            Transport::Memory => "memory",
            Transport::Composite => "composite",
            Transport::Other(it) => it,
        })
    }
}

/// What an image wants of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Bytes.
    pub size: u64,
    /// Bytes of the sectors that its partition table counts in.
    pub sector: u64,
}

/// Why a disk is not written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// This system runs from it.
    System(Vec<String>),
    Holds(Vec<String>),
    /// Where no stick is mounted by itself.
    Mounted(Vec<String>),
    Composite,
    Memory,
    Optical,
    Emmc,
    /// It cannot be taken out.
    Fixed(Transport),
    NoMedium,
    ReadOnly,
    TooSmall {
        disk: u64,
        image: u64,
    },
    Sectors {
        disk: u64,
        image: u64,
    },
}

/// Where desktops and people mount what they plug in: unmounted without a question, since it is to be overwritten.
const MEDIA: &[&str] = &["/media", "/run/media", "/mnt", "/Volumes"];
/// What a system is made of.
const SYSTEM: &[&str] = &[
    "swap", "/", "/nix", "/boot", "/home", "/usr", "/var", "/etc", "/opt", "/root", "/srv", "/efi",
    "/System", "/private",
];

impl Disk {
    /// Why it must not be overwritten, if so.
    #[must_use]
    pub fn refusal(&self, need: Option<Need>) -> Option<Refusal> {
        let uses = |wanted: &dyn Fn(&str) -> bool| -> Option<Vec<String>> {
            let res: Vec<String> = self.uses.iter().filter(|it| wanted(it)).cloned().collect();
            (!res.is_empty()).then_some(res)
        };
        if let Some(uses) = uses(&|it| SYSTEM.iter().any(|place| below(it, place))) {
            return Some(Refusal::System(uses));
        }
        match self.transport {
            Transport::Composite => return Some(Refusal::Composite),
            Transport::Memory => return Some(Refusal::Memory),
            Transport::Optical => return Some(Refusal::Optical),
            Transport::Emmc => return Some(Refusal::Emmc),
            Transport::Usb | Transport::Sd => {}
            _ if self.removable => {}
            _ => return Some(Refusal::Fixed(self.transport.clone())),
        }
        if !self.holders.is_empty() {
            return Some(Refusal::Holds(self.holders.iter().cloned().collect()));
        }
        if let Some(mounts) = uses(&|it| !MEDIA.iter().any(|place| below(it, place))) {
            return Some(Refusal::Mounted(mounts));
        }
        match need {
            _ if self.size == 0 => Some(Refusal::NoMedium),
            _ if self.read_only => Some(Refusal::ReadOnly),
            Some(need) if need.size > self.size => {
                Some(Refusal::TooSmall { disk: self.size, image: need.size })
            }
            Some(need) if need.sector != self.sector => {
                Some(Refusal::Sectors { disk: self.sector, image: need.sector })
            }
            _ => None,
        }
    }

    /// In a few words: `sda (SanDisk Ultra, 31 GB, usb)`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut parts: Vec<String> = self.model.iter().cloned().collect();
        parts.extend(self.serial.as_ref().map(|it| format!("serial {it}")));
        parts.extend([bytes(self.size), self.transport.to_string()]);
        format!("{} ({})", self.name, parts.join(", "))
    }
}

/// Whether a place is another one or below it; nothing but `/` itself is the root.
fn below(place: &str, dir: &str) -> bool {
    place == dir || (dir != "/" && place.strip_prefix(dir).is_some_and(|it| it.starts_with('/')))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::System(uses) => write!(f, "this system runs from it ({})", uses.join(", ")),
            Refusal::Holds(holders) => {
                write!(f, "{} is made of it: close that first", holders.join(", "))
            }
            Refusal::Mounted(mounts) => {
                write!(
                    f,
                    "it is in use at {}; `sudo umount {}` if it may go",
                    mounts.join(", "),
                    mounts.join(" ")
                )
            }
            Refusal::Composite => f.write_str("it is no disk, but made of other ones"),
            Refusal::Memory => f.write_str("it is memory"),
            Refusal::Optical => f.write_str("it is a drive for CDs"),
            Refusal::Emmc => f.write_str("it is soldered to the board (eMMC)"),
            Refusal::Fixed(transport) => {
                write!(f, "it cannot be taken out: neither removable nor on USB or SD ({transport})")
            }
            Refusal::NoMedium => f.write_str("there is nothing in it"),
            Refusal::ReadOnly => f.write_str("it is write-protected"),
            Refusal::TooSmall { disk, image } => {
                write!(f, "it is too small: it has {}, the image needs {}", bytes(*disk), bytes(*image))
            }
            Refusal::Sectors { disk, image } => {
                write!(
                    f,
                    "it has sectors of {disk} bytes, and the image is made for {image}: nothing would boot"
                )
            }
        }
    }
}

/// The disk that a user names, by its name, its path, or a link to it such as `/dev/disk/by-id/…`, which the caller has
/// resolved.
///
/// # Errors
/// When it is no whole disk of this machine, with those that there are.
pub fn find<'a>(disks: &'a [Disk], device: &str) -> Result<&'a Disk, String> {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    if let Some(disk) = disks.iter().find(|it| it.name == name || it.raw_path == device) {
        return Ok(disk);
    }
    if let Some(disk) = disks.iter().find(|it| it.partitions.iter().any(|it| it.name == name)) {
        return Err(format!(
            "`{device}` is a partition; an image is of a whole disk: `--device {}`",
            disk.path
        ));
    }
    let candidates: Vec<&str> =
        disks.iter().filter(|it| it.refusal(None).is_none()).map(|it| it.path.as_str()).collect();
    let there = match candidates.as_slice() {
        [] => "no disk that could be written to is plugged in".to_owned(),
        some => format!("there are: {}", some.join(", ")),
    };
    Err(format!("there is no disk `{device}`; {there}"))
}
