//! `target/xtask/timings/`: a JSON file and a page for each run, the newest of which are kept.

use std::collections::BTreeMap;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::data::{FORMAT, Previous, State, Timings};
use super::page::page;
use crate::files::write_atomic;
use crate::history::package_name;
use crate::locks::calendar;

/// So many runs are kept; the oldest go first.
const KEPT: usize = 100;

/// Where a run was written down.
#[derive(Debug, Clone)]
pub struct Files {
    pub json: Utf8PathBuf,
    pub html: Utf8PathBuf,
}

/// Compares with the run before, and writes both files.
///
/// # Errors
/// When they cannot be written.
pub fn keep(dir: &Utf8Path, timings: &mut Timings) -> anyhow::Result<Files> {
    let name = file_name(&timings.target);
    if let Some(before) = latest(dir, &name, timings) {
        compare(timings, &before);
    }
    let stamp = stamp(timings.started);
    // Two runs may begin in the same second.
    let free = (1..).map(|n| if n == 1 { format!("{stamp}-{name}") } else { format!("{stamp}.{n}-{name}") });
    let stem = free.map(|it| dir.join(it)).find(|it| !Utf8PathBuf::from(format!("{it}.json")).exists());
    let stem = stem.context("no name is free")?;
    let files = Files { json: format!("{stem}.json").into(), html: format!("{stem}.html").into() };
    write_atomic(&files.json, format!("{}\n", serde_json::to_string(timings)?).as_bytes())?;
    write_atomic(&files.html, page(timings)?.as_bytes())?;
    prune(dir)?;
    Ok(files)
}

/// The runs that are there, the oldest first: their names begin with their time.
fn runs(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = dir.read_dir_utf8().into_iter().flatten().flatten();
    let mut res: Vec<Utf8PathBuf> =
        entries.map(|it| it.path().to_owned()).filter(|it| it.extension() == Some("json")).collect();
    res.sort();
    res
}

/// The latest run of the same target; one that is damaged or of another version is as if it were not there.
fn latest(dir: &Utf8Path, name: &str, timings: &Timings) -> Option<Timings> {
    let same = |it: &Timings| {
        (it.version, &it.target, &it.system) == (FORMAT, &timings.target, &timings.system)
            // A run that built nothing says nothing about one that does.
            && (it.counts.built > 0 || timings.counts.built == 0)
    };
    let named = runs(dir).into_iter().rev().filter(|it| it.file_stem().is_some_and(|it| it.ends_with(name)));
    named.filter_map(|it| serde_json::from_slice(&std::fs::read(it).ok()?).ok()).find(same)
}

/// Packages are compared by their names without the version, where there is one of each name.
fn compare(timings: &mut Timings, before: &Timings) {
    let mut then = by_package(before);
    let now: BTreeMap<String, Vec<usize>> = by_package(timings);
    for (package, places) in now {
        if let ([now], Some([old])) = (places.as_slice(), then.remove(&package).as_deref()) {
            let old = &before.derivations[*old];
            timings.derivations[*now].before = took(old.start, old.end);
        }
    }
    let gone = then.into_values().flatten().map(|it| &before.derivations[it]);
    let mut gone: Vec<(String, f64)> =
        gone.filter_map(|it| Some((it.name.clone(), took(it.start, it.end)?))).collect();
    gone.sort_by(|a, b| b.1.total_cmp(&a.1));
    timings.previous = Some(Previous {
        started: before.started,
        ok: before.ok,
        seconds: before.seconds,
        time: before.time.clone(),
        counts: before.counts.clone(),
        gone,
    });
}

fn by_package(timings: &Timings) -> BTreeMap<String, Vec<usize>> {
    let mut res: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (n, it) in timings.derivations.iter().enumerate().filter(|it| it.1.state == State::Built) {
        res.entry(package_name(&it.name).to_owned()).or_default().push(n);
    }
    res
}

fn took(start: Option<f64>, end: Option<f64>) -> Option<f64> {
    start.zip(end).map(|(start, end)| ((end - start) * 1000.0).round() / 1000.0)
}

fn prune(dir: &Utf8Path) -> anyhow::Result<()> {
    let runs = runs(dir);
    for json in &runs[..runs.len().saturating_sub(KEPT)] {
        let html = json.with_extension("html");
        std::fs::remove_file(json).with_context(|| format!("cannot remove `{json}`"))?;
        // Somebody may have thrown the page away.
        std::fs::remove_file(html).ok();
    }
    Ok(())
}

/// `2026-11-22-224501`, UTC.
fn stamp(started: i64) -> String {
    let of_day = started.rem_euclid(86_400);
    format!("{}-{:02}{:02}{:02}", calendar::date(started), of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// What was typed, as a file may be called.
fn file_name(target: &str) -> String {
    let plain = |it: char| if it.is_ascii_alphanumeric() || "._-".contains(it) { it } else { '-' };
    let name: String = target.chars().map(plain).take(80).collect();
    name.trim_matches(['-', '.']).to_owned()
}
