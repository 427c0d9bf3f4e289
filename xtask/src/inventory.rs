//! Which packages a flake has, asked of Nix once and remembered for as long as no tracked file changes.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;
use camino::Utf8Path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::context::Context;
use crate::files::write_atomic;
use crate::host::System;
use crate::known_names::KnownNames;
use crate::memory;
use crate::nix::store_path::StorePath;
use crate::plan::{self, Settings, question};
use crate::revision;

/// The version of the cache's files; another one is ignored.
const FORMAT: u32 = 1;
/// As many evaluations are remembered; the oldest go first.
const KEPT: usize = 64;

/// A derivation, as evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub drv: StorePath,
    pub system: String,
    /// The program that `run` starts: `meta.mainProgram`, or the package's name.
    pub main: String,
    pub outs: BTreeMap<String, StorePath>,
    /// The output that is meant when none is named.
    pub first: String,
}

/// What an attribute turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    Package(Package),
    /// It throws, or is no derivation.
    Broken {
        broken: bool,
    },
}

/// All packages of a flake for one system, by name.
pub type Inventory = BTreeMap<String, Entry>;

/// The packages of a flake, broken ones included. Empty when it has none for this system.
///
/// # Errors
/// When the flake itself cannot be evaluated.
pub fn packages(
    cx: &mut Context,
    flake: usize,
    system: &System,
    settings: &Settings,
) -> anyhow::Result<Inventory> {
    let set = question::package_set(system);
    remembered(cx, flake, &set, settings, |cx| {
        let installable = cx.flake_ref(flake);
        match ask(cx, &question::inventory(installable.as_str(), &set), settings) {
            Ok(inventory) => Ok(inventory),
            Err(error) if is_absent(&error) => Ok(Inventory::new()),
            // What cannot be fetched now cannot be fetched for each attribute either.
            Err(error) if is_unreachable(&error) => Err(error),
            // Some failures cannot be caught in Nix: ask for each attribute alone, so that the others are seen.
            Err(error) => one_by_one(cx, flake, &set, settings).map_err(|_| error),
        }
    })
}

fn one_by_one(cx: &mut Context, flake: usize, set: &str, settings: &Settings) -> anyhow::Result<Inventory> {
    let installable = cx.flake_ref(flake);
    let names: Vec<String> = ask(cx, &question::names(installable.as_str(), set), settings)?;
    let mut res = Inventory::new();
    for name in names {
        let attr = format!(".{set}.{}", question::attr_name(&name));
        let entry = match ask(cx, &question::single(installable.as_str(), &attr), settings) {
            Ok(package) => Entry::Package(package),
            Err(_) => Entry::Broken { broken: true },
        };
        res.insert(name, entry);
    }
    Ok(res)
}

/// One attribute of a flake, found where Nix finds it.
///
/// # Errors
/// When it is not there or cannot be evaluated.
pub fn package(cx: &mut Context, flake: usize, attr: &str, settings: &Settings) -> anyhow::Result<Package> {
    let installable = cx.flake_ref(flake);
    remembered(cx, flake, attr, settings, |cx| {
        ask(cx, &question::single(installable.as_str(), attr), settings)
    })
}

/// The systems that have a package of this name.
///
/// # Errors
/// When the flake cannot be evaluated.
pub fn systems_with(
    cx: &mut Context,
    flake: usize,
    name: &str,
    settings: &Settings,
) -> anyhow::Result<Vec<String>> {
    let installable = cx.flake_ref(flake);
    let names: BTreeMap<String, Vec<String>> =
        match ask(cx, &question::all_names(installable.as_str()), settings) {
            Err(error) if is_absent(&error) => BTreeMap::new(),
            it => it?,
        };
    Ok(names.into_iter().filter(|(_, names)| names.iter().any(|it| it == name)).map(|it| it.0).collect())
}

fn ask<T: DeserializeOwned>(cx: &mut Context, step: &plan::Step, settings: &Settings) -> anyhow::Result<T> {
    cx.query(step, settings)
}

/// The names of a flake's packages, broken ones included; much less is evaluated for them.
///
/// # Errors
/// When the flake itself cannot be evaluated.
pub fn names(
    cx: &mut Context,
    flake: usize,
    system: &System,
    settings: &Settings,
) -> anyhow::Result<Vec<String>> {
    let names = attributes(cx, flake, &question::package_set(system), settings)?;
    memory::forgive(cx, KnownNames::remember_packages(&cx.state(), &cx.workspace.flakes[flake].name, &names));
    Ok(names)
}

