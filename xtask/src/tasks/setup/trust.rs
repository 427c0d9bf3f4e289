//! `cargo xtask setup trust`

use anyhow::{Context as _, bail};

use super::{facts_after_restart, facts_with_nix, module, report};
use crate::changeset;
use crate::changeset::apply::Applied;
use crate::context::Context;
use crate::doctor::Facts;
use crate::host::Host;
use crate::installation::Installation;
use crate::report::Report;

/// Make the daemon trust a user. That equals root without a password; `setup cache` is nearly always enough
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Trust {
    /// The user, or `@GROUP`; by default yourself
    #[arg(value_name = "USER")]
    user: Option<String>,
}

impl Trust {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let user = match self.user {
            Some(it) => it,
            None => own_name(&cx.host)?.to_owned(),
        };
        check(&user)?;
        let before = facts_with_nix(cx)?;
        if before.is_private() {
            return Ok(report(
                Applied::Nothing,
                true,
                "our own Nix has no daemon: there is nobody to be trusted by",
            ));
        }
        let installation = before.installation.clone();
        // Where the file names nobody, root is trusted.
        let lists = [("trusted-users", vec![user.clone()])];
        if before.machine.words("trusted-users", &["root"]).contains(&user) {
            return Ok(report(Applied::Nothing, true, format!("{user} is among trusted-users already")));
        }
        cx.ui.warning(&format!(
            "a trusted user can make the daemon, which is root, do anything: {user} will be as good as root, without \
             a password; to use a binary cache, `cargo xtask setup cache` is enough"
        ));
        if installation.settings_file().is_none() {
            let text = installation.module(&[("trusted-users", vec!["root".to_owned(), user])]);
            return Ok(module(&text, &installation));
        }
        let title = format!("trust {user}");
        let set = changeset::settings::add(&cx.host, &installation, &title, &lists)?;
        set.holds(&cx.host, &before.conf_file, &lists)?;
        let applied = set.apply(cx)?;
        match applied {
            Applied::Nothing | Applied::Done => {}
            Applied::Shown => return Ok(report(applied, true, "")),
            Applied::Refused => return Ok(report(applied, false, "nothing was changed")),
        }
        Ok(proven(cx, applied, &installation, &user))
    }
}

/// Only the user himself can ask the daemon whether it trusts him.
fn proven(cx: &mut Context, applied: Applied, installation: &Installation, user: &str) -> Report {
    let restart = installation.restart_text();
    if installation.restart().is_none() {
        let note = format!("{user} is written down; it holds when the daemon is restarted: {restart}");
        return report(applied, false, note);
    }
    let own = own_name(&cx.host).is_ok_and(|it| it == user);
    let trusts = |it: &Facts| it.store.as_ref().is_ok_and(|it| it.trusted == Some(true));
    let after = facts_after_restart(cx, |it| it.store.is_ok() && (!own || trusts(it)));
    match own {
        true if trusts(&after) => report(applied, true, format!("the daemon trusts {user}")),
        false if after.store.is_ok() => {
            let note = format!("{user} is among trusted-users; {user} can prove it: cargo xtask doctor");
            report(applied, true, note)
        }
        _ => {
            let note =
                format!("{user} is written down, but the daemon does not know yet; restart it: {restart}");
            report(applied, false, note)
        }
    }
}

fn own_name(host: &Host) -> anyhow::Result<&str> {
    let names = ["SUDO_USER", "USER", "LOGNAME"];
    names
        .iter()
        .find_map(|it| host.env(it))
        .context("USER is not set: name the user, `cargo xtask setup trust USER`")
}

/// A name that can stand in the file as one word.
fn check(user: &str) -> anyhow::Result<()> {
    let plain = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    let name = user.strip_prefix('@').unwrap_or(user);
    if user == "*" {
        bail!("`*` would make every user of this machine root; name one");
    }
    if name.is_empty() || !name.chars().all(plain) {
        bail!("`{user}` is no name of a user, and no `@GROUP`");
    }
    Ok(())
}
