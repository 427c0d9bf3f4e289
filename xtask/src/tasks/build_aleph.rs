//! `cargo xtask build-aleph`

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use super::build::Build;
use super::builder;
use crate::aleph::device::Device;
use crate::aleph::output::{Output, Wanted};
use crate::aleph::place::{self, Place};
use crate::aleph::product::{Image, Manifest, image_in};
use crate::aleph::this_machine::ThisMachine;
use crate::aleph::work::Work;
use crate::aleph::{configuration, probe, room};
use crate::builders::Machine;
use crate::context::Context;
use crate::outcome::{self, Outcome};
use crate::plan::{self, Settings, Step};
use crate::report::{Report, Table, bytes};
use crate::revision;
use crate::selection::Selected;

/// Build the flight computer's system or its image, where that is possible
///
/// OUTPUT is `toplevel`, the system; `sdimage`, the image for a stick; or `flash-uefi`, which writes firmware. What
/// must be built is built on this machine, by emulation, or on a builder; which one, and why, is said first.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildAleph {
    /// What to build: toplevel, sdimage or flash-uefi
    #[arg(value_name = "OUTPUT", default_value = "toplevel")]
    output: Output,
    /// The configuration; by default that of `[aleph]` in xtask.toml, and for an image the one that the flake names
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// Copy the image there, with its checksum and a description
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
    /// Build on the device itself; by default `[aleph] target` of xtask.toml
    #[arg(
        long,
        value_name = "USER@HOST",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    on_device: Option<String>,
    /// Build from a local checkout of the source, instead of the one that the lock names
    #[arg(long, value_name = "DIR")]
    src: Option<Utf8PathBuf>,
    /// Write a page that shows where the time went
    #[arg(long)]
    timings: bool,
    /// Options for Nix itself, such as --impure
    #[arg(last = true, value_name = "NIX OPTION")]
    nix_options: Vec<String>,
}

const ELSEWHERE: &str = "choose another directory for `--out`";

/// A result that is there.
#[derive(Debug)]
struct Made {
    manifest: Manifest,
    place: Place,
    status: &'static str,
    /// Where the output really is.
    real: Utf8PathBuf,
    image: Option<Image>,
    copy: Option<Utf8PathBuf>,
}

impl BuildAleph {
    pub(crate) fn run(mut self, cx: &mut Context) -> anyhow::Result<Report> {
        self.check()?;
        cx.record(self.timings, &self.words());
        let mut source = Build {
            src: self.src.take(),
            nix_options: std::mem::take(&mut self.nix_options),
            ..Build::default()
        };
        source.use_source(cx)?;
        self.nix_options = source.nix_options;
        cx.nix()?;
        let device = self.on_device.as_deref().map(|it| Device::of(cx, it)).transpose()?;
        let flake = configuration::flake(cx, &self.nix_options)?;
        let settings = cx.settings(&[flake], &self.nix_options)?;
        let wanted = self.output.find(cx, &settings, flake, self.config.as_deref())?;
        let installable = format!("{}#{}", cx.flake_ref(flake), wanted.attr);
        if cx.globals.dry_run {
            let builder = device.map(|it| it.line(None));
            let build = plan::Build { installables: vec![installable], builder, ..plan::Build::default() };
            cx.planned(&Step::Build(build), &settings)?;
            return Ok(Report::done());
        }
        probe::make_ssh_impatient(cx);
        let work = match Work::of(cx, installable.clone(), self.output.system(), &settings) {
            Err(error) => return Err(without_image(cx, &wanted, &settings, error)),
            it => it?,
        };
        self.check_room(cx, &work)?;
        let (place, mut build) = self.place(cx, &work, &settings, device.as_ref())?;
        cx.ui.status(&place.to_string());
        build.installables = vec![installable];
        let call = cx.call(&Step::Build(build), &settings)?;
        let selected = Selected {
            name: self.output.name().to_owned(),
            flake,
            attr: wanted.attr.clone(),
            package: Ok(work.package),
        };
        let outcome = Outcome::of(cx, vec![selected], Some(call))?;
        if !outcome.ok() {
            return Ok(outcome.report(cx));
        }
        Ok(self.finish(cx, wanted, place, outcome)?.report(cx))
    }

