//! `cargo xtask size`

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;
use serde_json::{Value, json};

use super::build::Build;
use crate::closure::{Closure, Info, change, page, parse_size, tree};
use crate::context::Context;
use crate::files::write_atomic;
use crate::inventory::Package;
use crate::nix::store_path::StorePath;
use crate::plan::{self, Settings, Step, question};
use crate::report::{Report, bytes, count};
use crate::revision;
use crate::worktree;

/// Show how large a package is with all that it needs at run time, and why each part is there
///
/// `adds` is what would go with a path: its own size, and all that is there by way of it alone. Pipes get a line for
/// each path: bytes and path.
#[derive(Debug, Clone, clap::Args)]
pub struct Size {
    /// A package, or a path in the store
    #[arg(value_name = "NAME", default_value = "default", hide_default_value = true)]
    pub name: String,
    /// Another one: what both share, and how they differ
    #[arg(value_name = "OTHER", conflicts_with = "since")]
    pub other: Option<String>,
    /// What changed since a git revision, for which the package is built too, or against a path in the store
    #[arg(long, value_name = "REV|PATH")]
    pub since: Option<String>,
    /// Fail if it is larger: 800MB, 1.5GB
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub max: Option<u64>,
    /// Write a page with a map of it, which can be looked into
    #[arg(long, value_name = "FILE")]
    pub html: Option<Utf8PathBuf>,
    /// Options for Nix itself, such as --impure
    #[arg(last = true, value_name = "NIX OPTION")]
    pub nix_options: Vec<String>,
}

/// What was found.
struct Sized {
    closure: Closure,
    /// What it is compared with, and what that is called.
    other: Option<(String, Closure)>,
}

