//! AWS Signature Version 4, in headers: who asks, when, for what, and the hash of what is sent.
//!
//! Source: "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API reference.

use std::time::SystemTime;

use ring::hmac;

use crate::calendar::Utc;
use crate::credentials::Credentials;
use crate::hash::{Sha256, hex};

/// What of a request is signed.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    /// Encoded as it is sent.
    pub(super) path: &'a str,
    /// Sorted and encoded as it is sent, without `?`.
    pub(super) query: &'a str,
    pub(super) content: Sha256,
    pub(super) region: &'a str,
}

/// The headers that make a request a signed one.
#[must_use]
pub(super) fn headers(
    request: &Signed<'_>,
    credentials: &Credentials,
    now: SystemTime,
) -> Vec<(String, String)> {
    let time = Utc::of(now).compact();
    let date = &time[..8];
    let content = request.content.hex();
    let mut headers = vec![
        ("host", request.host.to_owned()),
        ("x-amz-content-sha256", content),
        ("x-amz-date", time.clone()),
    ];
    if let Some(token) = &credentials.session_token {
        headers.push(("x-amz-security-token", token.clone()));
    }
    let names: Vec<&str> = headers.iter().map(|it| it.0).collect();
    let names = names.join(";");
    let listed: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let Signed { method, path, query, region, .. } = request;
    let canonical = format!("{method}\n{path}\n{query}\n{listed}\n{names}\n{}", request.content.hex());
    let scope = format!("{date}/{region}/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", Sha256::of(canonical.as_bytes()).hex());
    let secret = format!("AWS4{}", credentials.secret_key);
    let key = [date, region, "s3", "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| mac(&key, part.as_bytes()));
    let signature = hex(&mac(&key, text.as_bytes()));
    let id = &credentials.access_key_id;
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope},SignedHeaders={names},Signature={signature}");
    // The client itself says which host.
    let rest = headers.into_iter().skip(1).map(|(name, value)| (name.to_owned(), value));
    rest.chain([("authorization".to_owned(), authorization)]).collect()
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// A part of a path or of a query, as signatures want it: all but letters, digits and `-._~`.
#[must_use]
pub(super) fn encode(text: &str, keep_slash: bool) -> String {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it) || (keep_slash && it == b'/');
    text.bytes().fold(String::with_capacity(text.len()), |mut res, it| {
        if plain(it) {
            res.push(char::from(it));
        } else {
            res.push_str(&format!("%{it:02X}"));
        }
        res
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// The example "GET Bucket (List Objects)" of the reference.
    #[test]
    fn the_example_of_the_reference() {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
            expires: None,
            source: String::new(),
        };
        let request = Signed {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/",
            query: "max-keys=2&prefix=J",
            content: Sha256::of(b""),
            region: "us-east-1",
        };
        // 2013-05-24 00:00:00 UTC
        let now = UNIX_EPOCH + Duration::from_hours(380_376);
        let headers = headers(&request, &credentials, now);
        let (_, authorization) = headers.last().unwrap();
        let want = "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert!(authorization.ends_with(want), "{authorization}");
    }

    #[test]
    fn encoding() {
        assert_eq!(encode("nar/a b+c=.nar", true), "nar/a%20b%2Bc%3D.nar");
        assert_eq!(encode("a/b~", false), "a%2Fb~");
    }
}
