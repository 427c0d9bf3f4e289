//! Objects of an S3 bucket, by signed requests.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use super::address::{LOGIN, S3Address, names_user};
use super::answer::{self, Page, Part};
use super::signature::{self, Signed, encode};
use super::{Content, content_type};
use crate::credentials::Identity;
use crate::failure::{Failure, Kind};
use crate::http::{Answer, Client, Request};
use crate::machine::Machine;

#[derive(Debug)]
pub(super) struct S3 {
    pub(super) client: Client,
    bucket: String,
    region: String,
    /// `http(s)://HOST`
    base: String,
    host: String,
    /// Before each key: `/`, or `/BUCKET/` where the host is not the bucket's own.
    root: String,
    /// `None` when nobody gave us any: then we read what all may read.
    pub(super) identity: Option<Identity>,
    /// Somebody has said that the bucket is there.
    there: AtomicBool,
    now: fn() -> SystemTime,
}

/// One request, before it is signed.
#[derive(Debug)]
struct Call<'a> {
    method: &'static str,
    key: &'a str,
    /// Names and values, not encoded.
    query: Vec<(&'a str, String)>,
    headers: Vec<(String, String)>,
    content: Content<'a>,
}

impl<'a> Call<'a> {
    fn new(method: &'static str, key: &'a str) -> Call<'a> {
        Call { method, key, query: Vec::new(), headers: Vec::new(), content: Content::bytes(b"") }
    }

    /// What must be allowed to whoever makes it, as IAM calls it.
    fn right(&self) -> &'static str {
        match self.method {
            "DELETE" => "s3:DeleteObject",
            "PUT" | "POST" => "s3:PutObject",
            _ if self.key.is_empty() => "s3:ListBucket",
            _ => "s3:GetObject",
        }
    }

    fn query(mut self, name: &'a str, value: impl Into<String>) -> Call<'a> {
        self.query.push((name, value.into()));
        self
    }
}

impl S3 {
    pub(super) fn new(
        address: &S3Address,
        identity: Option<Identity>,
        machine: &Machine,
        client: impl FnOnce(&str) -> Result<Client, Failure>,
    ) -> Result<S3, Failure> {
        let bucket = address.bucket.clone();
        let region = address.region.as_deref();
        let region = region.or(machine.env("AWS_REGION")).or(machine.env("AWS_DEFAULT_REGION"));
        let region = region.unwrap_or("us-east-1").to_owned();
        let endpoint = address.endpoint.as_deref();
        let endpoint = endpoint.or(machine.env("AWS_ENDPOINT_URL_S3")).or(machine.env("AWS_ENDPOINT_URL"));
        if endpoint.is_some_and(names_user) {
            return Err(Failure::new(Kind::Other, LOGIN));
        }
        // A dot in the name would not match the certificate of `*.s3.REGION.amazonaws.com`.
        let (base, root) = match endpoint {
            Some(endpoint) => (endpoint.trim_end_matches('/').to_owned(), format!("/{bucket}/")),
            None if bucket.contains('.') => {
                (format!("https://s3.{region}.amazonaws.com"), format!("/{bucket}/"))
            }
            None => (format!("https://{bucket}.s3.{region}.amazonaws.com"), "/".to_owned()),
        };
        let host = base.split("://").nth(1).unwrap_or_default();
        // As the client will say it: without the port that is usual.
        let usual = if base.starts_with("https:") { ":443" } else { ":80" };
        let host = host.strip_suffix(usual).unwrap_or(host).to_owned();
        let (client, there) = (client(&base)?, AtomicBool::new(false));
        Ok(S3 { client, bucket, region, base, host, root, identity, there, now: machine.now })
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let call = Call::new("GET", key);
        let answer = self.send(&call)?;
        let res = match answer.status {
            200 => Some(answer.body),
            404 if !no_bucket(&answer) => None,
            _ => return Err(self.refused(&call, &answer)),
        };
        self.there.store(true, Ordering::Relaxed);
        Ok(res)
    }

    pub(super) fn open(&self, key: &str) -> Result<Option<Box<dyn Read>>, Failure> {
        let call = Call::new("GET", key);
        let (request, sign) = self.signed(&call)?;
        let answer = self.client.open(&request, &sign)?;
        if answer.status().as_u16() == 200 {
            return Ok(Some(Box::new(answer.into_body().into_reader())));
        }
        // Asked again, for what it says.
        drop(answer);
        self.get(key).map(|it| it.map(|bytes| Box::new(std::io::Cursor::new(bytes)) as Box<dyn Read>))
    }

