//! The real program against a real S3 server that checks signatures.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "the tests start programs")]

#[path = "support/mod.rs"]
mod support;

#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/prune.rs"]
mod prune;
#[path = "engine/push.rs"]
mod push;
