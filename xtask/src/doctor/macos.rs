//! What a Mac needs besides Nix.

use super::check::Check;
use super::facts::Facts;

const GROUP: &str = "macOS";

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    if !facts.is_mac() {
        return Vec::new();
    }
    let mut res = vec![tools(facts)];
    res.extend(rosetta(facts));
    res.push(orbstack(facts));
    res
}

fn there(facts: &Facts, path: &str) -> bool {
    facts.host.path(path).exists()
}

fn tools(facts: &Facts) -> Check {
    let places =
        ["/Library/Developer/CommandLineTools/usr/bin/git", "/Applications/Xcode.app/Contents/Developer"];
    match places.iter().find(|it| there(facts, it)) {
        Some(it) => Check::pass(GROUP, "tools", *it),
        None => Check::fail(GROUP, "tools", "Xcode's command line tools are missing")
            .because("git is only a stub without them, and nothing can be linked")
            .cure("xcode-select --install"),
    }
}

fn rosetta(facts: &Facts) -> Option<Check> {
    if facts.host.arch != "aarch64" {
        return None;
    }
    Some(if there(facts, "/Library/Apple/usr/share/rosetta/rosetta") {
        Check::pass(GROUP, "rosetta", "installed")
    } else {
        Check::warn(GROUP, "rosetta", "not installed")
            .because("programs for x86_64 do not run, and OrbStack emulates them more slowly")
            .cure("softwareupdate --install-rosetta --agree-to-license")
    })
}

fn orbstack(facts: &Facts) -> Check {
    let name = "orbstack";
    let cure = "cargo xtask setup builder orbstack";
    match &facts.orbstack {
        None => Check::warn(GROUP, name, "not installed")
            .because("a Mac builds nothing for Linux by itself")
            .cure(format!("install it from https://orbstack.dev, then {cure}")),
        Some(Err(why)) => {
            Check::warn(GROUP, name, format!("does not answer: {why}")).cure("open -a OrbStack")
        }
        Some(Ok(list)) => {
            let line = list.lines().find(|it| it.split_whitespace().next() == Some("nixos"));
            match line {
                Some(it) if it.contains("running") => {
                    Check::pass(GROUP, name, "the machine nixos is running")
                }
                Some(_) => Check::warn(GROUP, name, "the machine nixos is not running")
                    .because("nothing can be built for Linux")
                    .cure("orbctl start nixos"),
                None => Check::warn(GROUP, name, "there is no machine nixos")
                    .because("nothing can be built for Linux")
                    .cure(cure),
            }
        }
    }
}
