//! The rule book: what Nix says when something goes wrong, why that happens and what cures it. Data and pure matching;
//! what can be found out on this machine is asked by `hints`.

pub mod diagnosis;
pub mod page;
pub mod reader;
pub mod words;

mod builds;
mod caches;
mod evaluation;
mod flakes;
mod locks;
mod machines;
mod settings;
mod stores;
#[cfg(test)]
mod tests;

use words::Holes;

/// Where a rule's words are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// In errors of Nix.
    Error,
    /// In warnings: told where they explain an error, or where there is none.
    Warning,
    /// In what ssh, git and the build hook say between Nix's messages, and in errors.
    Talk,
    /// In the last lines of a builder that failed.
    Log,
}

/// What Nix says, why, and what to do.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Stable: scripts and `--json` know it.
    pub id: &'static str,
    pub on: On,
    /// Patterns, see [`words`].
    pub says: &'static [&'static str],
    /// The versions of Nix that were seen to say so; empty where the words are only known from sources.
    pub seen: &'static str,
    /// Whose words they are, where Nix only passes them on, or where they were read and not seen.
    pub source: &'static str,
    /// What else the holes must fulfil.
    pub when: Option<fn(&Holes) -> bool>,
    /// In one or two sentences; `{name}` is what stood in a hole, `{name.short}` a store path's name.
    pub cause: &'static str,
    pub cure: &'static str,
    /// What is found out on this machine, where something is.
    pub facts: &'static str,
    /// Rules whose errors are only a consequence of this one.
    pub explains: &'static [&'static str],
    /// The error itself says all of it: `explain` and `--json` tell the rule, failing verbs give no hint.
    pub plain: bool,
}

/// What the fields are that a rule does not set.
const ERROR: Rule = Rule {
    id: "",
    on: On::Error,
    says: &[],
    seen: "2.26 2.34",
    source: "",
    when: None,
    cause: "",
    cure: "",
    facts: "",
    explains: &[],
    plain: false,
};

/// A part of the book.
#[derive(Debug)]
pub struct Chapter {
    pub title: &'static str,
    pub rules: &'static [Rule],
}

/// Specific rules stand before general ones: the first that matches a message is the one.
pub const BOOK: &[Chapter] = &[
    Chapter { title: "Flakes and git", rules: flakes::RULES },
    Chapter { title: "Locks", rules: locks::RULES },
    Chapter { title: "Evaluation", rules: evaluation::RULES },
    Chapter { title: "Remote builders", rules: machines::RULES },
    Chapter { title: "Builds", rules: builds::RULES },
    Chapter { title: "Caches and downloads", rules: caches::RULES },
    Chapter { title: "The store", rules: stores::RULES },
    Chapter { title: "Settings, rights, commands", rules: settings::RULES },
];

/// All rules, in order.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    BOOK.iter().flat_map(|it| it.rules)
}

#[must_use]
pub fn named(id: &str) -> Option<&'static Rule> {
    all().find(|it| it.id == id)
}

impl Rule {
    /// What stands in the holes, when the words are in a text.
    #[must_use]
    pub fn matches(&self, text: &str) -> Option<Holes> {
        let found = self.says.iter().filter_map(|it| words::find(it, text));
        found.into_iter().find(|it| self.when.is_none_or(|when| when(it)))
    }

    /// The cause, with what stood in the holes.
    #[must_use]
    pub fn cause(&self, holes: &Holes) -> String {
        filled(self.cause, holes)
    }

    #[must_use]
    pub fn cure(&self, holes: &Holes) -> String {
        filled(self.cure, holes)
    }
}

fn filled(text: &str, holes: &Holes) -> String {
    holes.iter().fold(text.to_owned(), |text, (name, value)| {
        let base = value.rsplit('/').next().unwrap_or(value);
        let short = base.split_once('-').filter(|it| it.0.len() == 32).map_or(base, |it| it.1);
        let short = short.split('^').next().unwrap_or(short);
        text.replace(&format!("{{{name}.short}}"), short.strip_suffix(".drv").unwrap_or(short))
            .replace(&format!("{{{name}}}"), value)
    })
}
