//! What came of a build, proven by the validity of its outputs: Nix's exit code alone does not tell.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use crate::context::{Call, Context};
use crate::monitor::{Failure, Monitor};
use crate::nix::store_path::StorePath;
use crate::plan::{Settings, Step};
use crate::report::{Hint, Report, Table, bytes, seconds};
use crate::rules::diagnosis::{self, Finding};
use crate::selection::Selected;
use crate::sizes::Sizes;
use crate::trouble::silence;

/// The state of a package after a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Built,
    Downloaded,
    Present,
    /// Its own builder failed, or its evaluation.
    Failed,
    /// Something that it needs failed.
    DependencyFailed,
    /// Not reached, because another one had failed or we were interrupted.
    NotBuilt,
}

impl Status {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Built => "built",
            Status::Downloaded => "downloaded",
            Status::Present => "was there",
            Status::Failed => "failed",
            Status::DependencyFailed => "dependency failed",
            Status::NotBuilt => "not built",
        }
    }

    fn good(self) -> bool {
        matches!(self, Status::Built | Status::Downloaded | Status::Present)
    }
}

/// One package and what became of it.
#[derive(Debug, Clone)]
pub struct Product {
    pub selected: Selected,
    pub status: Status,
    /// Where the files really are, by output.
    pub real: BTreeMap<String, Utf8PathBuf>,
    /// Bytes of the outputs together; absent when it was not built.
    pub size: Option<u64>,
    pub took: Option<Duration>,
    /// The `result` link, when one was made.
    pub link: Option<Utf8PathBuf>,
}

#[derive(Debug)]
pub struct Outcome {
    pub products: Vec<Product>,
    pub failures: Vec<Failure>,
    /// What Nix said that names no derivation.
    pub errors: Vec<String>,
    /// What the rule book knows of it all.
    pub findings: Vec<Finding>,
    pub interrupted: bool,
    /// Nix failed: then so do we, even when every output happens to be there.
    pub complained: bool,
}

impl Outcome {
    /// Concludes from what Nix did, and asks it which outputs are valid.
    ///
    /// # Errors
    /// When Nix cannot be asked.
    pub fn of(cx: &mut Context, selected: Vec<Selected>, call: Option<Call>) -> anyhow::Result<Outcome> {
        let interrupted = call.as_ref().is_some_and(|it| it.exit.interrupted);
        if interrupted {
            cx.interrupt.forgive();
        }
        let went_well = call.as_ref().is_some_and(|it| it.exit.success());
        let complained = call.is_some() && !went_well;
        let silent = call.as_ref().and_then(|it| silence(&it.exit, &it.monitor));
        let mut monitor = call.map(|it| it.monitor).unwrap_or_default();
        let mut findings = diagnosis::findings(&monitor);
        let unsound = selected.iter().filter_map(|it| it.package.as_ref().err());
        findings.extend(unsound.flat_map(|it| diagnosis::findings_in(it)));
        let packages = selected.iter().filter_map(|it| it.package.as_ref().ok());
        cx.recording.with(|it| it.wanted.extend(packages.clone().map(|it| it.drv.to_string())));
        let paths: Vec<StorePath> = packages.flat_map(|it| it.outs.values().cloned()).collect();
        let sizes = Sizes::of(cx, &paths, went_well)?;
        let products: Vec<Product> =
            selected.into_iter().map(|it| product(cx, it, &monitor, &sizes)).collect::<Result<_, _>>()?;
        let missing = products.iter().filter(|it| went_well && it.status == Status::NotBuilt);
        let missing = missing
            .map(|it| format!("Nix says that `{}` is built, but its files are not there", it.selected.name));
        let errors = monitor.errors.drain(..).chain(silent).chain(missing).collect();
        Ok(Outcome { products, failures: monitor.failures, errors, findings, interrupted, complained })
    }

    #[must_use]
    pub fn ok(&self) -> bool {
        !self.interrupted && !self.complained && self.products.iter().all(|it| it.status.good())
    }

