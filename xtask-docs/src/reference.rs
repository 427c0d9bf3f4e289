//! The reference of all verbs, from the types that read the command line.

use clap::{Arg, Command};

use crate::shown;

/// All verbs with their arguments, as Markdown.
pub(crate) fn text(command: &Command) -> String {
    let mut res = "# Reference\n\nMade by `cargo xtask docs` from the types that read the command line: do not edit it.\n\n\
                   Every verb knows these:\n\n"
        .to_owned();
    let global: Vec<&Arg> = command.get_arguments().filter(|it| it.is_global_set()).collect();
    res.push_str(&table(&global));
    for verb in shown(command) {
        verb_text(&mut res, verb, 2);
    }
    res
}

fn verb_text(res: &mut String, verb: &Command, depth: usize) {
    let name = verb.get_bin_name().unwrap_or_else(|| verb.get_name());
    let name = name.strip_prefix("cargo xtask ").unwrap_or(name);
    res.push_str(&format!("\n{} `{name}`\n\n", "#".repeat(depth)));
    let about = verb.get_long_about().or(verb.get_about()).map(ToString::to_string).unwrap_or_default();
    for paragraph in about.split("\n\n") {
        res.push_str(&format!("{}.\n\n", escaped(paragraph.trim().trim_end_matches('.'))));
    }
    let own: Vec<&Arg> = verb.get_arguments().filter(|it| !it.is_global_set() && !it.is_hide_set()).collect();
    let own: Vec<&Arg> = own.into_iter().filter(|it| it.get_id() != "help").collect();
    if own.is_empty() {
        res.truncate(res.trim_end().len());
        res.push('\n');
    } else {
        res.push_str(&table(&own));
    }
    shown(verb).for_each(|it| verb_text(res, it, depth + 1));
}

fn table(arguments: &[&Arg]) -> String {
    let mut res = "| argument | meaning |\n|---|---|\n".to_owned();
    for arg in arguments.iter().filter(|it| !it.is_hide_set()) {
        res.push_str(&format!("| {} | {} |\n", spelled(arg), meaning(arg)));
    }
    res
}

fn spelled(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let value = names.iter().map(clap::builder::Str::as_str).collect::<Vec<_>>().join(" ");
    let many = arg.get_num_args().is_some_and(|it| it.max_values() > 1);
    let value = if many { format!("{value}…") } else { value };
    if arg.is_positional() {
        return if arg.is_last_set() { format!("`-- {value}`") } else { format!("`{value}`") };
    }
    let value = if arg.get_action().takes_values() { format!(" {value}") } else { String::new() };
    let short = arg.get_short().map(|it| format!("-{it}"));
    let long = arg.get_long().map(|it| format!("--{it}"));
    let names: Vec<String> = [short, long].into_iter().flatten().collect();
    format!("`{}{value}`", names.join("`, `").replace('|', "\\|")).replace('|', "\\|")
}

fn meaning(arg: &Arg) -> String {
    let mut res = escaped(&arg.get_help().map(ToString::to_string).unwrap_or_default());
    if arg.get_action().takes_values() && !arg.is_hide_possible_values_set() {
        let values = arg.get_possible_values();
        let each = values.iter().filter(|it| !it.is_hide_set()).map(|it| match it.get_help() {
            Some(help) => format!("`{}` ({})", it.get_name(), escaped(&help.to_string())),
            None => format!("`{}`", it.get_name()),
        });
        let each: Vec<String> = each.collect();
        if !each.is_empty() {
            res.push_str(&format!(": {}", each.join(", ")));
        }
    }
    let default: Vec<String> =
        arg.get_default_values().iter().map(|it| it.to_string_lossy().into_owned()).collect();
    if arg.get_action().takes_values() && !default.is_empty() && !arg.is_hide_default_value_set() {
        res.push_str(&format!(" (default: `{}`)", default.join(" ")));
    }
    res
}

/// For a cell of a table, on one line.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<").replace('\n', " ")
}
