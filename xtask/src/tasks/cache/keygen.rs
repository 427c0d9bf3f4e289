//! `cargo xtask cache keygen`

use anyhow::bail;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use crate::cache::{pusher, work_tree_of};
use crate::context::Context;
use crate::files::create_dir;
use crate::report::Report;

/// Make a key pair to sign what is pushed
///
/// The secret half is written to a file that only you can read, outside of every repository. The public half is
/// printed, with the lines that make readers trust it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Keygen {
    /// What the key is called: the cache's name and a number, such as elodin-cache-2
    #[arg(value_name = "NAME", value_parser = key_name)]
    name: String,
    /// The file; by default ~/.config/elodin-xtask/NAME.secret
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

impl Keygen {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let file = match &self.output {
            Some(file) => cx.dir.join(file),
            None => config_dir(cx)?.join(format!("{}.secret", self.name)),
        };
        if let Some(tree) = work_tree_of(&file) {
            bail!(
                "`{file}` is in the git work tree `{tree}`, where a secret is soon committed; choose another place with `--output FILE`"
            );
        }
        if file.symlink_metadata().is_ok() {
            bail!("`{file}` exists; it is not overwritten, because what it signed would need it again");
        }
        if cx.globals.dry_run {
            cx.ui.status(&format!("would write a new secret key to {file}"));
            return Ok(Report::done());
        }
        if let Some(dir) = file.parent() {
            create_dir(dir)?;
        }
        let public = pusher::keygen(cx, &self.name, &file)?;
        cx.ui.status(&advice(cx, &file, &public));
        let json = json!({"version": 1, "ok": true, "public_key": public, "key_file": file});
        Ok(Report { ok: true, lines: vec![public], json, ..Report::default() })
    }
}

fn advice(cx: &Context, file: &Utf8Path, public: &str) -> String {
    let settings = &cx.workspace.manifest.cache;
    let url = settings.substituters.first().map_or("https://CACHE", String::as_str);
    format!(
        "the secret key is in {file} (mode 0600); without it nobody can sign: keep a copy in a safe place\n\
             xtask.toml:\n  [cache]\n  key-file = \"{file}\"\n  public-keys = [\"{public}\"]\n\
             flake.nix:\n  nixConfig = {{\n    extra-substituters = [ \"{url}\" ];\n    extra-trusted-public-keys = [ \"{public}\" ];\n  }};\n\
             NixOS:\n  nix.settings.substituters = [ \"{url}\" ];\n  nix.settings.trusted-public-keys = [ \"{public}\" ];"
    )
}

fn config_dir(cx: &Context) -> anyhow::Result<Utf8PathBuf> {
    Ok(match cx.host.env("XDG_CONFIG_HOME") {
        Some(dir) => Utf8PathBuf::from(dir).join("elodin-xtask"),
        None => cx.host.home()?.join(".config/elodin-xtask"),
    })
}

/// Nix splits at the colon, and the name is part of a file's.
fn key_name(text: &str) -> Result<String, String> {
    let good = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if text.is_empty() || text.starts_with(['.', '-']) || !text.chars().all(good) {
        return Err(format!("`{text}` cannot name a key: letters, digits and `._-`, such as elodin-cache-2"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(["a", "elodin-cache-2", "c.example-1"].iter().all(|it| key_name(it).is_ok()));
        assert!(["", "a:b", "a/b", "..", "-x", "ä"].iter().all(|it| key_name(it).is_err()));
    }
}
