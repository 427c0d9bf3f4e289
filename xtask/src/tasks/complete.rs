//! `cargo xtask complete`: what a shell asks when Tab is pressed.

use std::collections::BTreeSet;

use clap::Command;

use crate::host::Host;
use crate::known_names::KnownNames;
use crate::workspace::{Scope, Workspace};

/// What could stand where the cursor is; a line each, the word and what it means
#[derive(Debug, Clone, clap::Args)]
pub struct Complete {
    /// The words so far, the last one being typed
    #[arg(last = true, value_name = "WORD")]
    pub words: Vec<String>,
}

/// A word and what it means.
type Candidate = (String, String);

impl Complete {
    /// The lines to print. Whatever goes wrong, a shell that asks gets no answer instead of an error.
    pub(crate) fn lines(&self, host: &Host, command: &mut Command) -> Vec<String> {
        command.build();
        let names = |value: &str, words: &[String]| known(host, value, words);
        let found = candidates(command, &self.words, &names);
        found.into_iter().map(|(word, meaning)| format!("{word}\t{meaning}").trim_end().to_owned()).collect()
    }
}

/// Where the words have led to.
struct Place<'a> {
    command: &'a Command,
    /// Positional arguments before the one that is being typed.
    positionals: usize,
    /// The value name of the flag that waits for its value.
    waiting: Option<&'a clap::Arg>,
}

/// What could stand in the place of the last word. `names` knows those that only this workspace has, by the name of
/// the value that is asked for.
fn candidates(
    command: &Command,
    words: &[String],
    names: &dyn Fn(&str, &[String]) -> Vec<String>,
) -> Vec<Candidate> {
    let Some((typed, before)) = words.split_last() else { return Vec::new() };
    let Some(place) = follow(command, before) else { return Vec::new() };
    let matching = |found: Vec<Candidate>| found.into_iter().filter(|it| it.0.starts_with(typed.as_str()));
    if let Some(flag) = place.waiting {
        return matching(values(flag, words, names)).collect();
    }
    if let Some((flag, _)) = typed.split_once('=').filter(|it| it.0.starts_with("--")) {
        let Some(arg) = place.command.get_arguments().find(|it| it.get_long() == flag.get(2..)) else {
            return Vec::new();
        };
        let found = values(arg, words, names).into_iter().map(|it| (format!("{flag}={}", it.0), it.1));
        return matching(found.collect()).collect();
    }
    if typed.starts_with('-') {
        return matching(flags(place.command)).collect();
    }
    let mut found: Vec<Candidate> =
        place.command.get_subcommands().filter(|it| !it.is_hide_set()).map(described).collect();
    let positionals: Vec<_> = place.command.get_positionals().filter(|it| !it.is_last_set()).collect();
    let last = positionals.last().filter(|it| it.get_num_args().is_some_and(|it| it.max_values() > 1));
    if let Some(arg) = positionals.get(place.positionals).or(last) {
        found.extend(values(arg, words, names));
    }
    // Who has named one wants another.
    let already: BTreeSet<&String> = before.iter().collect();
    matching(found).filter(|it| !already.contains(&it.0)).collect()
}

/// Walks the words to where the cursor is; nowhere after `--`, where other programs' words stand.
fn follow<'a>(command: &'a Command, words: &[String]) -> Option<Place<'a>> {
    let mut place = Place { command, positionals: 0, waiting: None };
    for word in words {
        if place.waiting.take().is_some() {
            continue;
        }
        if word == "--" {
            return None;
        }
        if let Some(flag) = word.strip_prefix('-').filter(|it| !it.is_empty()) {
            let mut arguments = place.command.get_arguments();
            let found = match flag.strip_prefix('-') {
                Some(long) => arguments.find(|it| it.get_long() == Some(long)),
                None => arguments.find(|it| it.get_short() == flag.chars().last()),
            };
            place.waiting = found.filter(|it| it.get_action().takes_values());
        } else if let Some(next) = place.command.find_subcommand(word) {
            place = Place { command: next, positionals: 0, waiting: None };
        } else {
            place.positionals += 1;
        }
    }
    Some(place)
}

fn described(command: &Command) -> Candidate {
    (command.get_name().to_owned(), command.get_about().map(ToString::to_string).unwrap_or_default())
}

