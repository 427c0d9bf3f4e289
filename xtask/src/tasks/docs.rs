//! `cargo xtask docs`

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use crate::companion::Companion;
use crate::context::Context;
use crate::files::write_atomic;
use crate::format;
use crate::plan::{Settings, Step};
use crate::report::{Report, count};

/// Where the options of our NixOS modules are made text: beside the stand-ins for what those modules need.
const OPTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stand-ins/proof.nix");

/// Write what describes xtask: reference, man pages, completions, the keys of xtask.toml, the options of the modules
///
/// All of it is made from the types that read the command line and the manifest; the options from the modules, by Nix.
/// Without a Nix their page is left alone, and that is said.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Docs {
    /// Change nothing; fail where a file is not what would be written
    #[arg(long)]
    pub check: bool,
    /// Where to, instead of docs/ in the workspace
    #[arg(long, value_name = "DIR")]
    pub out: Option<Utf8PathBuf>,
}

/// A file that is not what it should be.
struct Stale {
    path: Utf8PathBuf,
    old: String,
    new: String,
}

impl Docs {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let dir = self.out.as_ref().map_or_else(|| cx.workspace.root.join("docs"), |it| cx.dir.join(it));
        let mut files = files(cx)?;
        let mut notes = Vec::new();
        match options(cx)? {
            Ok(text) => drop(files.insert("aleph-options.md".to_owned(), text)),
            Err(why) => notes.push(format!("not looked at: aleph-options.md, which needs a Nix: {why}")),
        }
        let unchecked: &[&str] = if notes.is_empty() { &[] } else { &["aleph-options.md"] };
        let stale = stale(&dir, &files)?;
        for it in &stale {
            let name = it.path.strip_prefix(&cx.dir).unwrap_or(&it.path);
            if self.check {
                notes.push(format::diff(&it.old, &it.new, name.as_str()).trim_end().to_owned());
            } else if cx.globals.dry_run {
                notes.push(format!("would write {name}"));
            } else {
                write_atomic(&it.path, it.new.as_bytes())?;
                notes.push(format!("wrote {name}"));
            }
        }
        let ok = !self.check || stale.is_empty();
        notes.push(match (ok, stale.len()) {
            (true, 0) => format!("{}, all up to date", count(files.len(), "file")),
            (true, n) if cx.globals.dry_run => format!("would write {n} of {}", count(files.len(), "file")),
            (true, n) => format!("wrote {n} of {}", count(files.len(), "file")),
            (false, n) => format!("{} out of date; run `cargo xtask docs`", count(n, "file")),
        });
        let paths: Vec<&Utf8PathBuf> = stale.iter().map(|it| &it.path).collect();
        let json = json!({"version": 1, "ok": ok, "changed": paths, "unchecked": unchecked});
        Ok(Report { ok, notes, json, ..Report::default() })
    }
}

/// The files as they should be, by their names.
fn files(cx: &mut Context) -> anyhow::Result<BTreeMap<String, String>> {
    let companion = Companion::ready(cx, "xtask-docs")?;
    let exit = companion.run::<()>(cx, &[], &[], b"", &mut |_, _| ())?;
    if !exit.success() {
        bail!("xtask-docs failed; what it said is above");
    }
    serde_json::from_str(&exit.stdout).context("unexpected answer of xtask-docs")
}

/// The reference of the modules' options, or why there is no Nix that could tell.
fn options(cx: &mut Context) -> anyhow::Result<Result<String, String>> {
    if let Err(why) = cx.nix().map(drop) {
        // Who names a Nix wants that one.
        return if cx.globals.nix.is_some() { Err(why) } else { Ok(Err(format!("{why:#}"))) };
    }
    let settings = Settings { offline: true, ..cx.settings(&[], &[])? };
    let step = Step::EvalFile { file: OPTIONS.into(), attr: "referenceText" };
    cx.query(&step, &settings).map(Ok).context("cannot read the options of the modules")
}

fn stale(dir: &Utf8Path, files: &BTreeMap<String, String>) -> anyhow::Result<Vec<Stale>> {
    let mut res = Vec::new();
    for (name, new) in files {
        let path = dir.join(name);
        let old = match fs::read_to_string(&path) {
            Ok(old) => old,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read `{path}`")),
        };
        if old != *new {
            res.push(Stale { path, old, new: new.clone() });
        }
    }
    Ok(res)
}