impl Size {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let Some(path) = self.path(cx, &self.name)? else { return Ok(Report::done()) };
        let other = match (&self.since, &self.other) {
            (Some(since), _) => self.since(cx, since)?.map(|it| (since.clone(), it)),
            (_, Some(other)) => self.path(cx, other)?.map(|it| (other.clone(), it)),
            _ => None,
        };
        if cx.globals.dry_run {
            return Ok(Report::done());
        }
        let closure = closure(cx, &path)?;
        let other = match other {
            Some((name, path)) => Some((name, self::closure(cx, &path)?)),
            None => None,
        };
        if let Some(file) = &self.html {
            write_atomic(&cx.host.cwd.join(file), page::html(&closure)?.as_bytes())?;
            cx.ui.status(&format!("wrote {file}"));
        }
        Ok(self.report(cx, &Sized { closure, other }))
    }

    /// Builds what a name means; `None` in a dry run.
    fn path(&self, cx: &mut Context, name: &str) -> anyhow::Result<Option<StorePath>> {
        if name.starts_with("/nix/store/") {
            return Ok(Some(name.trim_end_matches('/').parse()?));
        }
        let build =
            Build { names: vec![name.to_owned()], nix_options: self.nix_options.clone(), ..Build::default() };
        let selected = build.select(cx)?;
        if cx.globals.dry_run {
            build.plan(cx, &selected)?;
            return Ok(None);
        }
        let outcome = build.build(cx, selected)?;
        if !outcome.ok() {
            let report = outcome.report(cx);
            bail!("`{name}` cannot be built\n{}", report.notes.join("\n"));
        }
        let [product] = outcome.products.as_slice() else { bail!("`{name}` is not one package") };
        let package = product.selected.package.as_ref().map_err(|it| anyhow::anyhow!("{it}"))?;
        Ok(package.outs.get(&package.first).cloned())
    }

    /// Builds the same package at another revision; `None` in a dry run.
    fn since(&self, cx: &mut Context, since: &str) -> anyhow::Result<Option<StorePath>> {
        if since.starts_with("/nix/store/") {
            return self.path(cx, since);
        }
        let build = Build {
            names: vec![self.name.clone()],
            nix_options: self.nix_options.clone(),
            ..Build::default()
        };
        let [selected] = <[_; 1]>::try_from(build.select(cx)?)
            .map_err(|_| anyhow::anyhow!("`--since` needs the name of one package"))?;
        let flake = flake_at(cx, selected.flake, since)?;
        let installable = format!("{flake}#{}", selected.attr);
        let settings = cx.settings(&[selected.flake], &self.nix_options)?;
        let step =
            Step::Build(plan::Build { installables: vec![installable.clone()], ..plan::Build::default() });
        if cx.globals.dry_run {
            cx.planned(&step, &settings)?;
            return Ok(None);
        }
        let at = || format!("`{}` at `{since}`", self.name);
        let package: Package =
            cx.query(&question::single(&flake, &selected.attr), &settings).with_context(at)?;
        let call = cx.call(&step, &settings)?;
        if !call.exit.success() {
            bail!("cannot build {}: {}", at(), call.why(cx));
        }
        Ok(package.outs.get(&package.first).cloned())
    }

    fn report(&self, cx: &Context, sized: &Sized) -> Report {
        let Sized { closure, other } = sized;
        let size = closure.size();
        let mut notes =
            vec![format!("{}: {} in {}", self.name, bytes(size), count(closure.members.len(), "path"))];
        let mut table = tree::table(closure, cx.ui.style().verbose);
        let mut compared = Value::Null;
        if let Some((name, other)) = other {
            let changes = change::changes(other, closure);
            let growth = i128::from(size) - i128::from(other.size());
            notes.push(format!("{name}: {} in {}", bytes(other.size()), count(other.members.len(), "path")));
            notes.push(change::told((&self.name, closure), (name, other)));
            notes.push(format!("growth against {name}: {}", change::signed(growth)));
            table = change::table(&changes);
            compared = json!({"name": name, "size": other.size(), "changes": change::json(&changes)});
        }
        let over = self.max.filter(|it| size > *it);
        if let Some(max) = over {
            notes.push(format!(
                "{} `{}` is {} over its budget of {}",
                cx.ui.paint("31;1", "error:"),
                self.name,
                bytes(size - max),
                bytes(max)
            ));
        }
        let member = |n: usize| {
            let it = &closure.members[n];
            let way: Vec<&StorePath> =
                closure.way(n).into_iter().map(|it| &closure.members[it].path).collect();
            json!({"path": it.path, "size": it.size, "adds": it.retained, "way": way})
        };
        Report {
            ok: over.is_none(),
            lines: closure.members.iter().map(|it| format!("{} {}", it.size, it.path)).collect(),
            notes,
            table,
            json: json!({
                "version": 1,
                "ok": over.is_none(),
                "name": self.name,
                "size": size,
                "max": self.max,
                "paths": (0..closure.members.len()).map(member).collect::<Vec<_>>(),
                "compared": compared,
            }),
            ..Report::default()
        }
    }
}

/// A flake of the workspace as it was at a git revision.
fn flake_at(cx: &Context, flake: usize, revision: &str) -> anyhow::Result<String> {
    let dir = cx.flake_dir(flake);
    let top = revision::work_tree(&dir).context("`--since` needs git, and this is no git work tree")?;
    let commit = worktree::commit_in(cx, &top, revision)?;
    Ok(cx.flake_ref_at(flake, &top, &commit))
}

fn closure(cx: &mut Context, path: &StorePath) -> anyhow::Result<Closure> {
    if cx.nix()?.real(path.as_str()).symlink_metadata().is_err() {
        bail!("`{path}` is not in this store; build it, or fetch it with `nix-store --realise {path}`");
    }
    let name_format = cx.nix()?.names_json_format();
    let step = Step::Closure { paths: vec![path.to_string()], name_format };
    let answer: BTreeMap<String, Value> = cx.query(&step, &Settings::default())?;
    let mut infos = BTreeMap::new();
    for (key, info) in answer {
        // A newer version adds keys that are no paths.
        let Ok(path) = key.parse::<StorePath>() else { continue };
        let info: Info =
            serde_json::from_value(info).with_context(|| format!("unexpected answer to `{step}`"))?;
        infos.insert(path, info);
    }
    Closure::new(path, &infos)
}
