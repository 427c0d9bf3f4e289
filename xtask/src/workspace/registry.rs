//! Where container images are pushed to: a registry, perhaps with a path below it.

use std::fmt;
use std::str::FromStr;

/// `ghcr.io/elodin-sys`, `127.0.0.1:5000`. Never a URL, and never with credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry(String);

impl Registry {
    /// The host without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.split('/').next().unwrap_or(&self.0);
        match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or(v6),
            None => host.split(':').next().unwrap_or(host),
        }
    }

    /// The host with its port, as `skopeo login` wants it.
    #[must_use]
    pub fn login(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// On this very machine, so that nobody can listen: only there HTTP without TLS is allowed.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        ["localhost", "127.0.0.1", "::1"].contains(&self.host())
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Registry {
    type Err = String;

    fn from_str(text: &str) -> Result<Registry, String> {
        // What it is must not be repeated: it may end in a log.
        if text.contains('@') {
            return Err(
                "a registry is written without a user or password: those come from `skopeo login`".to_owned()
            );
        }
        if text.contains("://") {
            return Err(format!(
                "`{text}` is a URL; write the registry without `https://`, like \"ghcr.io/elodin-sys\""
            ));
        }
        let text = text.trim_end_matches('/');
        let (host, path) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
        let is_host = |it: char| it.is_ascii_alphanumeric() || ".-:[]".contains(it);
        let is_path = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "._-".contains(it);
        let good_path =
            path.is_none_or(|it| it.split('/').all(|it| !it.is_empty() && it.chars().all(is_path)));
        // Else it would be taken for a path on Docker's own registry.
        let is_whole = host == "localhost" || host.contains(['.', ':']);
        if !is_whole || host.starts_with('-') || !host.chars().all(is_host) || !good_path {
            return Err(format!(
                "`{text}` is not a registry; write it like \"ghcr.io/elodin-sys\" or \"127.0.0.1:5000\""
            ));
        }
        Ok(Registry(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_loopback() {
        for (text, host, loopback) in [
            ("ghcr.io/elodin-sys/", "ghcr.io", false),
            ("127.0.0.1:5000", "127.0.0.1", true),
            ("localhost/a/b", "localhost", true),
            ("[::1]:5000/a", "::1", true),
            ("localhost.example.org", "localhost.example.org", false),
            ("127.0.0.1.example.org:80", "127.0.0.1.example.org", false),
        ] {
            let registry: Registry = text.parse().unwrap();
            assert_eq!((registry.host(), registry.is_loopback()), (host, loopback), "{text}");
        }
    }

    #[test]
    fn what_is_no_registry_is_refused_and_secrets_are_not_repeated() {
        for text in ["", "elodin", "https://ghcr.io", "ghcr.io/Elodin", "ghcr.io//a", "-x.y", "a b.c"] {
            assert!(text.parse::<Registry>().is_err(), "{text}");
        }
        let error = "user:hunter2@ghcr.io".parse::<Registry>().unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
