//! The addresses of servers, remembered for a while: the client would look them up for each request, in a thread.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long they are good for. Those of S3 change every few seconds, and stay valid for longer than that.
const FRESH: Duration = Duration::from_secs(30);

/// What was looked up, and when.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<BTreeMap<String, (Instant, ResolvedSocketAddrs)>>);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let place = format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
        let place = format!("{place}:{}", uri.port_u16().unwrap_or_default());
        let locked = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = locked().get(&place).filter(|it| it.0.elapsed() < FRESH) {
            return Ok(found.clone());
        }
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        locked().insert(place, (Instant::now(), found.clone()));
        Ok(found)
    }
}
