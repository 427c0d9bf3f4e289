//! The remote builders that the settings name.

use super::check::Check;
use super::facts::Facts;
use crate::builders::Machine;

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
    res.extend(facts.builders.machines.iter().map(|it| machine(facts, it)));
    res
}

fn machine(facts: &Facts, machine: &Machine) -> Check {
    let name = "machine";
    let what =
        format!("{} for {}", machine.name, machine.systems.iter().cloned().collect::<Vec<_>>().join(", "));
    let test = "cargo xtask builder test";
    if let Some(key) = machine
        .ssh_key
        .as_deref()
        .filter(|it| facts.host.path(it).parent().is_some_and(camino::Utf8Path::exists))
        && !facts.host.path(key).exists()
    {
        return Check::fail(GROUP, name, format!("{what}: its key {key} is not there"))
            .because("ssh cannot log in, so Nix builds here or not at all")
            .cure("make the key, or correct the third column");
    }
    match facts.reached.get(&machine.store) {
        Some(Err(why)) => Check::warn(GROUP, name, format!("{what}: {why}"))
            .because("Nix waits for it, then builds here or not at all")
            .cure("start the machine, or take its line out"),
        _ if facts.offline => {
            Check::skipped(GROUP, name, format!("{what}: not asked, because of `--offline`"))
        }
        _ if machine.host_key.is_none() && machine.store.starts_with("ssh") => Check::warn(
            GROUP,
            name,
            format!("{what}: its host key is not pinned"),
        )
        .because(
            "it is root's known_hosts that decides, and where it lacks the key, Nix fails without saying so",
        )
        .cure("cargo xtask setup builder URI, which pins it"),
        Some(Ok(how)) => Check::pass(GROUP, name, format!("{what}: {how}; `{test}` proves it")),
        None => Check::skipped(GROUP, name, format!("{what}: only ssh can be asked")),
    }
}
