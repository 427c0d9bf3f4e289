//! A customer's own configuration, made from `aleph/template` and a few answers. Pure: texts only.

use std::collections::BTreeSet;

use anyhow::{bail, ensure};
use serde_json::{Value, json};

use super::public_key::PublicKey;

const TEMPLATE: &str = include_str!("../../../aleph/template/flake.nix");

/// What may run on a board, as its modules are called.
pub const SERVICES: [&str; 9] = [
    "elodin-db",
    "aleph-serial-bridge",
    "tegrastats-bridge",
    "mekf",
    "msp-osd",
    "udp-component-broadcast",
    "udp-component-receive",
    "elodinsink",
    "aleph-dev",
];
/// Those that do nothing until they are switched on, and need to be told nothing for that.
const SWITCHES: [&str; 3] = ["msp-osd", "udp-component-receive", "elodinsink"];

/// What the customer wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// `None`: each board names itself by its serial number.
    pub host_name: Option<String>,
    pub key: PublicKey,
    pub wifi: bool,
    pub services: BTreeSet<String>,
}

/// A host name as RFC 1123 has it.
///
/// # Errors
/// Says what is allowed.
pub fn host_name(text: &str) -> Result<String, String> {
    let good = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    if (1..=63).contains(&text.len())
        && text.chars().all(good)
        && !text.starts_with('-')
        && !text.ends_with('-')
    {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is no host name: up to 63 of a-z, 0-9 and `-`, and no `-` at either end"))
}

/// The services in a list such as `elodin-db,mekf`; `all` and `none` as well.
///
/// # Errors
/// Names what there is.
pub fn services(text: &str) -> Result<BTreeSet<String>, String> {
    match text.trim() {
        "all" => {
            return Ok(SERVICES.iter().filter(|it| **it != "aleph-dev").map(|it| (*it).to_owned()).collect());
        }
        "none" => return Ok(BTreeSet::new()),
        _ => {}
    }
    let words = text.split([',', ' ']).map(str::trim).filter(|it| !it.is_empty());
    let res: BTreeSet<String> = words.map(str::to_owned).collect();
    match res.iter().find(|it| !SERVICES.contains(&it.as_str())) {
        Some(bad) => Err(format!(
            "there is no service `{bad}`; there are: {}, or `all` or `none`",
            SERVICES.join(", ")
        )),
        None if res.is_empty() => Err("name services, or say `none`".to_owned()),
        None => Ok(res),
    }
}

impl Answers {
    /// `flake.nix`.
    ///
    /// # Errors
    /// When the template is not what it was when this was written.
    pub fn flake(&self) -> anyhow::Result<String> {
        let mut text = TEMPLATE.to_owned();
        for service in SERVICES.iter().filter(|it| **it != "aleph-dev" && !self.services.contains(**it)) {
            replace(&mut text, &format!("        {service}\n"), "")?;
        }
        if self.services.contains("aleph-dev") {
            replace(&mut text, "        # aleph-dev\n", "        aleph-dev\n")?;
        }
        if !self.wifi {
            replace(&mut text, "        wifi\n", "")?;
        }
        replace(
            &mut text,
            "      # Who may log in: put your SSH public key here, then turn the other line off.\n      \
             # aleph.access.authorizedKeys = [\"ssh-ed25519 AAAA... you@laptop\"];\n      \
             aleph.access.consoleLogin = true;\n",
            &format!(
                "{}      # Who may log in as root.\n      aleph.access.authorizedKeys = [\"{}\"];\n",
                self.name(),
                escaped(self.key.as_str())
            ),
        )?;
        replace(
            &mut text,
            "      # An on-screen display for your video transmitter:\n      # services.msp-osd.enable = true;\n\n",
            &self.switches(),
        )?;
        if self.wifi && self.host_name.is_some() {
            replace(
                &mut text,
                "board = {pkgs, ...}: {",
                "board = {\n      lib,\n      pkgs,\n      ...\n    }: {",
            )?;
        }
        if self.services.iter().all(|it| it == "aleph-dev") {
            replace(&mut text, "        # Flight software\n\n", "")?;
        }
        Ok(text)
    }

    fn name(&self) -> String {
        match &self.host_name {
            None => String::new(),
            Some(name) if self.wifi => format!(
                "      # The module `wifi` names each board after its serial number; this one has a name.\n      \
                 networking.hostName = lib.mkOverride 10 \"{name}\";\n      \
                 systemd.services.set-hostname.enable = false;\n\n"
            ),
            Some(name) => format!("      networking.hostName = \"{name}\";\n\n"),
        }
    }

    fn switches(&self) -> String {
        let on = SWITCHES.iter().filter(|it| self.services.contains(**it));
        let mut res: String = on.map(|it| format!("      services.{it}.enable = true;\n")).collect();
        if self.services.contains("udp-component-broadcast") {
            res.push_str(
                "      # It sends one component; say which, and switch it on:\n      \
                 # services.udp-component-broadcast.component = \"bdx.world_pos\";\n      \
                 # services.udp-component-broadcast.enable = true;\n",
            );
        }
        if !res.is_empty() {
            res.push('\n');
        }
        res
    }

    /// `README.md`.
    #[must_use]
    pub fn readme(&self, name: &str) -> String {
        let address = match (&self.host_name, self.wifi) {
            (Some(name), true) => format!("\nOver WiFi it is `{name}.local`."),
            (None, true) => "\nOver WiFi it is `aleph-xxxx.local`, by its serial number.".to_owned(),
            _ => String::new(),
        };
        format!(
            "# {name}\n\nThe system of our Aleph flight computer. `flake.nix` says what is on it.\n\n\
             With a checkout of Elodin's Nix workspace, and there:\n\n```console\n\
             $ cargo xtask -C {name} build-aleph            # build the system\n\
             $ cargo xtask -C {name} build-aleph sdimage    # build the image that installs it\n\
             $ cargo xtask -C {name} flash                  # write that to a stick\n\
             $ cargo xtask -C {name} deploy                 # put the system on a running board\n```\n\n\
             With Nix alone: `nix build .#sdimage`, `nix build .#toplevel`.\n\n\
             The board is `root@fde1:2240:a1ef::1` over USB; who may log in is in `aleph.access.authorizedKeys`.{address}\n"
        )
    }
}

/// `xtask.toml`: what the flake cannot say.
pub const MANIFEST: &str = r#"[aleph]
# Where `cargo xtask deploy` goes: over the USB link.
target = "root@fde1:2240:a1ef::1"

[cache]
substituters = ["https://elodin-nix-cache.s3.us-west-2.amazonaws.com"]
public-keys = ["elodin-cache-1:vvbmIQvTOjcBjIs8Ri7xlT2I3XAmeJyF5mNlWB+fIwM="]
"#;

pub const IGNORED: &str = "/result*\n/target\n";

/// A lock that Nix wrote with `aleph` taken from a local repository, as if it had come from where `flake.nix` says.
///
/// # Errors
/// When it is not that.
pub fn moved(lock: &str, revision: &str) -> anyhow::Result<String> {
    let mut lock: Value = serde_json::from_str(lock)?;
    let (owner, repo, dir) = origin()?;
    let node = &mut lock["nodes"]["aleph"];
    let (hash, time) = (node["locked"]["narHash"].clone(), node["locked"]["lastModified"].clone());
    ensure!(hash.is_string() && time.is_u64(), "the lock has no hash of `aleph`");
    node["locked"] = json!({
        "dir": dir, "lastModified": time, "narHash": hash, "owner": owner, "repo": repo, "rev": revision,
        "type": "github",
    });
    node["original"] = json!({"dir": dir, "owner": owner, "repo": repo, "type": "github"});
    Ok(format!("{}\n", serde_json::to_string_pretty(&lock)?))
}

/// Owner, repository and directory of the template's `aleph.url`.
fn origin() -> anyhow::Result<(&'static str, &'static str, &'static str)> {
    let url = TEMPLATE.split_once("aleph.url = \"github:").and_then(|it| it.1.split('"').next());
    let parts = url.and_then(|it| it.split_once("?dir=")).and_then(|(it, dir)| {
        let (owner, repo) = it.split_once('/')?;
        Some((owner, repo, dir))
    });
    parts.ok_or_else(|| anyhow::anyhow!("the template does not name a repository on GitHub"))
}

fn replace(text: &mut String, from: &str, to: &str) -> anyhow::Result<()> {
    if text.matches(from).count() != 1 {
        bail!("aleph/template/flake.nix has changed: `{}` is not there once", from.trim());
    }
    *text = text.replace(from, to);
    Ok(())
}

/// As it stands between the quotes of a Nix string.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lists() {
        assert!(["a", "aleph-1", "x2"].iter().all(|it| host_name(it).is_ok()));
        assert!(["", "-a", "a-", "A", "a.b", "a b", &"a".repeat(64)].iter().all(|it| host_name(it).is_err()));
        assert_eq!(services("all").unwrap().len(), 8);
        assert!(services("none").unwrap().is_empty());
        assert_eq!(services("mekf, elodin-db").unwrap().len(), 2);
        assert!(
            services("mekv").unwrap_err().starts_with("there is no service `mekv`; there are: elodin-db, ")
        );
        assert!(services(" ").is_err());
    }

    #[test]
    fn a_comment_cannot_leave_its_string() {
        assert_eq!(escaped(r#"a"b\c${d}$e"#), r#"a\"b\\c\${d}$e"#);
    }

    #[test]
    fn a_lock_names_where_the_flake_is_from() {
        let lock = r#"{"nodes": {"aleph": {"inputs": {"a": "a"}, "locked": {"type": "git", "url": "file:///x", "narHash": "sha256-x", "lastModified": 5}}}, "version": 7}"#;
        let lock: Value = serde_json::from_str(&moved(lock, "abc").unwrap()).unwrap();
        let locked = &lock["nodes"]["aleph"]["locked"];
        assert_eq!(
            (&locked["rev"], &locked["url"], &locked["narHash"]),
            (&"abc".into(), &Value::Null, &"sha256-x".into())
        );
        assert_eq!(lock["nodes"]["aleph"]["inputs"]["a"], "a");
        assert!(moved("{}", "abc").is_err());
    }
}
