//! A binary cache as a place for files: an S3 bucket, a web server that is only read, or a directory.
//!
//! A missing file is `None`; a cache that cannot be asked is a [`Failure`]. The two are never mixed up.

pub mod address;
mod answer;
mod directory;
mod s3;
mod signature;
mod upload;
mod web;

use std::io::Read;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

pub use address::Address;
use directory::Directory;
use s3::S3;
use web::Web;

use crate::credentials::{self, Identity};
use crate::failure::{Failure, Kind};
pub use crate::http::{Client, Content, Patience};
use crate::machine::Machine;
pub use upload::{Begun, PART, Resume};

/// A cache that can be asked.
#[derive(Debug)]
pub struct Bucket {
    /// As the user wrote it.
    pub url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    S3(Box<S3>),
    Web(Box<Web>),
    Directory(Directory),
}

/// A file of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    /// In bytes.
    pub size: u64,
    pub modified: Option<SystemTime>,
}

/// What somebody means to do with a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Without credentials, what everybody may read.
    Read,
    Write,
}

impl Bucket {
    /// Makes ready to ask; `connections` is how many will be kept open. Nothing is sent yet, but for credentials.
    pub fn open(
        url: &str,
        access: Access,
        machine: &Machine,
        patience: Patience,
        connections: usize,
    ) -> Result<Bucket, Failure> {
        let address = Address::parse(url).map_err(|it| Failure::new(Kind::Other, format!("{it:#}")))?;
        let place = match address {
            Address::S3(address) => {
                let identity = match credentials::find(machine, address.profile.as_deref()) {
                    Ok(it) => Some(it),
                    Err(none) if access == Access::Read && none.kind != Kind::Expired => None,
                    Err(none) => return Err(none),
                };
                let client = |base: &str| Client::new(base, machine, patience, connections);
                Place::S3(Box::new(S3::new(&address, identity, machine, client)?))
            }
            Address::Http(_) if access == Access::Write => {
                return Err(Failure::new(
                    Kind::Other,
                    format!("`{url}` can only be read; push to s3://BUCKET?region=REGION or file:///DIR"),
                ));
            }
            Address::Http(base) => {
                let client = Client::new(&base, machine, patience, connections)?;
                Place::Web(Box::new(Web::new(base, client)))
            }
            Address::File(dir) => Place::Directory(Directory::new(dir)),
        };
        Ok(Bucket { url: url.to_owned(), place })
    }

    /// Who we are to it, where that matters: part of an access key, and where it is from.
    #[must_use]
    pub fn who(&self) -> Option<String> {
        self.identity().map(Identity::who)
    }

    /// When the credentials end.
    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.identity()?.expires()
    }

    fn identity(&self) -> Option<&Identity> {
        match &self.place {
            Place::S3(it) => it.identity.as_ref(),
            _ => None,
        }
    }

    /// A small file, whole.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        match &self.place {
            Place::S3(it) => it.get(key),
            Place::Web(it) => it.get(key),
            Place::Directory(it) => {
                let Some(mut file) = it.open(key)? else { return Ok(None) };
                let mut res = Vec::new();
                file.read_to_end(&mut res)
                    .map_err(|it| Failure::local(&format!("cannot read `{key}`"), &it))?;
                Ok(Some(res))
            }
        }
    }

    /// A large file, to be read once. Who reads less than its size was cut off.
    pub fn open_file(&self, key: &str) -> Result<Option<Box<dyn Read>>, Failure> {
        match &self.place {
            Place::S3(it) => it.open(key),
            Place::Web(it) => it.open(key),
            Place::Directory(it) => Ok(it.open(key)?.map(|it| Box::new(it) as Box<dyn Read>)),
        }
    }

    /// The size of a file in bytes.
    pub fn size(&self, key: &str) -> Result<Option<u64>, Failure> {
        match &self.place {
            Place::S3(it) => it.size(key),
            Place::Web(it) => it.size(key),
            Place::Directory(it) => it.size(key),
        }
    }

    /// Writes a file as a whole. Nobody sees part of it.
    pub fn put(&self, key: &str, content: Content<'_>) -> Result<(), Failure> {
        match &self.place {
            Place::S3(it) => it.put(key, content),
            Place::Web(_) => Err(self.read_only()),
            Place::Directory(it) => it.put(key, &content),
        }
    }

    /// Deletes a file; one that is not there is no failure.
    pub fn delete(&self, key: &str) -> Result<(), Failure> {
        match &self.place {
            Place::S3(it) => it.delete(key),
            Place::Web(_) => Err(self.read_only()),
            Place::Directory(it) => it.delete(key),
        }
    }

    /// Files whose keys begin so, a page at a time, in the order of their keys; `flat` leaves out those in
    /// directories below. `more` says whether to go on; that the list was read to its end is told.
    pub fn list(
        &self,
        prefix: &str,
        flat: bool,
        more: &mut dyn FnMut(Vec<Entry>) -> bool,
    ) -> Result<bool, Failure> {
        match &self.place {
            Place::S3(it) => {
                let mut next = None;
                loop {
                    let page = it.page(prefix, flat, next.as_deref())?;
                    let go_on = more(page.entries);
                    if page.next.is_none() || !go_on {
                        return Ok(page.next.is_none());
                    }
                    next = page.next;
                }
            }
            Place::Web(_) => Err(Failure::new(
                Kind::Other,
                format!("`{}` cannot be listed; name the cache as s3://BUCKET", self.url),
            )),
            Place::Directory(it) => {
                let mut entries = it.list(prefix)?;
                entries.retain(|it| !flat || !it.key[prefix.len()..].contains('/'));
                more(entries);
                Ok(true)
            }
        }
    }

    /// Whether [`Bucket::list`] can be asked.
    #[must_use]
    pub fn can_list(&self) -> bool {
        !matches!(self.place, Place::Web(_))
    }

    /// Bytes that were sent and not refused.
    #[must_use]
    pub fn sent(&self) -> u64 {
        match &self.place {
            Place::S3(it) => it.client.sent.load(Ordering::Relaxed),
            Place::Web(_) => 0,
            Place::Directory(it) => it.sent.load(Ordering::Relaxed),
        }
    }

    /// Requests that had to be repeated.
    #[must_use]
    pub fn retries(&self) -> u64 {
        match &self.place {
            Place::S3(it) => it.client.retries.load(Ordering::Relaxed),
            Place::Web(it) => it.client.retries.load(Ordering::Relaxed),
            Place::Directory(_) => 0,
        }
    }

    fn read_only(&self) -> Failure {
        Failure::new(Kind::Other, format!("`{}` can only be read", self.url))
    }
}

/// As Nix calls them.
fn content_type(key: &str) -> &'static str {
    match key {
        "nix-cache-info" => "text/x-nix-cache-info",
        _ if key.ends_with(".narinfo") => "text/x-nix-narinfo",
        _ if key.starts_with("nar/") => "application/x-nix-nar",
        _ => "application/octet-stream",
    }
}
