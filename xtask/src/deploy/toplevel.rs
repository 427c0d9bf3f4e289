//! Which system is deployed, and how it is built: the one place that knows.

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::ssh::not_interrupted;
use crate::aleph::configuration;
use crate::context::Context;
use crate::nix::store_path::StorePath;
use crate::plan::{Build, Settings, Step};

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
    pub fn find(cx: &mut Context, config: Option<&str>, nix_options: &[String]) -> anyhow::Result<Toplevel> {
        let settings = &cx.workspace.manifest.aleph;
        let config = config.unwrap_or(&settings.config).to_owned();
        if config.is_empty() || config.contains(['"', '\\', '$', '\n']) {
            bail!("`{config}` cannot be the name of a configuration");
        }
        let flake = configuration::flake(cx, nix_options)?;
        Ok(Toplevel { flake, config, nix_options: nix_options.to_vec() })
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
            not_interrupted(cx)?;
            // That there is no such configuration Nix says in more words.
            configuration::choose(cx, self.flake, &settings, Some(&self.config))?;
            bail!("{}", call.why(cx));
        }
        let built: Vec<Built> =
            serde_json::from_str(&call.exit.stdout).context("unexpected answer of `nix build`")?;
        let path = built.into_iter().next().and_then(|mut it| it.outputs.remove("out"));
        path.with_context(|| format!("the configuration `{}` has no output", self.config))
    }

    /// The directory of its flake, whose revision is deployed.
    #[must_use]
    pub fn dir(&self, cx: &Context) -> camino::Utf8PathBuf {
        cx.flake_dir(self.flake)
    }
}
