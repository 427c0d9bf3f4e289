//! `cargo xtask` drives Elodin's Nix workspace. ARCHITECTURE.md has the map.

pub mod alejandra4;
pub mod aleph;
pub mod builders;
pub mod cache;
pub mod changeset;
pub mod ci;
pub mod cli;
pub mod closure;
pub mod columns;
pub mod companion;
pub mod context;
pub mod crates;
pub mod deploy;
pub mod disks;
pub mod doctor;
pub mod files;
pub mod format;
pub mod hints;
pub mod history;
pub mod host;
pub mod image;
pub mod installation;
pub mod inventory;
pub mod known_names;
pub mod locks;
pub mod logs;
pub mod memory;
pub mod monitor;
pub mod nix;
pub mod nix_conf;
pub mod nix_edit;
pub mod nix_files;
pub mod outcome;
pub mod outputs;
pub mod plan;
pub mod relock;
pub mod report;
pub mod revision;
pub mod rules;
pub mod selection;
pub mod shell;
pub mod sizes;
pub mod source_changes;
pub mod tasks;
pub mod timings;
pub mod tool;
pub mod trouble;
pub mod ui;
pub mod watch;
pub mod workspace;
pub mod worktree;

use std::process::ExitCode;

/// Parses the command line, runs the task and says what came of it.
#[must_use]
pub fn main() -> ExitCode {
    cli::main()
}