    /// What was typed, as far as it says what is built.
    fn words(&self) -> Vec<&str> {
        let config = self.config.as_deref().map(|it| ["--config", it]).into_iter().flatten();
        ["build-aleph", self.output.name()].into_iter().chain(config).collect()
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.out.is_some() && self.output != Output::Sdimage {
            bail!(
                "`--out` is for images; `build-aleph {}` makes none: try `build-aleph sdimage`",
                self.output
            );
        }
        Ok(())
    }

    /// What is downloaded is known; how large an image becomes, only from the last time.
    fn check_room(&self, cx: &mut Context, work: &Work) -> anyhow::Result<()> {
        let last = Manifest::last(&cx.state().join("aleph"), self.output.name());
        let last = last.filter(|it| it.file.is_some()).map_or(0, |it| it.size);
        let built = if work.builds > 0 { last } else { 0 };
        let nix = cx.nix()?;
        let (store, cure) = (nix.real("/nix/store"), nix.typed("make some with `nix-collect-garbage`"));
        room::check(&store, work.download + built, "the store", &cure)?;
        if let Some(out) = &self.out {
            room::check(&cx.dir.join(out), last, "the image", ELSEWHERE)?;
        }
        Ok(())
    }

    /// Where it is built, and what Nix has to be told for that.
    fn place(
        &self,
        cx: &mut Context,
        work: &Work,
        settings: &Settings,
        device: Option<&Device>,
    ) -> anyhow::Result<(Place, plan::Build)> {
        let mut build = plan::Build::default();
        if let Some(place) = work.place() {
            return Ok((place, build));
        }
        if let Some(device) = device {
            let facts = device.facts(cx, settings, &work.needs)?;
            build.builder = Some(device.line(Some(&facts)));
            return Ok((Place::Device { name: device.name().to_owned() }, build));
        }
        let here = ThisMachine::of(cx, settings)?;
        let machines = here.machines(cx);
        let mut asked = |machine: &Machine| {
            cx.ui.status(&format!("asking {} whether it is there", machine.name));
            let found = builder::probe(cx, machine).map_err(|it| format!("cannot be asked: {it:#}"))?;
            probe::answers(cx, machine, &found)
        };
        let decision = place::decide(&work.needs, &here, &machines, &mut asked);
        if cx.interrupt.signal().is_some() {
            bail!("interrupted");
        }
        let again = format!("cargo xtask {}", self.words().join(" "));
        let known = cx.workspace.manifest.aleph.target.is_some();
        let on_device = if known { "--on-device" } else { "--on-device=root@ADDRESS" };
        let decision =
            decision.map_err(|it| anyhow::anyhow!("{}", it.told(cx.host.os, &here, &again, on_device)))?;
        for (name, why) in &decision.silent {
            cx.ui.warning(&format!(
                "the builder {name} {why}; Nix tries it all the same, and may wait for it"
            ));
        }
        if let Place::Emulated { tell: true, system } = &decision.place {
            build.platform = Some(system.clone());
        }
        Ok((decision.place, build))
    }

    /// Looks at what was built, and keeps links to it.
    fn finish(
        &self,
        cx: &mut Context,
        wanted: Wanted,
        place: Place,
        mut outcome: Outcome,
    ) -> anyhow::Result<Made> {
        let dir = cx.state().join("aleph");
        let product = outcome.products.first().context("nothing was built")?;
        let real = product.main_output().context("it has no output")?.to_owned();
        let package = product.selected.package.clone().map_err(|it| anyhow::anyhow!(it))?;
        let status = product.status.name();
        let image = self.image(cx, &real)?;
        outcome::link(cx, &mut outcome, Some(&dir))?;
        let commit = revision::commit(&cx.sh, &cx.flake_dir(wanted.flake));
        let path = package.outs[&package.first].to_string();
        let size = match &image {
            Some(image) => image.size,
            None => closure_size(cx, &path)?,
        };
        let manifest = Manifest {
            version: Manifest::VERSION,
            output: self.output.to_string(),
            attr: wanted.attr.trim_start_matches('.').to_owned(),
            configuration: wanted.configuration,
            system: self.output.system().to_owned(),
            dirty: commit.as_ref().is_some_and(|it| it.1),
            revision: commit.map(|it| it.0),
            store_path: path,
            file: image.as_ref().map(|it| it.name().to_owned()),
            size,
            sha256: image.as_ref().map(|it| it.sha256.clone()),
        };
        manifest.keep(&dir, image.as_ref())?;
        let copy = image.as_ref().map(|it| self.copy(cx, it, &manifest)).transpose()?.flatten();
        Ok(Made { manifest, place, status, real, image, copy })
    }

