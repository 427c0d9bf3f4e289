//! Nix binary caches: where they are, what they hold, and how it gets there. See `docs/cache.md`.

pub mod archive;
pub mod bucket;
pub mod calendar;
pub mod credentials;
pub mod crew;
pub mod failure;
pub mod hash;
pub mod http;
pub mod keys;
pub mod machine;
pub mod narinfo;
pub mod prune;
pub mod survey;
pub mod verify;
