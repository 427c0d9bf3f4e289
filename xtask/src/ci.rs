//! CI: what its services want to read, what became of the jobs, which outputs are built and why, and the pipelines
//! made from the table. Pure.

pub mod buildkite;
pub mod difference;
pub mod github;
pub mod junit;
pub mod matrix;
pub mod output;
pub mod place;
pub mod result;
pub mod service;
pub mod words;
pub mod yaml;
