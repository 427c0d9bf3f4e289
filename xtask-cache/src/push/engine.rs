//! The threads that push: each takes what may be done next, until nothing is left.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Context as _;

use super::archive::{Archive, Packer, Place, SMALL, Source, Trouble};
use super::order::{Order, Work};
use crate::bucket::{Bucket, Content};
use crate::failure::{Failure, Kind};
use crate::hash::Sha256;
use crate::job::{Event, FailedPath, PathInfo, PushJob, PushedPath};
use crate::keys::SecretKey;
use crate::narinfo::{NarInfo, STORE, hash_part};
use crate::staging::{Packed, Staging};

/// Smaller archives are sent without asking whether they are there: asking takes as long. 1 MB.
const WORTH_ASKING: u64 = 1 << 20;
/// How often an archive that arrived damaged is sent again.
const DAMAGED: u32 = 2;
/// Archives that are made at once, at most: more are faster than any network, and take memory.
const PACKERS: usize = 8;
/// Threads that work on one large archive, at most.
const THREADS: usize = 4;

/// A push that is running.
pub(super) struct Engine<'a> {
    pub(super) job: &'a PushJob,
    pub(super) bucket: &'a Bucket,
    pub(super) key: &'a SecretKey,
    pub(super) staging: &'a Staging,
    pub(super) paths: Vec<(&'a str, &'a PathInfo)>,
    pub(super) tell: Sender<Event>,
    state: Mutex<State>,
    changed: Condvar,
    /// Those that nobody uses. Compressing is for processors: there are no more of them.
    packers: Mutex<Vec<Packer>>,
    free: Condvar,
    /// Bytes of archives that were read, and of those that have arrived.
    pub(super) read: Arc<AtomicU64>,
    pub(super) arrived: Arc<AtomicU64>,
    stopped: AtomicBool,
}

#[derive(Default)]
struct State {
    order: Order,
    /// Bytes of the staging directory that are spoken for, of at most that many.
    used: u64,
    limit: u64,
    /// What has arrived, and when that began and ended.
    packed: Vec<Option<(Packed, Instant, Instant)>>,
    pushed: Vec<PushedPath>,
    failed: Vec<FailedPath>,
    fatal: Option<Failure>,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) pushed: Vec<PushedPath>,
    pub(super) failed: Vec<FailedPath>,
    pub(super) fatal: Option<Failure>,
}

