//! How long builds took before, in `target/xtask/history.jsonl`: a line for each build of a second or more. What is
//! damaged or of another version is ignored.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::files::{create_dir, write_atomic};
use crate::report::{seconds, whole};

const FORMAT: u32 = 1;
/// Shorter builds are not worth a line, nor an estimate.
const SHORTEST: Duration = Duration::from_secs(1);
/// So many of the latest runs make an estimate: what a build took a year ago says little.
const COUNTED: usize = 5;
/// Bytes of the file; above, only the newest lines stay, in half of it.
const LARGEST: usize = 512 * 1024;

/// What is built, and where: estimates are for the same again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The package without its version.
    pub name: String,
    pub system: String,
    /// Empty for this machine.
    pub host: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    version: u32,
    #[serde(flatten)]
    key: Key,
    seconds: f64,
    /// Seconds since 1970.
    time: i64,
}

/// What a build may take, from at least two earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub shortest: Duration,
    pub longest: Duration,
    pub last: Duration,
}

/// The file, and what it says.
#[derive(Debug)]
pub struct History {
    path: Utf8PathBuf,
    /// The latest runs, the newest last.
    runs: BTreeMap<Key, Vec<Duration>>,
}

impl History {
    /// What is there; a file that cannot be read is one that says nothing.
    #[must_use]
    pub fn read(path: &Utf8Path) -> History {
        let text = std::fs::read(path).unwrap_or_default();
        let mut runs: BTreeMap<Key, Vec<Duration>> = BTreeMap::new();
        for line in lines(&text) {
            let runs = runs.entry(line.key).or_default();
            runs.push(Duration::from_secs_f64(line.seconds));
            if runs.len() > COUNTED {
                runs.remove(0);
            }
        }
        History { path: path.to_owned(), runs }
    }

    /// What to expect; nothing before two runs are known.
    #[must_use]
    pub fn expect(&self, key: &Key) -> Option<Expected> {
        let runs = self.runs.get(key).filter(|it| it.len() > 1)?;
        Some(Expected { shortest: *runs.iter().min()?, longest: *runs.iter().max()?, last: *runs.last()? })
    }

    /// Adds a build; `time` is in seconds since 1970.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&self, key: &Key, took: Duration, time: i64) -> anyhow::Result<()> {
        if took < SHORTEST {
            return Ok(());
        }
        let seconds = (took.as_secs_f64() * 1000.0).round() / 1000.0;
        let line = serde_json::to_string(&Line { version: FORMAT, key: key.clone(), seconds, time })?;
        append(&self.path, &line).with_context(|| format!("cannot write `{}`", self.path))?;
        let size = std::fs::metadata(&self.path).map_or(0, |it| it.len());
        if size > LARGEST as u64 { self.shorten() } else { Ok(()) }
    }

    /// Keeps the newest lines. Who adds one in this moment loses it: that is one run less to estimate from.
    fn shorten(&self) -> anyhow::Result<()> {
        let text = std::fs::read(&self.path)?;
        let mut kept = Vec::new();
        let mut size = 0;
        for line in lines(&text).into_iter().rev() {
            let line = serde_json::to_string(&line)? + "\n";
            size += line.len();
            if size > LARGEST / 2 {
                break;
            }
            kept.push(line);
        }
        kept.reverse();
        write_atomic(&self.path, kept.concat().as_bytes())
    }
}

/// One write at the end of the file, which the kernel does as a whole: two processes cannot mix their lines. A line
/// that was cut short (a full disk) is ended first, so that it spoils no other.
fn append(path: &Utf8Path, line: &str) -> anyhow::Result<()> {
    if let Some(dir) = path.parent() {
        create_dir(dir)?;
    }
    let mut file = OpenOptions::new().append(true).read(true).create(true).open(path)?;
    let start = if ends_well(&mut file)? { "" } else { "\n" };
    Ok(file.write_all(format!("{start}{line}\n").as_bytes())?)
}

