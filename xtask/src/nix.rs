//! The Nix that is used: which program, which version, and where its store really is.
//!
//! Differences between versions and flavours of Nix live here and below, nowhere else.

pub mod apt;
pub mod deb;
pub mod derivation;
pub mod derivations;
pub mod discover;
pub mod event;
pub mod hash;
pub mod known;
pub mod mirror;
pub mod namespace;
pub mod private;
pub mod process;
pub mod provision;
pub mod replace;
pub mod sandbox;
pub mod store_path;
pub mod trust;
pub mod version;

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

pub use private::Suite;
pub use version::Version;

use crate::plan::quoted;

/// One Nix on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nix {
    pub program: Utf8PathBuf,
    pub version: Version,
    pub flavour: Flavour,
    pub origin: Origin,
    /// The directory of a private chroot store; `None` when the store is the machine's own `/nix/store`.
    pub store_root: Option<Utf8PathBuf>,
}

impl Nix {
    /// The real file of a logical path such as `/nix/store/…-hello/bin/hello`.
    #[must_use]
    pub fn real(&self, store_path: &str) -> Utf8PathBuf {
        match &self.store_root {
            Some(root) => root.join(store_path.trim_start_matches('/')),
            None => Utf8PathBuf::from(store_path),
        }
    }

    /// What deletes from the store what nobody needs. There is no `nix-collect-garbage` of ours.
    #[must_use]
    pub fn collect_garbage(&self) -> String {
        match self.own_directory() {
            Some(dir) => quoted(dir.join("nix-store").as_str()) + " --gc",
            None => "nix-collect-garbage --delete-older-than 30d".to_owned(),
        }
    }

    /// A text with commands of Nix in backticks, such that they can be typed here: ours is not on PATH.
    #[must_use]
    pub fn typed(&self, text: &str) -> String {
        let Some(dir) = self.own_directory() else { return text.to_owned() };
        let garbage = format!("`{}`", self.collect_garbage());
        text.replace("`nix-collect-garbage --delete-older-than 30d`", &garbage)
            .replace("`nix-collect-garbage`", &garbage)
            .replace("`nix-store ", &format!("`{} ", quoted(dir.join("nix-store").as_str())))
            .replace("`nix ", &format!("`{} ", quoted(self.program.as_str())))
    }

    /// Where the programs of a Nix of ours are.
    fn own_directory(&self) -> Option<&Utf8Path> {
        self.store_root.as_ref()?;
        self.program.parent()
    }

    /// Whether its locks are those that newer versions keep: older ones write relative paths in another way, and
    /// take the name of an input for that of a flake.
    #[must_use]
    pub fn writes_current_locks(&self) -> bool {
        self.version >= Version::new(2, 26, 0)
    }

    /// Whether `path-info --json` wants to be told its form: 2.34 warns where it is not, and will refuse later.
    #[must_use]
    pub fn names_json_format(&self) -> bool {
        self.flavour != Flavour::Lix && self.version >= Version::new(2, 34, 0)
    }
}

/// `Nix 2.26.3 at /usr/bin/nix (on PATH)`
impl fmt::Display for Nix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at {} ({})", self.flavour, self.version, self.program, self.origin)
    }
}

/// Who made a Nix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    Upstream,
    Determinate,
    Lix,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flavour::Upstream => "Nix",
            Flavour::Determinate => "Determinate Nix",
            Flavour::Lix => "Lix",
        })
    }
}

/// How a Nix was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `--nix`
    Flag,
    /// `XTASK_NIX`
    Env,
    Path,
    Profile,
    Private(Suite),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.write_str("named by --nix"),
            Origin::Env => f.write_str("named by XTASK_NIX"),
            Origin::Path => f.write_str("found on PATH"),
            Origin::Profile => f.write_str("found in a Nix profile"),
            Origin::Private(suite) => write!(f, "our own, from Debian {suite}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nix(store_root: Option<&str>) -> Nix {
        Nix {
            program: "/usr/bin/nix".into(),
            version: "2.26.3".parse().unwrap(),
            flavour: Flavour::Upstream,
            origin: Origin::Path,
            store_root: store_root.map(Utf8PathBuf::from),
        }
    }

    #[test]
    fn the_real_file_of_a_store_path_is_below_the_chroot_store() {
        assert_eq!(nix(None).real("/nix/store/abc-a"), "/nix/store/abc-a");
        assert_eq!(nix(Some("/home/u/s")).real("/nix/store/abc-a/bin/a"), "/home/u/s/nix/store/abc-a/bin/a");
    }

    #[test]
    fn commands_in_a_text_can_be_typed() {
        let text =
            "see `nix flake show .`; then `nix-collect-garbage --delete-older-than 30d`, by the `nixConfig`";
        assert_eq!(nix(None).typed(text), text);
        let own = Nix { program: "/home/my own/bin/nix".into(), ..nix(Some("/home/my own/store")) };
        assert_eq!(
            own.typed(text),
            "see `'/home/my own/bin/nix' flake show .`; then `'/home/my own/bin/nix-store' --gc`, by the `nixConfig`"
        );
        assert_eq!(nix(Some("/s")).typed("`nix-store --query`"), "`/usr/bin/nix-store --query`");
    }

    #[test]
    fn a_nix_says_what_it_is_and_where_it_comes_from() {
        assert_eq!(nix(None).to_string(), "Nix 2.26.3 at /usr/bin/nix (found on PATH)");
    }
}
