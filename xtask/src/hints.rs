//! What to do about a failure: a rule of the book, with what can be found out on this machine.
//!
//! A look-up that finds that the rule does not apply here takes the hint back: none is better than a wrong one.

mod git;
pub mod hash;
mod locks;
mod machines;
mod settings;
mod store;

use crate::context::Context;
use crate::report::Hint;
use crate::rules::diagnosis::{Finding, findings_in};
use crate::rules::words::Holes;
use crate::rules::{self, Rule};

impl Context {
    /// What to do about what was found, causes first.
    #[must_use]
    pub fn hints(&self, findings: &[Finding]) -> Vec<Hint> {
        let mut res: Vec<Hint> = Vec::new();
        for mut hint in findings.iter().filter_map(|it| looked_up(self, it)) {
            if let Some(nix) = self.nix_found() {
                hint.cure = nix.typed(&hint.cure);
            }
            if !res.iter().any(|it| it.cause == hint.cause && it.cure == hint.cure) {
                res.push(hint);
            }
        }
        res
    }

    /// An error of Nix, and what to do about it where we know that.
    #[must_use]
    pub fn explain(&self, error: &str) -> String {
        let hints = self.hints(&findings_in(error));
        let lines = hints.iter().filter(|it| !it.plain).map(|it| self.ui.hint(it));
        std::iter::once(error.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
    }
}

fn looked_up(cx: &Context, finding: &Finding) -> Option<Hint> {
    match finding.rule.id {
        "git-untracked" => git::untracked(cx, finding),
        "attr-missing-flake" => Some(git::attribute(cx, finding)),
        "lock-needs-update" => Some(locks::needs_update(cx, finding)),
        "lock-unparsable" => Some(locks::unparsable(cx, finding)),
        "input-narhash-mismatch" => Some(locks::input(cx, finding)),
        "fod-hash-mismatch" => Some(hash::hint(cx, finding)),
        "no-network" => store::no_network(cx, finding),
        "enospc" | "enospc-build" => Some(store::full(cx, finding)),
        "daemon-down" | "store-permission" => Some(store::daemon(cx, finding)),
        "platform-mismatch" | "no-machine" => Some(machines::candidates(cx, finding)),
        "features-missing" => Some(machines::features(cx, finding)),
        "bad-machine-spec" => Some(machines::bad_line(cx, finding)),
        "ssh-host-key" | "ssh-host-key-changed" => Some(machines::who(cx, finding)),
        _ => Some(settings::placed(cx, finding)),
    }
}

/// The rule as it stands in the book.
fn plain(finding: &Finding) -> Hint {
    by(finding.rule, &finding.holes, finding)
}

/// Another rule that turned out to be the one.
fn instead(id: &str, holes: &Holes, finding: &Finding) -> Option<Hint> {
    Some(by(rules::named(id)?, holes, finding))
}

fn by(rule: &'static Rule, holes: &Holes, finding: &Finding) -> Hint {
    Hint {
        rule: rule.id,
        cause: rule.cause(holes),
        cure: rule.cure(holes),
        drv: finding.drv.clone(),
        plain: rule.plain,
    }
}

#[cfg(test)]
mod tests;
