//! The device itself as a builder: for this one build it takes the place of all others.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use super::work::Need;
use crate::context::Context;
use crate::deploy::target::Target;
use crate::nix::trust;
use crate::plan::{Settings, Step, quoted};
use crate::tool::{Done, Tool};

/// A device that can be reached by ssh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// As ssh takes it: `root@fde1:2240:a1ef::1`, `you@aleph-1a2b.local`, a name of `~/.ssh/config`.
    name: String,
    target: Target,
}

/// What the device's Nix says of itself.
#[derive(Deserialize)]
struct Setting {
    value: Value,
}

impl Device {
    /// The device that was named, or that of `[aleph] target`.
    ///
    /// # Errors
    /// When neither is there, or it is no address.
    pub fn of(cx: &Context, asked: &str) -> anyhow::Result<Device> {
        let name = match asked {
            "" => cx.workspace.manifest.aleph.target.clone().context(
                "which device? say `--on-device=root@ADDRESS`, or write `target = \"root@ADDRESS\"` under `[aleph]` in xtask.toml",
            )?,
            name => name.to_owned(),
        };
        Device::parse(name)
    }

    fn parse(name: String) -> anyhow::Result<Device> {
        let target: Target = name.parse()?;
        // Nix connects by itself here, and 2.26 takes neither.
        if target.port.is_some() || target.host_name().is_some() {
            bail!(
                "a builder is reached without port and zone; give `{name}` a name in ~/.ssh/config, and say that name"
            );
        }
        Ok(Device { name, target })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its store, for Nix.
    #[must_use]
    pub fn store(&self) -> String {
        self.target.store()
    }

    /// Its line in a `machines` file; `facts` are systems and features, as far as they are known.
    #[must_use]
    pub fn line(&self, facts: Option<&(String, String)>) -> String {
        let (systems, features) = facts.map_or((super::SYSTEM, "-"), |it| (&it.0, &it.1));
        format!("{} {systems} - 2 1 {features}", self.store())
    }

    /// Asks the device what it builds, and whether it takes what we would send it.
    ///
    /// # Errors
    /// When it does not answer, cannot build one of the `needs`, or does not trust us.
    pub fn facts(
        &self,
        cx: &mut Context,
        settings: &Settings,
        needs: &[Need],
    ) -> anyhow::Result<(String, String)> {
        cx.ui.status(&format!("asking {} what it builds", self.name));
        let said = self.config(cx)?;
        let list = |name: &str| -> Vec<String> {
            let value = said.get(name).map(|it| &it.value);
            match value {
                Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
                Some(Value::Array(list)) => {
                    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => Vec::new(),
            }
        };
        let systems = [list("system"), list("extra-platforms")].concat();
        let features = list("system-features");
        for need in needs {
            let lacks = need.features.iter().find(|it| !features.contains(it));
            if !systems.contains(&need.system) && need.system != cx.system().to_string() {
                bail!(
                    "{} builds for {}; {} is for {}",
                    self.name,
                    systems.join(", "),
                    need.example,
                    need.system
                );
            }
            if let Some(feature) = lacks {
                bail!("{} needs the feature {feature}, which {} does not have", need.example, self.name);
            }
        }
        self.trusts(cx, settings)?;
        let features = if features.is_empty() { "-".to_owned() } else { features.join(",") };
        Ok((systems.join(","), features))
    }

    fn config(&self, cx: &mut Context) -> anyhow::Result<BTreeMap<String, Setting>> {
        let Some(ssh) = Tool::on_path(cx, "ssh") else { bail!("there is no `ssh` on PATH") };
        let command = Step::Config.argv(&Settings::default());
        let command = command.iter().fold("nix".to_owned(), |line, it| format!("{line} {}", quoted(it)));
        let options = cx.host.env("NIX_SSHOPTS").unwrap_or_default();
        let mut args: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
        args.extend(["--".to_owned(), self.name.clone(), command]);
        let done = ssh.run(cx, &args)?;
        self.good(cx, &done)?;
        serde_json::from_str(&done.exit.stdout)
            .with_context(|| format!("unexpected answer of Nix on {}", self.name))
    }

    /// Neither side takes from a stranger what nobody has signed.
    fn trusts(&self, cx: &mut Context, settings: &Settings) -> anyhow::Result<()> {
        let settings = Settings { extra: Vec::new(), ..settings.clone() };
        let nix = Tool::nix(cx)?;
        let remote = nix.run(cx, &Step::StoreInfo { store: Some(self.store()) }.argv(&settings))?;
        self.good(cx, &remote)?;
        if is_distrusted(&remote.exit.stdout) {
            bail!(
                "Nix on {} does not trust this user; log in as root (`--on-device=root@…`), or add the user to \
                 `nix.settings.trusted-users` there",
                self.name
            );
        }
        let local = nix.run(cx, &Step::StoreInfo { store: None }.argv(&settings))?;
        if is_distrusted(&local.exit.stdout) {
            bail!(
                "the Nix daemon of this machine takes no builder from you; add yourself to `trusted-users` in \
                 /etc/nix/nix.conf, or add the device to /etc/nix/machines: {}",
                self.line(None)
            );
        }
        Ok(())
    }

    fn good(&self, cx: &Context, done: &Done) -> anyhow::Result<()> {
        if done.exit.interrupted {
            bail!("interrupted");
        }
        if !done.exit.success() {
            let talk = done.talk.iter().filter(|it| !it.trim().is_empty() && !it.contains("warning:"));
            let why = talk.map(|it| it.trim()).next().unwrap_or("it says nothing").to_owned();
            bail!("{} does not answer: {why}{}", self.name, cure(cx, &done.talk.join("\n")));
        }
        Ok(())
    }
}

/// What to do about what ssh says most often.
fn cure(cx: &Context, said: &str) -> String {
    let hint = if said.contains("Host key verification failed") {
        "its key is not known: log in once by hand with `ssh`, and compare the key"
    } else if said.contains("Permission denied") {
        "it does not let you in: is your public key in `aleph.access.authorizedKeys`, and `ssh-add -l` not empty?"
    } else if said.contains("not found") {
        "there is no `nix` for commands over ssh"
    } else {
        return String::new();
    };
    format!("\n{} {hint}", cx.ui.paint("36", "hint:"))
}

fn is_distrusted(answer: &str) -> bool {
    // A store that does not say is none with a daemon.
    serde_json::from_str(answer).is_ok_and(|it| trust::of_store(&it) == Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_for_nix() {
        for (name, want) in [
            ("root@fde1:2240:a1ef::1", "ssh-ng://root@[fde1:2240:a1ef::1]"),
            ("root@[fde1::1]", "ssh-ng://root@[fde1::1]"),
            ("you@aleph-1a2b.local", "ssh-ng://you@aleph-1a2b.local"),
            ("10.224.0.1", "ssh-ng://10.224.0.1"),
            ("aleph", "ssh-ng://aleph"),
        ] {
            let device = Device::parse(name.to_owned()).unwrap();
            assert_eq!(device.store(), want);
        }
        let device = Device::parse("aleph".to_owned()).unwrap();
        assert_eq!(device.line(None), "ssh-ng://aleph aarch64-linux - 2 1 -");
        for name in ["root@[fde1::1]:2222", "fe80::1%usb0", "-oProxyCommand=x", "a b"] {
            assert!(Device::parse(name.to_owned()).is_err(), "{name}");
        }
        let facts = ("aarch64-linux,armv7l-linux".to_owned(), "kvm".to_owned());
        assert_eq!(device.line(Some(&facts)), "ssh-ng://aleph aarch64-linux,armv7l-linux - 2 1 kvm");
    }
}
