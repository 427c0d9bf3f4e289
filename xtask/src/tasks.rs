//! One file for each verb: its flags, and the short script that it is.

pub mod build;
pub mod build_aleph;
pub mod builder;
pub mod bump;
pub mod cache;
pub mod check;
pub mod ci;
pub mod complete;
pub mod deploy;
pub mod docs;
pub mod doctor;
pub mod explain;
pub mod flash;
pub mod fmt;
pub mod image;
pub mod lock;
pub mod new;
pub mod rollback;
pub mod run;
pub mod setup;
pub mod shell;
pub mod size;
pub mod update;
