//! Flake references as URLs: read as Nix reads them, written so that Nix gets that very revision.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::reference::Reference;

const ARCHIVES: [&str; 8] = [".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".txz"];

impl Reference {
    /// What a URL in a `flake.nix` asks for; `None` for a spelling that only Nix can tell.
    #[must_use]
    pub fn from_url(url: &str) -> Option<Reference> {
        if url == "." || url == ".." || url.starts_with("./") || url.starts_with("../") {
            return Some(path(url));
        }
        let (rest, query) = url.split_once('?').unwrap_or((url, ""));
        let query: BTreeMap<&str, String> =
            query.split('&').filter_map(|it| it.split_once('=')).map(|(k, v)| (k, decoded(v))).collect();
        let Some((scheme, rest)) = rest.split_once(':') else { return indirect(rest) };
        let mut found = match scheme {
            "path" => path(rest),
            "flake" => indirect(rest)?,
            "github" | "gitlab" | "sourcehut" => forge(scheme, rest)?,
            "http" | "https" | "file" => {
                let archive = ARCHIVES.iter().any(|it| rest.ends_with(it));
                by_url(if archive { "tarball" } else { "file" }, &format!("{scheme}:{rest}"))
            }
            _ => match scheme.split_once('+') {
                Some((kind @ ("git" | "tarball" | "file"), inner)) if rest.starts_with("//") => {
                    by_url(kind, &format!("{inner}:{rest}"))
                }
                _ => return None,
            },
        };
        let take = |name: &str, field: &mut Option<String>| {
            if let Some(value) = query.get(name) {
                *field = Some(value.clone());
            }
        };
        take("ref", &mut found.git_ref);
        take("rev", &mut found.rev);
        take("dir", &mut found.dir);
        take("host", &mut found.host);
        take("narHash", &mut found.nar_hash);
        Some(found)
    }

    /// Whether both ask for the same, whatever they are locked to.
    #[must_use]
    pub fn asks_for_the_same(&self, other: &Reference) -> bool {
        let key = |it: &Reference| {
            (it.repository(), it.dir.clone().unwrap_or_default(), it.git_ref.clone(), it.rev.clone())
        };
        key(self) == key(other)
    }

    /// Where it comes from, whatever branch or revision.
    #[must_use]
    pub fn repository(&self) -> String {
        let text = |it: &Option<String>| it.as_deref().map(decoded).unwrap_or_default();
        match self.kind.as_str() {
            "github" | "gitlab" | "sourcehut" => {
                let host = self.host.as_ref().map(|it| format!("{it}:")).unwrap_or_default();
                let name = format!("{}/{}", text(&self.owner), text(&self.repo)).to_lowercase();
                format!("{}:{host}{name}", self.kind)
            }
            "path" => format!("path:{}", text(&self.path)),
            "indirect" => format!("flake:{}", text(&self.id)),
            kind => {
                let url = self.url.as_deref().unwrap_or_default();
                format!("{kind}+{}", url.split('?').next().unwrap_or_default().trim_end_matches('/'))
            }
        }
    }

    /// A path inside the flake that names it, which is never locked by itself.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        self.kind == "path" && self.path.as_deref().is_some_and(|it| !it.starts_with('/'))
    }

    /// The URL of exactly this: what Nix takes for an override. `None` where only a hash would tell.
    #[must_use]
    pub fn pinned_url(&self) -> Option<String> {
        self.rev.as_ref()?;
        Some(self.to_url())
    }

    /// As a user would write it.
    #[must_use]
    pub fn to_url(&self) -> String {
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        let mut query: Vec<(&str, String)> = Vec::new();
        let mut url = match self.kind.as_str() {
            "github" | "gitlab" | "sourcehut" => {
                let mut url = format!("{}:{}/{}", self.kind, text(&self.owner), text(&self.repo));
                if let Some(it) = self.rev.as_ref().or(self.git_ref.as_ref()) {
                    let _ = write!(url, "/{it}");
                }
                query.extend(self.host.clone().map(|it| ("host", it)));
                url
            }
            "path" => format!("path:{}", text(&self.path)),
            "indirect" => {
                let parts = [Some(text(&self.id)), self.git_ref.clone(), self.rev.clone()];
                format!("flake:{}", parts.into_iter().flatten().collect::<Vec<_>>().join("/"))
            }
            kind => {
                query.extend(self.git_ref.clone().map(|it| ("ref", it)));
                query.extend(self.rev.clone().map(|it| ("rev", it)));
                for flag in ["submodules", "shallow", "allRefs", "lfs"] {
                    if self.other.get(flag) == Some(&serde_json::Value::Bool(true)) {
                        query.push((flag, "1".to_owned()));
                    }
                }
                let plain = text(&self.url);
                if kind == "git" { format!("git+{plain}") } else { plain }
            }
        };
        query.extend(self.dir.clone().map(|it| ("dir", it)));
        for (name, value) in query {
            let sign = if url.contains('?') { '&' } else { '?' };
            let _ = write!(url, "{sign}{name}={value}");
        }
        url
    }

    /// What a table shows: the revision, or the hash of what has none.
    #[must_use]
    pub fn short(&self) -> String {
        match (&self.rev, &self.dirty_rev, &self.nar_hash) {
            (Some(rev), _, _) => rev.chars().take(9).collect(),
            (None, Some(rev), _) => format!("{}-dirty", rev.chars().take(7).collect::<String>()),
            (None, None, Some(hash)) => hash.chars().take(16).collect(),
            (None, None, None) => "-".to_owned(),
        }
    }

    /// Whether both are the same content, as far as a lock tells.
    #[must_use]
    pub fn is_same_content(&self, other: &Reference) -> bool {
        match (&self.rev, &other.rev) {
            (Some(a), Some(b)) => a == b,
            _ => self.nar_hash == other.nar_hash && self.dirty_rev == other.dirty_rev,
        }
    }
}

