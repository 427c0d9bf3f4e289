//! What `cargo xtask` tells this program to do, and what it is told: JSON.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// Pushes paths.
#[derive(Debug, Clone, Deserialize)]
pub struct PushJob {
    /// The cache.
    pub to: String,
    /// Caches that readers have besides: what they serve is left out.
    pub upstream: Vec<String>,
    /// The signing key.
    #[serde(default)]
    pub key_file: Option<Utf8PathBuf>,
    /// The variable that has the signing key itself, instead of a file.
    #[serde(default)]
    pub key_variable: Option<String>,
    /// Of zstd: 1 to 19.
    pub level: i32,
    /// Requests at once.
    pub jobs: usize,
    pub staging: StagingJob,
    /// Where `/nix/store` really is.
    pub store: Utf8PathBuf,
    /// Its file system takes `A` for `a`.
    #[serde(default)]
    pub case_hack: bool,
    /// Only say what would be pushed.
    #[serde(default)]
    pub dry_run: bool,
    /// Tell of each path when it is there: somebody listens.
    #[serde(default)]
    pub each: bool,
    /// A closure, as Nix prints it.
    #[serde(default)]
    pub paths: BTreeMap<String, PathInfo>,
    /// What the cache says of these is wrong: it is written anew.
    #[serde(default)]
    pub again: BTreeSet<String>,
    /// Those of them whose archives are wrong: they are sent, whatever has their name and size.
    #[serde(default)]
    pub rotten: BTreeSet<String>,
}

/// Where large archives wait to be uploaded.
#[derive(Debug, Clone, Deserialize)]
pub struct StagingJob {
    pub dir: Utf8PathBuf,
    /// In bytes.
    pub size: u64,
}

/// A valid path, as `nix path-info --json` prints it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathInfo {
    /// As `sha256-BASE64`.
    pub nar_hash: String,
    pub nar_size: u64,
    /// Whole paths.
    #[serde(default)]
    pub references: Vec<String>,
    #[serde(default)]
    pub deriver: Option<String>,
    #[serde(default)]
    pub signatures: Vec<String>,
    #[serde(default)]
    pub ca: Option<String>,
}

/// Makes a key pair.
#[derive(Debug, Clone, Deserialize)]
pub struct KeygenJob {
    pub name: String,
    pub file: Utf8PathBuf,
}

/// Pushes what is built, as it is built.
#[derive(Debug, Clone, Deserialize)]
pub struct WatchJob {
    /// Whose `paths` are empty.
    pub push: PushJob,
    /// The command that prints which paths are valid; they are its last arguments.
    pub valid: Vec<String>,
    /// The command that prints the closure of paths.
    pub closure: Vec<String>,
    /// Only what is built for these derivations; for any, when there are none. Others may build on this machine.
    #[serde(default)]
    pub drvs: Vec<String>,
    /// Once this file is gone, what has been built is still pushed, and no more is waited for.
    #[serde(default)]
    pub until: Option<Utf8PathBuf>,
}

/// Says what caches can serve.
#[derive(Debug, Clone, Deserialize)]
pub struct StatusJob {
    /// In the order in which they are asked.
    pub caches: Vec<String>,
    /// Each with all that it needs.
    pub paths: Vec<String>,
    /// Requests at once.
    pub jobs: usize,
}

/// Looks whether a cache keeps what it promises.
#[derive(Debug, Clone, Deserialize)]
pub struct VerifyJob {
    pub cache: String,
    pub upstream: Vec<String>,
    /// As `NAME:BASE64`.
    pub keys: Vec<String>,
    /// `None`: all that the cache has.
    pub paths: Option<Vec<String>>,
    pub deep: bool,
    pub jobs: usize,
}

/// Deletes what nobody needs.
#[derive(Debug, Clone, Deserialize)]
pub struct PruneJob {
    pub cache: String,
    /// What stays, with all that it needs.
    pub paths: Vec<String>,
    /// What is younger stays, too.
    pub keep_days: u32,
    pub jobs: usize,
    /// Without it nothing is deleted.
    pub delete: bool,
}

/// What happens, a line each on stderr.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Warning {
        text: String,
    },
    Plan(Plan),
    Progress(Progress),
    /// So many paths have been looked at, or deleted.
    Looked {
        paths: usize,
    },
    /// The cache has it now. Its archive was sent between so many and so many milliseconds ago.
    Pushed {
        path: String,
        nar_size: u64,
        file_size: u64,
        began: u64,
        ended: u64,
    },
    /// It is not in the cache, and will not be.
    Failed {
        path: String,
        error: String,
    },
}

/// What a push is about to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub push: usize,
    /// Of the archives that are to be pushed, before they are compressed.
    pub bytes: u64,
    pub there: usize,
    pub upstream: usize,
    /// Who we are to the cache.
    pub who: Option<String>,
}

/// How far a push is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    pub paths: usize,
    pub of: usize,
    /// Work, in bytes of archives: half of it is compressing, half of it is uploading. A path is some more.
    pub done: u64,
    pub total: u64,
    /// Bytes that were sent.
    pub sent: u64,
}

/// What came of a push, on stdout.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    pub plan: Plan,
    pub pushed: Vec<PushedPath>,
    pub failed: Vec<FailedPath>,
    /// What would be pushed, under `dry_run`.
    pub planned: Vec<PushedPath>,
    /// Bytes that were sent.
    pub sent: u64,
    /// Requests that had to be repeated.
    pub retries: u64,
    /// Why it was given up.
    pub error: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct PushedPath {
    pub path: String,
    pub nar_size: u64,
    /// Compressed; 0 while that is not known.
    pub file_size: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct FailedPath {
    pub path: String,
    pub error: String,
}

impl Summary {
    /// Whether the cache now serves all that was asked for.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.error.is_none() && self.failed.is_empty()
    }
}
