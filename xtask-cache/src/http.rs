//! HTTP that does not give up at the first difficulty: retries with growing pauses and some chance in them, respect
//! for `Retry-After`, and an end to waiting for who says nothing.

mod names;

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use camino::Utf8Path;
use ureq::http::{Response, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, SendBody};

use self::names::Names;
use crate::calendar;
use crate::failure::{Failure, Kind};
use crate::hash::Sha256;
use crate::machine::Machine;

/// An answer of this kind is small: lists, errors, narinfos.
const SMALL: u64 = 16 << 20;
/// A server that has never answered is asked for so long: its name may be wrong, and nobody sees that we wait.
const STRANGER: Duration = Duration::from_secs(15);
/// Who says or takes nothing for so long is not there.
const STALL: Duration = Duration::from_secs(30);

/// And so many times as long who has to do something before the answer: a server puts large uploads together.
const WORK: u32 = 10;

/// How patient we are.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The first pause; each one may be twice the last.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
    /// No try begins after so long.
    pub total: Duration,
    pub connect: Duration,
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            first: Duration::from_millis(200),
            most: Duration::from_secs(20),
            total: Duration::from_mins(2),
            connect: Duration::from_secs(10),
            stall: STALL,
        }
    }
}

/// A request, without what signs it.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub method: &'static str,
    /// Without credentials: it is repeated in messages.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub content: Content<'a>,
}

/// What is sent, with its hash, so that whoever gets it can tell whether it is all there.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    source: Source<'a>,
    pub size: u64,
    pub sha256: Sha256,
}

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Bytes(&'a [u8]),
    File { path: &'a Utf8Path, from: u64 },
}

impl<'a> Content<'a> {
    #[must_use]
    pub fn bytes(bytes: &'a [u8]) -> Content<'a> {
        Content { source: Source::Bytes(bytes), size: bytes.len() as u64, sha256: Sha256::of(bytes) }
    }

    /// Bytes whose hash is known.
    #[must_use]
    pub fn hashed(bytes: &'a [u8], sha256: Sha256) -> Content<'a> {
        Content { source: Source::Bytes(bytes), size: bytes.len() as u64, sha256 }
    }

    /// Part of a file, from a byte on.
    #[must_use]
    pub fn file(path: &'a Utf8Path, from: u64, size: u64, sha256: Sha256) -> Content<'a> {
        Content { source: Source::File { path, from }, size, sha256 }
    }

    /// Reads it, from the beginning.
    pub fn reader(&self) -> std::io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self.source {
            Source::Bytes(bytes) => Box::new(bytes),
            Source::File { path, from } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(from))?;
                Box::new(file.take(self.size))
            }
        })
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// What the server's clock showed.
    #[must_use]
    pub fn date(&self) -> Option<SystemTime> {
        calendar::http_date(self.header("date")?)
    }
}

/// Connections to one server, kept open.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    patience: Patience,
    machine: Machine,
    /// Who has told one of us to wait has told all.
    not_before: Mutex<Instant>,
    /// Bytes of contents that were sent and not refused.
    pub sent: AtomicU64,
    /// Tries that had to be repeated.
    pub retries: AtomicU64,
    /// It has answered once.
    known: AtomicBool,
}

