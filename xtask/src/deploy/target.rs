//! The device as the user names it, spelled for ssh, for Nix and for people.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};

/// What an address with a zone is called in our configuration of ssh: Nix 2.26 knows no zones.
const ALIAS: &str = "xtask-device";

/// `root@fde1:2240:a1ef::1`, `you@aleph-1a2b.local`, `[fe80::1%usb0]:2222`, a name of `~/.ssh/config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `None`: whom ssh's configuration names.
    pub user: Option<String>,
    place: Place,
    pub port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A name or an IPv4 address: whatever ssh takes.
    Name(String),
    Ipv6 {
        address: Ipv6Addr,
        zone: Option<String>,
    },
}

impl Target {
    /// What ssh is told to connect to.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.place {
            Place::Name(name) => name.clone(),
            Place::Ipv6 { zone: Some(_), .. } => ALIAS.to_owned(),
            Place::Ipv6 { address, zone: None } => address.to_string(),
        }
    }

    /// What a user types behind `ssh`, which takes no port in a name.
    #[must_use]
    pub fn typed(&self) -> String {
        let bare = Target { port: None, ..self.clone() };
        self.port.map_or_else(|| bare.to_string(), |port| format!("-p {port} {bare}"))
    }

    /// The address for ssh's `HostName`, where it is not the host itself.
    #[must_use]
    pub fn host_name(&self) -> Option<String> {
        match &self.place {
            // ssh replaces what begins with `%`.
            Place::Ipv6 { address, zone: Some(zone) } => Some(format!("{address}%%{zone}")),
            _ => None,
        }
    }

    /// The network interface that it is reached through, where that is said.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        match &self.place {
            Place::Ipv6 { zone, .. } => zone.as_deref(),
            Place::Name(_) => None,
        }
    }

    /// The store there, for both versions of Nix. The port is left to ssh's configuration: 2.26 takes none.
    #[must_use]
    pub fn store(&self) -> String {
        let user = self.user.as_ref().map(|it| format!("{it}@")).unwrap_or_default();
        match &self.place {
            Place::Ipv6 { address, zone: None } => format!("ssh-ng://{user}[{address}]"),
            _ => format!("ssh-ng://{user}{}", self.host()),
        }
    }

    /// The name of a file that belongs to this device, whoever logs in.
    #[must_use]
    pub fn file_name(&self) -> String {
        let port = self.port.filter(|it| *it != 22).map(|it| format!("-{it}")).unwrap_or_default();
        match &self.place {
            Place::Name(name) => format!("{}{port}", name.to_lowercase()),
            Place::Ipv6 { address, zone } => {
                let zone = zone.as_ref().map(|it| format!("-{it}")).unwrap_or_default();
                format!("{}{zone}{port}", address.to_string().replace(':', "_"))
            }
        }
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Target> {
        parse(text).with_context(|| {
            format!("`{text}` is no device; write it like root@fde1:2240:a1ef::1, [fe80::1%usb0]:2222 or you@aleph.local")
        })
    }
}

fn parse(text: &str) -> anyhow::Result<Target> {
    let rest = ["ssh-ng://", "ssh://"].iter().find_map(|it| text.strip_prefix(it)).unwrap_or(text);
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(word("user", user)?), rest),
        None => (None, rest),
    };
    if let Some(inner) = rest.strip_prefix('[') {
        let (address, port) = inner.split_once(']').context("the bracket is not closed")?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(number(port)?),
            None if port.is_empty() => None,
            None => bail!("`{port}` stands behind the bracket"),
        };
        return Ok(Target { user, place: ipv6(address)?, port });
    }
    if rest.split('%').next().is_some_and(|it| it.matches(':').count() > 1) {
        return Ok(Target { user, place: ipv6(rest)?, port: None });
    }
    let (name, port) = match rest.split_once(':') {
        Some((name, port)) => (name, Some(number(port)?)),
        None => (rest, None),
    };
    Ok(Target { user, place: Place::Name(word("host", name)?), port })
}

fn ipv6(text: &str) -> anyhow::Result<Place> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(word("zone", zone)?)),
        None => (text, None),
    };
    let address: Ipv6Addr =
        address.parse().ok().with_context(|| format!("`{address}` is no IPv6 address"))?;
    ensure!(
        zone.is_some() || !address.is_unicast_link_local(),
        "`{address}` is there on every link; say on which, such as {address}%usb0"
    );
    Ok(Place::Ipv6 { address, zone })
}

