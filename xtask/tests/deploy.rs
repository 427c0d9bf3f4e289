//! `deploy` and `rollback` to a real device: Debian with systemd in a network of its own, the stand-in of
//! `examples/offline` as its system, real Nix, real ssh.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "the tests start the binary, and read their own environment")]
#![expect(clippy::print_stderr, reason = "a failed test shows the console of its device")]

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "most of it is for tests of the other verbs")]
mod support;

#[path = "deploy/access.rs"]
mod access;
#[path = "deploy/activation.rs"]
mod activation;
#[path = "deploy/copy.rs"]
mod copy;
#[path = "deploy/device.rs"]
mod device;
#[path = "deploy/interrupt.rs"]
mod interrupt;
#[path = "deploy/kept.rs"]
mod kept;
#[path = "deploy/owner.rs"]
mod owner;
#[path = "deploy/whole.rs"]
mod whole;
