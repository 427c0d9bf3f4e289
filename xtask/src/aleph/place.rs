//! Where an output is built, decided from what is known of this machine and of its builders; and what to do where
//! nothing can.

use std::collections::BTreeSet;
use std::fmt;

use super::emulation::Emulation;
use super::this_machine::{ThisMachine, Way};
use super::work::Need;
use crate::builders::{Machine, Machines, Problem};
use crate::host::Os;
use crate::plan::quoted;
use crate::report::count;

/// Where it is built, and why there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It is built already.
    There,
    /// It will be downloaded.
    Cache,
    /// Nix' own builders make what is missing.
    Anywhere,
    Here {
        system: String,
    },
    Emulated {
        system: String,
        /// Nix has to be told so, for this build.
        tell: bool,
    },
    Builders {
        systems: BTreeSet<String>,
        names: BTreeSet<String>,
    },
    /// On a device that was asked for.
    Device {
        name: String,
    },
}

/// What no machine can build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nowhere {
    pub need: Need,
    /// Why this machine cannot.
    pub here: String,
    /// Why each builder cannot, by name.
    pub builders: Vec<(String, String)>,
    pub problems: Vec<Problem>,
}

/// What was decided, and the builders that were asked and are silent: Nix will try them too, and wait.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    pub place: Place,
    pub silent: Vec<(String, String)>,
}

/// Decides. `answers` asks a builder whether it is there; each is asked once.
///
/// Nix asks builders before it emulates, and so do we.
///
/// # Errors
/// With the first of the needs that nothing can satisfy.
pub fn decide(
    needs: &[Need],
    here: &ThisMachine,
    machines: &Machines,
    answers: &mut dyn FnMut(&Machine) -> Result<(), String>,
) -> Result<Decision, Box<Nowhere>> {
    let mut asked: Vec<(&Machine, Result<(), String>)> = Vec::new();
    let mut builders = BTreeSet::new();
    let mut systems = BTreeSet::new();
    let mut emulated = None;
    for need in needs {
        let way = here.builds(need);
        if way == Ok(Way::Native) {
            continue;
        }
        let mut refused = Vec::new();
        let found = usable(machines).find(|machine| {
            let suits = machine.suits(&need.system, &need.features).map_err(|it| it.to_string());
            let verdict = suits.and_then(|()| ask(machine, &mut asked, answers));
            verdict.map_err(|why| refused.push((machine.name.clone(), why))).is_ok()
        });
        match (found, way) {
            (Some(machine), _) => {
                builders.insert(machine.name.clone());
                systems.insert(need.system.clone());
            }
            (None, Ok(way)) => {
                let tell = way == Way::Untold || matches!(emulated, Some(Place::Emulated { tell: true, .. }));
                emulated = Some(Place::Emulated { system: need.system.clone(), tell });
            }
            (None, Err(why)) => {
                let problems = machines.problems.clone();
                let need = need.clone();
                return Err(Box::new(Nowhere { need, here: why, builders: refused, problems }));
            }
        }
    }
    let silent = asked.into_iter().filter_map(|(it, answer)| Some((it.name.clone(), answer.err()?)));
    let silent = silent.collect();
    let place = match emulated {
        Some(place) => place,
        None if !builders.is_empty() => Place::Builders { systems, names: builders },
        None => Place::Here { system: here.system.clone() },
    };
    Ok(Decision { place, silent })
}

/// With one bad line Nix takes none of them.
fn usable(machines: &Machines) -> impl Iterator<Item = &Machine> {
    let bad = machines.problems.iter().any(|it| matches!(it, Problem::Bad { .. }));
    machines.machines.iter().filter(move |_| !bad)
}

fn ask<'a>(
    machine: &'a Machine,
    asked: &mut Vec<(&'a Machine, Result<(), String>)>,
    answers: &mut dyn FnMut(&Machine) -> Result<(), String>,
) -> Result<(), String> {
    if let Some((_, answer)) = asked.iter().find(|it| it.0 == machine) {
        return answer.clone();
    }
    let answer = answers(machine);
    asked.push((machine, answer.clone()));
    answer
}

