//! Whether the device is the one that it was: asked of the user, never taken for granted.
//!
//! All Alephs have the same address on the USB link, and a reflashed one has a new key. So there is a file of known
//! keys for each device as it is named, and a key that is not in it is shown and asked about.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, bail};
use xshell::cmd;

use super::ssh::Ssh;
use crate::context::Context;
use crate::files::write_atomic;

/// Fetches the key of the device and compares it with what is known; `expected` is the fingerprint that the user gave.
///
/// # Errors
/// When there is no connection, or the user does not know the key.
pub fn check(cx: &mut Context, ssh: &Ssh, expected: Option<&str>) -> anyhow::Result<()> {
    let known = fs::read_to_string(&ssh.known_hosts).unwrap_or_default();
    let offered = offered(cx, ssh, !known.is_empty())?;
    let Some(offered) = offered else { return Ok(()) };
    let fingerprint = fingerprint(cx, &offered)?;
    if expected.is_some_and(|it| it == fingerprint) {
        return remember(ssh, &offered);
    }
    let target = &ssh.target;
    let mut told = if known.is_empty() {
        format!("{target} was never seen from here. Its host key is {fingerprint}")
    } else {
        format!(
            "{target} has another host key than before, {fingerprint}\n\
             A reflashed board has a new one, and so has another board at the same address. If neither is the case, \
             somebody may be in between."
        )
    };
    told.push_str(
        "\nOn its debug console this shows the same: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
    );
    if let Some(expected) = expected {
        bail!("{told}\nit is not the `{expected}` of --host-key");
    }
    cx.ui.status(&told);
    // Yes to every question is no knowledge of a key.
    let instead = format!("if that is its key, say `--host-key {fingerprint}`");
    let answer = cx.ui.ask("Is that its key? [y/N]", &instead, &cx.interrupt)?;
    if !["y", "yes"].contains(&answer.to_lowercase().as_str()) {
        bail!("the key of {target} is not known; nothing was changed");
    }
    remember(ssh, &offered)
}

fn remember(ssh: &Ssh, keys: &str) -> anyhow::Result<()> {
    write_atomic(&ssh.known_hosts, keys.as_bytes())
}

/// The line of `known_hosts` for a key that is not known yet; `None` when it is.
fn offered(cx: &mut Context, ssh: &Ssh, any_known: bool) -> anyhow::Result<Option<String>> {
    let patience = Duration::from_secs(20);
    if any_known {
        // With no way to log in: it ends right behind the key.
        let done = ssh.run(cx, &NO_LOGIN, &["true"], &[], patience)?;
        super::ssh::not_interrupted(cx)?;
        let said = done.talk.join("\n");
        if !said.contains("Host key verification failed") {
            return Ok(None);
        }
    }
    let file = ssh.config().with_file_name("offered");
    let option = format!("UserKnownHostsFile={file}");
    let accept = ["-o", "StrictHostKeyChecking=accept-new", "-o", option.as_str()];
    let done = ssh.run(cx, &[&NO_LOGIN, accept.as_slice()].concat(), &["true"], &[], patience)?;
    super::ssh::not_interrupted(cx)?;
    match fs::read_to_string(&file) {
        Ok(line) if !line.trim().is_empty() => Ok(Some(line)),
        _ if done.exit.stalled => bail!("no answer from {} for {} s", ssh.target, patience.as_secs()),
        _ => bail!("{}", super::ssh::explain(&ssh.target, &done.why())),
    }
}

const NO_LOGIN: [&str; 4] = ["-o", "ControlPath=none", "-o", "PreferredAuthentications=none"];

/// `SHA256:…`, as everything shows it.
fn fingerprint(cx: &Context, line: &str) -> anyhow::Result<String> {
    let sh = &cx.sh;
    let told =
        cmd!(sh, "ssh-keygen -lf -").stdin(line).quiet().read().context("ssh-keygen cannot read the key")?;
    let fingerprint = told.split_whitespace().find(|it| it.starts_with("SHA256:"));
    Ok(fingerprint.context("ssh-keygen shows no fingerprint")?.to_owned())
}