fn flags(command: &Command) -> Vec<Candidate> {
    let shown = command.get_arguments().filter(|it| !it.is_hide_set() && !it.is_positional());
    let flag = |it: &clap::Arg| {
        let name = it.get_long().map(|it| format!("--{it}")).or(it.get_short().map(|it| format!("-{it}")));
        Some((name?, it.get_help().map(ToString::to_string).unwrap_or_default()))
    };
    shown.filter_map(flag).collect()
}

fn values(
    arg: &clap::Arg,
    words: &[String],
    names: &dyn Fn(&str, &[String]) -> Vec<String>,
) -> Vec<Candidate> {
    let possible = arg.get_possible_values();
    if arg.get_action().takes_values() && !possible.is_empty() {
        let shown = possible.iter().filter(|it| !it.is_hide_set());
        let value = |it: &clap::builder::PossibleValue| {
            (it.get_name().to_owned(), it.get_help().map(ToString::to_string).unwrap_or_default())
        };
        return shown.map(value).collect();
    }
    let value =
        arg.get_value_names().and_then(<[_]>::first).map(clap::builder::Str::as_str).unwrap_or_default();
    names(value, words).into_iter().map(|it| (it, String::new())).collect()
}

/// The names that this workspace has for a kind of value, as far as they are known without Nix.
fn known(host: &Host, value: &str, words: &[String]) -> Vec<String> {
    if value == "SYSTEM" {
        return ["aarch64-darwin", "aarch64-linux", "x86_64-linux"].map(str::to_owned).to_vec();
    }
    let dir = words.iter().position(|it| it == "-C").and_then(|it| words.get(it + 1));
    let dir = dir.map_or_else(|| host.cwd.clone(), |it| host.cwd.join(it));
    let Ok(workspace) = Workspace::discover(&dir, Scope::Root) else { return Vec::new() };
    let names = KnownNames::read(&workspace.root.join("target/xtask"));
    match value {
        "NAME" | "OTHER" => names.packages(),
        "CONFIG" => names.configurations(),
        "TARGET" => workspace.manifest.aleph.target.iter().cloned().collect(),
        "JOB" => workspace.manifest.ci.jobs.iter().map(|it| it.name.clone()).collect(),
        "INPUT" => {
            let Ok(workspace) = Workspace::discover(&dir, Scope::All) else { return Vec::new() };
            let locks = workspace.flakes.iter().filter_map(|it| it.lock(&workspace.root).ok().flatten());
            let inputs =
                locks.filter_map(|it| it.nodes.get(&it.root).cloned()).flat_map(|it| it.inputs.into_keys());
            inputs.collect::<BTreeSet<String>>().into_iter().collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(line: &str) -> String {
        let mut command = crate::cli::command();
        command.build();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let names = |value: &str, _: &[String]| match value {
            "NAME" => vec!["elodin-db".to_owned(), "elodin-cli".to_owned()],
            "INPUT" => vec!["nixpkgs".to_owned()],
            "JOB" => vec!["rustfmt".to_owned(), "clippy".to_owned()],
            _ => Vec::new(),
        };
        let found = candidates(&command, &words, &names);
        found.into_iter().map(|it| it.0).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn verbs_flags_values_and_names() {
        for (line, want) in [
            ("bum", "bump"),
            ("lock s", "status sync"),
            ("build elo", "elodin-db elodin-cli"),
            ("build elodin-db elo", "elodin-cli"),
            ("build --keep-going elodin-d", "elodin-db"),
            ("build --ke", "--keep-going"),
            ("build --system ", ""),
            ("build --out-link x elodin-c", "elodin-cli"),
            ("-C examples/offline run elodin-d", "elodin-db"),
            ("run elodin-db elo", ""),
            ("run elodin-db -- elo", ""),
            ("update n", "nixpkgs"),
            ("ci rust", "rustfmt"),
            ("zzz", ""),
            ("complet", ""),
        ] {
            assert_eq!(complete(line), want, "{line}");
        }
        assert!(complete("").split(' ').count() > 8, "{}", complete(""));
        assert!(complete("build --d").contains("--dry-run"));
    }
}
