//! What became of a deployment. There are four ends, and each says what the device runs.

use serde_json::{Value, json};

use crate::report::Report;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The new system runs (or will boot), and was read back.
    Deployed,
    /// The old system runs again, and was read back.
    RolledBack,
    /// The old system runs; nothing was done to it.
    Failed,
    /// The device does not say what it runs.
    Unknown,
}

impl End {
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            End::Deployed => 0,
            End::RolledBack => 10,
            End::Failed => 11,
            End::Unknown => 12,
        }
    }

    /// As records and `--json` have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            End::Deployed => "deployed",
            End::RolledBack => "rolled back",
            End::Failed => "failed before any change",
            End::Unknown => "unknown",
        }
    }
}

/// An end, and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub end: End,
    /// Why it is no other end.
    pub why: Option<String>,
    /// The system that was read back.
    pub runs: Option<String>,
    /// What boots, where it was read back.
    pub profile: Option<String>,
    pub generation: Option<u32>,
}

impl Verdict {
    /// Nothing was done.
    #[must_use]
    pub fn failed(why: String, runs: Option<String>) -> Verdict {
        Verdict { end: End::Failed, why: Some(why), runs, profile: None, generation: None }
    }

    /// The words for people; `done` is what was to be done with the device `target`.
    pub(super) fn text(&self, target: &str, done: &str) -> String {
        let runs = match &self.runs {
            Some(path) => format!("{target} runs {path}"),
            None => format!("{target} runs what it ran before"),
        };
        let why = self.why.as_deref().unwrap_or("no reason is known");
        let generation = self.generation.map(|it| format!(" (generation {it})")).unwrap_or_default();
        match self.end {
            End::Deployed if self.runs != self.profile => {
                let boots = self.profile.as_deref().unwrap_or_default();
                format!(
                    "{done}: {target} will boot {boots}{generation}; until then it runs {}",
                    self.runs.as_deref().unwrap_or_default()
                )
            }
            End::Deployed => format!("{done}: {runs}{generation}"),
            End::RolledBack => format!("rolled back: {why}\n{runs}, as before"),
            End::Failed => format!("nothing was changed: {why}\n{runs}"),
            End::Unknown => format!("unknown: {why}"),
        }
    }

    /// The report; `facts` are the keys that the verb adds.
    #[must_use]
    pub fn report(&self, target: &str, facts: Value) -> Report {
        let ok = self.end == End::Deployed;
        let done = if facts["rollback"] == true { "went back" } else { "deployed" };
        let mut json = json!({
            "version": 1,
            "ok": ok,
            "result": self.end.name(),
            "code": self.end.code(),
            "target": target,
            "runs": self.runs,
            "profile": self.profile,
            "generation": self.generation,
            "why": self.why,
        });
        if let (Value::Object(json), Value::Object(facts)) = (&mut json, facts) {
            json.extend(facts);
        }
        Report {
            ok,
            code: Some(self.end.code()),
            notes: vec![self.text(target, done)],
            lines: self.runs.iter().filter(|_| ok).cloned().collect(),
            json,
            ..Report::default()
        }
    }
}
