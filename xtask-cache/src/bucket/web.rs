//! A cache behind a plain web server, read only.

use std::io::Read;

use super::Content;
use crate::failure::{Failure, Kind};
use crate::http::{Client, Request};

#[derive(Debug)]
pub(super) struct Web {
    /// Without a slash at its end.
    base: String,
    pub(super) client: Client,
}

/// As Nix sees it: a bucket that may not be listed says "forbidden" for what is not there.
const MISSING: [u16; 3] = [403, 404, 410];

impl Web {
    pub(super) fn new(base: String, client: Client) -> Web {
        Web { base, client }
    }

    fn request(&self, method: &'static str, key: &str) -> Request<'static> {
        let url = format!("{}/{key}", self.base);
        Request { method, url, headers: Vec::new(), content: Content::bytes(b"") }
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let answer = self.client.send(&self.request("GET", key), &Vec::new)?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            status if MISSING.contains(&status) => Ok(None),
            status => Err(self.odd(key, status)),
        }
    }

    pub(super) fn open(&self, key: &str) -> Result<Option<Box<dyn Read>>, Failure> {
        let answer = self.client.open(&self.request("GET", key), &Vec::new)?;
        match answer.status().as_u16() {
            200 => Ok(Some(Box::new(answer.into_body().into_reader()))),
            status if MISSING.contains(&status) => Ok(None),
            status => Err(self.odd(key, status)),
        }
    }

    pub(super) fn size(&self, key: &str) -> Result<Option<u64>, Failure> {
        let answer = self.client.send(&self.request("HEAD", key), &Vec::new)?;
        match answer.status {
            200 => {
                let size = answer.header("content-length").and_then(|it| it.parse().ok());
                size.map(Some).ok_or_else(|| {
                    Failure::new(Kind::Other, format!("{}/{key}: the server says no size", self.base))
                })
            }
            status if MISSING.contains(&status) => Ok(None),
            status => Err(self.odd(key, status)),
        }
    }

    fn odd(&self, key: &str, status: u16) -> Failure {
        let kind = if matches!(status, 401 | 407) { Kind::Denied } else { Kind::Other };
        Failure::new(kind, format!("GET {}/{key}: HTTP {status}", self.base))
    }
}
