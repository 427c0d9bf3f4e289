//! What an error message of Nix says of whose fault it is.

/// Whose fault an error message says it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Blame {
    Own {
        drv: String,
        reason: String,
    },
    /// The derivation named is a victim: the culprit has a message of its own.
    Dependency,
    Nobody,
}

impl Blame {
    pub(super) fn of(text: &str) -> Blame {
        let first = text.lines().next().unwrap_or_default();
        // `build of 'A.drv^out', 'B.drv^out' failed` sums up what was already told.
        let cascade = first.contains("dependencies of derivation")
            || first.contains("dependency of derivation")
            || text.contains("dependency failed")
            || text.contains("dependencies failed")
            || (first.starts_with("build of ") && first.ends_with(" failed"));
        if cascade {
            return Blame::Dependency;
        }
        let Some(drv) = derivation_in(first) else { return Blame::Nobody };
        let words =
            ["builder for", "Cannot build", "hash mismatch", "timed out", "failed", "required to build"];
        if !words.iter().any(|it| first.contains(it)) {
            return Blame::Nobody;
        }
        let reason = match text.split_once("Reason:") {
            Some((_, reason)) => {
                reason.lines().next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
            }
            None => first.trim_end_matches(';').replace(&format!("'{drv}'"), "it"),
        };
        let mut reason = platform(text).unwrap_or_else(|| plainly(&reason));
        // The two hashes are in the lines that follow, and they are what one needs.
        if first.contains("hash mismatch") {
            "what it fetched has another hash than declared".clone_into(&mut reason);
            for line in text.lines().skip(1) {
                reason.push_str(&format!("\n  {}", line.trim()));
            }
        }
        Blame::Own { drv, reason }
    }
}

/// The lines of a builder that a message cites.
pub(super) fn cited(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter_map(|it| it.strip_prefix('>'));
    lines.map(|it| it.strip_prefix(' ').unwrap_or(it).to_owned()).collect()
}

/// The first `/nix/store/….drv` of a line, in either kind of quotes.
pub(super) fn derivation_in(line: &str) -> Option<String> {
    let start = line.find("/nix/store/")?;
    let path = line[start..].split(['\'', '"', ' ', '^', ';', ',']).next()?;
    path.ends_with(".drv").then(|| path.to_owned())
}

/// A derivation for another kind of machine, in the words of 2.34 and of those before.
fn platform(text: &str) -> Option<String> {
    let quoted = |after: &str| text.split_once(after)?.1.split('\'').next();
    let (needed, here) = match (quoted("Required system: '"), quoted("Current system: '")) {
        (Some(needed), Some(here)) => (needed, here),
        _ if text.contains("is required to build") => (quoted("a '")?, quoted("but I am a '")?),
        _ => return None,
    };
    // The same system, but without a feature such as kvm, is another matter.
    (needed != here).then(|| format!("it needs a {needed} machine to build on, and this one is {here}"))
}

/// Nix's words, where they are about the derivation whose name stands before them.
fn plainly(reason: &str) -> String {
    let reason = reason.trim().trim_start_matches("builder for it ").trim_start_matches("builder ");
    let code = reason.strip_prefix("failed with ").unwrap_or(reason);
    if code.starts_with("exit code") {
        return format!("its builder ended with {code}");
    }
    match reason
        .strip_prefix("failed to produce output path for output ")
        .and_then(|it| it.split('\'').nth(1))
    {
        Some(output) => format!("its builder did not make the output `{output}`"),
        None if reason.starts_with("failed") => format!("its builder {reason}"),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(reason: &str) -> Blame {
        Blame::Own { drv: "/nix/store/x-a.drv".to_owned(), reason: reason.to_owned() }
    }

    #[test]
    fn both_versions() {
        let (old, new) =
            ("builder for '/nix/store/x-a.drv' failed", "Cannot build '/nix/store/x-a.drv'.\nReason:");
        for (text, want) in [
            (
                format!("{old} with exit code 3;\n last 25 log lines:"),
                own("its builder ended with exit code 3"),
            ),
            (
                format!("{new} builder failed with exit code 3.\nOutput paths:"),
                own("its builder ended with exit code 3"),
            ),
            (format!("{new} 1 dependency failed.\nOutput paths:"), Blame::Dependency),
            (
                "1 dependencies of derivation '/nix/store/x-a.drv' failed to build".to_owned(),
                Blame::Dependency,
            ),
            ("build of '/nix/store/x-a.drv^out' failed".to_owned(), Blame::Dependency),
            ("undefined variable 'x'".to_owned(), Blame::Nobody),
        ] {
            assert_eq!(Blame::of(&text), want, "{text}");
        }
    }

    #[test]
    fn a_hash_mismatch_tells_the_hashes() {
        let text = "hash mismatch in fixed-output derivation '/nix/store/x-a.drv':\n  specified: sha256-A\n     got:    sha256-B";
        let want =
            own("what it fetched has another hash than declared\n  specified: sha256-A\n  got:    sha256-B");
        assert_eq!(Blame::of(text), want);
    }
}
