//! Settings of the machine's Nix as a changeset: in the file where they belong, and with a restart of the daemon.

use super::Changeset;
use crate::host::Host;
use crate::installation::Installation;
use crate::nix_conf::edit;

/// Lists get words. Empty where they have them already, and where no file of the machine may be edited.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn add(
    host: &Host,
    installation: &Installation,
    title: &str,
    lists: &[(&str, Vec<String>)],
) -> anyhow::Result<Changeset> {
    let edit = |text: &str| {
        lists.iter().fold(text.to_owned(), |text, (name, words)| {
            edit::add_words(&text, name, &words.iter().map(String::as_str).collect::<Vec<_>>())
        })
    };
    with(host, installation, title, &edit)
}

/// A setting that is no list gets a value.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn set(
    host: &Host,
    installation: &Installation,
    title: &str,
    name: &str,
    value: &str,
) -> anyhow::Result<Changeset> {
    with(host, installation, title, &|text| edit::set(text, name, value))
}

fn with(
    host: &Host,
    installation: &Installation,
    title: &str,
    edit: &dyn Fn(&str) -> String,
) -> anyhow::Result<Changeset> {
    let mut res = Changeset::new(title);
    let Some(file) = installation.settings_file() else { return Ok(res) };
    res.edit(host, &file, edit)?;
    if let Some(words) = installation.restart().filter(|_| !res.is_empty()) {
        res.run_as_root(words);
    }
    Ok(res)
}
