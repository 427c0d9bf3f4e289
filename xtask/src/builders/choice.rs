//! Which machine Nix would take: its build hook's own rules (build-remote.cc, 2.26 to 2.34), replayed.
//!
//! The hook is asked first, also for what this machine could build. Of the machines that suit and have a free slot it
//! takes the one with the least load for its speed, then the faster, then the less loaded, then the first. Where all
//! that suit are busy it builds here if it can, and else waits.

use std::collections::BTreeSet;

use super::Machine;

/// What is to be built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub system: String,
    pub features: BTreeSet<String>,
}

/// What this machine may build itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    pub systems: BTreeSet<String>,
    pub features: BTreeSet<String>,
    /// `max-jobs`.
    pub jobs: u32,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    /// To the machine with this number.
    To(usize),
    Here,
    /// Nowhere now: all that suit are busy.
    Waits,
    Nowhere,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub goes: Goes,
    /// Why each machine is taken or not, in their order.
    pub machines: Vec<String>,
    pub here: Result<(), String>,
}

/// Replays the choice; `load` is how many builds each machine has now.
#[must_use]
pub fn choose(machines: &[Machine], load: &[u32], wanted: &Wanted, here: &Here) -> Choice {
    let mut why = Vec::new();
    let mut best: Option<(usize, u32)> = None;
    let mut suits = false;
    for (n, machine) in machines.iter().enumerate() {
        let busy = load.get(n).copied().unwrap_or(0);
        match machine.suits(&wanted.system, &wanted.features) {
            Err(refusal) => why.push(refusal.to_string()),
            Ok(()) if busy >= machine.jobs => {
                suits = true;
                why.push(format!("suits, and all {} of its slots are taken", machine.jobs));
            }
            Ok(()) => {
                suits = true;
                why.push(format!("suits: {busy} of {} slots taken, speed {}", machine.jobs, machine.speed));
                if best.is_none_or(|it| before(machine, busy, &machines[it.0], it.1)) {
                    best = Some((n, busy));
                }
            }
        }
    }
    let here = can_build(wanted, here);
    let goes = match (best, &here, suits) {
        (Some((n, _)), ..) => Goes::To(n),
        (None, Ok(()), _) => Goes::Here,
        (None, Err(_), true) => Goes::Waits,
        (None, Err(_), false) => Goes::Nowhere,
    };
    Choice { goes, machines: why, here }
}

/// Whether a machine is taken before another one.
fn before(machine: &Machine, load: u32, other: &Machine, other_load: u32) -> bool {
    let (mine, theirs) =
        (f64::from(load) / f64::from(machine.speed), f64::from(other_load) / f64::from(other.speed));
    let faster = machine.speed.total_cmp(&other.speed).reverse();
    mine.total_cmp(&theirs).then(faster).then(load.cmp(&other_load)).is_lt()
}

fn can_build(wanted: &Wanted, here: &Here) -> Result<(), String> {
    if wanted.system != "builtin" && !here.systems.contains(&wanted.system) {
        return Err(format!("builds for {} only", words(&here.systems)));
    }
    let lacks: BTreeSet<String> = wanted.features.difference(&here.features).cloned().collect();
    if !lacks.is_empty() {
        return Err(format!("has no {}", words(&lacks)));
    }
    if here.jobs == 0 { Err("may not build (`max-jobs = 0`)".to_owned()) } else { Ok(()) }
}

fn words(set: &BTreeSet<String>) -> String {
    set.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::Machines;
    use crate::host::Host;

    fn set(words: &str) -> BTreeSet<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_rules_of_the_hook() {
        let arm = "a aarch64-linux - 2 1";
        for (machines, load, system, features, want) in [
            // System, features, mandatory features.
            (arm, &[0][..], "aarch64-linux", "", Goes::To(0)),
            (arm, &[0], "riscv64-linux", "", Goes::Nowhere),
            (arm, &[0], "x86_64-linux", "", Goes::Here),
            ("a x86_64-linux", &[0], "x86_64-linux", "", Goes::To(0)),
            ("a x86_64-linux - 1 1 gpu", &[0], "x86_64-linux", "gpu", Goes::To(0)),
            ("a x86_64-linux - 1 1 - gpu", &[0], "x86_64-linux", "", Goes::Here),
            ("a x86_64-linux - 1 1 - gpu", &[0], "x86_64-linux", "gpu", Goes::To(0)),
            ("a x86_64-linux", &[0], "x86_64-linux", "gpu", Goes::Nowhere),
            // Load, speed, order.
            ("a x86_64-linux - 4 1;b x86_64-linux - 4 2", &[0, 0], "x86_64-linux", "", Goes::To(1)),
            ("a x86_64-linux - 4 1;b x86_64-linux - 4 1", &[0, 0], "x86_64-linux", "", Goes::To(0)),
            ("a x86_64-linux - 4 1;b x86_64-linux - 4 2", &[0, 1], "x86_64-linux", "", Goes::To(0)),
            ("a x86_64-linux - 4 1;b x86_64-linux - 4 2", &[1, 2], "x86_64-linux", "", Goes::To(1)),
            // Slots.
            (arm, &[2], "aarch64-linux", "", Goes::Waits),
            ("a x86_64-linux - 1 9;b x86_64-linux - 1 1", &[1, 0], "x86_64-linux", "", Goes::To(1)),
            ("a x86_64-linux - 1 9", &[1], "x86_64-linux", "", Goes::Here),
            ("a x86_64-linux - 0 9", &[0], "aarch64-linux", "", Goes::Nowhere),
        ] {
            let read = Machines::read(&Host::current().unwrap(), machines, "x86_64-linux").machines;
            let wanted = Wanted { system: system.to_owned(), features: set(features) };
            let here = Here { systems: set("x86_64-linux"), features: set("kvm"), jobs: 2 };
            assert_eq!(
                choose(&read, load, &wanted, &here).goes,
                want,
                "{machines} {load:?} {system} {features}"
            );
        }
    }
}
