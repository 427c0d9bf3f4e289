//! What the program takes from the outside, read at the edge: environment, clock, chance.

use std::collections::BTreeMap;
use std::time::SystemTime;

use camino::Utf8PathBuf;

/// The machine as the cache code sees it. Tests give it another clock or home.
#[derive(Debug, Clone)]
pub struct Machine {
    pub env: BTreeMap<String, String>,
    pub now: fn() -> SystemTime,
    /// Any number, each time another.
    pub random: fn() -> u64,
}

impl Machine {
    /// A variable; `None` when it is unset or empty.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|it| !it.is_empty())
    }

    #[must_use]
    pub fn home(&self) -> Option<Utf8PathBuf> {
        self.env("HOME").map(Utf8PathBuf::from)
    }
}
