//! This machine as Nix sees it: for which systems it builds, and with what.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::emulation::Emulation;
use crate::builders::Machines;
use crate::context::Context;
use crate::plan::{Settings, Step};

/// What Nix' settings say.
#[derive(Debug, Clone, PartialEq)]
pub struct ThisMachine {
    pub system: String,
    /// More systems whose programs run here, as Nix was told.
    pub platforms: BTreeSet<String>,
    pub features: BTreeSet<String>,
    /// Builds at once; at 0 all is built elsewhere.
    pub jobs: u64,
    pub emulation: Emulation,
    /// It is our own Nix, which takes what we tell it about this machine.
    pub own_nix: bool,
    /// The value of `builders`.
    pub builders: String,
}

/// How a system's programs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Native,
    /// By emulation that Nix knows of.
    Emulated,
    /// By emulation that Nix is yet to be told of.
    Untold,
}

#[derive(Deserialize)]
struct Setting {
    value: Value,
}

impl ThisMachine {
    /// Asks Nix.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn of(cx: &mut Context, settings: &Settings) -> anyhow::Result<ThisMachine> {
        let config: BTreeMap<String, Setting> = cx.query(&Step::Config, settings)?;
        let own_nix = cx.nix()?.store_root.is_some();
        let emulation = Emulation::of(&cx.host);
        let mut res = ThisMachine::read(&config, emulation, own_nix);
        if res.system.is_empty() {
            res.system = cx.system().to_string();
        }
        Ok(res)
    }

    fn read(config: &BTreeMap<String, Setting>, emulation: Emulation, own_nix: bool) -> ThisMachine {
        let value = |name: &str| config.get(name).map_or(&Value::Null, |it| &it.value);
        let text = |name: &str| value(name).as_str().unwrap_or_default().to_owned();
        ThisMachine {
            system: text("system"),
            platforms: words(value("extra-platforms")),
            features: words(value("system-features")),
            jobs: value("max-jobs").as_u64().unwrap_or(1),
            emulation,
            own_nix,
            builders: text("builders"),
        }
    }

    /// The machines that it may build on besides.
    #[must_use]
    pub fn machines(&self, cx: &Context) -> Machines {
        Machines::read(&cx.host, &self.builders, &self.system)
    }

    /// How programs of a system run here.
    ///
    /// # Errors
    /// Why they do not.
    pub fn runs(&self, system: &str) -> Result<Way, String> {
        if system == self.system || system == "builtin" {
            return Ok(Way::Native);
        }
        let told = self.platforms.contains(system);
        // An older or smaller kind of the same processor, such as i686 or armv7l.
        if told && !is_other_processor(system, &self.system) {
            return Ok(Way::Native);
        }
        match &self.emulation {
            Emulation::Unknown | Emulation::Registered { .. } if told => Ok(Way::Emulated),
            Emulation::Absent if told => Err(format!(
                "Nix was told that {system} runs here (extra-platforms), but no emulator is registered"
            )),
            Emulation::Registered { held: true, .. } if self.own_nix && is_aarch64(system) => Ok(Way::Untold),
            Emulation::Registered { name, held: false } if self.own_nix && is_aarch64(system) => {
                Err(format!(
                    "{name} is registered without the flag F, so a build in its sandbox does not find it"
                ))
            }
            Emulation::Registered { name, .. } if is_aarch64(system) => {
                Err(format!("{name} is registered, but Nix was not told (extra-platforms)"))
            }
            Emulation::Absent => Err(format!("it is {}, and no emulator is registered", self.system)),
            _ => Err(format!("it is {}", self.system)),
        }
    }
}

fn is_aarch64(system: &str) -> bool {
    system == super::SYSTEM
}

fn is_other_processor(system: &str, own: &str) -> bool {
    let family = |it: &str| {
        let arch = it.split('-').next().unwrap_or_default().to_owned();
        if arch.starts_with("x86_64") || arch == "i686" {
            "x86"
        } else if arch.starts_with("armv") || arch == "aarch64" {
            "arm"
        } else {
            "other"
        }
    };
    family(system) != family(own) || family(own) == "other"
}

/// A list, or its words in one text as older versions print it.
fn words(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(system: &str, platforms: &str, emulation: Emulation, own_nix: bool) -> ThisMachine {
        let config = serde_json::json!({
            "system": {"value": system},
            "extra-platforms": {"value": platforms.split_whitespace().collect::<Vec<_>>()},
            "system-features": {"value": "kvm big-parallel"},
            "max-jobs": {"value": 4},
            "builders": {"value": "@/etc/nix/machines", "defaultValue": ""},
        });
        let config = serde_json::from_value(config).unwrap();
        ThisMachine::read(&config, emulation, own_nix)
    }

    fn qemu(held: bool) -> Emulation {
        Emulation::Registered { name: "qemu-aarch64".to_owned(), held }
    }

    #[test]
    fn settings_of_nix() {
        let machine = machine("x86_64-linux", "i686-linux", Emulation::Absent, false);
        assert_eq!((machine.jobs, machine.builders.as_str()), (4, "@/etc/nix/machines"));
        assert!(machine.features.contains("kvm") && machine.platforms.contains("i686-linux"));
    }

    #[test]
    fn who_runs_what() {
        let arm = "aarch64-linux";
        for (machine, system, want) in [
            (machine("x86_64-linux", "i686-linux", Emulation::Absent, false), "i686-linux", "Ok(Native)"),
            (machine(arm, "", Emulation::Absent, false), arm, "Ok(Native)"),
            (machine(arm, "armv7l-linux", Emulation::Absent, false), "armv7l-linux", "Ok(Native)"),
            (machine("x86_64-linux", arm, qemu(false), false), arm, "Ok(Emulated)"),
            (machine("x86_64-linux", arm, Emulation::Unknown, false), arm, "Ok(Emulated)"),
            (machine("x86_64-linux", "", qemu(true), true), arm, "Ok(Untold)"),
            (
                machine("x86_64-linux", arm, Emulation::Absent, false),
                arm,
                "Err(\"Nix was told that aarch64-linux runs here (extra-platforms), but no emulator is registered\")",
            ),
            (
                machine("x86_64-linux", "", qemu(false), true),
                arm,
                "Err(\"qemu-aarch64 is registered without the flag F, so a build in its sandbox does not find it\")",
            ),
            (
                machine("x86_64-linux", "", qemu(true), false),
                arm,
                "Err(\"qemu-aarch64 is registered, but Nix was not told (extra-platforms)\")",
            ),
            (
                machine("aarch64-darwin", "x86_64-darwin", Emulation::Unknown, false),
                arm,
                "Err(\"it is aarch64-darwin\")",
            ),
            (machine(arm, "", qemu(true), true), "x86_64-linux", "Err(\"it is aarch64-linux\")"),
            (
                machine("x86_64-linux", "", Emulation::Absent, true),
                arm,
                "Err(\"it is x86_64-linux, and no emulator is registered\")",
            ),
        ] {
            assert_eq!(format!("{:?}", machine.runs(system)), want);
        }
    }
}
