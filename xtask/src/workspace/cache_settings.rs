//! `[cache]` of the manifest.

use serde::Deserialize;

use super::checked_text::{compression_level, public_keys};

/// The binary caches that this workspace trusts, and the one that it fills. A flake's own `nixConfig` is accepted only
/// when it names the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheSettings {
    /// URLs of the caches.
    pub substituters: Vec<String>,
    /// The public keys that the caches sign with, as `name:base64`.
    #[serde(deserialize_with = "public_keys")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub public_keys: Vec<String>,
    /// Where `cache push` pushes to: `s3://BUCKET?region=REGION` or `file:///DIR`. Credentials are those of the AWS tools.
    pub push: Option<String>,
    /// The secret key that signs, outside the repository; `~/` is the home. `XTASK_CACHE_KEY_FILE` comes first, then
    /// `XTASK_CACHE_KEY`, which has the key itself.
    pub key_file: Option<String>,
    /// How hard zstd tries, from 1 to 19.
    #[serde(deserialize_with = "compression_level")]
    #[cfg_attr(test, schemars(with = "i32"))]
    pub compression_level: i32,
    /// Caches that readers have besides: what they serve is not pushed.
    pub upstream: Vec<String>,
    /// Where archives wait to be uploaded; by default in `target/xtask`.
    pub staging_dir: Option<String>,
    /// How much may wait there, in megabytes.
    pub staging_size: u32,
}

impl Default for CacheSettings {
    fn default() -> CacheSettings {
        CacheSettings {
            substituters: Vec::new(),
            public_keys: Vec::new(),
            push: None,
            key_file: None,
            compression_level: 3,
            upstream: vec!["https://cache.nixos.org".to_owned()],
            staging_dir: None,
            staging_size: 4000,
        }
    }
}
