//! The machines that Nix may build on besides this one.

pub mod machines;
pub mod registration;

pub use machines::{Machine, Machines, Origin, Problem, Refusal};
