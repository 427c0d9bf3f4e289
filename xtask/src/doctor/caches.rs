//! Whether the workspace's binary caches are used. When they are not, Nix says so in a warning and builds for hours.

use super::check::{Check, Fix};
use super::facts::Facts;
use crate::report::seconds;

const GROUP: &str = "Caches";
/// Seconds by which clocks may differ; far from it certificates are not valid.
const SKEW: i64 = 120;

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    if facts.nix.is_err() || facts.wanted.substituters.is_empty() {
        return Vec::new();
    }
    let mut res: Vec<Check> = facts.wanted.substituters.iter().map(|it| accepted(facts, it)).collect();
    res.extend(facts.wanted.public_keys.iter().map(|it| key(facts, it)));
    res.extend(facts.wanted.substituters.iter().map(|it| reachable(facts, it)));
    res.extend(clock(facts));
    res.extend(certificates(facts));
    res
}

fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn accepted(facts: &Facts, url: &str) -> Check {
    let machine = |name: &str| facts.machine.words(name, &[]).iter().any(|it| same(it, url));
    let Ok(store) = &facts.store else {
        return Check::skipped(GROUP, "used", format!("{url}: the daemon does not answer"));
    };
    if !store.ignored.iter().any(|it| same(it, url)) {
        let how = match () {
            () if facts.is_private() => "used, as the flakes name it",
            () if machine("substituters") => "used for everything",
            () if machine("trusted-substituters") => "used where a flake names it",
            () => "used where a flake names it, because the daemon trusts you",
        };
        return Check::pass(GROUP, "used", format!("{url}: {how}"));
    }
    let check = Check::fail(GROUP, "used", format!("{url}: the daemon ignores it"))
        .because("you are not a trusted user, and the machine does not allow this cache: Nix warns, and builds all by itself")
        .cure("cargo xtask setup cache");
    match facts.installation.settings_file() {
        Some(_) => check.fix(Fix::Setting { name: "trusted-substituters", words: vec![url.to_owned()] }),
        None => check,
    }
}

fn key(facts: &Facts, key: &str) -> Check {
    let (name, _) = key.split_once(':').unwrap_or((key, ""));
    let machine = facts.machine.words("trusted-public-keys", &[]);
    let trusted = facts.store.as_ref().is_ok_and(|it| it.trusted == Some(true));
    let other = machine.iter().find(|it| it.split(':').next() == Some(name) && *it != key);
    if let Some(other) = other {
        Check::fail(GROUP, "key", format!("{name}: the machine has another key of that name: {other}"))
            .because(format!("signatures by {key} are not believed"))
            .cure(match facts.installation.settings_file() {
                Some(file) => format!("replace it by `{key}` in {file}"),
                None => "replace it in the machine's configuration".to_owned(),
            })
    } else if machine.iter().any(|it| it == key) {
        Check::pass(GROUP, "key", format!("{name}: known to the machine"))
    } else if trusted || facts.is_private() {
        Check::pass(GROUP, "key", format!("{name}: taken from the flakes"))
    } else if facts.store.is_err() {
        Check::skipped(GROUP, "key", format!("{name}: the daemon does not answer"))
    } else {
        let check = Check::fail(GROUP, "key", format!("{name}: not known to the daemon"))
            .because("what the cache signed is not believed, so Nix builds all by itself")
            .cure("cargo xtask setup cache");
        match facts.installation.settings_file() {
            Some(_) => check.fix(Fix::Setting { name: "trusted-public-keys", words: vec![key.to_owned()] }),
            None => check,
        }
    }
}

fn reachable(facts: &Facts, url: &str) -> Check {
    if facts.offline {
        return Check::skipped(GROUP, "reachable", format!("{url}: not asked, because of `--offline`"));
    }
    let Some((_, answer)) = facts.caches.iter().find(|it| it.0 == url) else {
        return Check::skipped(GROUP, "reachable", format!("{url}: only HTTP can be asked"));
    };
    let cure =
        "look at the network, VPN and proxy of this machine; without the cache, build with `--offline`";
    match answer {
        Err(why) if why.starts_with("there is no `curl`") => {
            Check::skipped(GROUP, "reachable", format!("{url}: {why}"))
        }
        Err(why) => Check::warn(GROUP, "reachable", format!("{url}: {why}"))
            .because("Nix tries four times, 5 s, then builds all by itself")
            .cure(cure),
        Ok(it) => match (it.status, it.store_dir.as_deref()) {
            (200, Some("/nix/store")) => {
                Check::pass(GROUP, "reachable", format!("{url}: answers in {}", seconds(it.took)))
            }
            (200, Some(other)) => {
                Check::fail(GROUP, "reachable", format!("{url}: it is for the store {other}"))
                    .because("its paths cannot be used in /nix/store")
                    .cure("correct [cache] substituters in xtask.toml")
            }
            (status, _) => {
                Check::fail(GROUP, "reachable", format!("{url}: no binary cache there (HTTP {status})"))
                    .because("it has no nix-cache-info")
                    .cure("correct [cache] substituters in xtask.toml")
            }
        },
    }
}

fn clock(facts: &Facts) -> Option<Check> {
    let theirs = facts.caches.iter().find_map(|it| it.1.as_ref().ok()?.date)?;
    let off = facts.now - theirs;
    Some(if off.abs() <= SKEW {
        Check::pass(GROUP, "clock", "agrees with the cache's")
    } else {
        let side = if off > 0 { "ahead of" } else { "behind" };
        Check::fail(GROUP, "clock", format!("{} s {side} the cache's", off.abs()))
            .because("certificates and signed requests are refused by a wrong clock")
            .cure(if facts.is_mac() {
                "sudo sntp -sS time.apple.com"
            } else {
                "sudo timedatectl set-ntp true"
            })
    })
}

/// The daemon downloads: it is its certificates that count, not those of the user's shell.
fn certificates(facts: &Facts) -> Option<Check> {
    let daemon = crate::installation::daemon_environment(&facts.host, "NIX_SSL_CERT_FILE");
    let set = facts.machine.last("ssl-cert-file").map(|it| it.words.join(" "));
    let file = set.or(daemon).or_else(|| facts.setting("ssl-cert-file")).filter(|it| !it.is_empty())?;
    let name = "certificates";
    if facts.host.path(&file).exists() {
        return Some(Check::pass(GROUP, name, file));
    }
    Some(
        Check::fail(GROUP, name, format!("{file} is not there"))
            .because("the daemon can verify no server, so it can download nothing over HTTPS")
            .cure(match facts.installation.settings_file() {
                Some(conf) => {
                    format!("`ssl-cert-file = FILE` in {conf}, with a file that has your company's root too")
                }
                None => "security.pki in the machine's configuration".to_owned(),
            }),
    )
}
