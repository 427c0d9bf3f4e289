//! One file for each verb: its flags, and the short script that it is.

pub mod build;
pub mod run;
pub mod shell;
