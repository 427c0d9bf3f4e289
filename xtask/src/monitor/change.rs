//! What is new in the state of affairs.

use std::time::Duration;

use crate::history::Expected;

/// What changed by an event, for those who print lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Started {
        drv: String,
        machine: String,
        /// From earlier runs, filled in by who knows them.
        expected: Option<Expected>,
    },
    Line {
        drv: String,
        line: String,
    },
    Finished {
        drv: String,
        took: Duration,
    },
    Failed {
        drv: String,
        took: Duration,
    },
    /// The build was stopped because another one had failed, or because we were told to.
    Cancelled {
        drv: String,
    },
    Copying {
        path: String,
    },
    Warning(String),
    /// Not in Nix's log format: a child of Nix speaks.
    Plain(String),
}
