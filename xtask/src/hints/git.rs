//! What git and the flakes of the workspace know.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use super::{instead, plain};
use crate::context::Context;
use crate::plan::{Settings, question, quoted};
use crate::report::Hint;
use crate::revision::{self, outside_hook};
use crate::rules::diagnosis::Finding;

/// Nix sees only what git knows. 2.34 says so itself; 2.26 claims that the file does not exist, and may be right.
pub(super) fn untracked(cx: &Context, finding: &Finding) -> Option<Hint> {
    let file = finding.holes["file"].as_str();
    let certain = finding.holes.get("repo");
    let top = match certain {
        Some(repo) => Utf8PathBuf::from(repo),
        None => revision::work_tree(&cx.workspace.root)?,
    };
    let path = top.join(file);
    if !path.exists() {
        // Somebody else's log, or a file that is not there at all.
        return certain.map(|_| plain(finding));
    }
    if let Some(module) = submodule(&top, file) {
        let mut holes = finding.holes.clone();
        holes.insert("module".to_owned(), module);
        return instead("git-submodule", &holes, finding);
    }
    let sh = &cx.sh;
    let known = outside_hook(cmd!(sh, "git -C {top} ls-files --error-unmatch -- {file}"))
        .quiet()
        .ignore_stdout()
        .ignore_stderr();
    if known.run().is_ok() {
        return None;
    }
    let shown = path.strip_prefix(&cx.dir).unwrap_or(&path);
    let mut hint = plain(finding);
    hint.cause = format!("git does not know `{shown}`, so Nix cannot see it");
    hint.cure = format!("run `git add --intent-to-add {}`", quoted(shown.as_str()));
    Some(hint)
}

/// The submodule that a file is in.
fn submodule(top: &Utf8Path, file: &str) -> Option<String> {
    let text = std::fs::read_to_string(top.join(".gitmodules")).ok()?;
    let paths = text.lines().filter_map(|it| it.trim().strip_prefix("path")?.trim().strip_prefix('='));
    paths.map(|it| it.trim().to_owned()).find(|it| Utf8Path::new(file).starts_with(it))
}

/// The systems that have a package which was asked for, for one that has not.
pub(super) fn attribute(cx: &Context, finding: &Finding) -> Hint {
    let mut hint = plain(finding);
    hint.cure = hint.cure.replace(&finding.holes["flake"], &flake_dir(cx, &finding.holes["flake"]));
    let systems = systems_with(cx, finding).unwrap_or_default();
    if let Some((name, systems)) = systems.split_first() {
        hint.cause = format!("`{name}` is only there for {}", systems.join(", "));
        let system = &systems[0];
        hint.cure = format!(
            "build it there: `cargo xtask build {name} --system {system}`; where that happens: `cargo xtask builder explain --system {system}`"
        );
    }
    hint
}

/// The name of the package, and the systems that have it.
fn systems_with(cx: &Context, finding: &Finding) -> Option<Vec<String>> {
    let attr = finding.holes["attr"].split('\'').find(|it| it.starts_with("packages."))?;
    let name = attr.splitn(3, '.').nth(2)?;
    let flake = &finding.holes["flake"];
    // Only what is here: nobody waits for a download to be given a hint.
    if !Utf8Path::new(local(flake)?).exists() {
        return None;
    }
    let nix = &cx.nix_found()?.program;
    let settings = Settings { offline: true, ..Settings::default() };
    let args = question::all_names(flake).argv(&settings);
    let answer = cmd!(cx.sh, "{nix} {args...}").quiet().ignore_stderr().read().ok()?;
    let names: BTreeMap<String, Vec<String>> = serde_json::from_str(&answer).ok()?;
    let systems = names.into_iter().filter(|(_, names)| names.iter().any(|it| it == name)).map(|it| it.0);
    let res: Vec<String> = std::iter::once(name.to_owned()).chain(systems).collect();
    (res.len() > 1).then_some(res)
}

/// The directory in the URL of a flake on this machine.
fn local(url: &str) -> Option<&str> {
    let path = url.split('?').next().unwrap_or(url);
    let path = path.strip_prefix("git+file://").or(path.strip_prefix("path:")).unwrap_or(path);
    path.starts_with('/').then_some(path)
}

/// `git+file:///w?dir=aleph` is the directory `aleph` to a user who stands in `/w`.
pub(super) fn flake_dir(cx: &Context, url: &str) -> String {
    let Some(path) = local(url) else { return url.to_owned() };
    let query = url.split_once('?').map_or("", |it| it.1);
    let dir = query.split('&').find_map(|it| it.strip_prefix("dir=")).unwrap_or("");
    let whole: Utf8PathBuf = Utf8Path::new(path).join(dir);
    match (whole.join("") == cx.dir.join(""), dir) {
        (true, _) => ".".to_owned(),
        (false, "") => path.to_owned(),
        (false, dir) => dir.to_owned(),
    }
}
