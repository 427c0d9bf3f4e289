//! Questions about a cache, answered by `xtask-cache`; and which paths they are about.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::companion::{Companion, Told};
use crate::context::Context;
use crate::host::System;
use crate::nix::store_path::StorePath;
use crate::report::count;
use crate::selection::Selection;

/// What the companion says meanwhile.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event {
    Looked { paths: usize },
}

/// Asks, and gives the answer with whether all is well.
///
/// # Errors
/// When there is no answer, with the reason.
pub fn ask(cx: &mut Context, verb: &str, job: &Value) -> anyhow::Result<(bool, Value)> {
    let companion = Companion::ready(cx, "xtask-cache")?;
    let exit = companion.run(cx, &[], &[verb.to_owned()], job.to_string().as_bytes(), &mut |cx, told| {
        if let Told::Event(Event::Looked { paths }) = told {
            cx.ui.progress(&format!("{} so far", count(paths, "path")));
        }
    })?;
    if exit.interrupted {
        bail!("interrupted");
    }
    let answer: Value = serde_json::from_str(&exit.stdout).context("unexpected answer of xtask-cache")?;
    if let Some(error) = answer["error"].as_str() {
        bail!("{error}");
    }
    Ok((exit.success(), answer))
}

/// The outputs of packages by name, of all with `all`; store paths stand for themselves. What cannot be evaluated is
/// an error. Each with the name that it was asked for by.
///
/// # Errors
/// When a name is not found, or its package cannot be evaluated.
pub fn outputs(
    cx: &mut Context,
    names: &[String],
    all: bool,
    system: Option<&str>,
) -> anyhow::Result<Vec<(String, StorePath)>> {
    let mut res = Vec::new();
    for path in names.iter().filter(|it| it.starts_with("/nix/store/")) {
        res.push((path.clone(), path.parse()?));
    }
    let names: Vec<String> = names.iter().filter(|it| !it.starts_with("/nix/store/")).cloned().collect();
    if !res.is_empty() && names.is_empty() && !all {
        return Ok(res);
    }
    let system = system.map_or_else(|| cx.system(), |it| System(it.to_owned()));
    let selected = Selection { names: &names, all, system, extra: &[] }.resolve(cx)?;
    for it in selected {
        let package = it.package.map_err(|it| anyhow::anyhow!(it));
        let package = package.with_context(|| format!("`{}` cannot be evaluated", it.name))?;
        let many = package.outs.len() > 1;
        for (output, path) in package.outs {
            let name = if many { format!("{}.{output}", it.name) } else { it.name.clone() };
            res.push((name, path));
        }
    }
    Ok(res)
}

/// The cache that is meant where none is named: the one that is pushed to, else the first that is read.
///
/// # Errors
/// When the manifest names none.
pub fn cache(cx: &Context, named: Option<&str>) -> anyhow::Result<String> {
    let settings = &cx.workspace.manifest.cache;
    let own = named.or(settings.push.as_deref()).or(settings.substituters.first().map(String::as_str));
    own.map(str::to_owned).context("there is no cache: set `cache.push` in xtask.toml, or say `--cache URL`")
}
