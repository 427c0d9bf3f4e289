//! Why a request to a cache failed, in kinds that call for different answers.

use std::fmt;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody answers, or not to the end, or only that they are too busy, however often we asked.
    Unreachable,
    /// The server does not let us.
    Denied,
    /// There is no such bucket there.
    Misplaced,
    /// The credentials have expired.
    Expired,
    /// The clocks differ too much for a signature.
    Skewed,
    /// What we sent is not what arrived.
    Damaged,
    /// What we meant to go on with is gone: an upload that somebody has ended.
    Gone,
    /// This machine: no space, no right to write.
    Local,
    /// Anything else that the server says no to.
    Other,
}

/// A failed request: what it was, and what was said.
#[derive(Debug, Clone)]
pub struct Failure {
    pub kind: Kind,
    pub text: String,
}

impl Failure {
    pub fn new(kind: Kind, text: impl Into<String>) -> Failure {
        Failure { kind, text: text.into() }
    }

    /// An error of a file of this machine.
    #[must_use]
    pub fn local(what: &str, error: &std::io::Error) -> Failure {
        Failure::new(Kind::Local, format!("{what}: {error}"))
    }

    /// Whether no other request to this server can succeed either.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.kind, Kind::Unreachable | Kind::Denied | Kind::Misplaced | Kind::Expired | Kind::Skewed)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
