//! The copy: signed, over links that break, and never for ever.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;

use super::closure::Difference;
use super::facts::Facts;
use super::script::{GENERATIONS, Script};
use super::ssh::{Line, Ssh, Trouble, not_interrupted};
use crate::context::Context;
use crate::nix::store_path::StorePath;
use crate::plan::{Settings, Step};

/// A copy that moves no byte for so long waits for something that will not come: after a cut link, the lock of a
/// session that the device still believes in.
const STALLED: Duration = Duration::from_mins(1);
/// How often a copy is begun.
const ATTEMPTS: u32 = 5;
/// How long a device may be away in the middle of a copy.
const AWAY: Duration = Duration::from_mins(1);

/// How the device is to believe what it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Every path is signed with the key in this file before it is copied.
    Signed(Utf8PathBuf),
    /// Only what is signed already gets there.
    AsItIs,
    /// `--no-check-sigs`
    Unchecked,
}

impl Trust {
    /// Refuses what the device would refuse, before anything is copied.
    ///
    /// # Errors
    /// With what to set.
    pub fn check(&self, facts: &Facts, difference: &Difference) -> anyhow::Result<()> {
        match self {
            Trust::Signed(file) => {
                let name = key_name(file)?;
                if facts.believes(&name) == Some(false) {
                    bail!(
                        "the device does not trust the key `{name}` of `{file}`; add its public half to \
                         aleph.deploy.trustedKeys of the running system (`nix key convert-secret-to-public < {file}` \
                         prints it), or, this once, say `--no-check-sigs`"
                    );
                }
            }
            Trust::AsItIs => {
                let unsigned = difference.unsigned.as_deref().unwrap_or_default();
                if let [first, ..] = unsigned {
                    bail!(
                        "{} of the paths to copy carry no signature that the device trusts, such as {first}; \
                         sign them: `sign-key = \"FILE\"` under `[aleph]` in xtask.toml, or `--sign-key FILE` \
                         (`nix key generate-secret --key-name NAME > FILE` makes one)",
                        unsigned.len()
                    );
                }
            }
            Trust::Unchecked => {}
        }
        Ok(())
    }
}

/// The name of a secret key; the key itself is not kept.
fn key_name(file: &Utf8PathBuf) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read the signing key `{file}`"))?;
    match text.trim().split_once(':') {
        Some((name, key)) if !name.is_empty() && !key.is_empty() && !name.contains(char::is_whitespace) => {
            Ok(name.to_owned())
        }
        _ => bail!("`{file}` is no secret key of Nix (NAME:BASE64)"),
    }
}

/// What is run: the signing, if any, and the copy.
#[must_use]
pub fn steps(path: &str, store: &str, trust: &Trust, substitute: bool) -> Vec<Step> {
    let copy = Step::Copy {
        path: path.to_owned(),
        to: store.to_owned(),
        substitute,
        check_signatures: *trust != Trust::Unchecked,
    };
    match trust {
        Trust::Signed(key) => vec![Step::Sign { path: path.to_owned(), key: key.clone() }, copy],
        _ => vec![copy],
    }
}

/// Copies a system to the device.
///
/// # Errors
/// When that cannot be done, with the reason. What has arrived stays there, and is not copied again.
pub fn copy(
    cx: &mut Context,
    ssh: &Ssh,
    path: &StorePath,
    trust: &Trust,
    substitute: bool,
) -> anyhow::Result<()> {
    let settings = Settings::default();
    let mut steps = steps(path.as_str(), &ssh.target.store(), trust, substitute);
    let Some(copy) = steps.pop() else { bail!("there is nothing to run") };
    for sign in steps {
        let call = cx.call(&sign, &settings)?;
        if !call.exit.success() {
            bail!("cannot sign {path}: {}", call.why(cx));
        }
    }
    for attempt in 1.. {
        let name = OsString::from("NIX_SSHOPTS");
        let users = cx.host.env.get(&name).cloned();
        let ours = match users.as_ref().and_then(|it| it.to_str()) {
            Some(users) => format!("{users} {}", ssh.options_for_nix()),
            None => ssh.options_for_nix(),
        };
        cx.host.env.insert(name.clone(), ours.into());
        let call = cx.call_within(&copy, &settings, Some(STALLED));
        match users {
            Some(it) => drop(cx.host.env.insert(name, it)),
            None => drop(cx.host.env.remove(&name)),
        }
        let call = call?;
        if call.exit.success() {
            break;
        }
        not_interrupted(cx)?;
        let why = if call.exit.stalled {
            format!("nothing moved for {} s", STALLED.as_secs())
        } else {
            call.why(cx).told(cx)
        };
        if attempt >= ATTEMPTS || !may_pass(&why) {
            bail!("cannot copy to {}: {}", ssh.target, advise(&why));
        }
        cx.ui.status(&format!("the copy broke off ({}); going on where it was", first_line(&why)));
        wait_for_device(cx, ssh)?;
    }
    Ok(())
}

/// Whether another attempt could end better.
fn may_pass(why: &str) -> bool {
    let lasting =
        ["lacks a signature", "No space left", "not allowed", "Permission denied", "key verification failed"];
    !lasting.iter().any(|it| why.contains(it))
}

fn advise(why: &str) -> String {
    let advice = if why.contains("No space left") {
        "the device's disk is full; what has arrived is freed by `nix-store --gc` there"
    } else if why.contains("lacks a signature") {
        "sign it with a key that the device trusts: `sign-key` under `[aleph]` in xtask.toml, or `--sign-key FILE`"
    } else {
        return why.to_owned();
    };
    format!("{why}\n{advice}")
}

fn first_line(text: &str) -> &str {
    text.lines().find(|it| !it.is_empty()).unwrap_or("no reason given")
}

/// A link that was cut may come back.
fn wait_for_device(cx: &mut Context, ssh: &Ssh) -> anyhow::Result<()> {
    let since = Instant::now();
    loop {
        // Any script will do.
        match ssh.ask(cx, Line::New, &Script::new().then(GENERATIONS), Duration::from_secs(15)) {
            Ok(_) => return Ok(()),
            Err(Trouble::Interrupted) => bail!("interrupted"),
            Err(it) if since.elapsed() > AWAY => {
                bail!("the copy broke off, and the device has not come back for {} s: {it}", AWAY.as_secs())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_their_names() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Utf8PathBuf::from_path_buf(file.path().to_owned()).unwrap();
        std::fs::write(&path, "team-1:c2VjcmV0\n").unwrap();
        assert_eq!(key_name(&path).unwrap(), "team-1");
        std::fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
        let error = key_name(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("is no secret key of Nix (NAME:BASE64)") && !error.contains("BEGIN"),
            "{error}"
        );
    }

    #[test]
    fn what_is_not_tried_again() {
        assert!(may_pass("error: writing to file: Broken pipe"));
        assert!(!may_pass("error: writing to file: No space left on device"));
        assert!(!may_pass("cannot add path 'x' because it lacks a signature by a trusted key"));
    }
}