    pub(super) fn size(&self, key: &str) -> Result<Option<u64>, Failure> {
        let call = Call::new("HEAD", key);
        let answer = self.send(&call)?;
        match answer.status {
            200 => {
                let size = answer.header("content-length").and_then(|it| it.parse().ok());
                size.map(Some).ok_or_else(|| {
                    Failure::new(
                        Kind::Other,
                        format!("{}{}{key}: the server says no size", self.base, self.root),
                    )
                })
            }
            404 if self.there.load(Ordering::Relaxed) => Ok(None),
            // A head has no body that says why.
            404 => self.get(key).map(|it| it.map(|bytes| bytes.len() as u64)),
            403 | 400 => {
                let get = Call::new("GET", key);
                Err(self.refused(&get, &self.send(&get)?))
            }
            _ => Err(self.refused(&call, &answer)),
        }
    }

    pub(super) fn put(&self, key: &str, content: Content<'_>) -> Result<(), Failure> {
        let headers = vec![("content-type".to_owned(), content_type(key).to_owned())];
        let call = Call { headers, content, ..Call::new("PUT", key) };
        self.good(&call).map(drop)
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), Failure> {
        let call = Call::new("DELETE", key);
        let answer = self.send(&call)?;
        match answer.status {
            200..300 => Ok(()),
            404 if !no_bucket(&answer) => Ok(()),
            _ => Err(self.refused(&call, &answer)),
        }
    }

    /// A page of at most 1000 keys, in the order of their bytes. `flat` leaves out what is in directories.
    pub(super) fn page(&self, prefix: &str, flat: bool, next: Option<&str>) -> Result<Page, Failure> {
        let mut call = Call::new("GET", "").query("list-type", "2").query("encoding-type", "url");
        if !prefix.is_empty() {
            call = call.query("prefix", prefix);
        }
        if flat {
            call = call.query("delimiter", "/");
        }
        if let Some(next) = next {
            call = call.query("continuation-token", next);
        }
        let answer = self.good(&call)?;
        answer::page(&answer.text()).ok_or_else(|| self.odd("a list of objects"))
    }

    pub(super) fn create_upload(&self, key: &str) -> Result<String, Failure> {
        let headers = vec![("content-type".to_owned(), content_type(key).to_owned())];
        let call = Call { headers, ..Call::new("POST", key) }.query("uploads", "");
        answer::upload_id(&self.good(&call)?.text()).ok_or_else(|| self.odd("the id of an upload"))
    }

    /// The parts of an upload that have arrived; `None` when there is no such upload any more.
    pub(super) fn parts(&self, key: &str, id: &str) -> Result<Option<Vec<Part>>, Failure> {
        let (mut res, mut after) = (Vec::new(), None);
        loop {
            let mut call = Call::new("GET", key).query("uploadId", id);
            if let Some(after) = after {
                call = call.query("part-number-marker", after);
            }
            let answer = self.send(&call)?;
            match answer.status {
                200 => {}
                404 if !no_bucket(&answer) => return Ok(None),
                _ => return Err(self.refused(&call, &answer)),
            }
            let (parts, next) = answer::parts(&answer.text()).ok_or_else(|| self.odd("a list of parts"))?;
            res.extend(parts);
            if next.is_none() {
                return Ok(Some(res));
            }
            after = next;
        }
    }

    /// Uploads a part; what comes back names it.
    pub(super) fn put_part(
        &self,
        key: &str,
        id: &str,
        number: u32,
        content: Content<'_>,
    ) -> Result<String, Failure> {
        let call = Call { content, ..Call::new("PUT", key) };
        let call = call.query("partNumber", number.to_string()).query("uploadId", id);
        let answer = self.good(&call)?;
        answer.header("etag").map(str::to_owned).ok_or_else(|| self.odd("the ETag of a part"))
    }

