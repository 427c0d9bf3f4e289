//! What is known about the files: which contents are formatted, and which file has which content.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use super::Spot;

/// Changes whenever the same content may be judged otherwise: the formatter or our own rules.
const HEADER: &str =
    concat!("xtask fmt cache 1, xtask ", env!("CARGO_PKG_VERSION"), ", alejandra 4.0.0 by 3.1.0, rules 1");
/// Beyond this, what no file has any more is forgotten.
const MAX_ENTRIES: usize = 50_000;
/// A file that was written less than this ago can change again without its times showing it.
const SETTLED: Duration = Duration::from_secs(2);

/// What is known to be clean, or not ours to format; one file under `target/xtask/`.
#[derive(Debug, Default)]
pub struct Cache {
    known: HashMap<Digest, Verdict>,
    files: HashMap<Utf8PathBuf, (Stamp, Digest)>,
    changed: bool,
}

/// The SHA-256 of a file's content.
pub(super) type Digest = [u8; 32];

/// The outcomes that the content alone decides and that are worth remembering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Clean,
    NeedsAlejandra4(Vec<Spot>),
}

/// By this a file is recognised without being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
    inode: u64,
}

impl Stamp {
    /// `None` while the file is so young that it could change without its stamp changing.
    pub(super) fn of(metadata: &Metadata, now: SystemTime) -> Option<Stamp> {
        let ns = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let (modified_ns, changed_ns) =
            (ns(metadata.mtime(), metadata.mtime_nsec()), ns(metadata.ctime(), metadata.ctime_nsec()));
        let settled = now.checked_sub(SETTLED)?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let settled = i128::try_from(settled.as_nanos()).ok()?;
        (modified_ns.max(changed_ns) < settled).then(|| Stamp {
            size: metadata.size(),
            modified_ns,
            changed_ns,
            inode: metadata.ino(),
        })
    }
}

impl Cache {
    /// The cache in the file at `path`; empty when there is none, or one that is damaged or of another version.
    #[must_use]
    pub fn load(path: &Utf8Path) -> Cache {
        fs::read_to_string(path).ok().and_then(|it| parse(&it)).unwrap_or_default()
    }

    /// Replaces the file at `path` if something was learned; its directory is made if need be.
    ///
    /// # Errors
    /// When the file cannot be written; what was there is still there then.
    pub fn save(&mut self, path: &Utf8Path) -> anyhow::Result<()> {
        if !self.changed {
            return Ok(());
        }
        self.forget();
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).with_context(|| format!("cannot create `{dir}`"))?;
        }
        let new = Utf8PathBuf::from(format!("{path}.{}.tmp", std::process::id()));
        fs::write(&new, self.to_text()).with_context(|| format!("cannot write `{new}`"))?;
        fs::rename(&new, path).with_context(|| format!("cannot replace `{path}`"))?;
        self.changed = false;
        Ok(())
    }

    /// Remembers a content that something else formatted: what Alejandra 4 itself wrote.
    pub fn record_clean(&mut self, content: &[u8]) {
        self.learn(digest(content), Verdict::Clean);
    }

    /// What is known of the file, told from its stamp alone.
    pub(super) fn by_stamp(&self, path: &Utf8Path, stamp: Option<Stamp>) -> Option<&Verdict> {
        let (known, digest) = self.files.get(path)?;
        (Some(*known) == stamp).then(|| self.known.get(digest)).flatten()
    }

    /// A copy of what is known of contents, for the threads.
    pub(super) fn contents(&self) -> HashMap<Digest, Verdict> {
        self.known.clone()
    }

    pub(super) fn learn(&mut self, digest: Digest, verdict: Verdict) {
        if self.known.get(&digest) != Some(&verdict) {
            self.known.insert(digest, verdict);
            self.changed = true;
        }
    }

    /// Remembers which content a file has.
    pub(super) fn see(&mut self, path: &Utf8Path, stamp: Option<Stamp>, digest: Digest) {
        // A line break would end the entry.
        let Some(stamp) = stamp.filter(|_| !path.as_str().contains('\n')) else { return };
        if self.files.get(path) != Some(&(stamp, digest)) {
            self.files.insert(path.to_owned(), (stamp, digest));
            self.changed = true;
        }
    }

    fn forget(&mut self) {
        if self.files.len() > MAX_ENTRIES {
            let is_gone = |it: &Utf8Path| fs::metadata(it).is_err_and(|it| it.kind() == ErrorKind::NotFound);
            self.files.retain(|path, _| !is_gone(path));
        }
        if self.known.len() > MAX_ENTRIES {
            let used: HashSet<Digest> = self.files.values().map(|it| it.1).collect();
            self.known.retain(|digest, _| used.contains(digest));
        }
    }

    fn to_text(&self) -> String {
        let mut res = format!("{HEADER}\n");
        for (digest, verdict) in &self.known {
            let _ = match verdict {
                Verdict::Clean => writeln!(res, "clean {}", hex(digest)),
                Verdict::NeedsAlejandra4(spots) => {
                    let spot = |it: &Spot| format!("\t{} {} {}", it.line, it.column, it.what);
                    writeln!(res, "needs {}{}", hex(digest), spots.iter().map(spot).collect::<String>())
                }
            };
        }
        for (path, (stamp, digest)) in &self.files {
            let Stamp { size, modified_ns, changed_ns, inode } = stamp;
            let _ = writeln!(res, "file {} {size} {modified_ns} {changed_ns} {inode} {path}", hex(digest));
        }
        let _ = writeln!(res, "end {}", self.known.len() + self.files.len());
        res
    }
}

