//! Strings of `[ci]` that have a form of their own: command lines, names of jobs, pinned actions, refs, times.

use std::collections::BTreeSet;

use serde::{Deserialize as _, Deserializer, de};

use super::checked_text::globs;

/// What `cargo xtask ci` does besides running jobs.
const VERBS: [&str; 6] = ["list", "matrix", "why", "generate", "lint", "help"];

pub(super) fn job_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    if !name.starts_with(|it: char| it.is_ascii_lowercase()) || !name.bytes().all(plain) {
        return Err(de::Error::custom(format!(
            "bad name of a job `{name}`: write lower-case letters, digits and `-`"
        )));
    }
    if VERBS.contains(&name.as_str()) {
        return Err(de::Error::custom(format!(
            "a job cannot be called `{name}`: `cargo xtask ci {name}` means something else"
        )));
    }
    Ok(name)
}

pub(super) fn command_lines<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Vec<String>>, D::Error> {
    let lines = Vec::<String>::deserialize(deserializer)?;
    lines.iter().map(|it| words(it).map_err(de::Error::custom)).collect()
}

/// The words of a command line; quotes keep blanks.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut res: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for letter in line.chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '\'' || letter == '"' => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            None if letter.is_whitespace() => res.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if let Some(open) = quote {
        return Err(format!("bad command line `{line}`: a {open} is not closed"));
    }
    res.extend(word);
    if res.is_empty() {
        return Err("an empty command line".to_owned());
    }
    Ok(res)
}

pub(super) fn action<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let reference = text.split_whitespace().next().unwrap_or_default();
    let (name, commit) = reference.split_once('@').unwrap_or((reference, ""));
    let pinned = commit.len() == 40 && commit.bytes().all(|it| it.is_ascii_hexdigit());
    if !pinned || name.split('/').count() < 2 {
        return Err(de::Error::custom(format!(
            "`{text}` is not a pinned action; write it like \"OWNER/NAME@0123…40 hex digits v1.2.3\""
        )));
    }
    Ok(Some(text))
}

/// An ARN: what else stands there would be found out by AWS only.
pub(super) fn role<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if !text.starts_with("arn:aws") || !text.contains(":role/") {
        return Err(de::Error::custom(format!(
            "`{text}` is no role; write its ARN, or in `aws-role-variable` which variable of the repository has it"
        )));
    }
    Ok(Some(text))
}

pub(super) fn variable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    named(&name).map_err(de::Error::custom)?;
    Ok(Some(name))
}

pub(super) fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    let names = BTreeSet::<String>::deserialize(deserializer)?;
    names.iter().try_for_each(|it| named(it)).map_err(de::Error::custom)?;
    Ok(names)
}

/// The name of a variable, as shells and services take it. What is refused is not repeated: it may be the secret itself.
fn named(name: &str) -> Result<(), String> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || it == b'_';
    let begins = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    if !begins || !name.bytes().all(plain) || name.to_ascii_uppercase().starts_with("GITHUB_") {
        return Err(
            "bad name of a variable: write letters, digits and `_`, not beginning with a digit or GITHUB_; \
                    here stands the name of the secret, never the secret"
                .to_owned(),
        );
    }
    Ok(())
}

pub(super) fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    globs(deserializer)
}

pub(super) fn refs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let refs = Vec::<String>::deserialize(deserializer)?;
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-_./".contains(&it);
    let bad = refs.iter().find(|it| {
        let name = it.strip_suffix('*').unwrap_or(it);
        !name.bytes().all(plain) || it.is_empty()
    });
    match bad {
        Some(bad) => Err(de::Error::custom(format!(
            "bad ref `{bad}`: write a name, or the beginning of one with a `*` at its end"
        ))),
        None => Ok(refs),
    }
}

pub(super) fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let times = Vec::<String>::deserialize(deserializer)?;
    let plain = |it: &str| it.bytes().all(|it| it.is_ascii_alphanumeric() || b"*/,-".contains(&it));
    match times.iter().find(|it| it.split(' ').count() != 5 || !it.split(' ').all(plain)) {
        Some(bad) => Err(de::Error::custom(format!(
            "bad time `{bad}`: write five fields like cron, such as \"30 4 * * 1\" (Mondays at 4:30 UTC)"
        ))),
        None => Ok(times),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::words;
    use crate::workspace::Manifest;

    #[test]
    fn command_lines() {
        for (line, want) in [
            ("check --static", Ok(vec!["check", "--static"])),
            (" a  'b c' \"d'e\" f\"g\" '' ", Ok(vec!["a", "b c", "d'e", "fg", ""])),
            ("'a", Err("bad command line `'a`: a ' is not closed")),
            (" ", Err("an empty command line")),
        ] {
            let words = words(line);
            let words = words.as_ref().map(|it| it.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(words.map_err(String::as_str), want);
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "the snapshot is written at the call")]
    fn check(text: &str, expect: Expect) {
        let told = match Manifest::parse(text, "xtask.toml".into()) {
            Ok(it) => it.ci.jobs.iter().map(|it| it.name.clone()).collect::<Vec<_>>().join(" "),
            Err(error) => format!("{error:#}\n"),
        };
        expect.assert_eq(&told);
    }

    #[test]
    fn tables() {
        check("", expect!["check"]);
        check(
            "[[ci.job]]\nname = \"a\"\nrun = [\"check\"]\n[[ci.job]]\nname = \"b\"\nneeds = [\"a\"]\nrun = []",
            expect!["a b"],
        );
        check(
            "[[ci.job]]\nname = \"A\"\nrun = []",
            expect![[r#"
            xtask.toml:2:8: bad name of a job `A`: write lower-case letters, digits and `-`
        "#]],
        );
        check(
            "[[ci.job]]\nname = \"list\"\nrun = []",
            expect![[r#"
            xtask.toml:2:8: a job cannot be called `list`: `cargo xtask ci list` means something else
        "#]],
        );
        check(
            "[[ci.job]]\nname = \"a\"\nrun = [\"b 'c\"]",
            expect![[r#"
            xtask.toml:3:7: bad command line `b 'c`: a ' is not closed
        "#]],
        );
        check(
            "[[ci.job]]\nname = \"a\"\nrun = []\nneeds = [\"b\"]",
            expect![[r#"
            xtask.toml:1:1: the job `a` needs `b`, which is no job in front of it in the table
        "#]],
        );
        check(
            "[[ci.job]]\nname = \"a\"\nrun = []\n[[ci.job]]\nname = \"a\"\nrun = []",
            expect![[r#"
            xtask.toml:1:1: there are two jobs `a`
        "#]],
        );
    }

    #[test]
    fn values() {
        check(
            "[[ci.job]]\nname = \"a\"\nrun = []\nwhen.branches = [\"a*b\"]",
            expect![[r#"
            xtask.toml:4:17: bad ref `a*b`: write a name, or the beginning of one with a `*` at its end
        "#]],
        );
        check(
            "[[ci.job]]\nname = \"a\"\nrun = []\nwhen.schedule = [\"daily\"]",
            expect![[r#"
            xtask.toml:4:17: bad time `daily`: write five fields like cron, such as "30 4 * * 1" (Mondays at 4:30 UTC)
        "#]],
        );
        check(
            "[[ci.job]]\nname = \"a\"",
            expect![[r#"
            xtask.toml:1:1: missing field `run`
        "#]],
        );
        check(
            "[ci.github]\ncheckout = \"actions/checkout@v4\"",
            expect![[r#"
            xtask.toml:2:12: `actions/checkout@v4` is not a pinned action; write it like "OWNER/NAME@0123…40 hex digits v1.2.3"
        "#]],
        );
    }
}
