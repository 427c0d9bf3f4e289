//! Reads the `flake.lock` of Nix: which nodes it has, where their inputs lead, and the flake references in it.
//!
//! A crate of its own so that it is optimised in every build: each command reads the locks.

mod conflict;
mod follows;
mod lock;
mod reference;
mod text;
mod url;

pub use self::conflict::first_conflict;
pub use self::lock::{Lock, LockedInput, Node};
pub use self::reference::Reference;
