//! What a timings file holds: `docs/timings.schema.json` is made from these types. Times are seconds since the run
//! began, sizes are bytes.

use serde::{Deserialize, Serialize};

pub const FORMAT: u32 = 1;

/// One run, and where its time went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Timings {
    /// The version of this form: 1.
    pub version: u32,
    /// What was run, as it is typed: `build report`.
    pub target: String,
    /// The kind of machine that ran it: `x86_64-linux`.
    pub system: String,
    /// The Nix that was used: `Nix 2.26.3`.
    pub nix: String,
    /// Cores of the machine that ran it; 0 where that is not known.
    pub cores: usize,
    /// When it began, in seconds since 1970.
    pub started: i64,
    /// Whether all went well.
    pub ok: bool,
    /// How long it took.
    pub seconds: f64,
    /// The same seconds by what they were spent on; where several things ran at once, the first of these counts.
    pub time: Shares,
    pub counts: Counts,
    pub bytes: Bytes,
    pub critical: Critical,
    /// What took part, in the order of its beginning, then what it needed and was there.
    pub derivations: Vec<Derivation>,
    pub transfers: Vec<Transfer>,
    /// Evaluation, questions to caches, waiting.
    pub stretches: Vec<Stretch>,
    /// Pairs: a time, and how many cores of the machine were busy on average since the pair before.
    pub load: Vec<(f64, f64)>,
    /// The latest earlier run of the same target on the same kind of machine.
    pub previous: Option<Previous>,
}

/// Seconds, which together are all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shares {
    /// Something was built.
    pub building: f64,
    /// Nothing was built, but something downloaded, copied or uploaded.
    pub transferring: f64,
    pub evaluating: f64,
    /// For another process, or for a builder's upload lock.
    pub waiting: f64,
    /// Caches were asked what they have.
    pub asking: f64,
    /// The rest: sources were fetched, results looked at, files written.
    pub other: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counts {
    pub built: usize,
    pub failed: usize,
    /// Begun, and stopped because another one failed or somebody interrupted.
    pub stopped: usize,
    /// Never begun, because something that they need failed.
    pub not_built: usize,
    /// Paths from caches.
    pub downloaded: usize,
    /// Paths between this machine and builders.
    pub copied: usize,
    /// Paths to caches.
    pub uploaded: usize,
    /// Derivations that were needed and were there.
    pub present: usize,
}

/// Sizes as NARs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Bytes {
    pub downloaded: u64,
    pub copied: u64,
    pub uploaded: u64,
}

/// The longest chain of derivations that had to follow each other: what it would have taken with a core and a
/// connection for everything, each step as long as it was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Critical {
    /// Seconds before the first build or download.
    pub lead: f64,
    /// Seconds of the chain.
    pub seconds: f64,
    /// Places in `derivations`, the first to be done first.
    pub steps: Vec<usize>,
}

/// What became of a derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Built,
    Failed,
    Stopped,
    Downloaded,
    NotBuilt,
    Present,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Derivation {
    pub name: String,
    /// The store path without its directory: `<hash>-<name>.drv`.
    pub drv: String,
    /// Empty where it is not known.
    pub system: String,
    pub state: State,
    /// The machine that built it, empty for the one that ran xtask; the cache that it came from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Absent for what has not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<f64>,
    /// On another machine: when its builder itself ran. Before and after, files were copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner: Option<(f64, f64)>,
    /// The phases that the builder told, and when each began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<(String, f64)>,
    /// When all that it needs was there; from then on it waited for a free place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<f64>,
    /// Places in `derivations` of what it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<usize>,
    /// How much longer it may take before the critical path grows.
    pub slack: f64,
    /// By how much the critical path would shrink if this took no time.
    pub gain: f64,
    /// How long the build of the same package took in the previous run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
}

/// Which way a path went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From a cache.
    Download,
    /// From a builder.
    Fetch,
    /// To a builder.
    Send,
    /// To a cache.
    Upload,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Transfer {
    /// The store path without its directory.
    pub path: String,
    pub way: Way,
    /// The store at the other end, without passwords and options.
    pub place: String,
    pub start: f64,
    pub end: f64,
    /// As a NAR.
    pub bytes: u64,
    /// What went over the network, compressed; absent where Nix does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<u64>,
    /// The place in `derivations` of what it is an output of, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derivation: Option<usize>,
}

/// What Nix spent time on when it neither built nor copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    Evaluating,
    Asking,
    Waiting,
    Other,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stretch {
    pub work: Work,
    /// In Nix's words.
    pub text: String,
    pub start: f64,
    pub end: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Previous {
    /// In seconds since 1970.
    pub started: i64,
    pub ok: bool,
    pub seconds: f64,
    pub time: Shares,
    pub counts: Counts,
    /// What was built then and not now, with its seconds, the slowest first.
    pub gone: Vec<(String, f64)>,
}
