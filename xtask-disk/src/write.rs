//! Writes an image and proves that it is there.
//!
//! Nothing can boot from the disk until all but its first block has been written, read back and found to be right:
//! until then, a text that says so is in its place. So it does not matter how it ends before: by an error, a signal, a
//! pulled plug, or a machine without power.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::buffers::{ALIGN, Buffer, CHUNK, pipeline};
use crate::device::{Device, Disk};
use crate::format::{self, Format};
use crate::inspect::hex;
use crate::talk::{Phase, Talk};

#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    disk: Disk,
    image: Image,
    /// What is run before the disk is opened, to unmount what is on it.
    before: Vec<Vec<String>>,
    /// What is run when all is well: so that the system looks at the disk again.
    after: Vec<Vec<String>>,
    /// The file of the kernel that takes a disk off the system when `1` is written to it.
    eject: Option<String>,
}

/// As `inspect` has found it.
#[derive(Debug, Deserialize)]
struct Image {
    path: PathBuf,
    format: Format,
    size: u64,
    sha256: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Done {
    write_seconds: f64,
    verify_seconds: f64,
    /// The disk was taken off the system.
    ejected: bool,
    /// What went wrong after all was well.
    warnings: Vec<String>,
}

/// What was written, as far as it is needed to prove it.
struct Written {
    /// The first block of the image, which is on the disk last of all.
    boot: Buffer,
    /// A checksum of each chunk as it is on the disk, so that one can say where it differs.
    checksums: Vec<u32>,
}

pub(crate) fn write(job: &Job, talk: &Talk) -> anyhow::Result<Done> {
    // First of all: root may not read what the user could, and what is open on the disk itself cannot be unmounted.
    let mut image = format::open(&job.image.path, job.image.format, Box::new(|_| ()))?;
    for command in &job.before {
        run(command).context("cannot unmount what is on the disk; close what is open there")?;
    }
    let device = Device::open(&job.disk)?;
    if job.image.size > device.size() {
        bail!("the image needs {} bytes, and the disk has {}", job.image.size, device.size());
    }
    let began = Instant::now();
    let written = put(&device, &job.image, &mut *image, talk)?;
    drop(image);
    let write_seconds = began.elapsed().as_secs_f64();
    let began = Instant::now();
    verify(&device, &job.image, &written, talk)?;
    make_bootable(&device, &written.boot)?;
    talk.progress(Phase::Verify, job.image.size, job.image.size).ok();
    let verify_seconds = began.elapsed().as_secs_f64();
    drop(device);
    let mut warnings: Vec<String> =
        job.after.iter().filter_map(|it| run(it).err()).map(|it| format!("{it:#}")).collect();
    let ejected = job.eject.as_ref().is_some_and(|file| match std::fs::write(file, "1") {
        Ok(()) => true,
        Err(error) => {
            warnings.push(format!("cannot eject it by `{file}`: {error}"));
            false
        }
    });
    Ok(Done { write_seconds, verify_seconds, ejected, warnings })
}

/// A block that is no partition table, and different from anything that an image has.
fn placeholder(image: &Image) -> Buffer {
    let text = format!("This disk was not written to its end: flash it again. ({})\n", image.sha256);
    let mut block = Buffer::new();
    block.resize(ALIGN);
    for (place, byte) in block.iter_mut().zip(text.bytes().cycle()) {
        *place = byte;
    }
    // Where a boot sector would have its signature.
    block[510..512].fill(b' ');
    block
}

/// Writes all but the first block, and what is left of other partition tables away.
fn put(
    device: &Device<'_>,
    image: &Image,
    reader: &mut (dyn Read + Send),
    talk: &Talk,
) -> anyhow::Result<Written> {
    talk.progress(Phase::Write, 0, image.size)?;
    let marker = placeholder(image);
    device.write(&marker, 0)?;
    // The copy of a GPT is at the disk's end.
    let mut zeros = Buffer::new();
    zeros.resize(ALIGN);
    zeros.fill(0);
    device.write(&zeros, device.size() / ALIGN as u64 * ALIGN as u64 - ALIGN as u64)?;

    let mut boot = Buffer::new();
    let mut checksums = Vec::new();
    let mut done = 0;
    pipeline(
        &mut |buffer| buffer.read_from(reader).context("the image cannot be read any more"),
        &mut |buffer| {
            if buffer.is_empty() {
                return Ok(());
            }
            if done + buffer.len() as u64 > image.size {
                bail!("the image has changed since it was looked at");
            }
            let at = done;
            done += buffer.len() as u64;
            if at == 0 {
                let block = buffer.len().min(ALIGN);
                boot.resize(block);
                boot.copy_from_slice(&buffer[..block]);
                buffer[..block].copy_from_slice(&marker[..block]);
            }
            buffer.pad(device.sector);
            checksums.push(crc32fast::hash(buffer));
            device.write(buffer, at)?;
            talk.progress(Phase::Write, done, image.size)
        },
    )?;
    if done != image.size {
        bail!("the image has changed since it was looked at");
    }
    device.sync()?;
    boot.pad(device.sector);
    Ok(Written { boot, checksums })
}

/// Reads everything back.
fn verify(device: &Device<'_>, image: &Image, written: &Written, talk: &Talk) -> anyhow::Result<()> {
    talk.progress(Phase::Verify, 0, image.size)?;
    let mut next = 0;
    let mut hash = Sha256::new();
    let mut done: u64 = 0;
    pipeline(
        &mut |buffer| {
            let left = usize::try_from(image.size - next).unwrap_or(CHUNK).min(CHUNK);
            buffer.resize(left);
            buffer.pad(device.sector);
            if left > 0 {
                device.read(buffer, next)?;
            }
            next += left as u64;
            Ok(())
        },
        &mut |buffer| {
            if buffer.is_empty() {
                return Ok(());
            }
            let chunk = usize::try_from(done / CHUNK as u64).unwrap_or(usize::MAX);
            if written.checksums.get(chunk) != Some(&crc32fast::hash(buffer)) {
                bail!(
                    "what was read back differs from what was written, between byte {done} and {}: the disk loses data, or has less room than it says; try another one",
                    done + buffer.len() as u64
                );
            }
            let used = usize::try_from(image.size - done).unwrap_or(CHUNK).min(buffer.len());
            if done == 0 {
                let block = used.min(ALIGN);
                hash.update(&written.boot[..block]);
                hash.update(&buffer[block..used]);
            } else {
                hash.update(&buffer[..used]);
            }
            done += used as u64;
            // The last word is said when the first block is there.
            talk.progress(Phase::Verify, done.min(image.size - 1), image.size)
        },
    )?;
    if done != image.size || hex(&hash.finalize()) != image.sha256 {
        bail!("what is on the disk is not the image that was looked at: the image has changed meanwhile");
    }
    Ok(())
}

/// The first block, last of all; when it is not right, what cannot boot is put back.
fn make_bootable(device: &Device<'_>, boot: &Buffer) -> anyhow::Result<()> {
    let mut back = Buffer::new();
    back.resize(boot.len());
    let put = device.write(boot, 0).and_then(|()| device.sync()).and_then(|()| device.read(&mut back, 0));
    let right = put.and_then(|()| {
        if **boot != *back {
            bail!("the first block of the disk is not what was written; try another one");
        }
        Ok(())
    });
    if right.is_err() {
        back.fill(0);
        // It has failed already; that this fails too changes nothing.
        drop(device.write(&back, 0).and_then(|()| device.sync()));
    }
    right
}

/// Runs a short program of the system.
#[expect(clippy::disallowed_methods, reason = "this program is the one that starts these, as root")]
fn run(command: &[String]) -> anyhow::Result<()> {
    let (program, args) = command.split_first().context("an empty command")?;
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run `{program}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}", command.join(" "), said.trim());
    }
    Ok(())
}
