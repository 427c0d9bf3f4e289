//! Which flake has the flight computer's configurations, and what they are called.

use anyhow::{Context as _, bail};

use crate::context::Context;
use crate::inventory;
use crate::known_names::KnownNames;
use crate::memory;
use crate::plan::Settings;
use crate::plan::question;
use crate::workspace::nearest::{did_you_mean, nearest};

const SET: &str = "nixosConfigurations";

/// The flake that `[aleph] flake` names, or the only one with NixOS configurations.
///
/// # Errors
/// When there is none, or more than one.
pub fn flake(cx: &mut Context, extra: &[String]) -> anyhow::Result<usize> {
    let flakes = &cx.workspace.flakes;
    if let Some(dir) = &cx.workspace.manifest.aleph.flake {
        let dirs = || flakes.iter().map(|it| it.dir.as_str());
        let wanted = dir.trim_end_matches('/');
        return dirs().position(|it| it == wanted).with_context(|| {
            let known = dirs().collect::<Vec<_>>().join(", ");
            let near = did_you_mean(&nearest(wanted, dirs()));
            format!(
                "xtask.toml: [aleph] flake = \"{dir}\" is no flake of this workspace (it has: {known}){near}"
            )
        });
    }
    // One flake is the usual case, and then nothing needs to be asked.
    if flakes.len() == 1 {
        return Ok(0);
    }
    let mut found = Vec::new();
    for flake in 0..cx.workspace.flakes.len() {
        let settings = cx.settings(&[flake], extra)?;
        if !inventory::attributes(cx, flake, SET, &settings)?.is_empty() {
            found.push(flake);
        }
    }
    let dirs: Vec<&str> = found.iter().map(|it| cx.workspace.flakes[*it].dir.as_str()).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => bail!("no flake of the workspace `{}` has NixOS configurations ({SET})", cx.workspace.root),
        [..] => bail!(
            "several flakes have NixOS configurations: {}; write the Aleph's as `flake = \"{}\"` under `[aleph]` in xtask.toml",
            dirs.join(", "),
            dirs[dirs.len() - 1]
        ),
    }
}

/// The configuration of that name; that of `[aleph] config` where none is named.
///
/// # Errors
/// When the flake does not have it, with those that it has.
pub fn choose(
    cx: &mut Context,
    flake: usize,
    settings: &Settings,
    asked: Option<&str>,
) -> anyhow::Result<String> {
    let names = inventory::attributes(cx, flake, SET, settings)?;
    let known = KnownNames::remember_configurations(&cx.state(), &cx.workspace.flakes[flake].name, &names);
    memory::forgive(cx, known);
    let name = asked.unwrap_or(&cx.workspace.manifest.aleph.config);
    if names.iter().any(|it| it == name) {
        return Ok(name.to_owned());
    }
    let place = cx.workspace.flakes[flake].dir.join("flake.nix");
    let place = place.strip_prefix(".").unwrap_or(&place);
    if names.is_empty() {
        bail!("`{place}` has no NixOS configurations ({SET})");
    }
    let origin = if asked.is_some() { "" } else { ", which `[aleph] config` of xtask.toml means" };
    let near = did_you_mean(&nearest(name, names.iter().map(String::as_str)));
    bail!("`{place}` has no configuration `{name}`{origin}; it has: {}{near}", names.join(", "))
}

/// The configurations that make an image; asked only when one was wanted that does not.
///
/// # Errors
/// When they cannot be evaluated.
pub fn with_image(cx: &mut Context, flake: usize, settings: &Settings) -> anyhow::Result<Vec<String>> {
    let step = question::with_image(&cx.flake_ref(flake));
    cx.query(&step, settings)
}