/// The names of what is in an attribute set of a flake; none where it does not have that set.
///
/// # Errors
/// When the flake itself cannot be evaluated.
pub fn attributes(
    cx: &mut Context,
    flake: usize,
    set: &str,
    settings: &Settings,
) -> anyhow::Result<Vec<String>> {
    remembered(cx, flake, &format!("names of {set}"), settings, |cx| {
        let installable = cx.flake_ref(flake);
        match ask(cx, &question::names(&installable, set), settings) {
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            it => it,
        }
    })
}

/// Nix's message where something of a flake cannot be fetched.
fn is_unreachable(error: &anyhow::Error) -> bool {
    is_passing(&format!("{error:#}"))
}

/// Whether an error of Nix may be gone the next time, with the same files.
#[must_use]
pub fn is_passing(error: &str) -> bool {
    error.contains("unable to download")
}

/// Nix's message where a flake has no such output.
#[must_use]
pub fn is_absent(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("does not provide attribute")
}

#[derive(Serialize, Deserialize)]
struct Memory<T> {
    version: u32,
    answer: T,
}

/// The answer of an evaluation, from the last time if nothing that it depends on has changed.
fn remembered<T: Serialize + DeserializeOwned>(
    cx: &mut Context,
    flake: usize,
    question: &str,
    settings: &Settings,
    evaluate: impl FnOnce(&mut Context) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    if let Some(answer) = recalled(cx, flake, question, settings)? {
        return Ok(answer);
    }
    let answer = evaluate(cx)?;
    remember(cx, flake, question, settings, &answer)?;
    Ok(answer)
}

/// The answer to a question about a flake from the last time, if nothing that it depends on has changed.
///
/// # Errors
/// When there is no Nix.
pub fn recalled<T: DeserializeOwned>(
    cx: &mut Context,
    flake: usize,
    question: &str,
    settings: &Settings,
) -> anyhow::Result<Option<T>> {
    let key = key(cx, flake, question, settings)?;
    Ok(key.and_then(|it| recall(&cx.state().join(format!("eval/{it}.json")))))
}

/// Keeps an answer for the next time, where that can be written.
///
/// # Errors
/// When there is no Nix.
pub fn remember<T: Serialize>(
    cx: &mut Context,
    flake: usize,
    question: &str,
    settings: &Settings,
    answer: &T,
) -> anyhow::Result<()> {
    let Some(key) = key(cx, flake, question, settings)? else { return Ok(()) };
    let dir = cx.state().join("eval");
    let memory = Memory { version: FORMAT, answer };
    let written = write_atomic(&dir.join(format!("{key}.json")), &serde_json::to_vec(&memory)?);
    memory::forgive(cx, written.and_then(|()| prune(&dir)));
    Ok(())
}

/// A damaged or foreign file is as good as none.
fn recall<T: DeserializeOwned>(file: &Utf8Path) -> Option<T> {
    let memory: Memory<T> = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    (memory.version == FORMAT).then_some(memory.answer)
}

fn key(
    cx: &mut Context,
    flake: usize,
    question: &str,
    settings: &Settings,
) -> anyhow::Result<Option<String>> {
    let options = plan::evaluation_options(&settings.extra);
    if options.iter().any(|it| it != "--show-trace") {
        return Ok(None);
    }
    let dir = cx.flake_dir(flake);
    let Some(revision) = cx.revision(&dir) else { return Ok(None) };
    let version = cx.nix()?.version.to_string();
    let mut hash = Sha256::new();
    for part in [env!("CARGO_PKG_VERSION"), &version, dir.as_str(), &revision, question] {
        hash.update(part);
        hash.update([0]);
    }
    Ok(Some(revision::hex(&hash.finalize()[..16])))
}

fn prune(dir: &Utf8Path) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read `{dir}`"))? {
        let entry = entry?;
        // Another xtask may be pruning too.
        let Ok(metadata) = entry.metadata() else { continue };
        files.push((metadata.modified()?, entry.path()));
    }
    files.sort();
    let surplus = files.len().saturating_sub(KEPT);
    files[..surplus].iter().for_each(|(_, path)| drop(fs::remove_file(path)));
    Ok(())
}