impl Client {
    /// For the server of that URL. Certificates, where it needs any, are those that are built in, or those of the
    /// file that `NIX_SSL_CERT_FILE` or `SSL_CERT_FILE` names. Proxies are those of the environment.
    pub fn new(
        url: &str,
        machine: &Machine,
        patience: Patience,
        connections: usize,
    ) -> Result<Client, Failure> {
        let mut tls = TlsConfig::builder();
        let file = machine.env("NIX_SSL_CERT_FILE").or(machine.env("SSL_CERT_FILE"));
        if let Some(file) = file.filter(|_| url.starts_with("https:")) {
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates(file)?));
        }
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .user_agent(concat!("elodin-xtask/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_per_read(Some(patience.stall))
            .timeout_per_write(Some(patience.stall))
            .build();
        Ok(Client {
            agent: Agent::with_parts(config, DefaultConnector::new(), Names::default()),
            patience,
            machine: machine.clone(),
            not_before: Mutex::new(Instant::now()),
            sent: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            known: AtomicBool::new(false),
        })
    }

    /// Sends a request until it is answered by something final. `sign` gives the headers of each try.
    pub fn send(
        &self,
        request: &Request<'_>,
        sign: &dyn Fn() -> Vec<(String, String)>,
    ) -> Result<Answer, Failure> {
        self.repeat(request, sign, &|mut answer| {
            let body = answer.body_mut().with_config().limit(SMALL).read_to_vec();
            let body = body.map_err(|it| plain_error(&it))?;
            let (head, _) = answer.into_parts();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        })
    }

    /// The same for an answer that is too large to be kept: the caller reads it, once.
    pub fn open(
        &self,
        request: &Request<'_>,
        sign: &dyn Fn() -> Vec<(String, String)>,
    ) -> Result<Response<Body>, Failure> {
        self.repeat(request, sign, &Ok)
    }

    fn repeat<T>(
        &self,
        request: &Request<'_>,
        sign: &dyn Fn() -> Vec<(String, String)>,
        read: &dyn Fn(Response<Body>) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        let mut pause = self.patience.first;
        loop {
            self.wait_for_turn();
            let tried = self.once(request, sign);
            if tried.is_ok() {
                self.known.store(true, Ordering::Relaxed);
            }
            let (why, wanted) = match tried {
                Err(Trouble::Final(failure)) => return Err(failure),
                Err(Trouble::Transport(why)) => (why, None),
                Ok(answer) if is_busy(answer.status().as_u16()) => {
                    let wanted = self.retry_after(&answer);
                    (format!("HTTP {}", answer.status()), Some(wanted.unwrap_or(pause)))
                }
                Ok(answer) => match read(answer) {
                    Ok(res) => return Ok(res),
                    Err(why) => (why, None),
                },
            };
            let pause_now = self.jitter(pause).max(wanted.unwrap_or_default()).min(self.patience.most);
            let known = self.known.load(Ordering::Relaxed);
            let most = if known { self.patience.total } else { self.patience.total.min(STRANGER) };
            if start.elapsed() + pause_now > most {
                return Err(Failure::new(
                    Kind::Unreachable,
                    format!(
                        "{} {}: {why} (asked again for {} s)",
                        request.method,
                        request.url,
                        start.elapsed().as_secs()
                    ),
                ));
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            if wanted.is_some() {
                let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
                *not_before = (*not_before).max(Instant::now() + pause_now);
            } else {
                std::thread::sleep(pause_now);
            }
            pause = (pause * 2).min(self.patience.most);
        }
    }

    fn once(
        &self,
        request: &Request<'_>,
        sign: &dyn Fn() -> Vec<(String, String)>,
    ) -> Result<Response<Body>, Trouble> {
        let mut builder = ureq::http::Request::builder().method(request.method).uri(&request.url);
        for (name, value) in request.headers.iter().cloned().chain(sign()) {
            builder = builder.header(name, value);
        }
        let bad = |it: ureq::http::Error| {
            Trouble::Final(Failure::new(Kind::Other, format!("{} {}: {it}", request.method, request.url)))
        };
        let answer = if matches!(request.method, "PUT" | "POST") {
            let content = &request.content;
            let reader = content
                .reader()
                .map_err(|it| Trouble::Final(Failure::local("cannot read what is to be uploaded", &it)))?;
            let mut reader = Metered { inner: reader, client: self, count: 0, keep: false };
            let builder = builder.header(header::CONTENT_LENGTH, content.size);
            let filled = builder.body(SendBody::from_reader(&mut reader)).map_err(bad)?;
            let config = self.agent.configure_request(filled);
            let work = if request.method == "POST" { WORK } else { 1 };
            let answer = self.agent.run(config.timeout_per_read(Some(self.patience.stall * work)).build());
            reader.keep = answer.as_ref().is_ok_and(|it| it.status().is_success());
            answer
        } else {
            self.agent.run(builder.body(()).map_err(bad)?)
        };
        answer.map_err(|it| match it {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => {
                Trouble::Final(Failure::new(Kind::Other, format!("{}: {it}", request.url)))
            }
            it => Trouble::Transport(plain_error(&it)),
        })
    }

    fn wait_for_turn(&self) {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = not_before.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            // Not all at once.
            std::thread::sleep(wait + self.jitter(wait / 2));
        }
    }

    /// Between nothing and that long: who was refused together should not come back together.
    fn jitter(&self, most: Duration) -> Duration {
        let fraction = (self.machine.random)() % 1024;
        most * u32::try_from(fraction).unwrap_or(1023) / 1024
    }

    fn retry_after(&self, answer: &Response<Body>) -> Option<Duration> {
        let text = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
        match text.trim().parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => calendar::http_date(text)?.duration_since((self.machine.now)()).ok(),
        }
    }
}

enum Trouble {
    /// Asking again is of no use.
    Final(Failure),
    Transport(String),
}

/// Counts what is sent; what was not accepted is taken back.
struct Metered<'a> {
    inner: Box<dyn Read + Send + 'a>,
    client: &'a Client,
    count: u64,
    keep: bool,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.inner.read(buffer)?;
        self.count += size as u64;
        self.client.sent.fetch_add(size as u64, Ordering::Relaxed);
        Ok(size)
    }
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        if !self.keep {
            self.client.sent.fetch_sub(self.count, Ordering::Relaxed);
        }
    }
}

/// Answers that say: not now.
fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// Without the URL, in which there is nothing secret, but which is said already.
fn plain_error(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "there is no such host".to_owned(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

fn certificates(file: &str) -> Result<Vec<Certificate<'static>>, Failure> {
    let pem = std::fs::read(file)
        .map_err(|it| Failure::local(&format!("cannot read the certificates `{file}`"), &it))?;
    let items = parse_pem(&pem).filter_map(Result::ok);
    let res: Vec<Certificate<'static>> = items
        .filter_map(|it| match it {
            PemItem::Certificate(it) => Some(it),
            _ => None,
        })
        .collect();
    if res.is_empty() {
        return Err(Failure::new(Kind::Local, format!("there are no certificates in `{file}`")));
    }
    Ok(res)
}
