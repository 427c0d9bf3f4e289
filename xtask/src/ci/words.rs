//! The roots of a difference, said in words.

use super::difference::{Cause, Difference, What};
use crate::report::count;

/// More files, and longer texts, than these are not told.
const FILES: usize = 10;
const LETTERS: usize = 120;

/// A cause as a sentence, with the files of a source where they are known.
#[must_use]
pub fn sentence(cause: &Cause, files: Option<&[String]>) -> String {
    match &cause.what {
        What::Source { after, .. } => {
            let name = after.split_once('-').map_or(after.as_str(), |it| it.1);
            match files {
                None => format!("the source `{name}` changed"),
                Some([]) => format!("the source `{name}` is stored anew, though no file of it changed"),
                Some(files) => {
                    let mut told: Vec<&str> = files.iter().take(FILES).map(String::as_str).collect();
                    let more = format!("and {} more", files.len().saturating_sub(FILES));
                    if files.len() > FILES {
                        told.push(&more);
                    }
                    format!(
                        "{} of the source `{name}` changed: {}",
                        count(files.len(), "file"),
                        told.join(", ")
                    )
                }
            }
        }
        What::Version { name, before, after } => {
            let shown = |it: &str| if it.is_empty() { "no version".to_owned() } else { it.to_owned() };
            format!("{name} went from {} to {}", shown(before), shown(after))
        }
        What::Revision { attribute } => format!("`{attribute}` names the commit, and only that changed"),
        What::Attribute { attribute, before, after } => match (before, after) {
            (None, Some(after)) => format!("`{attribute}` is new: {}", short(after)),
            (Some(_), None) => format!("`{attribute}` is gone"),
            (Some(before), Some(after)) => {
                let (before, after) = around(before, after);
                format!("`{attribute}` changed from {before} to {after}")
            }
            (None, None) => format!("`{attribute}` changed"),
        },
        What::Fetched { before, after } => format!("it fetches {after} instead of {before}"),
        What::Added(name) => format!("it needs {name} now"),
        What::Removed(name) => format!("it does not need {name} any more"),
    }
}

/// All of it in one line, where that can be said.
#[must_use]
pub fn verdict(name: &str, difference: &Difference) -> String {
    let revisions = difference.causes.iter().filter(|it| matches!(it.what, What::Revision { .. })).count();
    let others = match difference.cascade {
        0 => String::new(),
        n => format!("; {} only because of that", count(n, "derivation")),
    };
    match (difference.causes.len(), revisions) {
        (0, _) => format!("`{name}` differs, but nothing that it is made from does"),
        (n, revisions) if n == revisions => {
            format!("`{name}` rebuilds though only the commit changed{others}")
        }
        (n, _) => format!("`{name}` rebuilds for {}{others}", count(n, "reason")),
    }
}

fn short(text: &str) -> String {
    let text = text.replace('\n', "⏎");
    if text.chars().count() <= LETTERS {
        return format!("«{text}»");
    }
    format!("«{}…»", text.chars().take(LETTERS).collect::<String>())
}

/// Two texts without most of what they begin with in common.
fn around(before: &str, after: &str) -> (String, String) {
    const KEPT: usize = 20;
    let common = before.chars().zip(after.chars()).take_while(|(one, other)| one == other).count();
    if before.chars().count().max(after.chars().count()) <= LETTERS || common <= KEPT {
        return (short(before), short(after));
    }
    let cut = |it: &str| short(&format!("…{}", it.chars().skip(common - KEPT).collect::<String>()));
    (cut(before), cut(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_where_they_differ() {
        let long = |end: &str| format!("{}{end}", "a".repeat(300));
        let what =
            What::Attribute { attribute: "args".to_owned(), before: Some(long("x")), after: Some(long("y")) };
        let told = sentence(&Cause { chain: Vec::new(), what }, None);
        assert_eq!(told, format!("`args` changed from «…{0}x» to «…{0}y»", "a".repeat(20)));
    }

    #[test]
    fn many_files_are_counted() {
        let files: Vec<String> = (0..12).map(|it| format!("~ f{it}")).collect();
        let what = What::Source { before: "h-src".to_owned(), after: "i-src".to_owned() };
        let told = sentence(&Cause { chain: Vec::new(), what }, Some(&files));
        assert!(
            told.starts_with("12 files of the source `src` changed: ~ f0, ")
                && told.ends_with(", and 2 more"),
            "{told}"
        );
    }
}
