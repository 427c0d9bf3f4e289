//! Merge conflicts: what git leaves in a file that two branches changed.

/// The line (from 1) and the marker of the first conflict in a text.
#[must_use]
pub fn first_conflict(text: &str) -> Option<(usize, &'static str)> {
    // Nearly no text has one, and looking at each line of a large lock takes longer than parsing it.
    if !["<<<<<<<", "=======", ">>>>>>>"].iter().any(|it| text.contains(it)) {
        return None;
    }
    let marker =
        |line: &str| ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].into_iter().find(|it| line.starts_with(it));
    text.lines().enumerate().find_map(|(number, line)| Some((number + 1, marker(line)?)))
}
