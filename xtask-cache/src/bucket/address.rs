//! Where a cache is, as a user or Nix writes it.

use anyhow::{Context as _, bail, ensure};
use camino::Utf8PathBuf;

/// `s3://…`, `http(s)://…` or `file://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    S3(S3Address),
    /// Without a slash at its end.
    Http(String),
    File(Utf8PathBuf),
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Address {
    pub bucket: String,
    pub region: Option<String>,
    /// `http(s)://HOST[:PORT]` of a server that is not Amazon's.
    pub endpoint: Option<String>,
    /// A profile of `~/.aws`.
    pub profile: Option<String>,
}

impl Address {
    /// Reads a URL as Nix writes them. Parameters that we would have to ignore are refused.
    pub fn parse(url: &str) -> anyhow::Result<Address> {
        let (scheme, rest) = url
            .split_once("://")
            .with_context(|| format!("`{url}` is no URL; a cache is s3://…, https://… or file://…"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let host = if scheme == "file" { None } else { place.split('/').next() };
        let endpoints = query.split('&').filter_map(|it| it.strip_prefix("endpoint="));
        if host.into_iter().chain(endpoints).any(names_user) {
            bail!("{LOGIN}");
        }
        let parameters = parameters(query).with_context(|| format!("`{url}`"))?;
        match scheme {
            "s3" => s3(place, parameters).with_context(|| format!("`{url}`")).map(Address::S3),
            "http" | "https" => {
                ensure!(!place.is_empty(), "`{url}` names no host");
                refuse(parameters)?;
                Ok(Address::Http(format!("{scheme}://{}", place.trim_end_matches('/'))))
            }
            "file" => {
                ensure!(place.starts_with('/'), "`{url}` has no absolute path: write `file:///DIR`");
                refuse(parameters)?;
                Ok(Address::File(Utf8PathBuf::from(decode(place)?)))
            }
            _ => bail!("`{url}`: a cache is s3://…, https://… or file://…"),
        }
    }
}

/// What is not repeated.
pub(super) const LOGIN: &str =
    "a user or a password in the URL of a cache would end up in logs; use `~/.aws` or the environment";

/// Whether a part of a URL says who logs in.
pub(super) fn names_user(host: &str) -> bool {
    host.contains('@') || host.contains("%40")
}

fn s3(bucket: &str, parameters: Vec<(String, String)>) -> anyhow::Result<S3Address> {
    let bucket = bucket.trim_end_matches('/');
    ensure!(
        !bucket.contains('/'),
        "a cache fills a bucket of its own: write `s3://BUCKET` without a directory"
    );
    let good = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-' || it == b'.';
    ensure!(
        (3..=63).contains(&bucket.len()) && bucket.bytes().all(good),
        "`{bucket}` cannot be the name of a bucket"
    );
    let mut res = S3Address { bucket: bucket.to_owned(), region: None, endpoint: None, profile: None };
    let (mut scheme, mut rest) = (None, Vec::new());
    for (name, value) in parameters {
        match name.as_str() {
            "region" => res.region = Some(value),
            "endpoint" => res.endpoint = Some(value),
            "profile" => res.profile = Some(value),
            "scheme" => scheme = Some(value),
            _ => rest.push((name, value)),
        }
    }
    refuse(rest)?;
    if let Some(endpoint) = &mut res.endpoint
        && !endpoint.contains("://")
    {
        *endpoint = format!("{}://{endpoint}", scheme.as_deref().unwrap_or("https"));
    }
    if let Some(endpoint) = &mut res.endpoint {
        let host = endpoint.strip_prefix("http://").or(endpoint.strip_prefix("https://"));
        let host = host.map(|it| it.trim_end_matches('/'));
        ensure!(
            host.is_some_and(|it| !it.is_empty() && !it.contains('/')),
            "`{endpoint}` cannot be an endpoint: that is http(s)://HOST[:PORT]"
        );
        *endpoint = endpoint.trim_end_matches('/').to_owned();
    }
    Ok(res)
}

fn refuse(parameters: Vec<(String, String)>) -> anyhow::Result<()> {
    let Some((name, _)) = parameters.into_iter().next() else { return Ok(()) };
    let instead = match name.as_str() {
        "secret-key" | "secret-keys" => {
            "; the signing key is `cache.key-file` of xtask.toml, or XTASK_CACHE_KEY_FILE"
        }
        "compression" | "parallel-compression" | "compression-level" => {
            "; archives are compressed with zstd, at the level `cache.compression-level` of xtask.toml"
        }
        _ => "; those of s3:// are region, endpoint, scheme and profile",
    };
    bail!("the URL of a cache has no parameter `{name}` here{instead}")
}

fn parameters(query: &str) -> anyhow::Result<Vec<(String, String)>> {
    let pairs = query.split('&').filter(|it| !it.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((name.to_owned(), decode(value)?))
        })
        .collect()
}

/// Without its `%XX`.
fn decode(text: &str) -> anyhow::Result<String> {
    let mut res = Vec::new();
    let mut parts = text.split('%');
    res.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let byte = part.get(..2).and_then(|it| u8::from_str_radix(it, 16).ok());
        res.push(byte.with_context(|| format!("`%{part}` is not two hexadecimal digits"))?);
        res.extend(part.bytes().skip(2));
    }
    String::from_utf8(res).with_context(|| format!("`{text}` is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(url: &str) -> S3Address {
        match Address::parse(url).unwrap() {
            Address::S3(it) => it,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn buckets() {
        let plain = s3("s3://elodin-nix-cache?region=us-west-2");
        assert_eq!((plain.bucket.as_str(), plain.region.as_deref()), ("elodin-nix-cache", Some("us-west-2")));
        for url in [
            "s3://bkt?endpoint=http://127.0.0.1:9000",
            "s3://bkt/?endpoint=http%3A%2F%2F127.0.0.1%3A9000",
            "s3://bkt?endpoint=127.0.0.1:9000&scheme=http",
            "s3://bkt?scheme=http&endpoint=127.0.0.1:9000/",
        ] {
            assert_eq!(s3(url).endpoint.as_deref(), Some("http://127.0.0.1:9000"), "{url}");
        }
        assert_eq!(s3("s3://bkt?endpoint=minio.lab").endpoint.as_deref(), Some("https://minio.lab"));
        assert_eq!(s3("s3://bkt?profile=ci").profile.as_deref(), Some("ci"));
    }

    #[test]
    fn others() {
        assert_eq!(
            Address::parse("https://c.example/x/").unwrap(),
            Address::Http("https://c.example/x".to_owned())
        );
        assert_eq!(Address::parse("file:///var/a%20b@c").unwrap(), Address::File("/var/a b@c".into()));
    }

    #[test]
    fn refusals_say_what_to_write() {
        for (url, want) in [
            ("cache", "is no URL"),
            ("ssh://host", "a cache is s3://"),
            ("s3://a", "cannot be the name of a bucket"),
            ("s3://bkt/sub", "without a directory"),
            ("s3://bkt?endpoint=ftp://x", "cannot be an endpoint"),
            ("s3://bkt?secret-key=/k", "cache.key-file"),
            ("s3://bkt?compression=zstd", "cache.compression-level"),
            ("s3://bkt?regoin=x", "region, endpoint, scheme and profile"),
            ("https://u:hunter2@c.example", "would end up in logs"),
            ("s3://b?endpoint=http://u:hunter2@c.example", "would end up in logs"),
            ("s3://bkt?region=%zz&endpoint=u:hunter2%40c.example", "would end up in logs"),
            ("https://", "names no host"),
            ("file://relative", "no absolute path"),
            ("s3://bkt?region=%zz", "hexadecimal"),
        ] {
            let error = format!("{:#}", Address::parse(url).unwrap_err());
            assert!(error.contains(want) && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
