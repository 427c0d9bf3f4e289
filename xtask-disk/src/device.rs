//! The disk, opened once: exclusively, so that the kernel refuses when anything of it is mounted, and past the page
//! cache, so that what is read back comes from the disk.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use unix::errno::Errno;
use unix::fcntl::OFlag;
use unix::sys::stat::{major, minor};

use crate::buffers::{ALIGN, Buffer};

/// The disk that the user has confirmed.
#[derive(Debug, Deserialize)]
pub(crate) struct Disk {
    path: String,
    /// `MAJOR:MINOR`, where the system has them.
    number: Option<String>,
    size: u64,
    /// Bytes of a logical sector.
    pub(crate) sector: u64,
    /// Files of the kernel with what they said when it was confirmed: size, serial number, sequence number.
    facts: Vec<(String, String)>,
}

#[derive(Debug)]
pub(crate) struct Device<'a> {
    disk: &'a Disk,
    file: File,
    pub(crate) sector: usize,
}

impl Device<'_> {
    /// Opens it and proves that it is the one that was confirmed.
    ///
    /// # Errors
    /// When it is in use, or another one. Nothing has been written then.
    pub(crate) fn open(disk: &Disk) -> anyhow::Result<Device<'_>> {
        let path = &disk.path;
        let mut flags = OFlag::O_EXCL;
        // macOS has no such flag; there, the raw device (`/dev/rdisk4`) is never cached.
        flags |= OFlag::from_name("O_DIRECT").unwrap_or(OFlag::empty());
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path);
        let mut file = opened.map_err(|error| match errno(&error) {
            Errno::EBUSY => anyhow!("`{path}` is in use: a program has it open, or it is mounted where we cannot see it, as in a container; `sudo fuser -vm {path}` may say which"),
            Errno::EROFS => anyhow!("`{path}` is write-protected; is there a switch on it?"),
            Errno::ENOENT | Errno::ENXIO | Errno::ENODEV | Errno::ENOMEDIUM => anyhow!("`{path}` is gone, as if pulled out"),
            _ => anyhow!("cannot open `{path}`: {error}"),
        })?;
        let meta = file.metadata().with_context(|| format!("cannot look at `{path}`"))?;
        if let Some(number) = &disk.number {
            let is = format!("{}:{}", major(meta.rdev()), minor(meta.rdev()));
            if !meta.file_type().is_block_device() || is != *number {
                bail!("`{path}` is another device than the one that was confirmed ({is}, not {number})");
            }
        }
        let size =
            file.seek(SeekFrom::End(0)).with_context(|| format!("cannot ask `{path}` for its size"))?;
        if size != disk.size && disk.number.is_some() {
            bail!(
                "`{path}` is another disk than the one that was confirmed: it has {size} bytes, that one had {}",
                disk.size
            );
        }
        let sector =
            usize::try_from(disk.sector).ok().filter(|it| it.is_power_of_two() && (512..=ALIGN).contains(it));
        let sector = sector.with_context(|| {
            format!("`{path}` has sectors of {} bytes, which nobody has tried", disk.sector)
        })?;
        let device = Device { disk, file, sector };
        if let Some(change) = device.change() {
            bail!("`{path}` is another disk than the one that was confirmed: {change}");
        }
        Ok(device)
    }

    /// The first fact that does not hold any more, if any.
    fn change(&self) -> Option<String> {
        self.disk.facts.iter().find_map(|(file, was)| {
            let Ok(is) = std::fs::read_to_string(file) else {
                return Some("that one was taken out in between".to_owned());
            };
            let name = file.rsplit('/').next().unwrap_or(file);
            (is.trim() != was).then(|| format!("its {name} was {was}, and is {}", is.trim()))
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.disk.size
    }

    /// Whole sectors, at a multiple of them.
    pub(crate) fn write(&self, bytes: &[u8], at: u64) -> anyhow::Result<()> {
        self.file.write_all_at(bytes, at).map_err(|error| self.explain("written", at, bytes.len(), &error))
    }

    /// Fills the buffer from the disk itself.
    pub(crate) fn read(&self, buffer: &mut Buffer, at: u64) -> anyhow::Result<()> {
        let len = buffer.len();
        self.file.read_exact_at(buffer, at).map_err(|error| self.explain("read back", at, len, &error))
    }

    /// Returns when all is on the disk, and not in a cache of it.
    pub(crate) fn sync(&self) -> anyhow::Result<()> {
        self.file.sync_all().map_err(|error| self.explain("flushed", self.size(), 0, &error))
    }

    /// Why the bytes from `at` on could not be read or written; all of the disk when there are none.
    fn explain(&self, what: &str, at: u64, len: usize, error: &std::io::Error) -> anyhow::Error {
        let path = &self.disk.path;
        let place =
            if len == 0 { String::new() } else { format!(" between byte {at} and {}", at + len as u64) };
        let gone = [Errno::ENODEV, Errno::ENXIO, Errno::ENOMEDIUM, Errno::ESHUTDOWN].contains(&errno(error));
        if gone || self.change().is_some() {
            return anyhow!("`{path}` is gone, as if pulled out: it was {what} up to byte {at}");
        }
        match errno(error) {
            Errno::EIO => anyhow!(
                "`{path}` cannot be {what}{place} (I/O error): it is worn out or badly plugged in; try another one"
            ),
            Errno::ENOSPC => anyhow!(
                "`{path}` has no room behind byte {at}, though it says that it has {} bytes; try another one",
                self.size()
            ),
            _ => anyhow!("`{path}` cannot be {what}{place}: {error}"),
        }
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}
