//! What this machine must know of a builder: a line of the machines file, and how its root reaches it by ssh.

use anyhow::{Context as _, bail};

/// A builder as it is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What ssh calls it, and Nix: a name of our own where the address has a port.
    pub alias: String,
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
    pub protocol: String,
    pub systems: Vec<String>,
    /// The private key, readable by root.
    pub key: Option<String>,
    pub jobs: u32,
    pub speed: u32,
    pub features: Vec<String>,
    /// `ssh-ed25519 AAAA…`
    pub host_key: Option<String>,
}

impl Registration {
    /// An address such as `ssh://user@host:2222` or `ssh-ng://host`. The rest is to be filled in.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(address: &str) -> anyhow::Result<Registration> {
        let Some((protocol @ ("ssh" | "ssh-ng"), rest)) = address.split_once("://") else {
            bail!("`{address}` is no builder: write `ssh://USER@HOST`, or `ssh-ng://…`, or `orbstack`");
        };
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, rest),
        };
        let place = place.trim_end_matches('/');
        let (host, port) = split_port(place).with_context(|| format!("`{address}` has a bad port"))?;
        let plain = |it: &str| !it.is_empty() && !it.starts_with('-') && it.bytes().all(is_plain);
        if !plain(&host) || user.as_deref().is_some_and(|it| !plain(it)) {
            bail!("`{address}` is no builder: write `ssh://USER@HOST` or `ssh://USER@HOST:PORT`");
        }
        let alias = match port {
            None if !host.contains(':') => host.clone(),
            _ => {
                format!("builder-{}", host.replace(':', "-"))
                    + &port.map_or(String::new(), |it| format!("-{it}"))
            }
        };
        Ok(Registration {
            alias,
            user,
            host,
            port,
            protocol: protocol.to_owned(),
            systems: Vec::new(),
            key: None,
            jobs: 1,
            speed: 1,
            features: Vec::new(),
            host_key: None,
        })
    }

    /// How Nix names it.
    #[must_use]
    pub fn uri(&self) -> String {
        let user = self.user.as_deref().map_or(String::new(), |it| format!("{it}@"));
        format!("{}://{user}{}", self.protocol, self.alias)
    }

    /// Its line of the machines file.
    #[must_use]
    pub fn line(&self) -> String {
        let list = |it: &[String]| if it.is_empty() { "-".to_owned() } else { it.join(",") };
        let key = self.key.as_deref().unwrap_or("-");
        let host_key = self.host_key.as_deref().map_or("-".to_owned(), |it| base64(it.as_bytes()));
        let (systems, features) = (list(&self.systems), list(&self.features));
        format!("{} {systems} {key} {} {} {features} - {host_key}", self.uri(), self.jobs, self.speed)
    }

    /// What ssh is told about it, where its address is more than a name; only for root, who connects.
    #[must_use]
    pub fn ssh_config(&self) -> Option<String> {
        if self.alias == self.host {
            return None;
        }
        let port = self.port.map_or(String::new(), |it| format!("  Port {it}\n"));
        // The key is pinned under the name that Nix gives to ssh.
        Some(format!(
            "# Written by `cargo xtask setup builder`; `cargo xtask setup undo` takes it back.\n\
             Match originalhost {0} localuser root\n  HostName {1}\n{port}  HostKeyAlias {0}\n",
            self.alias, self.host
        ))
    }

    /// The same as the text of a NixOS module.
    #[must_use]
    pub fn module(&self) -> String {
        let list = |it: &[String]| it.iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(" ");
        let text = |name: &str, it: &Option<String>| {
            it.as_ref().map_or(String::new(), |it| format!("    {name} = \"{it}\";\n"))
        };
        let mut res = String::from("nix.distributedBuilds = true;\nnix.buildMachines = [\n  {\n");
        res += &format!("    hostName = \"{}\";\n    protocol = \"{}\";\n", self.alias, self.protocol);
        res += &text("sshUser", &self.user);
        res += &text("sshKey", &self.key);
        res += &text("publicHostKey", &self.host_key.as_deref().map(|it| base64(it.as_bytes())));
        res += &format!(
            "    systems = [{}];\n    maxJobs = {};\n    speedFactor = {};\n",
            list(&self.systems),
            self.jobs,
            self.speed
        );
        res += &format!("    supportedFeatures = [{}];\n  }}\n];\n", list(&self.features));
        if let Some(config) = self.ssh_config() {
            res += &format!(
                "programs.ssh.extraConfig = ''\n{}'';\n",
                config.lines().skip(1).map(|it| format!("  {it}\n")).collect::<String>()
            );
        }
        res
    }
}

