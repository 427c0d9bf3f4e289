//! The partition table of an image: GPT by the UEFI specification, or MBR; and whether something can boot from it.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

/// C12A7328-F81F-11D2-BA4B-00A0C93EC93B as it is on disk.
const ESP: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
/// A GPT partition's attribute that BIOS boot loaders look for.
const LEGACY_BOOT: u64 = 1 << 2;
const PROTECTIVE: u8 = 0xee;
const MBR_ESP: u8 = 0xef;
const ACTIVE: u8 = 0x80;
/// The MBR's four entries, of 16 bytes each, and the signature behind them.
const ENTRIES: usize = 446;
/// More than any tool makes.
const MOST_PARTITIONS: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) kind: Kind,
    /// The bytes of the sectors that it counts in. A disk with others would not understand it.
    pub(crate) sector: u64,
    pub(crate) partitions: Vec<Partition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Gpt,
    Mbr,
}

/// Bytes from the start of the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partition {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) bootable: bool,
}

impl Table {
    /// Reads it from the first bytes of a disk; all of it is within the first MiB.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub(crate) fn read(head: &[u8]) -> anyhow::Result<Table> {
        if head.get(510..512) != Some(&[0x55, 0xaa]) {
            bail!(
                "it has no partition table: it is not the image of a disk, perhaps only of a partition, or of something else"
            );
        }
        let entries: Vec<&[u8]> = head[ENTRIES..510].chunks(16).collect();
        if entries.iter().any(|it| it[4] == PROTECTIVE) {
            return gpt(head);
        }
        let used: Vec<&&[u8]> = entries.iter().filter(|it| it[4] != 0).collect();
        // The first sector of a FAT file system ends like an MBR, and has its boot code here.
        if used.is_empty() || entries.iter().any(|it| it[0] & !ACTIVE != 0) {
            bail!("it has no partition table: it is a file system or a boot sector, not the image of a disk");
        }
        let partition = |it: &&&[u8]| {
            let (start, count) = (number32(it, 8), number32(it, 12));
            let bootable = it[0] == ACTIVE || it[4] == MBR_ESP;
            Partition { start: start * 512, end: (start + count) * 512, bootable }
        };
        Ok(Table { kind: Kind::Mbr, sector: 512, partitions: used.iter().map(partition).collect() })
    }

    /// Whether it is whole and something can boot from it.
    ///
    /// # Errors
    /// With what is wrong; `size` is the image's.
    pub(crate) fn check(&self, size: u64) -> anyhow::Result<()> {
        let end = self.partitions.iter().map(|it| it.end).max().unwrap_or(0);
        if end > size {
            bail!("it is cut off: its partitions end at byte {end}, the image at byte {size}");
        }
        if !self.partitions.iter().any(|it| it.bootable && it.end > it.start) {
            let (name, wanted) = match self.kind {
                Kind::Gpt => ("GPT", "neither an EFI system partition nor one marked for legacy boot"),
                Kind::Mbr => ("MBR", "neither a partition marked active nor an EFI system partition"),
            };
            bail!("nothing can boot from it: its partition table ({name}) has {wanted}");
        }
        Ok(())
    }
}

fn gpt(head: &[u8]) -> anyhow::Result<Table> {
    let found =
        [512, 4096].into_iter().find(|it| head.get(*it..).is_some_and(|it| it.starts_with(b"EFI PART")));
    let sector = found.context("its partition table is damaged: there is no GPT where the MBR says so")?;
    let header = head.get(sector..sector + 512).context("it is cut off in its partition table")?;
    let length =
        size(header, 12).filter(|it| (92..=512).contains(it)).context("its partition table is damaged")?;
    let mut bare = header[..length].to_vec();
    bare[16..20].fill(0);
    if u64::from(crc32fast::hash(&bare)) != number32(header, 16) {
        bail!("its partition table is damaged: the checksum of the GPT's header is wrong");
    }
    let bytes = sector as u64;
    let place = usize::try_from(number64(header, 72).saturating_mul(bytes)).ok();
    let (count, each) = (size(header, 80), size(header, 84));
    let entries = match (place, count, each) {
        (Some(place), Some(count @ 0..=MOST_PARTITIONS), Some(each @ 128..=4096)) => {
            let all = head.get(place..place + count * each);
            all.context("it is cut off in its partition table")?.chunks(each)
        }
        _ => bail!("its partition table is damaged"),
    };
    if u64::from(crc32fast::hash(&entries.clone().flatten().copied().collect::<Vec<u8>>()))
        != number32(header, 88)
    {
        bail!("its partition table is damaged: the checksum of the GPT's entries is wrong");
    }
    let partition = |it: &[u8]| Partition {
        start: number64(it, 32).saturating_mul(bytes),
        end: number64(it, 40).saturating_add(1).saturating_mul(bytes),
        bootable: it[..16] == ESP || number64(it, 48) & LEGACY_BOOT != 0,
    };
    let partitions = entries.filter(|it| it[..16] != [0; 16]).map(partition).collect();
    Ok(Table { kind: Kind::Gpt, sector: bytes, partitions })
}

fn number32(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 4].iter().rev().fold(0, |sum, it| sum << 8 | u64::from(*it))
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    number32(bytes, at) | number32(bytes, at + 4) << 32
}

fn size(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number32(bytes, at)).ok()
}
