//! `xtask-docs`, started by `cargo xtask docs`: prints the generated files as JSON, their texts by their names.

mod manifest;
mod reference;

use std::collections::BTreeMap;
use std::io::Write as _;

fn main() -> anyhow::Result<()> {
    let mut command = xtask::cli::command();
    command.build();
    let mut files = BTreeMap::new();
    files.insert("reference.md".to_owned(), reference::text(&command));
    files.insert("manifest.md".to_owned(), manifest::text(include_str!("../../docs/xtask.schema.json"))?);
    for (shell, text) in [
        ("bash", include_str!("../../docs/completions/cargo-xtask.bash")),
        ("fish", include_str!("../../docs/completions/cargo-xtask.fish")),
        ("zsh", include_str!("../../docs/completions/cargo-xtask.zsh")),
    ] {
        files.insert(format!("completions/cargo-xtask.{shell}"), text.to_owned());
    }
    pages(&command, "cargo-xtask", &mut files)?;
    // A pipe that is closed is the reader's business.
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&files)?)?;
    Ok(())
}

/// A man page for each verb, and for the verbs of a verb.
fn pages(command: &clap::Command, name: &str, files: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    // Static: a page is made anew only when its verb changes, not with each version or day.
    let mut named = command.clone().display_name(name.to_owned()).disable_help_flag(true);
    let usage = named.render_usage().to_string();
    let page = clap_mangen::Man::new(named).title(name).date("").source("cargo xtask").manual("Elodin");
    let mut text = Vec::new();
    page.render(&mut text)?;
    let text = corrected(&String::from_utf8(text)?, usage.trim_start_matches("Usage:").trim());
    files.insert(format!("man/{name}.1"), text);
    for verb in shown(command) {
        pages(verb, &format!("{name}-{}", verb.get_name()), files)?;
    }
    Ok(())
}

/// The page with the usage that `--help` prints, in place of all options without their values; without the version,
/// which is none, and without `help`, which has no page.
fn corrected(page: &str, usage: &str) -> String {
    let usage = usage.lines().map(str::trim).collect::<Vec<_>>().join("\n.br\n").replace('-', "\\-");
    let mut res = String::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if line == ".SH VERSION" {
            break;
        }
        if line == ".TP" && lines.peek().is_some_and(|it| it.ends_with("\\-help(1)")) {
            lines.nth(1);
            continue;
        }
        res.push_str(line);
        res.push('\n');
        if line == ".SH SYNOPSIS" {
            res.push_str(&format!("{usage}\n"));
            lines.next();
        }
    }
    res
}

/// The verbs that help shows.
fn shown(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help")
}