/// A machines file with this builder in it: in its own line if it has one, which is found by its address.
#[must_use]
pub fn with_line(text: &str, builder: &Registration) -> String {
    let (uri, line) = (builder.uri(), builder.line());
    let mut found = false;
    let mut res = String::new();
    for old in text.split_inclusive('\n') {
        let words: Vec<&str> = old.split('#').next().unwrap_or_default().split_whitespace().collect();
        if words.first() == Some(&uri.as_str()) && !old.contains(';') {
            found = true;
            let comment = old.find('#').map_or("", |it| old[it..].trim_end());
            let gap = if comment.is_empty() { "" } else { " " };
            // The spaces between the columns are nobody's business, and a line that says the same stays.
            res += &if words.join(" ") == line { old.to_owned() } else { format!("{line}{gap}{comment}\n") };
        } else {
            res += old;
        }
    }
    if !found {
        res += if res.is_empty() || res.ends_with('\n') { "" } else { "\n" };
        res += &format!("{line}\n");
    }
    res
}

fn split_port(place: &str) -> anyhow::Result<(String, Option<u16>)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').context("there is no `]`")?;
        let port = rest.strip_prefix(':').map(str::parse).transpose()?;
        return Ok((host.to_owned(), port));
    }
    match place.split_once(':') {
        Some((host, port)) if !port.contains(':') => Ok((host.to_owned(), Some(port.parse()?))),
        _ => Ok((place.to_owned(), None)),
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-:%".contains(&byte)
}

/// As RFC 4648 has it.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut res = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_usize, |it, byte| it << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for n in 0..4 {
            let letter = LETTERS[group >> (18 - 6 * n) & 63];
            res.push(if n <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    res
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn orb() -> Registration {
        Registration {
            alias: "orb".to_owned(),
            systems: vec!["x86_64-linux".to_owned(), "aarch64-linux".to_owned()],
            key: Some("/Users/u/.orbstack/ssh/id_ed25519".to_owned()),
            jobs: 20,
            features: vec!["kvm".to_owned()],
            host_key: Some("ssh-ed25519 AAAA".to_owned()),
            ..Registration::parse("ssh://u@127.0.0.1:32222").unwrap()
        }
    }

    #[test]
    fn texts() {
        let all = format!("{}\n{}{}", orb().line(), orb().ssh_config().unwrap(), orb().module());
        expect![[r#"
            ssh://u@orb x86_64-linux,aarch64-linux /Users/u/.orbstack/ssh/id_ed25519 20 1 kvm - c3NoLWVkMjU1MTkgQUFBQQ==
            # Written by `cargo xtask setup builder`; `cargo xtask setup undo` takes it back.
            Match originalhost orb localuser root
              HostName 127.0.0.1
              Port 32222
              HostKeyAlias orb
            nix.distributedBuilds = true;
            nix.buildMachines = [
              {
                hostName = "orb";
                protocol = "ssh";
                sshUser = "u";
                sshKey = "/Users/u/.orbstack/ssh/id_ed25519";
                publicHostKey = "c3NoLWVkMjU1MTkgQUFBQQ==";
                systems = ["x86_64-linux" "aarch64-linux"];
                maxJobs = 20;
                speedFactor = 1;
                supportedFeatures = ["kvm"];
              }
            ];
            programs.ssh.extraConfig = ''
              Match originalhost orb localuser root
                HostName 127.0.0.1
                Port 32222
                HostKeyAlias orb
            '';
        "#]].assert_eq(&all);
    }

    #[test]
    fn addresses() {
        let check = |address: &str, uri: &str, host: &str, port: Option<u16>| {
            let it = Registration::parse(address).unwrap();
            assert_eq!((it.uri().as_str(), it.host.as_str(), it.port), (uri, host, port), "{address}");
        };
        check("ssh://u@h", "ssh://u@h", "h", None);
        check("ssh-ng://h:22/", "ssh-ng://builder-h-22", "h", Some(22));
        check("ssh://root@[fde1::1]", "ssh://root@builder-fde1--1", "fde1::1", None);
        check("ssh://[::1]:2222", "ssh://builder---1-2222", "::1", Some(2222));
        for bad in
            ["h", "http://h", "ssh://", "ssh://-oProxyCommand=x", "ssh://u@h:x", "ssh://a b", "ssh://h;rm"]
        {
            assert!(Registration::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_line_is_replaced_or_added_and_others_stay() {
        let line = orb().line();
        for (old, new) in [
            (String::new(), format!("{line}\n")),
            ("# mine\nssh://a".to_owned(), format!("# mine\nssh://a\n{line}\n")),
            ("ssh://u@orb x86_64-linux # why\nssh://b\n".to_owned(), format!("{line} # why\nssh://b\n")),
            (line.replace(' ', "\t"), line.replace(' ', "\t")),
        ] {
            assert_eq!(with_line(&old, &orb()), new);
            assert_eq!(with_line(&new, &orb()), new, "again");
        }
    }

    #[test]
    fn base64_of_each_length() {
        let all = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|it| base64(it.as_bytes()));
        assert_eq!(all, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
