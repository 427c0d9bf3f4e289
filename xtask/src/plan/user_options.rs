//! Which of a user's own Nix options matter to which call.

/// Those of a user's options that change what is evaluated; a cached evaluation is then of no use.
#[must_use]
pub fn evaluation_options(extra: &[String]) -> Vec<String> {
    those(extra, |word| match word {
        "--impure" | "--refresh" | "--show-trace" => Some(0),
        "-I" | "--include" | "--override-flake" | "--reference-lock-file" => Some(1),
        "--override-input" | "--option" | "--arg" | "--argstr" => Some(2),
        _ => None,
    })
}

/// Those of a user's options that change where something is built.
pub(super) fn machine_options(extra: &[String]) -> Vec<String> {
    those(extra, |word| match word {
        "--builders"
        | "--max-jobs"
        | "-j"
        | "--extra-platforms"
        | "--extra-extra-platforms"
        | "--system-features"
        | "--extra-system-features" => Some(1),
        "--option" => Some(2),
        _ => None,
    })
}

/// Some options with their values; `values` says how many each has, and `None` for those that are left out.
fn those(extra: &[String], values: impl Fn(&str) -> Option<usize>) -> Vec<String> {
    let mut res = Vec::new();
    let mut words = extra.iter();
    while let Some(word) = words.next() {
        let Some(values) = values(word) else { continue };
        res.push(word.clone());
        res.extend(words.by_ref().take(values).cloned());
    }
    res
}
