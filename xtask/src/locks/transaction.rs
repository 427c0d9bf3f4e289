//! Several files change together or not at all, whatever stops us: an error, Ctrl-C, kill -9, a full disk.
//!
//! Before anything changes, each file is copied beside a journal. To restore is to rename the copies back, which
//! needs no space. While the journal is there, the files are not to be trusted: the next run restores them.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use unix::fcntl::{FcntlArg, FdFlag, fcntl};

const VERSION: u32 = 1;

/// Files that are about to change. Dropped without [`Transaction::commit`], it restores them.
#[derive(Debug)]
pub struct Transaction {
    dir: Utf8PathBuf,
    root: Utf8PathBuf,
    journal: Journal,
    open: bool,
    /// Held as long as the transaction lasts; the system lets go of it however we end.
    _guard: Guard,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Journal {
    version: u32,
    files: Vec<Saved>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Saved {
    /// Relative to the root.
    path: Utf8PathBuf,
    /// The name of the copy; the file did not exist when absent.
    copy: Option<String>,
}

/// The right to change locks here. A Nix that outlives us keeps it, too: it may still write.
#[derive(Debug)]
struct Guard(File);

impl Drop for Guard {
    fn drop(&mut self) {
        // A child's child, such as an ssh that stays for the next connection, must not keep it.
        let _ = self.0.unlock();
    }
}

/// Whether a run before this one was stopped in the middle.
#[must_use]
pub fn is_unfinished(dir: &Utf8Path) -> bool {
    dir.join("journal.json").exists()
}

/// Restores what a run before this one has left; tells which files. Nothing while that run is still at work.
///
/// # Errors
/// When a file cannot be restored.
pub fn recover(dir: &Utf8Path, root: &Utf8Path) -> anyhow::Result<Vec<Utf8PathBuf>> {
    match guard(dir)? {
        Some(guard) => {
            let restored = restore_journal(dir, root);
            drop(guard);
            restored
        }
        None => Ok(Vec::new()),
    }
}

impl Transaction {
    /// Saves the files (relative to the root), which need not exist. `dir` is for the journal. What an earlier
    /// run has left must have been recovered.
    ///
    /// # Errors
    /// When another transaction is under way, or the files cannot be saved. Nothing has changed then.
    pub fn begin(dir: &Utf8Path, root: &Utf8Path, files: &[Utf8PathBuf]) -> anyhow::Result<Transaction> {
        let Some(guard) = guard(dir)? else {
            bail!("another `cargo xtask` is changing the locks of this workspace; wait until it is done");
        };
        restore_journal(dir, root)?;
        let mut journal = Journal { version: VERSION, files: Vec::new() };
        for (number, path) in files.iter().enumerate() {
            let copy = format!("{number}.saved");
            let saved = save(&root.join(path), &dir.join(&copy))
                .with_context(|| format!("cannot save `{path}`; nothing was changed"))?;
            journal.files.push(Saved { path: path.clone(), copy: saved.then_some(copy) });
        }
        let text = serde_json::to_vec_pretty(&journal)?;
        write_durably(&dir.join("journal.json"), &text)
            .with_context(|| format!("cannot write to `{dir}`; nothing was changed"))?;
        Ok(Transaction { dir: dir.to_owned(), root: root.to_owned(), journal, open: true, _guard: guard })
    }

    /// The changes stay.
    ///
    /// # Errors
    /// When the journal cannot be removed; then the next run would restore the files.
    pub fn commit(mut self) -> anyhow::Result<()> {
        self.open = false;
        // What Nix wrote must be there before the copies are gone.
        for saved in &self.journal.files {
            if let Ok(file) = File::open(self.root.join(&saved.path)) {
                let _ = file.sync_all();
            }
        }
        discard(&self.dir, &self.journal).context("cannot end the change of the locks")
    }

    /// The files are again as they were, to the byte. Tells which had changed.
    ///
    /// # Errors
    /// When one cannot be restored; the next run tries again.
    pub fn restore(mut self) -> anyhow::Result<Vec<Utf8PathBuf>> {
        self.open = false;
        restore_journal(&self.dir, &self.root)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.open {
            // On failure the journal stays, and the next run restores.
            let _ = restore_journal(&self.dir, &self.root);
        }
    }
}

/// The right to change locks here; nothing when somebody else has it.
fn guard(dir: &Utf8Path) -> anyhow::Result<Option<Guard>> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create `{dir}`"))?;
    let path = dir.join("guard");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("cannot open `{path}`"))?;
    match file.try_lock() {
        Ok(()) => {
            fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))
                .with_context(|| format!("cannot keep `{path}`"))?;
            Ok(Some(Guard(file)))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock `{path}`")),
    }
}

