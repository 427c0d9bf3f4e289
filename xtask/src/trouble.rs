//! Why a call of Nix failed: its own words, and what the rule book knows of them.

use std::fmt;

use crate::context::{Call, Context};
use crate::monitor::Monitor;
use crate::nix::process::Exit;
use crate::rules::diagnosis::{Finding, findings};

/// How the collector of an evaluator says that it has no room left.
const OUT_OF_MEMORY: &str = "GC Warning: Out of Memory!";

/// An error that can be explained. What to do about it is looked up when it is told, not before: many an error is
/// expected by who asked.
#[derive(Debug)]
pub struct Trouble {
    text: String,
    pub findings: Vec<Finding>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Trouble {}

impl Trouble {
    /// With what to do about it.
    #[must_use]
    pub fn told(&self, cx: &Context) -> String {
        let hints = cx.hints(&self.findings);
        let lines = hints.iter().filter(|it| !it.plain).map(|it| cx.ui.hint(it));
        std::iter::once(self.text.clone()).chain(lines).collect::<Vec<_>>().join("\n")
    }
}

/// What the rule book knows of an error, wherever in its chain.
#[must_use]
pub fn findings_of(error: &anyhow::Error) -> &[Finding] {
    error.chain().find_map(|it| it.downcast_ref::<Trouble>()).map_or(&[], |it| &it.findings)
}

impl Call {
    /// Why Nix failed, in its own words, with the last lines of the builds that failed.
    #[must_use]
    pub fn why(&self, cx: &Context) -> Trouble {
        if self.exit.interrupted {
            return Trouble { text: "interrupted".to_owned(), findings: Vec::new() };
        }
        let mut parts: Vec<String> = self.monitor.failures.iter().map(|it| cx.describe(it)).collect();
        parts.extend(self.monitor.errors.iter().cloned());
        parts.extend(silence(&self.exit, &self.monitor));
        Trouble { text: parts.join("\n"), findings: findings(&self.monitor) }
    }
}

/// How Nix failed, where it did not say why.
#[must_use]
pub fn silence(exit: &Exit, monitor: &Monitor) -> Option<String> {
    let told = !monitor.failures.is_empty() || !monitor.errors.is_empty();
    match exit.code {
        _ if told || exit.interrupted => None,
        Some(0) => None,
        // Its collector could not even set up what an error needs.
        _ if monitor.said.iter().any(|it| it.text.contains(OUT_OF_MEMORY)) => {
            Some("out of memory".to_owned())
        }
        Some(code) => Some(format!("nix ended with exit code {code} and said nothing")),
        None => Some(match exit.signal {
            Some(signal) => format!("nix was killed by {signal}"),
            None => "nix was killed".to_owned(),
        }),
    }
}
