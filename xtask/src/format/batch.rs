//! stub
/// x
pub fn run() {}