/// Copies a file durably, with its mode; false when there is none.
fn save(path: &Utf8Path, copy: &Utf8Path) -> std::io::Result<bool> {
    match fs::copy(path, copy) {
        Ok(_) => File::open(copy)?.sync_all().map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_durably(path: &Utf8Path, content: &[u8]) -> std::io::Result<()> {
    let temporary = Utf8PathBuf::from(format!("{path}.tmp"));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().inspect_err(|_| drop(fs::remove_file(&temporary)))
}

fn restore_journal(dir: &Utf8Path, root: &Utf8Path) -> anyhow::Result<Vec<Utf8PathBuf>> {
    let text = match fs::read(dir.join("journal.json")) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{dir}/journal.json`")),
    };
    // It is written as a whole, so one that cannot be read is not ours.
    let journal = serde_json::from_slice::<Journal>(&text).ok().filter(|it| it.version == VERSION);
    let journal = journal.unwrap_or_default();
    let mut restored = Vec::new();
    for saved in &journal.files {
        let changed = put_back(dir, root, saved)
            .with_context(|| format!("cannot restore `{}`; its old text is in `{dir}`", saved.path))?;
        restored.extend(changed.then(|| saved.path.clone()));
    }
    discard(dir, &journal)?;
    Ok(restored)
}

/// Whether the file had changed.
fn put_back(dir: &Utf8Path, root: &Utf8Path, saved: &Saved) -> std::io::Result<bool> {
    let path = root.join(&saved.path);
    let Some(copy) = &saved.copy else {
        return match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
    };
    let copy = dir.join(copy);
    let old = match fs::read(&copy) {
        Ok(old) => old,
        // A restoration that was stopped itself has put this one back already.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if fs::read(&path).is_ok_and(|it| it == old) {
        return Ok(false);
    }
    // A file that is a link stays one.
    let path = path.canonicalize_utf8().unwrap_or(path);
    match fs::rename(&copy, &path) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => fs::write(&path, old)?,
        result => result?,
    }
    Ok(true)
}

/// The journal goes first: without it the copies mean nothing.
fn discard(dir: &Utf8Path, journal: &Journal) -> std::io::Result<()> {
    fs::remove_file(dir.join("journal.json"))?;
    for copy in journal.files.iter().filter_map(|it| it.copy.as_ref()) {
        drop(fs::remove_file(dir.join(copy)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rig() -> (tempfile::TempDir, Utf8PathBuf, Utf8PathBuf, Vec<Utf8PathBuf>) {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(temp.path().to_owned()).unwrap();
        fs::write(root.join("a.lock"), "old a").unwrap();
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/b.lock"), "old b").unwrap();
        let files = ["a.lock", "d/b.lock", "new.lock"].map(Utf8PathBuf::from).to_vec();
        (temp, root.join("state"), root, files)
    }

    fn change(root: &Utf8Path) {
        fs::write(root.join("a.lock"), "new a").unwrap();
        fs::write(root.join("new.lock"), "new").unwrap();
    }

    fn is_old(root: &Utf8Path) -> bool {
        fs::read(root.join("a.lock")).unwrap() == b"old a"
            && fs::read(root.join("d/b.lock")).unwrap() == b"old b"
            && !root.join("new.lock").exists()
    }

    fn leftovers(dir: &Utf8Path) -> usize {
        dir.read_dir_utf8().unwrap().filter(|it| it.as_ref().unwrap().file_name() != "guard").count()
    }

    #[test]
    fn what_is_committed_stays() {
        let (_temp, dir, root, files) = rig();
        let transaction = Transaction::begin(&dir, &root, &files).unwrap();
        change(&root);
        transaction.commit().unwrap();
        assert_eq!(recover(&dir, &root).unwrap(), [] as [Utf8PathBuf; 0]);
        assert_eq!(fs::read(root.join("a.lock")).unwrap(), b"new a");
        assert_eq!(leftovers(&dir), 0);
    }

    #[test]
    fn what_is_not_committed_is_undone() {
        let (_temp, dir, root, files) = rig();
        let transaction = Transaction::begin(&dir, &root, &files).unwrap();
        change(&root);
        assert_eq!(transaction.restore().unwrap(), ["a.lock", "new.lock"]);
        assert!(is_old(&root));
        drop(Transaction::begin(&dir, &root, &files).unwrap());
        change(&root);
        drop(Transaction::begin(&dir, &root, &files[..2]).unwrap());
        assert_eq!(leftovers(&dir), 0);
    }

    #[test]
    fn what_was_killed_is_undone_by_the_next_run() {
        let (_temp, dir, root, files) = rig();
        let transaction = Transaction::begin(&dir, &root, &files).unwrap();
        change(&root);
        // What kill -9 leaves: the journal, and no lock on the guard.
        let saved = root.join("saved");
        fs::rename(&dir, &saved).unwrap();
        drop(transaction);
        fs::rename(&saved, &dir).unwrap();
        change(&root);
        assert!(is_unfinished(&dir));
        assert_eq!(recover(&dir, &root).unwrap(), ["a.lock", "new.lock"]);
        assert!(is_old(&root) && !is_unfinished(&dir));
    }

    #[test]
    fn a_restoration_that_was_stopped_goes_on() {
        let (_temp, dir, root, files) = rig();
        let mut transaction = Transaction::begin(&dir, &root, &files).unwrap();
        change(&root);
        put_back(&dir, &root, &transaction.journal.files[0]).unwrap();
        transaction.open = false;
        drop(transaction);
        assert_eq!(recover(&dir, &root).unwrap(), ["new.lock"]);
        assert!(is_old(&root));
    }

    #[test]
    fn only_one_at_a_time() {
        let (_temp, dir, root, files) = rig();
        let transaction = Transaction::begin(&dir, &root, &files).unwrap();
        let error = Transaction::begin(&dir, &root, &files).unwrap_err().to_string();
        assert!(error.contains("another `cargo xtask`"), "{error}");
        change(&root);
        assert_eq!(recover(&dir, &root).unwrap(), [] as [Utf8PathBuf; 0], "it is at work, not dead");
        transaction.restore().unwrap();
        assert!(is_old(&root));
    }

    #[test]
    fn a_foreign_journal_is_ignored() {
        let (_temp, dir, root, _) = rig();
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("journal.json"), "{}").unwrap();
        assert_eq!(recover(&dir, &root).unwrap(), [] as [Utf8PathBuf; 0]);
        assert!(is_old(&root) && !is_unfinished(&dir));
    }
}