pub(super) fn digest(content: &[u8]) -> Digest {
    Sha256::digest(content).into()
}

/// `None` when anything is not as `to_text` wrote it.
fn parse(text: &str) -> Option<Cache> {
    let (body, end) = text.strip_prefix(HEADER)?.strip_prefix('\n')?.rsplit_once("end ")?;
    let mut res = Cache::default();
    for line in body.lines() {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "clean" => drop(res.known.insert(unhex(rest)?, Verdict::Clean)),
            "needs" => {
                let mut parts = rest.split('\t');
                let digest = unhex(parts.next()?)?;
                res.known
                    .insert(digest, Verdict::NeedsAlejandra4(parts.map(parse_spot).collect::<Option<_>>()?));
            }
            "file" => {
                let parts: Vec<&str> = rest.splitn(6, ' ').collect();
                let [digest, size, modified, changed, inode, path] = parts.as_slice() else {
                    return None;
                };
                let stamp = Stamp {
                    size: size.parse().ok()?,
                    modified_ns: modified.parse().ok()?,
                    changed_ns: changed.parse().ok()?,
                    inode: inode.parse().ok()?,
                };
                res.files.insert(Utf8PathBuf::from(path), (stamp, unhex(digest)?));
            }
            _ => return None,
        }
    }
    (end == format!("{}\n", res.known.len() + res.files.len())).then_some(res)
}

fn parse_spot(text: &str) -> Option<Spot> {
    let mut parts = text.splitn(3, ' ');
    Some(Spot {
        line: parts.next()?.parse().ok()?,
        column: parts.next()?.parse().ok()?,
        what: parts.next()?.to_owned(),
    })
}

fn hex(digest: &Digest) -> String {
    digest.iter().fold(String::with_capacity(64), |mut res, it| {
        let _ = write!(res, "{it:02x}");
        res
    })
}

fn unhex(text: &str) -> Option<Digest> {
    // By halves: this is most of what a warm run does, and mostly runs unoptimised.
    let (high, low) = text.split_at_checked(32)?;
    let half = |it: &str| (it.len() == 32).then(|| u128::from_str_radix(it, 16).ok())?;
    let mut res = Digest::default();
    res[..16].copy_from_slice(&half(high)?.to_be_bytes());
    res[16..].copy_from_slice(&half(low)?.to_be_bytes());
    Some(res)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Cache {
        let mut res = Cache::default();
        let spot = |line| Spot { line, column: 2, what: "`|>` and more".to_owned() };
        res.learn(digest(b"a"), Verdict::Clean);
        res.learn(digest(b"b"), Verdict::NeedsAlejandra4(vec![spot(1), spot(30)]));
        let stamp = Stamp { size: 1, modified_ns: -2, changed_ns: 3, inode: 4 };
        res.see("/w/a file.nix".into(), Some(stamp), digest(b"b"));
        res
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (old, new) = (sample(), parse(&sample().to_text()).unwrap());
        assert_eq!((old.known, old.files), (new.known, new.files));
        assert!(!new.changed);
    }

    #[test]
    fn damaged_and_foreign_files_are_ignored() {
        let text = sample().to_text();
        assert!(parse(&text).is_some());
        for cut in 0..text.len() {
            assert!(parse(&text[..cut]).is_none(), "cut at {cut}");
        }
        assert!(parse(&text.replacen("cache 1", "cache 2", 1)).is_none());
        assert!(parse(&text.replacen("needs ", "wants ", 1)).is_none());
        assert!(parse(&text.replacen("clean ", "clean 0", 1)).is_none());
        assert!(parse("").is_none());
    }

    #[test]
    fn a_young_file_has_no_stamp() {
        let metadata = fs::metadata(env!("CARGO_MANIFEST_DIR")).unwrap();
        let written = metadata.modified().unwrap().max(SystemTime::UNIX_EPOCH);
        let changed = Duration::from_secs(u64::try_from(metadata.ctime()).unwrap());
        let last = written.max(SystemTime::UNIX_EPOCH + changed);
        assert!(Stamp::of(&metadata, last + Duration::from_secs(1)).is_none());
        assert!(Stamp::of(&metadata, last + Duration::from_secs(10)).is_some());
    }
}
