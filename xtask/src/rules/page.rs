//! The rule book as people read it: one rule, and docs/errors.md.

use std::fmt::Write as _;

use super::{BOOK, On, Rule};

/// docs/errors.md.
#[must_use]
pub fn page() -> String {
    let mut res = String::from(
        "# Errors, their causes and cures\n\n\
         Generated from the rules in `xtask/src/rules/` (`UPDATE_EXPECT=1 cargo test --lib rules` rewrites it).\n\n\
         A verb that fails ends in the hint of its rule. `cargo xtask explain FILE` reads a log, also of a CI system,\n\
         `cargo xtask explain RULE` shows one of these. In what Nix says, `…` stands for names and numbers.\n",
    );
    for chapter in BOOK {
        let _ = write!(res, "\n## {}\n", chapter.title);
        for rule in chapter.rules {
            let _ = write!(res, "\n### `{}`\n\n{}", rule.id, section(rule, "- "));
        }
    }
    res
}

/// What the book says of one rule; each line begins with the mark.
#[must_use]
pub fn section(rule: &Rule, mark: &str) -> String {
    let mut res = String::new();
    let mut line = |title: &str, text: &str| {
        let _ = writeln!(res, "{mark}{title}: {text}");
    };
    for words in rule.says {
        let source = match rule.on {
            On::Error => "Nix says",
            On::Warning => "Nix warns",
            On::Talk => "Nix, ssh or git say",
            On::Log => "a builder says",
        };
        line(source, &format!("`{}`", shown(words)));
    }
    match rule.seen {
        "" => line("seen", "not yet"),
        seen => line("seen", &format!("Nix {}", seen.replace(' ', ", "))),
    }
    if !rule.source.is_empty() {
        line("words of", rule.source);
    }
    line("cause", &blank(rule.cause));
    line("cure", &blank(rule.cure));
    if !rule.facts.is_empty() {
        line("looked up", rule.facts);
    }
    res
}

/// A pattern without its own notation.
fn shown(words: &str) -> String {
    let words = words.trim_start_matches('^').replace("{{", "\u{1}").replace("}}", "\u{2}");
    blank(&words.replace('`', "'")).replace('\u{1}', "{").replace('\u{2}', "}")
}

/// With `…` where something stands that is only known when it happens.
#[must_use]
pub fn blank(text: &str) -> String {
    let mut res = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let hole = after.split_once('}').filter(|(name, _)| {
            name.chars().all(|it| it.is_ascii_lowercase() || it == '.') && !before.ends_with('$')
        });
        res.push_str(before);
        res.push(if hole.is_some() { '…' } else { '{' });
        rest = hole.map_or(after, |it| it.1);
    }
    res + rest
}
