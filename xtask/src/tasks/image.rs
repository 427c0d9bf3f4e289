//! `cargo xtask image`

mod load;
mod push;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use self::load::Load;
use self::push::Push;
use super::build::Build;
use crate::context::Context;
use crate::host::System;
use crate::image::{self, Architecture};
use crate::outcome;
use crate::report::{Report, Table, bytes};
use crate::selection::{Selected, Selection};

/// Build container images, load them into an engine, push them to a registry
///
/// NAME means the package `image-NAME` or, where no flake has it, the package NAME. An image is always for Linux, also
/// when it is built on macOS, and every program in it must be for the architecture that was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Image {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    /// Build an image, and look into all of its layers
    Build {
        #[command(flatten)]
        source: Source,
        /// Make no `result` link
        #[arg(long)]
        no_link: bool,
    },
    Load(Load),
    Push(Push),
}

/// Which image.
#[derive(Debug, Clone, clap::Args)]
struct Source {
    /// The image: the package `image-NAME`, else the package NAME
    #[arg(value_name = "NAME")]
    name: String,
    /// The processor: x86_64 or aarch64; by default this machine's own
    #[arg(long, value_name = "ARCH")]
    arch: Option<Architecture>,
    /// Build from a local checkout of the source, instead of the one that the lock names
    #[arg(long, value_name = "DIR")]
    src: Option<Utf8PathBuf>,
}

/// An image that was built and found to be sound.
#[derive(Debug)]
struct Made {
    /// The package's name.
    name: String,
    /// The archive, where it really is.
    file: Utf8PathBuf,
    image: image::Image,
    link: Option<Utf8PathBuf>,
}

impl Image {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        match self.verb {
            Verb::Build { source, no_link } => {
                if cx.globals.dry_run {
                    source.plan(cx)?;
                    return Ok(Report::done());
                }
                Ok(match source.make(cx, !no_link)? {
                    Ok(made) => made.report(cx),
                    Err(failed) => failed,
                })
            }
            Verb::Load(it) => it.run(cx),
            Verb::Push(it) => it.run(cx),
        }
    }
}

impl Source {
    fn architecture(&self, cx: &Context) -> anyhow::Result<Architecture> {
        match self.arch {
            Some(it) => Ok(it),
            None => cx.host.arch.parse().map_err(|_| {
                anyhow::anyhow!("there are no images for {}; choose one with `--arch x86_64`", cx.host.arch)
            }),
        }
    }

    fn select(&self, cx: &mut Context) -> anyhow::Result<(Build, Selected)> {
        let system = System(format!("{}-linux", self.architecture(cx)?));
        let mut build = Build { system: Some(system.to_string()), src: self.src.clone(), ..Build::default() };
        build.use_source(cx)?;
        let selection = Selection { names: &[], all: false, system, extra: &build.nix_options };
        let selected = selection.image(cx, &self.name)?;
        Ok((build, selected))
    }

    /// Prints what would build it; where it would be is known before, and its name.
    fn plan(&self, cx: &mut Context) -> anyhow::Result<(String, Utf8PathBuf)> {
        let (build, selected) = self.select(cx)?;
        build.plan(cx, std::slice::from_ref(&selected))?;
        let package = selected.package.map_err(|it| anyhow::anyhow!("{it}"))?;
        Ok((selected.name, cx.nix()?.real(package.outs[&package.first].as_str())))
    }

    /// Builds it and looks into it; the report of a build that failed otherwise.
    fn make(&self, cx: &mut Context, link: bool) -> anyhow::Result<Result<Made, Report>> {
        let architecture = self.architecture(cx)?;
        let (build, selected) = self.select(cx)?;
        let mut outcome = build.build(cx, vec![selected])?;
        if !outcome.ok() {
            return Ok(Err(outcome.report(cx)));
        }
        let [product] = outcome.products.as_slice() else { bail!("`{}` is not one package", self.name) };
        let name = product.selected.name.clone();
        let file = product.main_output().with_context(|| format!("`{name}` has no output"))?.to_owned();
        let interrupt = cx.interrupt.clone();
        let image = image::Image::read(&file, architecture, &|| interrupt.signal().is_some());
        if interrupt.signal().is_some() {
            bail!("interrupted; `{name}` is built, and was not looked into");
        }
        let image = image.with_context(|| format!("`{name}` cannot be used as an image ({file})"))?;
        if link {
            outcome::link(cx, &mut outcome, None)?;
        }
        let link = outcome.products.pop().and_then(|it| it.link);
        Ok(Ok(Made { name, file, image, link }))
    }
}

impl Made {
    fn report(&self, cx: &Context) -> Report {
        let mut table = Table::new(&["name", "architecture", "size", "layers", "digest", "path"]);
        let shown: &Utf8Path = self.link.as_deref().unwrap_or(&self.file);
        table.rows.push(vec![
            self.name.clone(),
            self.image.architecture.to_string(),
            bytes(self.image.size),
            self.image.layers.len().to_string(),
            self.image.digest.clone(),
            shown.strip_prefix(&cx.dir).unwrap_or(shown).to_string(),
        ]);
        let lines = vec![self.file.to_string()];
        Report { ok: true, lines, table, json: self.json(), ..Report::default() }
    }

    fn json(&self) -> Value {
        json!({
            "version": 1,
            "ok": true,
            "name": self.name,
            "architecture": self.image.architecture.name(),
            "format": self.image.format.transport(),
            "size": self.image.size,
            "layers": self.image.layers,
            "digest": self.image.digest,
            "tags": self.image.tags,
            "path": self.file,
            "link": self.link,
        })
    }

    /// What is said of it by every verb, with more keys.
    fn json_with(&self, more: Value) -> Value {
        let mut res = self.json();
        if let (Value::Object(res), Value::Object(more)) = (&mut res, more) {
            res.extend(more);
        }
        res
    }
}
