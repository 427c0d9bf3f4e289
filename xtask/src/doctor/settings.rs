//! Whether the settings files say what they seem to say.

use super::check::{Check, Fix};
use super::facts::Facts;
use crate::nix::Flavour;
use crate::nix_conf::plain_name;
use crate::workspace::nearest::{did_you_mean, nearest};

const GROUP: &str = "Settings";

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    if facts.nix.is_err() {
        return Vec::new();
    }
    let mut res = vec![files(facts)];
    res.extend(features(facts));
    res.extend(unknown(facts));
    res.extend(overridden(facts));
    res.extend(without_effect(facts));
    res
}

fn files(facts: &Facts) -> Check {
    let problems: Vec<String> = facts
        .machine
        .problems
        .iter()
        .chain(&facts.user.problems)
        .map(|it| format!("{} {}", it.place, it.what))
        .collect();
    if !problems.is_empty() {
        return Check::fail(GROUP, "files", problems.join("\n"))
            .because("Nix refuses to start, or the daemon does")
            .cure("edit the file: a line is `NAME = VALUE`, with blanks around the `=`, and `#` begins a comment");
    }
    let files: Vec<&str> = facts.machine.files.iter().chain(&facts.user.files).map(String::as_str).collect();
    match files.as_slice() {
        [] => Check::pass(GROUP, "files", format!("there is no {}: Nix uses its defaults", facts.conf_file)),
        files => Check::pass(GROUP, "files", files.join(", ")),
    }
}

/// We pass them in every call; whoever types `nix build` needs them switched on.
fn features(facts: &Facts) -> Option<Check> {
    let nix = facts.nix.as_ref().ok()?;
    let both = facts.machine.clone().and(facts.user.clone());
    let default: &[&str] = if nix.flavour == Flavour::Determinate { &["nix-command", "flakes"] } else { &[] };
    let on = both.words("experimental-features", default);
    let missing: Vec<String> = ["nix-command", "flakes"]
        .iter()
        .filter(|it| !on.iter().any(|on| on == *it))
        .map(|it| (*it).to_owned())
        .collect();
    if missing.is_empty() {
        return Some(Check::pass(GROUP, "features", "nix-command and flakes are on"));
    }
    let check = Check::warn(GROUP, "features", format!("not on: {}", missing.join(", ")))
        .because("`cargo xtask` works without; `nix build` by hand does not")
        .cure(match facts.installation.settings_file() {
            Some(file) => format!("`extra-experimental-features = nix-command flakes` in {file}"),
            None => facts.installation.module(&[("experimental-features", missing.clone())]),
        });
    Some(match facts.installation.settings_file() {
        Some(_) => check.fix(Fix::Setting { name: "experimental-features", words: missing }),
        None => check,
    })
}

/// Nix warns of them, and goes on.
fn unknown(facts: &Facts) -> Vec<Check> {
    let Ok(known) = &facts.settings else { return Vec::new() };
    let mut res = Vec::new();
    for it in facts.machine.assignments.iter().chain(&facts.user.assignments) {
        let (name, _) = plain_name(&it.name);
        // Determinate's own daemon reads some that the program does not know.
        if known.contains_key(name) || known.contains_key(&it.name) || name.starts_with("access-tokens") {
            continue;
        }
        let near = did_you_mean(&nearest(name, known.keys().map(String::as_str)));
        res.push(
            Check::warn(GROUP, "unknown", format!("{}: `{}`{near}", it.place, it.name))
                .because("this Nix has no such setting and ignores the line")
                .cure(format!("edit {}", it.place)),
        );
    }
    res
}

fn overridden(facts: &Facts) -> Vec<Check> {
    let both = facts.machine.clone().and(facts.user.clone());
    let told = |(lost, winner): &(&crate::nix_conf::Assignment, &crate::nix_conf::Assignment)| {
        Check::warn(
            GROUP,
            "overridden",
            format!("{} `{}` has no effect: {} wins", lost.place, lost.name, winner.place),
        )
        .because(format!("`{} = …` replaces what was said before", winner.name))
        .cure(if plain_name(&lost.name).1 || lost.words.len() > 1 || winner.words.len() > 1 {
            format!(
                "write `extra-{} = …` in {} to add to it, or delete one of the lines",
                winner.name, winner.place
            )
        } else {
            "delete one of the lines".to_owned()
        })
    };
    both.overridden().iter().map(told).collect()
}

/// The user's own lines that the daemon, by its own words, does not take from him.
fn without_effect(facts: &Facts) -> Vec<Check> {
    let Ok(store) = &facts.store else { return Vec::new() };
    let same = |one: &str, other: &str| one.trim_end_matches('/') == other.trim_end_matches('/');
    let cure = match facts.installation.settings_file() {
        Some(file) => format!("put the line into {file}, and run `{}`", facts.installation.restart_text()),
        None => {
            format!("put it into the machine's configuration, and run `{}`", facts.installation.rebuild())
        }
    };
    let mut res = Vec::new();
    for it in &facts.user.assignments {
        let (name, _) = plain_name(&it.name);
        let refused = store.refused.iter().any(|refused| plain_name(refused).0 == name);
        let caches = it.words.iter().any(|word| store.ignored.iter().any(|ignored| same(word, ignored)));
        if refused || (name == "substituters" && caches) {
            let found = format!("{} `{}`: the daemon does not take it from you", it.place, it.name);
            res.push(
                Check::warn(GROUP, "ignored", found)
                    .because("only those that the daemon trusts may set this, and Nix still ends with 0")
                    .cure(cure.clone()),
            );
        }
    }
    res
}
