//! One file for each verb: its flags, and the short script that it is.

pub mod build;
pub mod bump;
pub mod check;
pub mod ci;
pub mod complete;
pub mod docs;
pub mod doctor;
pub mod fmt;
pub mod image;
pub mod lock;
pub mod run;
pub mod setup;
pub mod shell;
pub mod size;
pub mod update;
