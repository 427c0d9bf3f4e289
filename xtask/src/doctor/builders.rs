//! The remote builders that the settings name.

use super::check::Check;
use super::facts::Facts;
use crate::builders::probe::{Probe, RIGHTS, State};
use crate::builders::{Machine, short};

const GROUP: &str = "Builders";

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    if facts.nix.is_err() {
        return Vec::new();
    }
    let mut res = Vec::new();
    for it in &facts.builders.problems {
        // The file that Nix looks for by itself need not be there.
        if let crate::builders::Problem::Missing(file) = it
            && facts.machine.last("builders").is_none()
            && file.file_name() == Some("machines")
        {
            continue;
        }
        res.push(
            Check::fail(GROUP, "list", it.to_string())
                .because("Nix builds here what it should build there")
                .cure("cargo xtask builder list"),
        );
    }
    let probes = facts.probes.iter().chain(std::iter::repeat(&None));
    res.extend(
        facts.builders.machines.iter().zip(probes).map(|(it, probe)| machine(facts, it, probe.as_ref())),
    );
    res
}

fn machine(facts: &Facts, machine: &Machine, probe: Option<&Result<Probe, String>>) -> Check {
    let name = "machine";
    let systems = machine.systems.iter().cloned().collect::<Vec<_>>().join(", ");
    let what = format!("{} for {systems}", short(machine));
    let probe = match probe {
        None if facts.offline => {
            return Check::skipped(GROUP, name, format!("{what}: not asked, because of `--offline`"));
        }
        None => return Check::skipped(GROUP, name, format!("{what}: only ssh can be asked")),
        Some(Err(why)) => return Check::skipped(GROUP, name, format!("{what}: {why}")),
        Some(Ok(it)) => it,
    };
    let explain = "cargo xtask builder explain";
    let test = format!("cargo xtask builder test {}", short(machine));
    match probe.worst() {
        Some(it) if it.step == RIGHTS => Check::skipped(GROUP, name, format!("{what}: {}", it.found))
            .cure(it.cure.clone().unwrap_or_default()),
        Some(it) => {
            let found = format!("{what}: {}: {}", it.step, it.found);
            let (check, why) = match it.state {
                // It may be switched off; all the rest was written down wrongly.
                State::Fail
                    if it.found.starts_with("cannot be reached") || it.found.contains("did not answer") =>
                {
                    (Check::warn(GROUP, name, found), "Nix waits for it, then builds here or not at all")
                }
                State::Fail => {
                    (Check::fail(GROUP, name, found), "Nix cannot build there: it builds here or not at all")
                }
                _ => (Check::warn(GROUP, name, found), "it builds, but not for ever"),
            };
            check.because(why).cure(it.cure.clone().unwrap_or_else(|| explain.to_owned()))
        }
        None if machine.host_key.is_none() => Check::warn(
            GROUP,
            name,
            format!("{what}: its host key is not pinned"),
        )
        .because(
            "known_hosts of who connects decides, and where it loses the key, Nix fails without saying so",
        )
        .cure("cargo xtask setup builder URI, which pins it"),
        None => {
            let version =
                probe.checks.iter().find(|it| it.step == "Nix").map_or("answers", |it| it.found.as_str());
            Check::pass(GROUP, name, format!("{what}: {version}; `{test}` proves it"))
        }
    }
}
