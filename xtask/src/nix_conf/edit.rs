//! Changes to the text of a `nix.conf`. Every other byte of it stays.

use super::line::{self, Line};
use super::plain_name;

/// Makes a list have these words. A line that is there gets them at its end, before its comment; otherwise a line
/// `extra-NAME = …` is put at the end of the file, which adds to what other files say.
#[must_use]
pub fn add_words(text: &str, name: &str, words: &[&str]) -> String {
    let lines = about(text, name);
    // What comes before the last line without `extra-` has no effect.
    let from = lines.iter().rposition(|it| !it.adds).unwrap_or(0);
    let lines = &lines[from..];
    let there = |word: &&&str| lines.iter().any(|it| it.words.contains(word));
    let missing: Vec<&str> = words.iter().filter(|it| !there(it)).copied().collect();
    if missing.is_empty() {
        return text.to_owned();
    }
    match lines.last() {
        Some(last) => insert(text, last.end, &format!(" {}", missing.join(" "))),
        None => append(text, &format!("extra-{name} = {}\n", missing.join(" "))),
    }
}

/// Makes a setting that is no list have this value, in the last line that sets it or in a new one.
#[must_use]
pub fn set(text: &str, name: &str, value: &str) -> String {
    match about(text, name).iter().rfind(|it| !it.adds) {
        None => append(text, &format!("{name} = {value}\n")),
        Some(it) if it.words == value.split_ascii_whitespace().collect::<Vec<_>>() => text.to_owned(),
        Some(it) => format!("{}= {value}{}", &text[..it.equals], &text[it.end..]),
    }
}

/// A line about one setting.
struct Found<'a> {
    adds: bool,
    words: Vec<&'a str>,
    /// Offset of the `=`, and of the end of what is no comment.
    equals: usize,
    end: usize,
}

fn about<'a>(text: &'a str, wanted: &str) -> Vec<Found<'a>> {
    let mut res = Vec::new();
    let mut start = 0;
    for whole in text.split_inclusive('\n') {
        if let Line::Set { name, words } = line::parse(whole) {
            let (plain, adds) = plain_name(name);
            let equals = start + whole.find('=').unwrap_or_default();
            if plain == wanted {
                res.push(Found { adds, words, equals, end: start + line::content(whole).len() });
            }
        }
        start += whole.len();
    }
    res
}

fn insert(text: &str, at: usize, new: &str) -> String {
    format!("{}{new}{}", &text[..at], &text[at..])
}

fn append(text: &str, line: &str) -> String {
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{gap}{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_grows_where_it_is_written() {
        let add = |text: &str| add_words(text, "substituters", &["b", "c"]);
        for (old, new) in [
            ("", "extra-substituters = b c\n"),
            ("# mine", "# mine\nextra-substituters = b c\n"),
            ("substituters = a", "substituters = a b c"),
            ("substituters = a b # why\nx = y\n", "substituters = a b c # why\nx = y\n"),
            ("extra-substituters =\r\n", "extra-substituters = b c\r\n"),
            ("binary-caches = c\n", "binary-caches = c b\n"),
            ("substituters = b c\nextra-substituters = d\n", "substituters = b c\nextra-substituters = d\n"),
            // The first line has no effect: the second replaces it.
            (
                "extra-substituters = b c\nsubstituters = a\n",
                "extra-substituters = b c\nsubstituters = a b c\n",
            ),
            ("#extra-substituters = b c\n", "#extra-substituters = b c\nextra-substituters = b c\n"),
        ] {
            assert_eq!(add(old), new);
            assert_eq!(add(new), new, "again");
        }
    }

    #[test]
    fn a_value_is_replaced_where_it_is_written() {
        for (old, new) in [
            ("", "build-dir = /v\n"),
            ("build-dir = /tmp # fast\n", "build-dir = /v # fast\n"),
            ("  build-dir   =\n", "  build-dir   = /v\n"),
            ("build-dir = /a\nbuild-dir = /b\n", "build-dir = /a\nbuild-dir = /v\n"),
        ] {
            assert_eq!(set(old, "build-dir", "/v"), new);
            assert_eq!(set(new, "build-dir", "/v"), new, "again");
        }
    }

    /// Any file whatever: no other line changes, and doing it twice is doing it once.
    #[test]
    fn nothing_else_changes() {
        let pieces = [
            "",
            "# a = b",
            "\tx = y # z",
            "cores = 4\r",
            "include other.conf",
            "nonsense",
            "substituters = a # b",
            "extra-substituters = c",
            "ä = ö",
            "trusted-users = root",
        ];
        let mut seed = 7_usize;
        for _ in 0..2000 {
            let mut text = String::new();
            for n in 0..(seed >> 7) % 7 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text += pieces[(seed >> 33) % pieces.len()];
                text += if n == 5 { "" } else { "\n" };
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let new = add_words(&text, "substituters", &["n"]);
            assert_eq!(add_words(&new, "substituters", &["n"]), new);
            let lines = |it: &str| it.split_terminator('\n').map(str::to_owned).collect::<Vec<_>>();
            let (old_lines, new_lines) = (lines(&text), lines(&new));
            let differ = old_lines.iter().zip(&new_lines).filter(|(a, b)| a != b).count();
            let more = new_lines.len() - old_lines.len();
            assert_eq!(differ + more, 1, "{text:?} {new:?}");
            let back: String = new.replacen("extra-substituters = n\n", "", 1);
            assert!(back == text || differ == 1 || back == format!("{text}\n"), "{text:?} {back:?}");
        }
    }
}
