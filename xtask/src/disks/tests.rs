//! Fabricated machines.
