//! Who we are to S3: found where the AWS tools find it, with a word on every place that was looked at.

mod metadata;
mod profile;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::calendar::{self, Utc};
use crate::failure::{Failure, Kind};
use crate::machine::Machine;

/// Credentials that end sooner are asked for anew, where that can be done.
const SOON: Duration = Duration::from_mins(5);

/// An access key. The secret parts are never shown.
#[derive(Clone)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_key: String,
    pub session_token: Option<String>,
    pub expires: Option<SystemTime>,
    /// Where they are from, in words: `the environment`, ``profile `ci` ``.
    pub source: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.who())
    }
}

impl Credentials {
    /// Enough to tell keys apart, and no more.
    fn who(&self) -> String {
        let id = &self.access_key_id;
        let end =
            id.char_indices().rev().nth(3).map_or("", |(at, _)| if id.len() > 8 { &id[at..] } else { "" });
        format!("access key …{end} from {}", self.source)
    }
}

/// What the AWS command line, and the services of Amazon's machines, print.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    access_key_id: String,
    secret_access_key: String,
    #[serde(alias = "Token")]
    session_token: Option<String>,
    expiration: Option<String>,
}

impl Printed {
    fn from(self, source: String) -> Credentials {
        Credentials {
            access_key_id: self.access_key_id,
            secret_key: self.secret_access_key,
            session_token: self.session_token.filter(|it| !it.is_empty()),
            expires: self.expiration.and_then(|it| calendar::iso8601(&it)),
            source,
        }
    }
}

/// Credentials, asked for anew before they end.
pub struct Identity {
    current: Mutex<Credentials>,
    machine: Machine,
    profile: Option<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.who())
    }
}

impl Identity {
    /// `access key …MPLE from profile `ci``
    #[must_use]
    pub fn who(&self) -> String {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).who()
    }

    #[must_use]
    pub fn expires(&self) -> Option<SystemTime> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).expires
    }

    /// Credentials to sign with now.
    pub fn fresh(&self) -> Result<Credentials, Failure> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.machine.now)();
        if current.expires.is_some_and(|it| it < now + SOON)
            && let Ok(newer) = search(&self.machine, self.profile.as_deref())
        {
            *current = newer;
        }
        match current.expires {
            Some(end) if end <= now => Err(expired(&current, end)),
            _ => Ok(current.clone()),
        }
    }
}

/// Finds credentials: the environment, a profile of `~/.aws`, the container, the machine. A profile that is named is
/// the only place.
pub fn find(machine: &Machine, profile: Option<&str>) -> Result<Identity, Failure> {
    let found = search(machine, profile)?;
    match found.expires {
        Some(end) if end <= (machine.now)() => Err(expired(&found, end)),
        _ => Ok(Identity {
            current: Mutex::new(found),
            machine: machine.clone(),
            profile: profile.map(str::to_owned),
        }),
    }
}

fn expired(credentials: &Credentials, end: SystemTime) -> Failure {
    let text = format!(
        "the credentials have expired: {} was good until {}; sign in again (`aws sso login`), or name others",
        credentials.who(),
        Utc::of(end).readable()
    );
    Failure::new(Kind::Expired, text)
}

fn search(machine: &Machine, profile: Option<&str>) -> Result<Credentials, Failure> {
    let mut tried = Vec::new();
    if let Some(name) = profile {
        if let Some(found) = profile::find(machine, name, &mut tried) {
            return Ok(found);
        }
        return Err(none(&tried));
    }
    if let Some(found) = environment(machine, &mut tried) {
        return Ok(found);
    }
    let name = machine.env("AWS_PROFILE").or(machine.env("AWS_DEFAULT_PROFILE")).unwrap_or("default");
    if let Some(found) = profile::find(machine, name, &mut tried) {
        return Ok(found);
    }
    if let Some(found) = metadata::container(machine, &mut tried) {
        return Ok(found);
    }
    metadata::instance(machine, &mut tried).ok_or_else(|| none(&tried))
}

fn none(tried: &[String]) -> Failure {
    let tried: String = tried.iter().map(|it| format!("\n  - {it}")).collect();
    let cure = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws configure`";
    Failure::new(Kind::Denied, format!("there are no credentials for S3; tried:{tried}\n{cure}"))
}

fn environment(machine: &Machine, tried: &mut Vec<String>) -> Option<Credentials> {
    let (id, secret) = (machine.env("AWS_ACCESS_KEY_ID"), machine.env("AWS_SECRET_ACCESS_KEY"));
    if let (Some(id), Some(secret)) = (id, secret) {
        return Some(Credentials {
            access_key_id: id.to_owned(),
            secret_key: secret.to_owned(),
            session_token: machine.env("AWS_SESSION_TOKEN").map(str::to_owned),
            expires: machine.env("AWS_CREDENTIAL_EXPIRATION").and_then(calendar::iso8601),
            source: "the environment".to_owned(),
        });
    }
    let unset = match (id, secret) {
        (Some(_), None) => "AWS_SECRET_ACCESS_KEY is not set",
        (None, Some(_)) => "AWS_ACCESS_KEY_ID is not set",
        _ => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
    };
    tried.push(format!("the environment: {unset}"));
    None
}

#[cfg(test)]
mod tests;
