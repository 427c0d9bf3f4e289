//! Which Nix there is, and whether its store can be used.

use super::check::Check;
use super::facts::Facts;
use super::space::Space;
use crate::nix::version::Version;
use crate::report::bytes;

const NIX: &str = "Nix";
const STORE: &str = "Daemon and store";
/// With less free than this a build of ours is likely to fail; with less than a tenth nearly any is.
const LITTLE: u64 = 10_000_000_000;

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let mut res = vec![version(facts)];
    res.extend(several(facts));
    let Ok(_) = &facts.nix else { return res };
    res.push(daemon(facts));
    res.extend(versions(facts));
    res.extend(trust(facts));
    res.push(space(facts));
    res
}

fn version(facts: &Facts) -> Check {
    match &facts.nix {
        Ok(nix) => Check::pass(NIX, "version", nix.to_string()),
        Err(why) => Check::fail(NIX, "version", why.lines().next().unwrap_or("no Nix"))
            .because(why.lines().skip(1).filter(|it| it.starts_with("- ")).collect::<Vec<_>>().join("\n"))
            .cure("cargo xtask setup nix"),
    }
}

/// Two Nixes with two versions: which one runs depends on the shell that one stands in.
fn several(facts: &Facts) -> Option<Check> {
    let told: Vec<String> = facts
        .on_path
        .iter()
        .map(|(path, it)| match it {
            Some((flavour, version)) => format!("{path} ({flavour} {version})"),
            None => format!("{path} (does not answer)"),
        })
        .collect();
    (told.len() > 1).then(|| {
        Check::warn(NIX, "on PATH", told.join(", "))
            .because("a shell and the daemon may use different ones, and only the first is used here")
            .cure("remove all but one, or put the right one first on PATH")
    })
}

fn daemon(facts: &Facts) -> Check {
    match &facts.store {
        Ok(_) if facts.is_private() => {
            Check::pass(STORE, "store", format!("our own, in {}, without a daemon", facts.store_dir()))
        }
        Ok(it) if it.url == "daemon" || it.url.starts_with("unix://") => {
            let version = it.version.as_deref().map_or(String::new(), |it| format!(", version {it}"));
            Check::pass(STORE, "store", format!("through the daemon{version}"))
        }
        Ok(it) => Check::pass(STORE, "store", format!("{}, without a daemon", it.url)),
        Err(why) => Check::fail(STORE, "store", why)
            .because("nothing can be built or copied")
            .cure(facts.installation.restart_text()),
    }
}

/// The daemon does the work: its version decides what works.
fn versions(facts: &Facts) -> Option<Check> {
    let client = &facts.nix.as_ref().ok()?.version;
    let daemon: Version = facts.store.as_ref().ok()?.version.as_deref()?.parse().ok()?;
    ((client.major, client.minor) != (daemon.major, daemon.minor)).then(|| {
        Check::warn(STORE, "versions", format!("the client is {client}, the daemon {daemon}"))
            .because("the daemon builds: settings and features that only the client knows have no effect")
            .cure(format!(
                "after an upgrade the old daemon still runs: {}",
                facts.installation.restart_text()
            ))
    })
}

fn trust(facts: &Facts) -> Option<Check> {
    if facts.is_private() {
        return None;
    }
    let trusted = facts.store.as_ref().ok()?.trusted;
    Some(match trusted {
        Some(true) => Check::pass(STORE, "trust", "the daemon trusts you, which is as much as being root"),
        Some(false) => Check::pass(
            STORE,
            "trust",
            "the daemon does not trust you: only caches that the machine allows are used, which is safe",
        ),
        None => Check::skipped(STORE, "trust", "the store does not say"),
    })
}

fn space(facts: &Facts) -> Check {
    let Some(space) = &facts.store_space else {
        return Check::skipped(STORE, "space", format!("there is no {}", facts.store_dir()));
    };
    let found = format!("{} free of {} ({})", bytes(space.free), bytes(space.total), place(space));
    let cure = facts.collect_garbage();
    match space {
        it if it.free < LITTLE / 10 => Check::fail(STORE, "space", found)
            .because("builds and downloads will end with `No space left on device`")
            .cure(cure),
        it if it.inodes_below(1) => Check::fail(STORE, "space", format!("{found}, but no inodes"))
            .because("`No space left on device` also means that there can be no more files")
            .cure(cure),
        it if it.free < LITTLE => {
            Check::warn(STORE, "space", found).because("a large build needs more").cure(cure)
        }
        _ => Check::pass(STORE, "space", found),
    }
}

/// `ext4 on /`
pub(super) fn place(space: &Space) -> String {
    match (space.kind.as_str(), space.mount.as_str()) {
        ("", _) => "file system unknown".to_owned(),
        (kind, mount) => format!("{kind} on {mount}"),
    }
}