    /// # Panics
    /// Never.
    #[must_use]
    pub fn report(&self, cx: &Context) -> Report {
        let mut table = Table::new(&["name", "path", "size", "time", "status"]);
        let mut lines = Vec::new();
        for it in &self.products {
            let main = it.main_output();
            let path = it.link.as_ref().map(|link| shorten(link, &cx.dir)).or(main.map(ToString::to_string));
            table.rows.push(vec![
                it.selected.name.clone(),
                path.unwrap_or_else(|| "-".to_owned()),
                it.size.map_or_else(|| "-".to_owned(), bytes),
                it.took.map_or_else(|| "-".to_owned(), seconds),
                it.status.name().to_owned(),
            ]);
            lines.extend(it.real.values().map(ToString::to_string));
        }
        let hints = if self.interrupted { Vec::new() } else { cx.hints(&self.findings) };
        let mut notes = self.notes(cx);
        notes.extend(hints.iter().filter(|it| !it.plain).map(|it| cx.ui.hint(it)));
        Report { ok: self.ok(), code: None, lines, notes, table, json: self.json(cx, &hints) }
    }

    /// Every failure in full, the last lines of its log and where the rest is.
    fn notes(&self, cx: &Context) -> Vec<String> {
        let mut res = Vec::new();
        for product in &self.products {
            if let Err(error) = &product.selected.package {
                res.push(format!(
                    "{} cannot be evaluated:\n{}",
                    cx.ui.paint("31;1", &product.selected.name),
                    indent(error)
                ));
            }
        }
        res.extend(self.failures.iter().map(|it| cx.describe(it)));
        if self.interrupted {
            res.push("interrupted; Nix and its builders were stopped".to_owned());
        } else {
            let title = cx.ui.paint("31;1", "error:");
            res.extend(self.errors.iter().map(|it| format!("{title} {it}")));
        }
        res
    }

    fn json(&self, cx: &Context, hints: &[Hint]) -> Value {
        let products: Vec<Value> = self.products.iter().map(|it| it.json(cx)).collect();
        let failure = |it: &Failure| json!({"drv": it.drv, "reason": it.reason, "log": it.tail, "log_file": cx.log_of(it)});
        json!({
            "version": 1,
            "ok": self.ok(),
            "interrupted": self.interrupted,
            "results": products,
            "failures": self.failures.iter().map(failure).collect::<Vec<_>>(),
            "errors": self.errors,
            "hints": hints,
        })
    }
}

impl Product {
    /// Where the output that is meant when none is named really is.
    #[must_use]
    pub fn main_output(&self) -> Option<&Utf8Path> {
        let first = &self.selected.package.as_ref().ok()?.first;
        self.real.get(first).map(Utf8PathBuf::as_path)
    }

    fn json(&self, cx: &Context) -> Value {
        let package = self.selected.package.as_ref();
        let outputs: BTreeMap<&str, Value> = match package {
            Ok(package) if self.status.good() => package
                .outs
                .iter()
                .map(|(name, path)| (name.as_str(), json!({"path": path, "real": self.real.get(name)})))
                .collect(),
            _ => BTreeMap::new(),
        };
        json!({
            "name": self.selected.name,
            "flake": cx.workspace.flakes[self.selected.flake].dir,
            "attr": self.selected.attr.trim_start_matches('.'),
            "system": package.ok().map(|it| &it.system),
            "drv": package.ok().map(|it| &it.drv),
            "error": package.err(),
            "status": self.status.name(),
            "outputs": outputs,
            "size": self.size,
            "seconds": self.took.map(|it| it.as_secs_f64()),
            "link": self.link,
        })
    }
}

