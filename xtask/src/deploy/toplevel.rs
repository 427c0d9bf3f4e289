//! Which system is deployed, and how it is built: the one place that knows.

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::context::Context;
use crate::nix::store_path::StorePath;
use crate::plan::{Build, Settings, Step, question};
use crate::workspace::nearest::{did_you_mean, nearest};

/// A configuration of the flight computer.
#[derive(Debug, Clone)]
pub struct Toplevel {
    flake: usize,
    pub config: String,
    /// The user's own Nix options.
    pub nix_options: Vec<String>,
}

#[derive(Deserialize)]
struct Built {
    outputs: std::collections::BTreeMap<String, StorePath>,
}

impl Toplevel {
    /// The configuration of that name, or the manifest's.
    ///
    /// # Errors
    /// When it is not clear which flake has it.
    pub fn find(cx: &Context, config: Option<&str>, nix_options: &[String]) -> anyhow::Result<Toplevel> {
        let settings = &cx.workspace.manifest.aleph;
        let config = config.unwrap_or(&settings.config).to_owned();
        if config.is_empty() || config.contains(['"', '\\', '$', '\n']) {
            bail!("`{config}` cannot be the name of a configuration");
        }
        Ok(Toplevel { flake: flake(cx)?, config, nix_options: nix_options.to_vec() })
    }

    fn step(&self, cx: &Context) -> Step {
        let attr = format!("nixosConfigurations.\"{}\".config.system.build.toplevel", self.config);
        let installables = vec![format!("{}#{attr}", cx.flake_ref(self.flake))];
        Step::Build(Build { installables, ..Build::default() })
    }

    fn settings(&self, cx: &Context) -> anyhow::Result<Settings> {
        cx.settings(&[self.flake], &self.nix_options)
    }

    /// Prints what would build it.
    ///
    /// # Errors
    /// When there is no Nix.
    pub fn plan(&self, cx: &mut Context) -> anyhow::Result<()> {
        let settings = self.settings(cx)?;
        cx.planned(&self.step(cx), &settings)
    }

    /// Builds or fetches it.
    ///
    /// # Errors
    /// When it does not build, or there is no such configuration: then with the names of those that there are.
    pub fn build(&self, cx: &mut Context) -> anyhow::Result<StorePath> {
        let settings = self.settings(cx)?;
        let call = cx.call(&self.step(cx), &settings)?;
        if !call.exit.success() {
            if let Some(unknown) = self.unknown(cx, &settings) {
                bail!("{unknown}");
            }
            bail!("{}", call.why(cx));
        }
        let built: Vec<Built> =
            serde_json::from_str(&call.exit.stdout).context("unexpected answer of `nix build`")?;
        let path = built.into_iter().next().and_then(|mut it| it.outputs.remove("out"));
        path.with_context(|| format!("the configuration `{}` has no output", self.config))
    }

    /// That there is no such configuration, if that is the case.
    fn unknown(&self, cx: &mut Context, settings: &Settings) -> Option<String> {
        let step = question::names(&cx.flake_ref(self.flake), "nixosConfigurations");
        let names: Vec<String> = cx.query(&step, settings).ok()?;
        if names.contains(&self.config) {
            return None;
        }
        let near = did_you_mean(&nearest(&self.config, names.iter().map(String::as_str)));
        Some(format!("there is no configuration `{}`{near}; there are: {}", self.config, names.join(", ")))
    }

    /// The directory of its flake, whose revision is deployed.
    #[must_use]
    pub fn dir(&self, cx: &Context) -> camino::Utf8PathBuf {
        cx.flake_dir(self.flake)
    }
}

/// The flake that the manifest names, or the only one that speaks of configurations.
fn flake(cx: &Context) -> anyhow::Result<usize> {
    let flakes = &cx.workspace.flakes;
    if let Some(dir) = &cx.workspace.manifest.aleph.flake {
        let dir = dir.trim_end_matches('/');
        let found = flakes.iter().position(|it| it.dir == dir);
        return found
            .with_context(|| format!("xtask.toml: there is no flake in `{dir}`, which aleph.flake names"));
    }
    let mut having = Vec::new();
    for flake in 0..flakes.len() {
        let file = cx.flake_dir(flake).join("flake.nix");
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read `{file}`"))?;
        if text.contains("nixosConfigurations") {
            having.push(flake);
        }
    }
    match having.as_slice() {
        [one] => Ok(*one),
        [] => bail!("no flake of this workspace has nixosConfigurations"),
        _ => {
            let dirs: Vec<String> = having.iter().map(|it| format!("`{}`", flakes[*it].dir)).collect();
            bail!(
                "nixosConfigurations are in {}: say which by `flake` under `[aleph]` in xtask.toml",
                dirs.join(", ")
            )
        }
    }
}
