//! From the names that a user types to the packages that are meant.

use anyhow::{Context as _, bail};

use crate::context::Context;
use crate::host::System;
use crate::inventory::{self, Entry, Inventory, Package};
use crate::plan::question;
use crate::workspace::Target;
use crate::workspace::nearest::{did_you_mean, nearest};

/// What the packages that are container images are called, in front of their name.
const IMAGE: &str = "image-";

/// A package that was asked for.
#[derive(Debug, Clone)]
pub struct Selected {
    /// Short, as the user would type it: `elodin-db`, `aleph#toplevel`.
    pub name: String,
    pub flake: usize,
    /// The attribute, as Nix finds it.
    pub attr: String,
    /// The package, or why it cannot be evaluated.
    pub package: Result<Package, String>,
}

impl Selected {
    /// How it is named to Nix.
    #[must_use]
    pub fn installable(&self, cx: &Context) -> String {
        format!("{}#{}", cx.flake_ref(self.flake), self.attr)
    }
}

/// What is asked for on a command line.
#[derive(Debug)]
pub struct Selection<'a> {
    /// None: the default package or, where there is none, all.
    pub names: &'a [String],
    pub all: bool,
    pub system: System,
    /// The user's own Nix options.
    pub extra: &'a [String],
}

impl Selection<'_> {
    /// Finds the packages, each once, in the order of the names.
    ///
    /// # Errors
    /// When a name is not found: with the nearest ones, and the systems that have it.
    pub fn resolve(&self, cx: &mut Context) -> anyhow::Result<Vec<Selected>> {
        if cx.workspace.flakes.is_empty() {
            bail!(
                "there is no flake.nix in the workspace `{}`; write one, or act on another workspace with `-C DIR`",
                cx.workspace.root
            );
        }
        // No Nix is no fault of a flake.
        cx.nix()?;
        if self.all {
            return self.everything(cx);
        }
        if self.names.is_empty() {
            return match self.find(cx, "default")? {
                Some(selected) => Ok(vec![selected]),
                None => self.everything(cx),
            };
        }
        let mut res: Vec<Selected> = Vec::new();
        for name in self.names {
            let selected = match cx.workspace.target(name, &cx.dir)? {
                Target::Short(name) => match self.find(cx, &name)? {
                    Some(it) => it,
                    None => bail!("{}", self.unknown(cx, &name)?),
                },
                Target::In { flake, attr } => self.attribute(cx, flake, &attr)?,
            };
            if !res.iter().any(|it| it.name == selected.name) {
                res.push(selected);
            }
        }
        Ok(res)
    }

    /// The image that a name means: the package `image-NAME` or, where there is none, the package NAME.
    ///
    /// # Errors
    /// When there is neither: with the nearest names, and the systems that have it.
    pub fn image(&self, cx: &mut Context, name: &str) -> anyhow::Result<Selected> {
        cx.nix()?;
        let prefixed = |it: &str| format!("{IMAGE}{it}");
        match cx.workspace.target(name, &cx.dir)? {
            Target::In { flake, attr } => match self.package(cx, flake, &prefixed(&attr))? {
                Some(found) => Ok(found),
                None => self.attribute(cx, flake, &attr),
            },
            Target::Short(name) => {
                let found = match self.find(cx, &prefixed(&name))? {
                    None => self.find(cx, &name)?,
                    found => found,
                };
                match found {
                    Some(found) => Ok(found),
                    None => bail!("{}", self.unknown_image(cx, &name)?),
                }
            }
        }
    }

    /// A package of one flake, if it has it.
    ///
    /// # Errors
    /// When the flake cannot be evaluated.
    pub fn package(&self, cx: &mut Context, flake: usize, name: &str) -> anyhow::Result<Option<Selected>> {
        if self.packages_of(cx, flake)?.iter().any(|it| it == name) {
            return self.one(cx, flake, name).map(Some);
        }
        Ok(None)
    }

    fn unknown_image(&self, cx: &mut Context, name: &str) -> anyhow::Result<String> {
        let mut known = Vec::new();
        for flake in 0..cx.workspace.flakes.len() {
            known.extend(self.packages_of(cx, flake)?);
            let settings = cx.settings(&[flake], self.extra)?;
            for name in [format!("{IMAGE}{name}"), name.to_owned()] {
                let systems = inventory::systems_with(cx, flake, &name, &settings).unwrap_or_default();
                if let Some(arch) = systems.iter().find_map(|it| it.strip_suffix("-linux")) {
                    return Ok(format!("`{name}` is not built for {}; try `--arch {arch}`", self.system));
                }
            }
        }
        let short: Vec<&str> = known.iter().map(|it| it.strip_prefix(IMAGE).unwrap_or(it)).collect();
        let images: Vec<&str> = known.iter().filter_map(|it| it.strip_prefix(IMAGE)).collect();
        let near = nearest(name, short.into_iter());
        let hint = match (near.is_empty(), images.is_empty()) {
            (false, _) => did_you_mean(&near),
            (true, false) => format!("; there are: {}", images.join(", ")),
            (true, true) => format!("; no flake has a package `{IMAGE}…` for {}", self.system),
        };
        Ok(format!("there is no image `{name}` for {}{hint}", self.system))
    }

    fn inventory(&self, cx: &mut Context, flake: usize) -> anyhow::Result<Inventory> {
        let settings = cx.settings(&[flake], self.extra)?;
        inventory::packages(cx, flake, &self.system, &settings).or_else(|it| not_evaluated(cx, flake, it))
    }

    fn everything(&self, cx: &mut Context) -> anyhow::Result<Vec<Selected>> {
        let mut res = Vec::new();
        for flake in 0..cx.workspace.flakes.len() {
            for (name, entry) in self.inventory(cx, flake)? {
                res.push(self.selected(cx, flake, &name, entry)?);
            }
        }
        if res.is_empty() {
            bail!("no flake of this workspace has a package for {}", self.system);
        }
        // `default` is most often another name of one of them.
        let twin = |it: &Selected| res.iter().any(|other| it.name != other.name && same(it, other));
        if let Some(default) = res.iter().position(|it| it.attr.ends_with(".default") && twin(it)) {
            res.remove(default);
        }
        Ok(res)
    }

    /// The flake nearest to the root wins.
    fn find(&self, cx: &mut Context, name: &str) -> anyhow::Result<Option<Selected>> {
        let mut problem = None;
        for flake in 0..cx.workspace.flakes.len() {
            match self.packages_of(cx, flake) {
                Ok(names) if names.iter().any(|it| it == name) => return self.one(cx, flake, name).map(Some),
                Ok(_) => {}
                // A flake that cannot be evaluated must not hide the packages of the others.
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        problem.map_or(Ok(None), Err)
    }

    fn packages_of(&self, cx: &mut Context, flake: usize) -> anyhow::Result<Vec<String>> {
        let settings = cx.settings(&[flake], self.extra)?;
        inventory::names(cx, flake, &self.system, &settings).or_else(|it| not_evaluated(cx, flake, it))
    }

    /// One of a flake's packages. A few are asked for alone: the others may need inputs that are not here yet.
    fn one(&self, cx: &mut Context, flake: usize, name: &str) -> anyhow::Result<Selected> {
        const FEW: usize = 3;
        let known = if self.names.len() > FEW { self.inventory(cx, flake)?.remove(name) } else { None };
        self.selected(cx, flake, name, known.unwrap_or(Entry::Broken { broken: true }))
    }

    /// What is known to be broken, or not known at all, is asked for alone: either there it is, or why it is not.
    fn selected(&self, cx: &mut Context, flake: usize, name: &str, entry: Entry) -> anyhow::Result<Selected> {
        let attr = format!(".{}.{}", question::package_set(&self.system), question::attr_name(name));
        let package = match entry {
            Entry::Package(package) => Ok(package),
            Entry::Broken { .. } => {
                let settings = cx.settings(&[flake], self.extra)?;
                inventory::package(cx, flake, &attr, &settings).map_err(|it| format!("{it:#}"))
            }
        };
        Ok(Selected { name: display(cx, flake, name), flake, attr, package })
    }

    /// An attribute of one flake: one of its packages, or any other that Nix would find.
    fn attribute(&self, cx: &mut Context, flake: usize, attr: &str) -> anyhow::Result<Selected> {
        if self.packages_of(cx, flake)?.iter().any(|it| it == attr) {
            return self.one(cx, flake, attr);
        }
        let settings = cx.settings(&[flake], self.extra)?;
        match inventory::package(cx, flake, attr, &settings) {
            Ok(package) => {
                let name = display(cx, flake, attr);
                Ok(Selected { name, flake, attr: attr.to_owned(), package: Ok(package) })
            }
            Err(error) if inventory::is_absent(&error) => {
                bail!("{}", self.unknown(cx, &display(cx, flake, attr))?)
            }
            Err(error) => Err(error.context(format!("cannot evaluate `{}`", display(cx, flake, attr)))),
        }
    }

    /// Names what is near, and who has it on other systems.
    fn unknown(&self, cx: &mut Context, name: &str) -> anyhow::Result<String> {
        let attr = name.rsplit('#').next().unwrap_or(name);
        let mut known = Vec::new();
        for flake in 0..cx.workspace.flakes.len() {
            let names = self.packages_of(cx, flake)?;
            known.extend(names.iter().map(|it| display(cx, flake, it)));
        }
        for flake in 0..cx.workspace.flakes.len() {
            let settings = cx.settings(&[flake], self.extra)?;
            let systems = inventory::systems_with(cx, flake, attr, &settings).unwrap_or_default();
            if !systems.is_empty() && !systems.contains(&self.system.0) {
                return Ok(format!(
                    "`{name}` is not built for {}, only for {}; try `--system {}`",
                    self.system,
                    systems.join(", "),
                    systems[0]
                ));
            }
        }
        let near = nearest(name, known.iter().map(String::as_str));
        let hint = if known.is_empty() {
            "; no flake of this workspace has any".to_owned()
        } else if near.is_empty() {
            format!("; the packages for {} are: {}", self.system, known.join(", "))
        } else {
            did_you_mean(&near)
        };
        Ok(format!("there is no package `{name}` for {}{hint}", self.system))
    }
}

/// Why the packages of a flake are not known. Nix does not name a lock that it cannot read.
fn not_evaluated<T>(cx: &Context, flake: usize, error: anyhow::Error) -> anyhow::Result<T> {
    let it = &cx.workspace.flakes[flake];
    it.lock(&cx.workspace.root)?;
    Err(error).with_context(|| format!("cannot evaluate the packages of `{}`", it.dir))
}

fn same(one: &Selected, other: &Selected) -> bool {
    match (&one.package, &other.package) {
        (Ok(one), Ok(other)) => one.drv == other.drv,
        _ => false,
    }
}

/// A name as the user would type it.
fn display(cx: &Context, flake: usize, attr: &str) -> String {
    match cx.workspace.flakes[flake].name.as_str() {
        "." if attr.contains('.') => format!(".#{attr}"),
        "." => attr.to_owned(),
        name => format!("{name}#{attr}"),
    }
}
