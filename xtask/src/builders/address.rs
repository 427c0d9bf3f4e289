//! The address of a builder, taken apart as Nix takes it apart.

use std::collections::BTreeMap;

use super::Machine;

/// Where ssh connects, and what Nix is told there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// `user@host`, as ssh takes it.
    pub target: String,
    pub port: Option<String>,
    pub parameters: BTreeMap<String, String>,
}

impl Address {
    /// `None` for a store that ssh has no part in.
    #[must_use]
    pub fn of(machine: &Machine) -> Option<Address> {
        let rest = machine.store.strip_prefix("ssh-ng://").or(machine.store.strip_prefix("ssh://"))?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parameters: BTreeMap<String, String> = query
            .split('&')
            .filter_map(|it| it.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for (name, value) in
            [("ssh-key", &machine.ssh_key), ("base64-ssh-public-host-key", &machine.host_key)]
        {
            if let Some(value) = value {
                parameters.insert(name.to_owned(), value.clone());
            }
        }
        let authority = authority.trim_end_matches('/');
        let (target, port) = match authority.rsplit_once(':') {
            Some((target, port))
                if !port.is_empty()
                    && port.bytes().all(|it| it.is_ascii_digit())
                    && !target.ends_with(':') =>
            {
                (target, Some(port.to_owned()))
            }
            _ => (authority, None),
        };
        Some(Address { target: target.replace(['[', ']'], ""), port, parameters })
    }

    #[must_use]
    pub fn host(&self) -> &str {
        self.target.rsplit('@').next().unwrap_or(&self.target)
    }

    /// The words of ssh that Nix would use; `options` is `NIX_SSHOPTS`, `known` a file with the pinned host key, `seconds`
    /// how long it may take to connect.
    #[must_use]
    pub fn ssh(&self, options: &str, known: Option<&str>, seconds: u64) -> Vec<String> {
        let mut res: Vec<String> = vec!["ssh".into()];
        res.extend(options.split_whitespace().map(str::to_owned));
        if let Some(key) = self.parameters.get("ssh-key") {
            res.extend(["-i".to_owned(), key.clone(), "-oIdentitiesOnly=yes".to_owned()]);
        }
        if let Some(known) = known {
            res.extend([format!("-oUserKnownHostsFile={known}"), "-oStrictHostKeyChecking=yes".to_owned()]);
        }
        if let Some(port) = &self.port {
            res.extend(["-p".to_owned(), port.clone()]);
        }
        res.extend(["-oBatchMode=yes".to_owned(), format!("-oConnectTimeout={seconds}"), "-x".to_owned()]);
        res.push(self.target.clone());
        res
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::Machines;
    use crate::host::Host;

    #[test]
    fn users_ports_and_parameters() {
        for (line, target, port) in [
            ("ssh-ng://nix@arm1", "nix@arm1", None),
            ("ssh://arm1:2222?remote-program=/x", "arm1", Some("2222")),
            ("arm1", "arm1", None),
            ("ssh-ng://u@[fde1::1]", "u@fde1::1", None),
            ("ssh-ng://u@[fde1::1]:22", "u@fde1::1", Some("22")),
        ] {
            let machines = Machines::read(&Host::current().unwrap(), line, "x86_64-linux").machines;
            let address = Address::of(&machines[0]).unwrap();
            assert_eq!((address.target.as_str(), address.port.as_deref()), (target, port), "{line}");
        }
        let machines =
            Machines::read(&Host::current().unwrap(), "ssh-ng://a - /k - - - - aaaa;/local", "x86_64-linux")
                .machines;
        let address = Address::of(&machines[0]).unwrap();
        assert_eq!(
            address.ssh("-F /c", Some("/h"), 8).join(" "),
            "ssh -F /c -i /k -oIdentitiesOnly=yes -oUserKnownHostsFile=/h -oStrictHostKeyChecking=yes -oBatchMode=yes -oConnectTimeout=8 -x a"
        );
        assert_eq!(Address::of(&machines[1]), None);
    }
}
