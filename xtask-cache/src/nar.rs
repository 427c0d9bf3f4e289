//! Nix archives, written from the files of a store path.
//!
//! Nix itself would give one after the other, in its own order, or need a process for each path. Every archive that is
//! written here is compared with the hash that Nix has recorded for the path, so a difference never reaches a cache.

use std::ffi::OsStr;
use std::fs::{self, File, FileType};
use std::io::{self, Read as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// How Nix tells names apart on file systems that do not: this, and a number, at the end.
const CASE_HACK: &[u8] = b"~nix~case~hack~";
const BUFFER: usize = 1 << 17;

/// Writes archives; keeps the buffer from one to the next.
#[derive(Debug)]
pub struct Writer {
    buffer: Vec<u8>,
    /// Names may end in [`CASE_HACK`]: on macOS.
    pub case_hack: bool,
}

impl Writer {
    #[must_use]
    pub fn new(case_hack: bool) -> Writer {
        Writer { buffer: vec![0; BUFFER], case_hack }
    }

    /// The archive of a file, a link or a directory.
    pub fn write(&mut self, path: &Path, out: &mut dyn Write) -> io::Result<()> {
        string(out, b"nix-archive-1")?;
        self.node(path, fs::symlink_metadata(path)?.file_type(), out)
    }

    fn node(&mut self, path: &Path, kind: FileType, out: &mut dyn Write) -> io::Result<()> {
        strings(out, &[b"(", b"type"])?;
        if kind.is_symlink() {
            let target = fs::read_link(path)?;
            strings(out, &[b"symlink", b"target", target.as_os_str().as_bytes()])?;
        } else if kind.is_dir() {
            string(out, b"directory")?;
            self.directory(path, out)?;
        } else if kind.is_file() {
            string(out, b"regular")?;
            self.file(path, out)?;
        } else {
            return Err(io::Error::other(format!("`{}` is no file, link or directory", path.display())));
        }
        string(out, b")")
    }

    fn directory(&mut self, path: &Path, out: &mut dyn Write) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let plain = if self.case_hack { without_case_hack(&name) } else { name.as_bytes() };
            entries.push((plain.to_vec(), entry.path(), entry.file_type()?));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, path, kind) in entries {
            strings(out, &[b"entry", b"(", b"name", &name, b"node"])?;
            self.node(&path, kind, out)?;
            string(out, b")")?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, out: &mut dyn Write) -> io::Result<()> {
        let mut file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.permissions().mode() & 0o100 != 0 {
            strings(out, &[b"executable", b""])?;
        }
        string(out, b"contents")?;
        let size = meta.len();
        out.write_all(&size.to_le_bytes())?;
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let read = file.read(&mut self.buffer[..most])?;
            if read == 0 {
                return Err(io::Error::other(format!("`{}` has shrunk", path.display())));
            }
            out.write_all(&self.buffer[..read])?;
            left -= read as u64;
        }
        pad(out, size)
    }
}

fn strings(out: &mut dyn Write, texts: &[&[u8]]) -> io::Result<()> {
    texts.iter().try_for_each(|it| string(out, it))
}

fn string(out: &mut dyn Write, text: &[u8]) -> io::Result<()> {
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(text)?;
    pad(out, text.len() as u64)
}

/// To a multiple of 8 bytes.
fn pad(out: &mut dyn Write, size: u64) -> io::Result<()> {
    let rest = usize::try_from(size.wrapping_neg() % 8).unwrap_or(0);
    out.write_all(&[0; 8][..rest])
}

fn without_case_hack(name: &OsStr) -> &[u8] {
    let name = name.as_bytes();
    let at = name.windows(CASE_HACK.len()).position(|it| it == CASE_HACK);
    at.map_or(name, |at| &name[..at])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::hash::Sha256;

    fn tree() -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("t");
        fs::create_dir_all(dir.join("empty")).unwrap();
        fs::write(dir.join("a.b"), "12345678").unwrap();
        fs::write(dir.join("a"), "").unwrap();
        fs::write(dir.join("tool"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(dir.join("tool"), fs::Permissions::from_mode(0o555)).unwrap();
        symlink("../nowhere", dir.join("Link")).unwrap();
        temp
    }

    fn hash(path: &Path, case_hack: bool) -> String {
        let mut out = Vec::new();
        Writer::new(case_hack).write(path, &mut out).unwrap();
        assert_eq!(out.len() % 8, 0);
        Sha256::of(&out).to_string()
    }

    /// `nix hash path --type sha256 --base32` of the same tree, by 2.26 and 2.34.
    #[test]
    fn as_nix_writes_them() {
        assert_eq!(
            hash(&tree().path().join("t"), false),
            "sha256:1dncj95ckgb7b6y0si0266nfqnib79yq6npybbqpmi9cyaj31mxf"
        );
    }

    #[test]
    fn names_that_differ_only_in_case_on_macos() {
        let (plain, hacked) = (tree(), tree());
        fs::write(plain.path().join("t/A"), "other").unwrap();
        fs::write(hacked.path().join("t/A~nix~case~hack~1"), "other").unwrap();
        assert_eq!(hash(&plain.path().join("t"), false), hash(&hacked.path().join("t"), true));
    }

    #[test]
    fn what_no_archive_can_hold() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = Writer::new(false).write(&path, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.ends_with("is no file, link or directory"), "{error}");
    }
}
