//! stub
/// x
#[derive(Debug)]
pub struct Cache;