fn ends_well(file: &mut File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn lines(text: &[u8]) -> Vec<Line> {
    let sound = |it: &Line| it.version == FORMAT && it.seconds.is_finite() && it.seconds >= 0.0;
    text.split(|it| *it == b'\n')
        .filter_map(|it| serde_json::from_slice::<Line>(it).ok())
        .filter(|it| sound(it) && it.seconds < 1e9)
        .collect()
}

impl Expected {
    /// `about 12 min` or `11 to 13 min`.
    #[must_use]
    pub fn range(&self) -> String {
        let (short, long) = (whole(self.shortest, self.longest), whole(self.longest, self.longest));
        let unit = if self.longest.as_secs() < 90 { "s" } else { "min" };
        if short == long { format!("about {long} {unit}") } else { format!("{short} to {long} {unit}") }
    }

    /// `11 to 13 min, last time 11 min 48 s`
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}, last time {}", self.range(), seconds(self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key { name: name.to_owned(), system: "x86_64-linux".to_owned(), host: String::new() }
    }

    fn history() -> (tempfile::TempDir, Utf8PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temp.path()).unwrap().join("deep/history.jsonl");
        (temp, path)
    }

    fn add(path: &Utf8Path, name: &str, secs: &[u64]) {
        for secs in secs {
            History::read(path).add(&key(name), Duration::from_secs(*secs), 1_790_000_000).unwrap();
        }
    }

    #[test]
    fn nothing_is_expected_before_two_runs_are_known() {
        let (_temp, path) = history();
        add(&path, "a", &[700]);
        assert_eq!(History::read(&path).expect(&key("a")), None);
        add(&path, "a", &[760]);
        let expected = History::read(&path).expect(&key("a")).unwrap();
        assert_eq!(expected.text(), "12 to 13 min, last time 12 min 40 s");
        assert_eq!(History::read(&path).expect(&key("b")), None);
        let elsewhere = Key { host: "ssh-ng://box".to_owned(), ..key("a") };
        assert_eq!(History::read(&path).expect(&elsewhere), None);
    }

    #[test]
    fn the_latest_runs_count_and_short_ones_do_not() {
        let (_temp, path) = history();
        add(&path, "a", &[900, 10, 11, 12, 13, 14]);
        assert_eq!(History::read(&path).expect(&key("a")).unwrap().text(), "10 to 14 s, last time 14 s");
        History::read(&path).add(&key("b"), Duration::from_millis(999), 0).unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains("\"b\""));
    }

    #[test]
    fn damaged_lines_spoil_no_others() {
        let (_temp, path) = history();
        add(&path, "a", &[20]);
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(
            b"\xff\xfe nonsense\n{\"version\":2,\"name\":\"a\"}\n{\"version\":1,\"name\":\"a\",\"sys",
        );
        std::fs::write(&path, text).unwrap();
        add(&path, "a", &[20]);
        assert_eq!(History::read(&path).expect(&key("a")).unwrap().range(), "about 20 s");
    }

    /// Eight writers at once, and the file never stops being lines. Who sees another's line half written ends it once
    /// more: an empty line is the worst.
    #[test]
    fn two_at_once_do_not_mix_their_lines() {
        let (_temp, path) = history();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || add(path, &format!("package-{n}"), &[5; 50]));
            }
        });
        let text = std::fs::read(&path).unwrap();
        let written = String::from_utf8(text.clone()).unwrap().lines().filter(|it| !it.is_empty()).count();
        assert_eq!((lines(&text).len(), written), (400, 400));
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let (_temp, path) = history();
        add(&path, "old", &[5, 5]);
        let line =
            std::fs::read_to_string(&path).unwrap().lines().next().unwrap().replace("old", "mid") + "\n";
        let many = LARGEST / line.len() + 1;
        append(&path, line.repeat(many).trim_end()).unwrap();
        add(&path, "new", &[7, 8]);
        assert!(std::fs::metadata(&path).unwrap().len() < LARGEST as u64 * 6 / 10);
        assert_eq!(History::read(&path).expect(&key("old")), None);
        assert_eq!(History::read(&path).expect(&key("new")).unwrap().text(), "7 to 8 s, last time 8.0 s");
    }
}