impl ThisMachine {
    fn builds(&self, need: &Need) -> Result<Way, String> {
        let way = self.runs(&need.system)?;
        let lacks: Vec<&str> = need.features.difference(&self.features).map(String::as_str).collect();
        if !lacks.is_empty() {
            return Err(format!("it does not have {} (system-features)", lacks.join(", ")));
        }
        if self.jobs == 0 {
            return Err("it builds nothing itself (max-jobs = 0)".to_owned());
        }
        Ok(way)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::There => f.write_str("nothing to build: it is there"),
            Place::Cache => f.write_str("nothing to build: a cache has it"),
            Place::Anywhere => f.write_str("building here: only parts that Nix makes itself are missing"),
            Place::Here { system } => write!(f, "building here: this machine is {system}"),
            Place::Emulated { system, .. } => write!(
                f,
                "building here: {system} runs by emulation, which is slow; a builder or `--on-device` is faster"
            ),
            Place::Builders { systems, names } => {
                let list = |it: &BTreeSet<String>| it.iter().cloned().collect::<Vec<_>>().join(", ");
                let verbs = if names.len() == 1 { "it answers and builds" } else { "they answer and build" };
                write!(f, "building on {}: {verbs} {}", list(names), list(systems))
            }
            Place::Device { name } => write!(f, "building on {name}: the device itself, as you asked"),
        }
    }
}

impl Nowhere {
    /// What is missing, why, and how it can be had. `again` is the command to type then, `on_device` its flag for the
    /// device.
    #[must_use]
    pub fn told(&self, os: Os, here: &ThisMachine, again: &str, on_device: &str) -> String {
        let Need { system, features, example, count: n } = &self.need;
        let needs = if features.is_empty() {
            String::new()
        } else {
            format!(" with {}", features.iter().cloned().collect::<Vec<_>>().join(", "))
        };
        let mut res = format!(
            "nothing that this machine knows builds {system}{needs}, and {} must be built, such as {example}\n  this machine: {}",
            count(*n, "derivation"),
            self.here
        );
        self.builders.iter().for_each(|(name, why)| res.push_str(&format!("\n  builder {name}: {why}")));
        // A file that is not there is how most machines say that they have no builders.
        let bad = self.problems.iter().filter(|it| !matches!(it, Problem::Missing(_)));
        if self.builders.is_empty() && bad.clone().count() == 0 {
            res.push_str("\n  builders: there are none");
        }
        bad.for_each(|it| res.push_str(&format!("\n  {it}")));
        res.push_str("\nchoose one:");
        for (title, command) in self.choices(os, here, again, on_device) {
            res.push_str(&format!("\n  {title:<19}{command}"));
        }
        res
    }

    fn choices(
        &self,
        os: Os,
        here: &ThisMachine,
        again: &str,
        on_device: &str,
    ) -> Vec<(&'static str, String)> {
        let Need { system, features, .. } = &self.need;
        let features = features.iter().cloned().collect::<Vec<_>>().join(",");
        let tail = if features.is_empty() { String::new() } else { format!(" - 1 1 {features}") };
        let line = format!("ssh-ng://USER@HOST {system}{tail}");
        let mut res = Vec::new();
        if system == super::SYSTEM {
            res.push(("the device itself", format!("{again} {on_device}")));
        }
        res.push(("a builder, once", format!("{again} -- --builders {}", quoted(&line))));
        let file = here.builders.split(';').find_map(|it| it.trim().strip_prefix('@'));
        let file = file.unwrap_or("/etc/nix/machines");
        let write = if here.own_nix { ">>" } else { "| sudo tee -a" };
        res.push(("a builder, always", format!("echo {} {write} {file}", quoted(&line))));
        if os == Os::Linux && self.need.features.is_subset(&here.features) && system == super::SYSTEM {
            res.extend(emulate(here).map(|it| ("emulation", it)));
        }
        res
    }
}

/// How emulation is had on Debian and its like.
fn emulate(here: &ThisMachine) -> Option<String> {
    let tell = "echo 'extra-platforms = aarch64-linux' | sudo tee -a /etc/nix/nix.conf && sudo systemctl restart nix-daemon";
    let install = "sudo apt-get install qemu-user-static";
    let told = here.platforms.contains(super::SYSTEM) || here.own_nix;
    match (&here.emulation, told) {
        _ if here.jobs == 0 => None,
        (Emulation::Registered { .. }, false) => Some(tell.to_owned()),
        (Emulation::Registered { held: true, .. }, true) => None,
        (_, true) => Some(install.to_owned()),
        (_, false) => Some(format!("{install} && {tell}")),
    }
}

#[cfg(test)]
mod tests;
