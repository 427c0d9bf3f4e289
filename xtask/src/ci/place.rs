//! Places in files that a message names: `aleph/flake.nix:3:5`.

/// A line of a file of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Relative to the root of the repository.
    pub file: String,
    pub line: usize,
    pub column: Option<usize>,
}

/// More than these are not told: who reads them starts with the first.
const MOST: usize = 10;

/// The places in a message, each with the line that names it. `known` says under which name a file is known in the
/// repository: Nix 2.26 names its copy in the store.
#[must_use]
pub fn places(message: &str, known: &dyn Fn(&str) -> Option<String>) -> Vec<(Place, String)> {
    let mut res: Vec<(Place, String)> = Vec::new();
    let mut before = "";
    for line in message.lines().map(str::trim) {
        // rustc says what, then where; of what is only a warning nobody is told that it failed.
        let below = line.starts_with("-->");
        if below && !before.starts_with("error") {
            before = line;
            continue;
        }
        for word in line.split(|it: char| it.is_whitespace() || "()'\"`,«»".contains(it)) {
            let Some(place) = place(word, known) else { continue };
            if res.len() < MOST && !res.iter().any(|it| it.0 == place) {
                // Nix says what first, and then where.
                let what = if below || line.starts_with("at ") { before } else { line };
                res.push((place, what.to_owned()));
            }
        }
        before = line;
    }
    res
}

/// `FILE:LINE` or `FILE:LINE:COLUMN`.
fn place(word: &str, known: &dyn Fn(&str) -> Option<String>) -> Option<Place> {
    let mut parts = word.trim_end_matches([':', '.']).split(':');
    let (file, line) = (parts.next()?, parts.next()?.parse().ok()?);
    let column = parts.next().and_then(|it| it.parse().ok());
    let inside = match file.strip_prefix("/nix/store/") {
        Some(path) => path.split_once('/')?.1,
        None => file,
    };
    Some(Place { file: known(inside)?, line, column })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_are_named() {
        let known = |it: &str| {
            let it = it.strip_prefix("/work/").unwrap_or(it);
            ["flake.nix", "a/b.nix"].contains(&it).then(|| it.to_owned())
        };
        let told = |message: &str| -> Vec<String> {
            let shown = |(place, line): (Place, String)| format!("{place:?} {line}");
            places(message, &known).into_iter().map(shown).collect()
        };
        assert_eq!(
            told("undefined variable 'x'\nat /nix/store/aaaa-source/flake.nix:3:5\nb /work/a/b.nix:7: c"),
            [
                "Place { file: \"flake.nix\", line: 3, column: Some(5) } undefined variable 'x'",
                "Place { file: \"a/b.nix\", line: 7, column: None } b /work/a/b.nix:7: c",
            ]
        );
        assert_eq!(
            told(
                "warning: a\n  --> flake.nix:1:2\nerror[E0308]: types\n  --> a/b.nix:3:4\n   |\nDiff in /work/flake.nix:5:\nthread 'x' panicked at flake.nix:7:8:"
            ),
            [
                "Place { file: \"a/b.nix\", line: 3, column: Some(4) } error[E0308]: types",
                "Place { file: \"flake.nix\", line: 5, column: None } Diff in /work/flake.nix:5:",
                "Place { file: \"flake.nix\", line: 7, column: Some(8) } thread 'x' panicked at flake.nix:7:8:",
            ]
        );
        assert_eq!(told("at other.nix:1:1, https://x.y:80/flake.nix, 12:30:00, flake.nix"), [""; 0]);
    }
}