enum Stop {
    Path(String),
    /// For later, when there is room.
    Again,
    All(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        if failure.is_final() { Stop::All(failure) } else { Stop::Path(failure.text) }
    }
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        job: &'a PushJob,
        bucket: &'a Bucket,
        key: &'a SecretKey,
        staging: &'a Staging,
        paths: Vec<(&'a str, &'a PathInfo)>,
        tell: Sender<Event>,
    ) -> anyhow::Result<Engine<'a>> {
        let order: Vec<_> =
            paths.iter().map(|(path, info)| (*path, info.nar_size, info.references.as_slice())).collect();
        let state = State {
            order: Order::new(&order),
            limit: job.staging.size,
            packed: vec![None; paths.len()],
            ..State::default()
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let packers = (0..processors.min(PACKERS)).map(|_| Packer::new(job.level, job.case_hack));
        Ok(Engine {
            job,
            bucket,
            key,
            staging,
            paths,
            tell,
            state: Mutex::new(state),
            changed: Condvar::new(),
            packers: Mutex::new(packers.collect::<Result<_, _>>().context("cannot set up zstd")?),
            free: Condvar::new(),
            read: Arc::default(),
            arrived: Arc::default(),
            stopped: AtomicBool::new(false),
        })
    }

    /// Works until there is nothing left to do.
    pub(super) fn run(self) -> Outcome {
        let count = self.job.jobs.clamp(1, self.paths.len().max(1));
        std::thread::scope(|scope| (0..count).for_each(|_| drop(scope.spawn(|| self.work()))));
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Outcome { pushed: state.pushed, failed: state.failed, fatal: state.fatal }
    }

    fn work(&self) {
        while let Some(work) = self.take() {
            let result = match work {
                Work::Archive(n) => self.archive(n),
                Work::Info(n) => self.info(n),
            };
            let mut state = self.state();
            let n = match work {
                Work::Archive(n) | Work::Info(n) => n,
            };
            if let Work::Archive(n) = work {
                state.used -= self.staged_size(n);
            }
            match result {
                Ok(()) => state.order.done(work),
                Err(Stop::Again) if state.used > 0 => {
                    // What others hold now is all that there is room for.
                    state.limit = state.used;
                    state.order.again(n);
                }
                Err(Stop::Again) => {
                    let error = format!(
                        "the staging directory `{}` is full; free some space, or set another `cache.staging-dir` in xtask.toml",
                        self.job.staging.dir
                    );
                    self.give_up(&mut state, n, error);
                }
                Err(Stop::Path(error)) => self.give_up(&mut state, n, error),
                Err(Stop::All(failure)) => {
                    self.stopped.store(true, Ordering::Relaxed);
                    state.order.failed();
                    state.order.stop();
                    state.fatal.get_or_insert(failure);
                }
            }
            self.changed.notify_all();
        }
        self.changed.notify_all();
    }

    fn give_up(&self, state: &mut State, n: usize, error: String) {
        let path = self.paths[n].0.to_owned();
        drop(self.tell.send(Event::Failed { path: path.clone(), error: error.clone() }));
        state.failed.push(FailedPath { path, error });
        state.order.failed();
    }

    /// The next thing to do; waits for it. `None` when there is nothing, and will be nothing.
    fn take(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            let (used, limit) = (state.used, state.limit);
            // What is too large for the whole directory goes alone.
            let room =
                |n: usize| self.staged_size(n) == 0 || used == 0 || used + self.staged_size(n) <= limit;
            if let Some(work) = state.order.next(room) {
                if let Work::Archive(n) = work {
                    state.used += self.staged_size(n);
                }
                return Some(work);
            }
            if state.order.is_over() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Bytes of the staging directory that a path may need: what it has uncompressed, as nobody knows better.
    fn staged_size(&self, n: usize) -> u64 {
        let size = self.paths[n].1.nar_size;
        if size > SMALL { size } else { 0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that the cache has the archive.
    fn archive(&self, n: usize) -> Result<(), Stop> {
        let (path, info) = self.paths[n];
        if !self.job.rotten.contains(path)
            && let Some(packed) = self.staging.uploaded(path, &info.nar_hash)
            && self.bucket.size(&url(packed)?)? == Some(packed.file_size)
        {
            self.read.fetch_add(info.nar_size, Ordering::Relaxed);
            self.arrived(n, packed.clone(), Instant::now());
            return Ok(());
        }
        let (packed, place) = match self.staging.staged(path, &info.nar_hash) {
            Some((packed, file)) => {
                self.read.fetch_add(info.nar_size, Ordering::Relaxed);
                (packed, Place::File(file))
            }
            None => self.pack(n)?,
        };
        let (began, mut sent) = (Instant::now(), 0);
        loop {
            match self.upload(&packed, &place) {
                Err(failure) if failure.kind == Kind::Damaged && sent < DAMAGED => sent += 1,
                result => break result?,
            }
        }
        self.staging.done(&packed)?;
        self.arrived(n, packed, began);
        Ok(())
    }

    fn arrived(&self, n: usize, packed: Packed, began: Instant) {
        self.arrived.fetch_add(self.paths[n].1.nar_size, Ordering::Relaxed);
        self.state().packed[n] = Some((packed, began, Instant::now()));
    }

    fn pack(&self, n: usize) -> Result<(Packed, Place), Stop> {
        let (path, info) = self.paths[n];
        let base = path.strip_prefix(STORE).unwrap_or(path).trim_start_matches('/');
        let nar_hash = Sha256::parse(&info.nar_hash);
        let nar_hash =
            nar_hash.ok_or_else(|| Stop::Path(format!("Nix says that its hash is `{}`", info.nar_hash)))?;
        let real = self.job.store.join(base);
        let source = Source { path, real: &real, nar_hash, nar_size: info.nar_size };
        let draft = self.staging.draft(hash_part(path).unwrap_or(base));
        let made = self.with_packer(info.nar_size, |packer, threads| {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(Trouble::Other("stopped".to_owned()));
            }
            packer.pack(&source, &draft, threads, &|size| {
                self.read.fetch_add(size, Ordering::Relaxed);
            })
        });
        let Archive { content, file_hash, file_size } = made.map_err(|it| match it {
            Trouble::Full => Stop::Again,
            Trouble::Other(text) => Stop::Path(text),
        })?;
        let nar_hash = info.nar_hash.clone();
        let packed = Packed { path: path.to_owned(), nar_hash, file_hash: file_hash.hex(), file_size };
        let place = match content {
            Place::File(draft) => Place::File(self.staging.stage(&draft, &packed)?),
            Place::Memory(bytes) => Place::Memory(bytes),
        };
        Ok((packed, place))
    }

    /// Waits for a packer. A large archive gets the processors of others that are idle, too.
    fn with_packer<T>(&self, size: u64, work: impl FnOnce(&mut Packer, usize) -> T) -> T {
        let lock = || self.packers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle =
            self.free.wait_while(lock(), |it| it.is_empty()).unwrap_or_else(PoisonError::into_inner);
        let most = if size > SMALL { THREADS } else { 1 };
        let left = idle.len().saturating_sub(most);
        let mut taken = idle.split_off(left);
        drop(idle);
        let threads = taken.len();
        let res = work(&mut taken[0], threads);
        lock().append(&mut taken);
        (0..threads).for_each(|_| self.free.notify_one());
        res
    }

    fn upload(&self, packed: &Packed, place: &Place) -> Result<(), Failure> {
        let key = url(packed)?;
        // Who was killed may have sent it, and not had the time to write that down.
        let ask = self.staging.resumed || packed.file_size >= WORTH_ASKING;
        let ask = ask && !self.job.rotten.contains(&packed.path);
        if ask && self.bucket.size(&key)? == Some(packed.file_size) {
            return Ok(());
        }
        let hash = file_hash(packed)?;
        match place {
            Place::Memory(bytes) => self.bucket.put(&key, Content::hashed(bytes, hash)),
            Place::File(file) => self.bucket.upload(&key, file, packed.file_size, hash, self.staging),
        }
    }

    /// Writes the narinfo: from now on readers see the path.
    fn info(&self, n: usize) -> Result<(), Stop> {
        let (path, info) = self.paths[n];
        let packed = self.state().packed[n].clone();
        let (packed, began, ended) =
            packed.ok_or_else(|| Stop::Path("its archive is not there".to_owned()))?;
        let narinfo = self.narinfo(path, info, &packed)?;
        self.bucket.put(&narinfo.key(), Content::bytes(narinfo.to_string().as_bytes()))?;
        let (path, nar_size, file_size) = (path.to_owned(), info.nar_size, packed.file_size);
        let ago = |it: Instant| u64::try_from(it.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (began, ended) = (ago(began), ago(ended));
        drop(self.tell.send(Event::Pushed { path: path.clone(), nar_size, file_size, began, ended }));
        self.state().pushed.push(PushedPath { path, nar_size, file_size });
        Ok(())
    }

    fn narinfo(&self, path: &str, info: &PathInfo, packed: &Packed) -> Result<NarInfo, Failure> {
        let base = |it: &String| it.trim_start_matches(STORE).trim_start_matches('/').to_owned();
        let mut references: Vec<String> = info.references.iter().map(base).collect();
        references.sort();
        let nar_hash = Sha256::parse(&info.nar_hash);
        let mut res = NarInfo {
            store_path: path.to_owned(),
            url: url(packed)?,
            compression: "zstd".to_owned(),
            file_hash: Some(file_hash(packed)?),
            file_size: Some(packed.file_size),
            nar_hash: nar_hash.ok_or_else(|| Failure::new(Kind::Other, "Nix names no SHA-256"))?,
            nar_size: info.nar_size,
            references,
            deriver: info.deriver.as_ref().map(base),
            signatures: info.signatures.clone(),
            ca: info.ca.clone(),
            other: Vec::new(),
        };
        res.sign(self.key);
        Ok(res)
    }
}

/// Where the archive is in the cache: named by what it contains, so nothing is ever written over something else.
fn url(packed: &Packed) -> Result<String, Failure> {
    Ok(format!("nar/{}.nar.zst", file_hash(packed)?.nix32()))
}

fn file_hash(packed: &Packed) -> Result<Sha256, Failure> {
    Sha256::parse(&format!("sha256:{}", packed.file_hash)).ok_or_else(|| {
        Failure::new(Kind::Local, format!("the journal names the hash `{}`", packed.file_hash))
    })
}
