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
            let all = head.get(place..place.saturating_add(count * each));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A GPT with one partition, from sector 64 to 127, of a disk of 128 sectors.
    fn disk(sector: usize, kind: [u8; 16], attributes: u64) -> Vec<u8> {
        let mut res = vec![0; 128 * sector];
        res[450] = PROTECTIVE;
        res[510..512].copy_from_slice(&[0x55, 0xaa]);
        let mut entries = vec![0; 4 * 128];
        entries[..16].copy_from_slice(&kind);
        entries[32..40].copy_from_slice(&64_u64.to_le_bytes());
        entries[40..48].copy_from_slice(&127_u64.to_le_bytes());
        entries[48..56].copy_from_slice(&attributes.to_le_bytes());
        let mut header = vec![0; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[12..16].copy_from_slice(&92_u32.to_le_bytes());
        header[72..80].copy_from_slice(&2_u64.to_le_bytes());
        header[80..84].copy_from_slice(&4_u32.to_le_bytes());
        header[84..88].copy_from_slice(&128_u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc32fast::hash(&entries).to_le_bytes());
        let sum = crc32fast::hash(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        res[sector..sector + 92].copy_from_slice(&header);
        res[2 * sector..2 * sector + entries.len()].copy_from_slice(&entries);
        res
    }

    fn verdict(disk: &[u8], size: usize) -> String {
        match Table::read(disk).and_then(|it| it.check(size as u64).map(|()| it)) {
            Ok(table) => format!("{:?} {}", table.kind, table.sector),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn gpt_with_sectors_of_both_sizes() {
        for sector in [512, 4096] {
            let good = disk(sector, ESP, 0);
            assert_eq!(verdict(&good, good.len()), format!("Gpt {sector}"));
            assert_eq!(verdict(&disk(sector, [1; 16], LEGACY_BOOT), good.len()), format!("Gpt {sector}"));
            let nothing = verdict(&disk(sector, [1; 16], 0), good.len());
            assert!(nothing.starts_with("nothing can boot from it: its partition table (GPT)"), "{nothing}");
            let cut = verdict(&good, good.len() - 1);
            assert!(cut.starts_with("it is cut off: its partitions end at byte"), "{cut}");
            for (at, what) in [(sector + 41, "header"), (2 * sector + 41, "entries")] {
                let mut damaged = good.clone();
                damaged[at] ^= 1;
                let told = verdict(&damaged, good.len());
                assert!(told.starts_with("its partition table is damaged") && told.contains(what), "{told}");
            }
            for length in [sector + 20, 2 * sector + 20] {
                assert!(verdict(&good[..length], length).contains("cut off"));
            }
        }
    }

    /// No byte of the table makes it panic.
    #[test]
    fn whatever_is_in_it() {
        let good = disk(512, ESP, 0);
        for at in 446..2 * 512 + 128 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let sum = |it: &[u8]| {
                    let mut header = it[512..604].to_vec();
                    header[16..20].fill(0);
                    crc32fast::hash(&header).to_le_bytes()
                };
                let right = sum(&bad);
                bad[528..532].copy_from_slice(&right);
                verdict(&bad, bad.len());
            }
        }
    }
}
