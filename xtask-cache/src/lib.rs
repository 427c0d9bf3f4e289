//! Nix binary caches: where they are, what they hold, and how it gets there. See `docs/cache.md`.

pub mod archive;
pub mod bucket;
pub mod calendar;
pub mod credentials;
pub mod crew;
pub mod failure;
pub mod hash;
pub mod http;
pub mod job;
pub mod keys;
pub mod lookup;
pub mod machine;
pub mod nar;
pub mod narinfo;
pub mod prune;
pub mod push;
pub mod staging;
pub mod survey;
pub mod upkeep;
pub mod verify;
pub mod watch;