fn number(text: &str) -> anyhow::Result<u16> {
    text.parse().ok().filter(|it| *it > 0).with_context(|| format!("`{text}` is no port"))
}

/// Nothing that ssh, its configuration or a shell would take for something else.
fn word(what: &str, text: &str) -> anyhow::Result<String> {
    ensure!(!text.is_empty(), "the {what} is missing");
    let good = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    ensure!(text.bytes().all(good) && !text.starts_with('-'), "`{text}` cannot be a {what}");
    Ok(text.to_owned())
}

/// As people write it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        let port = self.port.map(|it| format!(":{it}"));
        match &self.place {
            Place::Name(name) => f.write_str(name)?,
            Place::Ipv6 { address, zone } => {
                let zone = zone.as_ref().map(|it| format!("%{it}")).unwrap_or_default();
                match port {
                    Some(_) => write!(f, "[{address}{zone}]")?,
                    None => write!(f, "{address}{zone}")?,
                }
            }
        }
        f.write_str(&port.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is typed; for people; for ssh; for Nix; as a file.
    #[test]
    fn spellings() {
        for (text, shown, host, store, file) in [
            (
                "root@fde1:2240:a1ef::1",
                "root@fde1:2240:a1ef::1",
                "fde1:2240:a1ef::1",
                "ssh-ng://root@[fde1:2240:a1ef::1]",
                "fde1_2240_a1ef__1",
            ),
            ("[fde1::1]:2222", "[fde1::1]:2222", "fde1::1", "ssh-ng://[fde1::1]", "fde1__1-2222"),
            ("ssh://root@[fde1::1]", "root@fde1::1", "fde1::1", "ssh-ng://root@[fde1::1]", "fde1__1"),
            ("you@FE80:0::1%usb0", "you@fe80::1%usb0", ALIAS, "ssh-ng://you@xtask-device", "fe80__1-usb0"),
            ("[fe80::1%usb0]:22", "[fe80::1%usb0]:22", ALIAS, "ssh-ng://xtask-device", "fe80__1-usb0"),
            ("10.224.0.1:2222", "10.224.0.1:2222", "10.224.0.1", "ssh-ng://10.224.0.1", "10.224.0.1-2222"),
            (
                "you@Aleph-1a2b.local",
                "you@Aleph-1a2b.local",
                "Aleph-1a2b.local",
                "ssh-ng://you@Aleph-1a2b.local",
                "aleph-1a2b.local",
            ),
            ("aleph", "aleph", "aleph", "ssh-ng://aleph", "aleph"),
        ] {
            let target: Target = text.parse().unwrap();
            let found = (target.to_string(), target.host(), target.store(), target.file_name());
            assert_eq!(found, (shown.into(), host.into(), store.into(), file.into()), "{text}");
        }
        for (text, typed) in [
            ("you@aleph", "you@aleph"),
            ("you@10.224.0.1:2222", "-p 2222 you@10.224.0.1"),
            ("[fe80::1%usb0]:2222", "-p 2222 fe80::1%usb0"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().typed(), typed);
        }
        let zone: Target = "fe80::1%usb0".parse().unwrap();
        assert_eq!(zone.host_name().as_deref(), Some("fe80::1%%usb0"));
    }

    #[test]
    fn refusals() {
        for (text, why) in [
            ("", "the host is missing"),
            ("root@", "the host is missing"),
            ("@aleph", "the user is missing"),
            ("-oProxyCommand=x", "`-oProxyCommand=x` cannot be a host"),
            ("root@-a", "`-a` cannot be a host"),
            ("a b", "`a b` cannot be a host"),
            ("aleph:ssh", "`ssh` is no port"),
            ("aleph:0", "`0` is no port"),
            ("[fde1::1", "the bracket is not closed"),
            ("[fde1::1]22", "`22` stands behind the bracket"),
            ("[aleph]", "`aleph` is no IPv6 address"),
            ("fde1::1::2", "`fde1::1::2` is no IPv6 address"),
            ("fe80::1%a;b", "`a;b` cannot be a zone"),
            ("*", "`*` cannot be a host"),
            ("root@fe80::1", "`fe80::1` is there on every link; say on which, such as fe80::1%usb0"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert_eq!(error.root_cause().to_string(), why, "{text}");
        }
    }
}
