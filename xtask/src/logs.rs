//! The full logs of builds, kept as they come: Nix keeps none of a build on another machine or that was stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};

use camino::{Utf8Path, Utf8PathBuf};

use crate::monitor::Change;
use crate::nix::store_path::StorePath;

/// As many logs are kept; the oldest go first.
const KEPT: usize = 500;

#[derive(Debug)]
pub struct Logs {
    dir: Utf8PathBuf,
    open: BTreeMap<String, BufWriter<File>>,
    warnings: BTreeSet<String>,
}

impl Logs {
    #[must_use]
    pub fn new(dir: Utf8PathBuf) -> Logs {
        Logs { dir, open: BTreeMap::new(), warnings: BTreeSet::new() }
    }

    /// Writes a line where it belongs. A log that cannot be written must not stop a build: it is a warning.
    pub fn change(&mut self, change: &Change) {
        match change {
            Change::Line { drv, line } => {
                if let Err(error) = self.line(drv, line) {
                    self.warnings.insert(format!("cannot keep the log in `{}`: {error}", self.dir));
                }
            }
            Change::Finished { drv, .. } | Change::Failed { drv, .. } | Change::Cancelled { drv } => {
                self.open.remove(drv);
            }
            _ => {}
        }
    }

    fn line(&mut self, drv: &str, line: &str) -> std::io::Result<()> {
        if !self.open.contains_key(drv) {
            if self.open.is_empty() {
                std::fs::create_dir_all(&self.dir)?;
                self.prune()?;
            }
            let file = File::create(path(&self.dir, drv))?;
            self.open.insert(drv.to_owned(), BufWriter::new(file));
        }
        match self.open.get_mut(drv) {
            Some(file) => writeln!(file, "{line}"),
            None => Ok(()),
        }
    }

    fn prune(&self) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
        files.sort();
        let surplus = files.len().saturating_sub(KEPT);
        files[..surplus].iter().try_for_each(|(_, path)| std::fs::remove_file(path))
    }

    /// What went wrong, once each.
    #[must_use]
    pub fn warnings(&self) -> Vec<&str> {
        self.warnings.iter().map(String::as_str).collect()
    }
}

/// Where the log of a derivation is kept.
#[must_use]
pub fn path(dir: &Utf8Path, drv: &str) -> Utf8PathBuf {
    let base = match drv.parse::<StorePath>() {
        Ok(path) => format!("{}-{}", path.name().trim_end_matches(".drv"), path.short_hash()),
        Err(_) => "unnamed".to_owned(),
    };
    dir.join(format!("{base}.log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRV: &str = "/nix/store/54c9ci5dav84llayb50gz50pwn6fi0gr-a.drv";

    #[test]
    fn lines_are_kept_and_old_logs_pruned() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap().join("logs");
        std::fs::create_dir(&dir).unwrap();
        for n in 0..KEPT + 20 {
            std::fs::write(dir.join(format!("{n}.log")), "old").unwrap();
        }
        let mut logs = Logs::new(dir.clone());
        for line in ["one", "two"] {
            logs.change(&Change::Line { drv: DRV.to_owned(), line: line.to_owned() });
        }
        logs.change(&Change::Cancelled { drv: DRV.to_owned() });
        assert_eq!(std::fs::read_to_string(path(&dir, DRV)).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), KEPT + 1);
        assert_eq!(logs.warnings(), [] as [&str; 0]);
    }

    #[test]
    fn a_log_that_cannot_be_written_is_a_warning() {
        let mut logs = Logs::new("/dev/null/logs".into());
        logs.change(&Change::Line { drv: DRV.to_owned(), line: "one".to_owned() });
        assert_eq!(logs.warnings().len(), 1);
    }
}
