//! `cargo xtask deploy`

use std::time::Instant;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use crate::context::Context;
use crate::deploy::closure::{Difference, linked};
use crate::deploy::copy::{self, Trust};
use crate::deploy::facts::Facts;
use crate::deploy::job::Mode;
use crate::deploy::session::{Session, Terms, from_to};
use crate::deploy::toplevel::Toplevel;
use crate::nix::store_path::StorePath;
use crate::plan::{CommandLine, Settings};
use crate::report::{Report, bytes, count, seconds};
use crate::revision;

/// Deploy a system to a device, which goes back by itself if it is not well afterwards
///
/// Builds, copies, arms a timer on the device that undoes it, activates, looks at the device over a new connection, and
/// only then makes the new system what boots. Exit codes: 0 deployed, 10 rolled back, 11 failed before any change,
/// 12 unknown.
#[derive(Debug, Clone, clap::Args)]
pub struct Deploy {
    #[command(flatten)]
    pub device: Device,
    /// The configuration in nixosConfigurations; by default the manifest's
    #[arg(long, value_name = "NAME")]
    pub config: Option<String>,
    /// Only make it what boots next; what runs stays
    #[arg(long)]
    pub boot: bool,
    /// The file with the secret key to sign with; by default the manifest's
    #[arg(long, value_name = "FILE")]
    pub sign_key: Option<Utf8PathBuf>,
    /// Let the device take paths that nobody it trusts has signed
    #[arg(long, conflicts_with = "sign_key")]
    pub no_check_sigs: bool,
    /// Options for Nix itself, such as --impure
    #[arg(last = true, value_name = "NIX OPTION")]
    pub nix_options: Vec<String>,
}

/// The flags that `rollback` has as well.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Device {
    /// The device: root@fde1:2240:a1ef::1, [fe80::1%usb0]:2222, a name that ssh knows; by default the manifest's
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// After so long the device goes back by itself, unless it was confirmed; the manifest's, or 120
    #[arg(long, value_name = "SECONDS")]
    pub confirm_timeout: Option<u32>,
    /// The fingerprint that the device's host key must have, where it is a new one
    #[arg(long, value_name = "SHA256:…")]
    pub host_key: Option<String>,
    /// Take the lock from somebody who has begun and gone away
    #[arg(long)]
    pub take_over: bool,
}

impl Device {
    pub(crate) fn terms(&self) -> Terms {
        let Device { target, confirm_timeout, host_key, take_over } = self.clone();
        Terms { target, confirm_timeout, host_key, take_over }
    }
}

impl Deploy {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        if cx.globals.dry_run {
            return self.plan(cx);
        }
        Ok(Session::with(cx, &self.device.terms(), |cx, session| self.with(cx, session)))
    }

    fn with(&self, cx: &mut Context, session: &Session) -> anyhow::Result<Report> {
        let (facts, ssh) = (&session.facts, &session.ssh);
        let trust = self.trust(cx)?;
        let toplevel = Toplevel::find(cx, self.config.as_deref(), &self.nix_options)?;
        let (config, target) = (&toplevel.config, &ssh.target);
        let question = if self.boot {
            format!("Make {config} what {target} boots next?")
        } else {
            format!("Deploy {config} to {target}?")
        };
        cx.expect_consent(&question)?;
        let new = toplevel.build(cx)?;
        fits(cx, &new, facts)?;
        let mut more = told(cx, &toplevel);
        let nothing_to_do = facts.profile == new.as_str() && (self.boot || facts.current == new.as_str());
        if nothing_to_do {
            return Ok(session.already(more));
        }
        let difference = Difference::of(cx, ssh, facts, &new)?;
        difference.check(facts, &ssh.target.typed())?;
        trust.check(facts, &difference)?;
        more["copied"] = json!({"paths": difference.missing.len(), "bytes": difference.size()});
        cx.ui.status(&from_to(&facts.current, new.as_str()));
        difference.lines().iter().for_each(|it| cx.ui.status(&format!("  {it}")));
        if !cx.confirm(&question)? {
            bail!("you said no");
        }
        let when = if self.boot { Mode::Boot } else { Mode::Switch };
        let job = session.job(cx, new.as_str(), when, None, &more);
        let verdict = session.carry_out(cx, &job, |cx| match difference.missing.len() {
            0 => Ok(()),
            paths => {
                let since = Instant::now();
                copy::copy(cx, ssh, &new, &trust, facts.network)?;
                let (paths, size) = (count(paths, "path"), bytes(difference.size()));
                cx.ui.status(&format!("copied {paths}, {size}, in {}", seconds(since.elapsed())));
                Ok(())
            }
        })?;
        Ok(session.report(&verdict, more))
    }

    fn trust(&self, cx: &Context) -> anyhow::Result<Trust> {
        if self.no_check_sigs {
            cx.ui.warning("the device takes paths that nobody it trusts has signed");
            return Ok(Trust::Unchecked);
        }
        let file = match (&self.sign_key, &cx.workspace.manifest.aleph.sign_key) {
            (Some(file), _) => cx.dir.join(file),
            (None, Some(file)) => match file.strip_prefix("~/") {
                Some(file) => cx.host.home()?.join(file),
                None => cx.workspace.root.join(file),
            },
            (None, None) => return Ok(Trust::AsItIs),
        };
        if !file.is_file() {
            bail!("there is no signing key `{file}`");
        }
        Ok(Trust::Signed(file))
    }

    /// Prints what would run; neither the device nor a flake is looked at.
    fn plan(&self, cx: &mut Context) -> anyhow::Result<Report> {
        let target = self.device.terms().target(cx)?;
        let timeout = self.device.terms().timeout(cx)?.as_secs();
        let toplevel = Toplevel::find(cx, self.config.as_deref(), &self.nix_options)?;
        let ssh = |cx: &Context, what: &str| {
            cx.ui.planned(&CommandLine("ssh", &[target.to_string(), format!("/bin/sh -s  # {what}")]));
        };
        ssh(cx, "facts");
        toplevel.plan(cx)?;
        ssh(cx, "what is missing there, which units differ");
        ssh(cx, "lock");
        for step in copy::steps("<toplevel>", &target.store(), &self.trust(cx)?, true) {
            cx.planned(&step, &Settings::default())?;
        }
        if !self.boot {
            ssh(
                cx,
                &format!("arm: go back after {timeout} s; then <toplevel>/bin/switch-to-configuration test"),
            );
            ssh(cx, "over a new connection: units, probes");
        }
        ssh(cx, "nix-env -p /nix/var/nix/profiles/system --set <toplevel>, switch-to-configuration boot");
        ssh(cx, "read back");
        Ok(Report::done())
    }
}

/// What the records say of it.
fn told(cx: &Context, toplevel: &Toplevel) -> Value {
    let commit = revision::commit(&cx.sh, &toplevel.dir(cx));
    let (revision, dirty) = commit.map_or((None, None), |it| (Some(it.0), Some(it.1)));
    json!({"config": toplevel.config, "revision": revision, "dirty": dirty})
}

/// A system for another processor would activate nothing.
fn fits(cx: &mut Context, new: &StorePath, facts: &Facts) -> anyhow::Result<()> {
    let nix = cx.nix()?;
    let Some(file) = linked(nix, new, "system") else { return Ok(()) };
    let file: &Utf8Path = &nix.real(&file);
    let system = std::fs::read_to_string(file).with_context(|| format!("cannot read `{file}`"))?;
    if system.trim() != facts.machine {
        bail!("the configuration is for {}, and the device is {}", system.trim(), facts.machine);
    }
    Ok(())
}
