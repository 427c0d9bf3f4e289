//! The binary as users run it, on real workspaces with a real Nix.
#![expect(clippy::disallowed_methods, reason = "the tests start the binary, and read their own environment")]

#[path = "support/mod.rs"]
mod support;

#[path = "cli/build.rs"]
mod build;

#[path = "cli/update.rs"]
mod update;
