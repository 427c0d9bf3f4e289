//! How far a deployment is, as the device tells it, and what follows from that.

use super::facts::generation;
use super::job::{Job, Mode};
use super::script::Answer;
use super::units::{Health, Units};
use super::verdict::End;
use crate::workspace::Probe;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Armed,
    Confirmed,
    Reverting,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub boot: String,
    pub current: String,
    pub profile: String,
    pub generation: Option<u32>,
    pub phase: Option<Phase>,
    /// How the activation ended.
    pub status: Option<i32>,
    /// The device's own word for the end.
    pub done: Option<String>,
    pub units: Units,
    probes: Vec<(usize, String)>,
    pub log: String,
    /// Bytes of the log so far.
    pub offset: u64,
}

impl Seen {
    #[must_use]
    pub fn of(answer: &Answer) -> Seen {
        let text = |key: &str| answer.get(key).unwrap_or_default().to_owned();
        let phase = |it: &str| match it {
            "armed" => Some(Phase::Armed),
            "confirmed" => Some(Phase::Confirmed),
            "reverting" => Some(Phase::Reverting),
            _ => None,
        };
        let probe = |(n, result): (&str, &str)| Some((n.parse().ok()?, result.to_owned()));
        Seen {
            boot: text("boot"),
            current: text("current"),
            profile: text("profile"),
            generation: answer.get("generation").and_then(generation),
            phase: answer.get("phase").and_then(phase),
            // A status that is no number is none that we know as good.
            status: answer.get("status").map(|it| it.parse().unwrap_or(-1)),
            done: answer.get("done").map(str::to_owned),
            units: Units::of(answer),
            probes: answer.under("probe.").filter_map(probe).collect(),
            log: answer.log.clone(),
            offset: answer.get("offset").and_then(|it| it.parse().ok()).unwrap_or(0),
        }
    }

    /// How it ended, once it has; the device's word alone is not believed.
    #[must_use]
    pub fn end(&self, job: &Job) -> Option<End> {
        let new = self.profile == job.new && (self.current == job.new || job.mode == Mode::Boot);
        let old = self.current == job.old.current && self.profile == job.old.profile;
        let end = |good: bool, end: End| Some(if good { end } else { End::Unknown });
        if self.boot != job.old.boot {
            // The boot took everything with it but the profile and the boot default.
            return match (new, self.current == job.old.profile && self.profile == job.old.profile) {
                (true, _) => Some(End::Deployed),
                (_, true) => Some(End::RolledBack),
                _ => Some(End::Unknown),
            };
        }
        match self.done.as_deref()? {
            "deployed" => end(new, End::Deployed),
            "rolled back" => end(old, End::RolledBack),
            // It is about to.
            "rebooting" => None,
            _ => Some(End::Unknown),
        }
    }

    /// Whether the new system is well.
    #[must_use]
    pub fn health(&self, job: &Job) -> Health {
        if self.current != job.new {
            return Health::Bad(format!("it runs {} instead", self.current));
        }
        let bad: Vec<&str> =
            self.probes.iter().filter_map(|it| it.1.strip_prefix("bad")).map(str::trim).collect();
        let health = self.units.health(&job.old.units);
        if !matches!(health, Health::Good) {
            return health;
        }
        if let [first, ..] = bad.as_slice() {
            return Health::Unsettled(format!("a probe fails: {first}"));
        }
        // A probe that does not answer has not passed.
        match job.probes.iter().enumerate().find(|it| !self.probes.iter().any(|probe| probe.0 == it.0)) {
            Some((_, Probe::Command(it))) => Health::Unsettled(format!("no answer to the probe `{it}`")),
            Some(_) => Health::Unsettled("no answer to a probe".to_owned()),
            None => Health::Good,
        }
    }
}