    fn image(&self, cx: &Context, real: &Utf8Path) -> anyhow::Result<Option<Image>> {
        if self.output != Output::Sdimage {
            return Ok(None);
        }
        let file = image_in(real)?;
        cx.ui.status(&format!("reading {}", file.file_name().unwrap_or_default()));
        let image = Image::read(file, &|| cx.interrupt.signal().is_some())?;
        Ok(Some(image.context("interrupted; the image is built, and was not looked at")?))
    }

    fn copy(&self, cx: &Context, image: &Image, manifest: &Manifest) -> anyhow::Result<Option<Utf8PathBuf>> {
        let Some(out) = &self.out else { return Ok(None) };
        let out = cx.dir.join(out);
        room::check(&out, image.size, "the image", ELSEWHERE)?;
        let copy = image.copy_to(&out, manifest, &|| cx.interrupt.signal().is_some())?;
        Ok(Some(copy.with_context(|| format!("interrupted; nothing was copied to `{out}`"))?))
    }
}

/// Bytes of a path and all that it needs, as NARs.
fn closure_size(cx: &mut Context, path: &str) -> anyhow::Result<u64> {
    let name_format = cx.nix()?.names_json_format();
    let step = Step::Closure { paths: vec![path.to_owned()], name_format };
    let answer: Value = cx.query(&step, &Settings::default())?;
    let paths = answer.as_object().context("Nix does not say what the closure is")?;
    Ok(paths.values().filter_map(|it| it["narSize"].as_u64()).sum())
}

/// Nix only says that there is no attribute; which configurations have one is more to the point.
fn without_image(
    cx: &mut Context,
    wanted: &Wanted,
    settings: &Settings,
    error: anyhow::Error,
) -> anyhow::Error {
    let Some(name) = &wanted.configuration else { return error };
    let text = format!("{error:#}");
    if wanted.output != Output::Sdimage
        || !(text.contains("does not provide attribute") || text.contains("missing"))
    {
        return error;
    }
    match configuration::with_image(cx, wanted.flake, settings) {
        Ok(others) if !others.iter().any(|it| it == name) => {
            let those = if others.is_empty() {
                "none does".to_owned()
            } else {
                format!("these do: {}", others.join(", "))
            };
            anyhow::anyhow!(
                "the configuration `{name}` makes no image (it has no `system.build.sdImage`, which the module `sd-image` adds); {those}"
            )
        }
        _ => error,
    }
}

impl Made {
    fn report(&self, cx: &Context) -> Report {
        let Manifest { configuration, size, sha256, store_path, .. } = &self.manifest;
        let shown = self.copy.as_ref().or(self.image.as_ref().map(|it| &it.file));
        let shown = shown.map_or(store_path.clone(), |it| it.strip_prefix(&cx.dir).unwrap_or(it).to_string());
        let mut table = Table::new(&["output", "configuration", "size", "sha256", "path"]);
        table.rows.push(vec![
            self.manifest.output.clone(),
            configuration.clone().unwrap_or_else(|| "-".to_owned()),
            bytes(*size),
            sha256.clone().unwrap_or_else(|| "-".to_owned()),
            shown,
        ]);
        let line = self.copy.as_ref().or(self.image.as_ref().map(|it| &it.file)).unwrap_or(&self.real);
        let mut json = json!({
            "version": 1,
            "ok": true,
            "status": self.status,
            "place": self.place.to_string(),
            "real": self.real,
            "image": self.image.as_ref().map(|it| &it.file),
            "copy": self.copy,
        });
        if let (Value::Object(all), Ok(Value::Object(mut more))) =
            (&mut json, serde_json::to_value(&self.manifest))
        {
            more.remove("version");
            all.extend(more);
        }
        Report { ok: true, lines: vec![line.to_string()], table, json, ..Report::default() }
    }
}
