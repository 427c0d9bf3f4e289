//! Deploying to the flight computer as a transaction. docs/deploy.md has the picture.

pub mod closure;
pub mod copy;
pub mod facts;
pub mod generations;
pub mod host_key;
pub mod job;
pub mod packages;
pub mod record;
pub mod renewal;
pub mod script;
pub mod seen;
pub mod session;
pub mod ssh;
pub mod target;
pub mod toplevel;
pub mod transaction;
pub mod units;
pub mod verdict;