fn product(
    cx: &mut Context,
    selected: Selected,
    monitor: &Monitor,
    sizes: &Sizes,
) -> anyhow::Result<Product> {
    let Ok(package) = selected.package.clone() else {
        let real = BTreeMap::new();
        return Ok(Product { selected, status: Status::Failed, real, size: None, took: None, link: None });
    };
    let drv = package.drv.as_str();
    let took = monitor.built.get(drv).copied();
    let copied = package.outs.values().any(|it| monitor.copied.contains(it.as_str()));
    let failed = monitor.failures.iter().any(|it| it.drv == drv);
    let size = package.outs.values().map(|it| sizes.get(it)).sum::<Option<u64>>();
    let status = match size {
        Some(_) if took.is_some() => Status::Built,
        Some(_) if copied => Status::Downloaded,
        Some(_) => Status::Present,
        None if failed => Status::Failed,
        None if monitor.victims.contains(drv) => Status::DependencyFailed,
        None => Status::NotBuilt,
    };
    let mut real = BTreeMap::new();
    if status.good() {
        for (name, path) in &package.outs {
            real.insert(name.clone(), cx.nix()?.real(path.as_str()));
        }
    }
    Ok(Product { selected, status, real, size, took, link: None })
}

/// Makes the links to what was built, and roots them against garbage collection.
///
/// # Errors
/// When something that is not a link of ours is in the way.
pub fn link(cx: &mut Context, outcome: &mut Outcome, dir: Option<&Utf8Path>) -> anyhow::Result<()> {
    let dir = match dir {
        Some(dir) => cx.dir.join(dir),
        None => cx.workspace.root.clone(),
    };
    let asked_for = dir != cx.workspace.root;
    for n in 0..outcome.products.len() {
        let product = &outcome.products[n];
        let (Ok(package), Some(real)) = (&product.selected.package, product.main_output()) else { continue };
        let (path, real) = (package.outs[&package.first].clone(), real.to_owned());
        let link = dir.join(link_name(&product.selected.name, asked_for));
        let root = cx.state().join("roots").join(link_name(&product.selected.name, true));
        link_one(cx, &link, root, &path, &real)?;
        outcome.products[n].link = Some(link);
    }
    Ok(())
}

/// `result` and `result-NAME` as Nix makes them; just the name in a directory that is there for them.
fn link_name(name: &str, bare: bool) -> String {
    let name = name.trim_start_matches(".#").replace(['#', '/'], "-");
    match name.as_str() {
        _ if bare => name,
        "default" => "result".to_owned(),
        _ => format!("result-{name}"),
    }
}

/// Nix knows a root by a link to the store's own name of the path. In a private store that name leads nowhere, so
/// there the root is a link of its own.
fn link_one(
    cx: &mut Context,
    link: &Utf8Path,
    root: Utf8PathBuf,
    path: &StorePath,
    real: &Utf8Path,
) -> anyhow::Result<()> {
    let private = cx.nix()?.store_root.is_some();
    let root = if private { root } else { link.to_owned() };
    if fs::symlink_metadata(link).is_ok_and(|it| !it.is_symlink()) {
        bail!("`{link}` is in the way of a link; move it, or choose another place with `--out-link DIR`");
    }
    if !points_to(&root, path.as_str()) {
        if let Some(dir) = root.parent() {
            crate::files::create_dir(dir)?;
        }
        let step = Step::Root { path: path.to_string(), link: root.clone() };
        let call = cx.call(&step, &Settings::default())?;
        if !call.exit.success() {
            return Err(anyhow::Error::new(call.why(cx)).context(format!("cannot make the link `{root}`")));
        }
    }
    if private && !points_to(link, real.as_str()) {
        replace_link(link, real)?;
    }
    Ok(())
}

fn points_to(link: &Utf8Path, target: &str) -> bool {
    link.read_link_utf8().is_ok_and(|it| it == target)
}

fn replace_link(link: &Utf8Path, target: &Utf8Path) -> anyhow::Result<()> {
    let temporary = Utf8PathBuf::from(format!("{link}.{}.tmp", std::process::id()));
    if let Some(dir) = link.parent() {
        crate::files::create_dir(dir)?;
    }
    std::os::unix::fs::symlink(target, &temporary)
        .and_then(|()| fs::rename(&temporary, link))
        .with_context(|| format!("cannot make the link `{link}`"))
}

/// A path as the user would type it from where he stands.
fn shorten(path: &Utf8Path, dir: &Utf8Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).to_string()
}

fn indent(text: &str) -> String {
    text.lines().map(|it| format!("  {it}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
