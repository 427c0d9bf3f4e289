//! What can be built for an Aleph, and which attribute of its flake that is.

use std::fmt;
use std::str::FromStr;

use anyhow::bail;

use super::{SYSTEM, configuration};
use crate::context::Context;
use crate::inventory;
use crate::plan::Settings;
use crate::plan::question::{attr_name, package_set};

/// What is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The system, as it is deployed.
    Toplevel,
    /// The image for a stick or a card.
    Sdimage,
    /// The program that writes the board's firmware. It runs on x86.
    FlashUefi,
}

/// An output of one flake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub output: Output,
    pub flake: usize,
    /// As Nix finds it, with a `.` in front.
    pub attr: String,
    /// `None` where the flake names the output itself, as a package.
    pub configuration: Option<String>,
}

impl Output {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Output::Toplevel => "toplevel",
            Output::Sdimage => "sdimage",
            Output::FlashUefi => "flash-uefi",
        }
    }

    /// The platform of what is built.
    #[must_use]
    pub fn system(self) -> &'static str {
        if self == Output::FlashUefi { "x86_64-linux" } else { SYSTEM }
    }

    /// Finds it. Without a configuration, an image is the package that the flake calls `sdimage`, where it has that:
    /// what is put on a stick is often another system than what is deployed.
    ///
    /// # Errors
    /// When the flake or the configuration does not exist, with those that do.
    pub fn find(
        self,
        cx: &mut Context,
        settings: &Settings,
        flake: usize,
        config: Option<&str>,
    ) -> anyhow::Result<Wanted> {
        let package = |name: &str| format!(".packages.{}.{}", self.system(), attr_name(name));
        let whole = |attr: String| Wanted { output: self, flake, attr, configuration: None };
        if self == Output::FlashUefi {
            if config.is_some() {
                bail!("`--config` chooses a system to build; `flash-uefi` is one program for all of them");
            }
            return Ok(whole(package(self.name())));
        }
        if self == Output::Sdimage && config.is_none() {
            let set = package_set(&crate::host::System(SYSTEM.to_owned()));
            if inventory::attributes(cx, flake, &set, settings)?.iter().any(|it| it == self.name()) {
                return Ok(whole(package(self.name())));
            }
        }
        let name = configuration::choose(cx, flake, settings, config)?;
        let made = if self == Output::Toplevel { "toplevel" } else { "sdImage" };
        let attr = format!(".nixosConfigurations.{}.config.system.build.{made}", attr_name(&name));
        Ok(Wanted { output: self, flake, attr, configuration: Some(name) })
    }
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Output, String> {
        let all = [Output::Toplevel, Output::Sdimage, Output::FlashUefi];
        all.into_iter()
            .find(|it| it.name() == text)
            .ok_or_else(|| "there are `toplevel`, `sdimage` and `flash-uefi`".to_owned())
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
