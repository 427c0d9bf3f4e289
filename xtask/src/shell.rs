//! The dev shell's environment: what Nix says of it, what of that reaches the user, and how it is remembered.

pub mod environment;
pub mod files;
pub mod memory;
