//! What the builders of this machine could do.

use std::collections::BTreeSet;

use super::plain;
use crate::builders::{self, Machines, Problem};
use crate::context::Context;
use crate::report::Hint;
use crate::rules::diagnosis::Finding;

/// The builder that could have taken it, and what the others lack.
pub(super) fn candidates(cx: &Context, finding: &Finding) -> Hint {
    let mut hint = plain(finding);
    let system = finding.holes["system"].clone();
    let listed = finding.holes.get("features").map_or("", String::as_str);
    let features: BTreeSet<String> =
        listed.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect();
    // The evaluation itself waits for it: nobody has asked for that package.
    if finding.text.contains("while realising the context of path") {
        hint.cause.push_str("; the evaluation itself needs it (import from derivation)");
    }
    let Machines { machines, mut problems } = builders::of_files(cx);
    // Nix reads this file where nobody has set anything: most machines have none.
    problems.retain(|it| !matches!(it, Problem::Missing(_)));
    let can = machines.iter().find(|it| it.suits(&system, &features).is_ok());
    let words = match (can, machines.is_empty()) {
        _ if !problems.is_empty() => problems[0].to_string(),
        (Some(it), _) => format!("`{}` ({}) could have taken it", it.name, it.origin),
        (None, true) => "this machine has no builders".to_owned(),
        (None, false) => {
            let refusals =
                machines.iter().filter_map(|it| Some((&it.name, it.suits(&system, &features).err()?)));
            let words: Vec<String> = refusals.take(3).map(|(name, why)| format!("`{name}` {why}")).collect();
            words.join(", ")
        }
    };
    hint.cause = format!("{}; {words}", hint.cause);
    hint
}

/// Whether this machine has the hardware for a feature that it does not claim.
pub(super) fn features(cx: &Context, finding: &Finding) -> Hint {
    let hint = plain(finding);
    let wants_kvm = finding.holes["features"].split(',').any(|it| it.trim() == "kvm");
    match cx.host.path("/dev/kvm").exists() {
        _ if !wants_kvm => hint,
        true => Hint { cause: format!("{} (/dev/kvm is here)", hint.cause), ..hint },
        false => Hint {
            cause: format!("{} (this machine has no /dev/kvm)", hint.cause),
            cure: "use a builder that has it: `cargo xtask builder explain --features kvm`".to_owned(),
            ..hint
        },
    }
}

/// The line that Nix cannot read.
pub(super) fn bad_line(cx: &Context, finding: &Finding) -> Hint {
    let hint = plain(finding);
    match builders::of_files(cx).problems.first() {
        Some(problem) => Hint { cause: problem.to_string(), ..hint },
        None => hint,
    }
}

/// Who connects: root where a daemon builds, else the user.
pub(super) fn who(cx: &Context, finding: &Finding) -> Hint {
    let hint = plain(finding);
    let daemon = cx.host.path("/nix/var/nix/daemon-socket/socket").exists();
    let who = if daemon { "root, because the daemon connects" } else { "you, because no daemon is between" };
    let general = "the user who connects: root, where a daemon builds";
    Hint { cure: hint.cure.replace(general, &format!("the user who connects ({who})")), ..hint }
}