    pub(super) fn complete_upload(
        &self,
        key: &str,
        id: &str,
        parts: &[(u32, String)],
    ) -> Result<(), Failure> {
        let parts = parts.iter().map(|(number, etag)| {
            let etag = etag.replace('&', "&amp;").replace('<', "&lt;");
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        });
        let body =
            format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>());
        let call = Call { content: Content::bytes(body.as_bytes()), ..Call::new("POST", key) };
        let call = call.query("uploadId", id);
        let answer = self.send(&call)?;
        if answer.status == 200 && answer::is_complete(&answer.text()) {
            return Ok(());
        }
        Err(self.refused(&call, &answer))
    }

    fn good(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let answer = self.send(call)?;
        if (200..300).contains(&answer.status) { Ok(answer) } else { Err(self.refused(call, &answer)) }
    }

    fn send(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let (request, sign) = self.signed(call)?;
        self.client.send(&request, &sign)
    }

    #[expect(clippy::type_complexity, reason = "a request, and what signs it each time that it is sent")]
    fn signed<'a>(
        &'a self,
        call: &Call<'a>,
    ) -> Result<(Request<'a>, impl Fn() -> Vec<(String, String)> + 'a), Failure> {
        let path = format!("{}{}", self.root, encode(call.key, true));
        let mut query: Vec<String> =
            call.query.iter().map(|(name, value)| format!("{name}={}", encode(value, false))).collect();
        query.sort();
        let query = query.join("&");
        let url = format!("{}{path}{}{query}", self.base, if query.is_empty() { "" } else { "?" });
        let (method, content) = (call.method, call.content);
        let request = Request { method, url, headers: call.headers.clone(), content };
        let credentials = self.identity.as_ref().map(Identity::fresh).transpose()?;
        let sign = move || {
            let Some(credentials) = &credentials else { return Vec::new() };
            let (host, region) = (self.host.as_str(), self.region.as_str());
            let signed = Signed { method, host, path: &path, query: &query, content: content.sha256, region };
            signature::headers(&signed, credentials, (self.now)())
        };
        Ok((request, sign))
    }

    fn odd(&self, what: &str) -> Failure {
        Failure::new(Kind::Other, format!("{}: the answer is not {what}; is it an S3 server?", self.base))
    }

    /// What a refusal means, who was refused, and what to do.
    fn refused(&self, call: &Call<'_>, answer: &Answer) -> Failure {
        let refusal = answer::refusal(&answer.text());
        let what = format!("{} {}{}{}", call.method, self.base, self.root, call.key);
        let said = match (refusal.code.as_str(), refusal.message.as_str()) {
            ("", _) => format!("HTTP {}", answer.status),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        };
        let who = self
            .identity
            .as_ref()
            .map_or_else(|| "nobody (no credentials were found)".to_owned(), Identity::who);
        let (kind, hint) = match refusal.code.as_str() {
            "ExpiredToken" | "TokenRefreshRequired" | "ExpiredTokenException" => (
                Kind::Expired,
                format!(
                    "the session of {who} is over; sign in again (`aws sso login`, `aws sts get-session-token`)"
                ),
            ),
            "RequestTimeTooSkewed" => (Kind::Skewed, self.skew(answer)),
            "InvalidAccessKeyId" => {
                (Kind::Denied, format!("the server does not know the access key of {who}"))
            }
            "SignatureDoesNotMatch" => (
                Kind::Denied,
                format!("the secret key of {who} is wrong, or the region is not `{}`", self.region),
            ),
            "NoSuchBucket" => {
                (Kind::Misplaced, format!("there is no bucket `{}` at {}", self.bucket, self.base))
            }
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "TemporaryRedirect"
            | "IllegalLocationConstraintException" => {
                let region = answer.header("x-amz-bucket-region").unwrap_or("THE-RIGHT-ONE");
                (
                    Kind::Misplaced,
                    format!(
                        "the bucket is not in the region `{}`; write `s3://{}?region={region}`",
                        self.region, self.bucket
                    ),
                )
            }
            "BadDigest" | "XAmzContentSHA256Mismatch" | "InvalidDigest" | "IncompleteBody" => {
                (Kind::Damaged, "what arrived is not what was sent".to_owned())
            }
            "NoSuchUpload" => (Kind::Gone, "the upload was ended by somebody else".to_owned()),
            "AccessDenied" => (Kind::Denied, format!("we are {who}, and need the right {}", call.right())),
            _ if matches!(answer.status, 401 | 403) => (Kind::Denied, format!("we are {who}")),
            _ => return Failure::new(Kind::Other, format!("{what}: {said}")),
        };
        Failure::new(kind, format!("{what}: {said}\n{hint}"))
    }

    fn skew(&self, answer: &Answer) -> String {
        let now = (self.now)();
        let ours = match answer.date() {
            Some(theirs) => match now.duration_since(theirs) {
                Ok(ahead) => {
                    format!("this machine's clock is {} min ahead of the server's", minutes(ahead))
                }
                Err(behind) => {
                    format!("this machine's clock is {} min behind the server's", minutes(behind.duration()))
                }
            },
            None => "this machine's clock is wrong by more than the server allows".to_owned(),
        };
        format!("{ours}; set it: `sudo timedatectl set-ntp true`")
    }
}

/// To the nearest one.
fn minutes(time: Duration) -> u64 {
    (time.as_secs() + 30) / 60
}

fn no_bucket(answer: &Answer) -> bool {
    answer::refusal(&answer.text()).code == "NoSuchBucket"
}
