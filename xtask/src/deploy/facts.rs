//! What the device is like, read in one round trip, and what speaks against deploying to it.

use std::time::Duration;

use anyhow::{Context as _, bail};

use super::script::{Answer, FACTS, Script};
use super::ssh::{Line, Ssh};
use super::units::Units;
use crate::context::Context;

/// More than this between two clocks breaks certificates and logs.
const CLOCK: u64 = 300;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub user: String,
    pub root: bool,
    pub sudo: bool,
    /// As Nix spells it: `aarch64-linux`.
    pub machine: String,
    /// Changes with every boot.
    pub boot: String,
    /// What runs.
    pub current: String,
    /// What the profile says; it is what boots.
    pub profile: String,
    /// The number of the profile's generation.
    pub generation: Option<u32>,
    /// The kernel that was booted.
    pub kernel: Option<String>,
    pub nix: Option<String>,
    pub systemd: bool,
    /// The public keys that the device believes, where it says so.
    pub keys: Option<Vec<String>>,
    /// Bytes.
    pub free_store: Option<u64>,
    pub free_boot: Option<u64>,
    /// There is a route to elsewhere.
    pub network: bool,
    /// Seconds since 1970 by its clock.
    pub clock: Option<u64>,
    /// Programs that a deployment needs and that are not there.
    pub missing: Vec<String>,
    pub units: Units,
}

impl Facts {
    /// Asks the device, over the connection that is kept from now on.
    ///
    /// # Errors
    /// When there is no connection, or it is no NixOS.
    pub fn read(cx: &mut Context, ssh: &Ssh) -> anyhow::Result<Facts> {
        let answer = ssh.ask(cx, Line::Kept, &Script::new().then(FACTS), Duration::from_secs(30))?;
        Facts::of(&answer).with_context(|| format!("{} is no system to deploy to", ssh.target))
    }

    fn of(answer: &Answer) -> anyhow::Result<Facts> {
        let get = |key: &str| answer.get(key).map(str::to_owned);
        let yes = |key: &str| answer.get(key) == Some("yes");
        let kib = |key: &str| answer.get(key)?.parse::<u64>().ok().map(|it| it.saturating_mul(1024));
        let Some(current) = get("current") else { bail!("it has no /run/current-system: is it NixOS?") };
        let profile = get("profile").context("it has no profile /nix/var/nix/profiles/system")?;
        Ok(Facts {
            user: get("user").context("it does not say who is logged in")?,
            root: yes("root"),
            sudo: yes("sudo"),
            machine: get("machine").unwrap_or_default(),
            boot: get("boot").context("it has no boot id")?,
            current,
            profile,
            generation: answer.get("generation").and_then(generation),
            kernel: get("kernel"),
            nix: get("nix"),
            systemd: yes("systemd"),
            keys: get("keys").map(|it| it.split_whitespace().map(str::to_owned).collect()),
            free_store: kib("free.store"),
            free_boot: kib("free.boot"),
            network: yes("network"),
            clock: answer.get("clock").and_then(|it| it.parse().ok()),
            missing: get("missing").map(|it| it.split(' ').map(str::to_owned).collect()).unwrap_or_default(),
            units: Units::of(answer),
        })
    }

    /// Refuses a device on which a deployment cannot end well.
    ///
    /// # Errors
    /// With the reason.
    pub fn check(&self) -> anyhow::Result<()> {
        if !self.root && !self.sudo {
            bail!(
                "{} is not root there, and `sudo` wants a password; log in as root, or let {0} use sudo without one \
                 (security.sudo.wheelNeedsPassword = false)",
                self.user
            );
        }
        if self.nix.is_none() {
            bail!("there is no Nix on its PATH");
        }
        if !self.missing.is_empty() {
            bail!("it lacks programs that a deployment needs: {}", self.missing.join(", "));
        }
        Ok(())
    }

    /// What the user should know before answering; `now` is the time here.
    #[must_use]
    pub fn warnings(&self, now: u64) -> Vec<String> {
        let mut res = Vec::new();
        if let Some(there) = self.clock.filter(|it| it.abs_diff(now) > CLOCK) {
            let (by, how) = (there.abs_diff(now), if there < now { "behind" } else { "ahead" });
            res.push(format!("its clock is {by} s {how}"));
        }
        if self.current != self.profile {
            res.push(format!("it runs another system than it boots: {}", self.profile));
        }
        let failed = self.units.failed();
        if !failed.is_empty() {
            res.push(format!("failed already, before anything was done: {}", failed.join(", ")));
        }
        res
    }

    /// Whether a signature by this key (`name:base64` or just its name) counts there; `None` where it does not say.
    #[must_use]
    pub fn believes(&self, key: &str) -> Option<bool> {
        let name = |it: &str| it.split(':').next().unwrap_or_default().to_owned();
        Some(self.keys.as_ref()?.iter().any(|it| name(it) == name(key)))
    }
}

/// `system-12-link` is generation 12.
#[must_use]
pub fn generation(link: &str) -> Option<u32> {
    link.strip_suffix("-link")?.rsplit('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "boot=b\nclock=1000\ncurrent=/nix/store/a\nprofile=/nix/store/a\ngeneration=system-12-link\n\
        user=root\nroot=yes\nsudo=\nmachine=aarch64-linux\nnix=nix-store (Nix) 2.26.3\nsystemd=yes\nkernel=\n\
        keys=a:x b:y\nfree.store=10\nfree.boot=\nnetwork=\nmissing=\nunit=a.service loaded failed failed\n";

    fn facts(change: impl Fn(&str) -> String) -> anyhow::Result<Facts> {
        Facts::of(&Answer::parse(&change(ANSWER)))
    }

    #[test]
    fn an_answer() {
        let facts = facts(str::to_owned).unwrap();
        assert!(facts.root && !facts.sudo && facts.systemd && !facts.network);
        assert_eq!((facts.generation, facts.free_store, facts.free_boot), (Some(12), Some(10_240), None));
        assert_eq!(
            (facts.believes("a"), facts.believes("b:y"), facts.believes("c")),
            (Some(true), Some(true), Some(false))
        );
        facts.check().unwrap();
        assert_eq!(facts.warnings(1000), ["failed already, before anything was done: a.service"]);
        assert_eq!(facts.warnings(9000)[0], "its clock is 8000 s behind");
    }

    #[test]
    fn refusals() {
        for (from, to, why) in [
            ("current=/nix/store/a\n", "", "it has no /run/current-system: is it NixOS?"),
            ("profile=/nix/store/a\n", "", "it has no profile /nix/var/nix/profiles/system"),
        ] {
            assert_eq!(facts(|it| it.replace(from, to)).unwrap_err().to_string(), why);
        }
        for (from, to, why) in [
            ("root=yes", "root=", "root is not root there, and `sudo` wants a password"),
            ("nix=nix", "no=nix", "there is no Nix on its PATH"),
            (
                "missing=",
                "missing=flock timeout",
                "it lacks programs that a deployment needs: flock, timeout",
            ),
        ] {
            let error = facts(|it| it.replace(from, to)).unwrap().check().unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
        facts(|it| it.replace("root=yes\nsudo=", "root=\nsudo=yes")).unwrap().check().unwrap();
    }
}