fn path(text: &str) -> Reference {
    Reference { kind: "path".to_owned(), path: Some(text.to_owned()), ..Reference::default() }
}

fn by_url(kind: &str, url: &str) -> Reference {
    Reference { kind: kind.to_owned(), url: Some(url.to_owned()), ..Reference::default() }
}

fn indirect(text: &str) -> Option<Reference> {
    let mut parts = text.split('/');
    let id = parts.next().filter(|it| it.starts_with(|c: char| c.is_ascii_alphabetic()))?;
    let mut found =
        Reference { kind: "indirect".to_owned(), id: Some(id.to_owned()), ..Reference::default() };
    for part in parts {
        if is_revision(part) {
            found.rev = Some(part.to_owned());
        } else {
            found.git_ref = Some(part.to_owned());
        }
    }
    Some(found)
}

fn forge(kind: &str, rest: &str) -> Option<Reference> {
    let mut parts = rest.splitn(3, '/');
    let (owner, repo) = (decoded(parts.next()?), decoded(parts.next()?));
    let mut found =
        Reference { kind: kind.to_owned(), owner: Some(owner), repo: Some(repo), ..Reference::default() };
    match parts.next().map(decoded) {
        Some(it) if is_revision(&it) => found.rev = Some(it),
        it => found.git_ref = it.filter(|it| !it.is_empty()),
    }
    Some(found)
}

fn is_revision(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|it| it.is_ascii_hexdigit())
}

/// `%2F` is `/`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex =
            (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|it| std::str::from_utf8(it).ok());
        let byte = hex.and_then(|it| u8::from_str_radix(it, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REV: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn urls_are_read_and_written() {
        for (url, repository, again) in [
            ("github:NixOS/nixpkgs/nixos-25.05", "github:nixos/nixpkgs", "github:NixOS/nixpkgs/nixos-25.05"),
            ("github:o/r?ref=a/b&dir=c", "github:o/r", "github:o/r/a/b?dir=c"),
            ("gitlab:g%2Fh/r", "gitlab:g/h/r", "gitlab:g/h/r"),
            ("git+file:///x/y?ref=main", "git+file:///x/y", "git+file:///x/y?ref=main"),
            ("git+ssh://git@h/r", "git+ssh://git@h/r", "git+ssh://git@h/r"),
            ("path:../x", "path:../x", "path:../x"),
            ("./x", "path:./x", "path:./x"),
            ("https://h/a.tar.gz", "tarball+https://h/a.tar.gz", "https://h/a.tar.gz"),
            ("nixpkgs/nixos-25.05", "flake:nixpkgs", "flake:nixpkgs/nixos-25.05"),
        ] {
            let found = Reference::from_url(url).unwrap();
            assert_eq!((found.repository().as_str(), found.to_url().as_str()), (repository, again));
        }
        assert_eq!(Reference::from_url("/x"), None);
        assert_eq!(Reference::from_url("git+file:./x"), None);
        assert_eq!(Reference::from_url(&format!("github:o/r/{REV}")).unwrap().rev.as_deref(), Some(REV));
        assert_eq!(Reference::from_url("github:o/r").unwrap().pinned_url(), None);
    }

    #[test]
    fn the_same_request_in_other_words() {
        let same = |a: &str, b: &str| {
            Reference::from_url(a).unwrap().asks_for_the_same(&Reference::from_url(b).unwrap())
        };
        assert!(same("github:NixOS/nixpkgs/x", "github:nixos/nixpkgs?ref=x"));
        assert!(!same("github:NixOS/nixpkgs/x", "github:nixos/nixpkgs"));
        assert!(same("git+https://h/r/", "git+https://h/r?shallow=1"));
        assert!(!same("./a", "./b"));
    }
}
