//! `target/xtask/timings/`: a JSON file and a page for each run, the newest of which are kept.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

use super::data::{Derivation, FORMAT, Previous, State, Timings};
use super::page::page;
use crate::files::write_atomic;
use crate::locks::calendar;
use crate::nix::store_path::name_and_version;

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

/// Compared is what has the same name in both, or else the same name but for the version, where there is one of each.
fn compare(timings: &mut Timings, before: &Timings) {
    let mut then: BTreeSet<usize> = built(before).collect();
    for name in [|it: &Derivation| it.name.clone(), |it: &Derivation| name_and_version(&it.name).0.to_owned()]
    {
        let old = group(before, then.iter().copied(), name);
        let left = built(timings).filter(|it| timings.derivations[*it].before.is_none());
        for (name, places) in group(timings, left, name) {
            if let ([now], Some([past])) = (places.as_slice(), old.get(&name).map(Vec::as_slice)) {
                timings.derivations[*now].before = took(&before.derivations[*past]);
                then.remove(past);
            }
        }
    }
    let gone = then.iter().map(|it| &before.derivations[*it]);
    let mut gone: Vec<(String, f64)> = gone.filter_map(|it| Some((it.name.clone(), took(it)?))).collect();
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

/// The places of what was built.
fn built(timings: &Timings) -> impl Iterator<Item = usize> + '_ {
    timings.derivations.iter().enumerate().filter(|it| it.1.state == State::Built).map(|it| it.0)
}

fn group(
    timings: &Timings,
    places: impl Iterator<Item = usize>,
    name: fn(&Derivation) -> String,
) -> BTreeMap<String, Vec<usize>> {
    let mut res: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for place in places {
        res.entry(name(&timings.derivations[place])).or_default().push(place);
    }
    res
}

fn took(derivation: &Derivation) -> Option<f64> {
    let (start, end) = derivation.start.zip(derivation.end)?;
    Some(((end - start) * 1000.0).round() / 1000.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run(builds: &[(&str, f64)], started: i64) -> Timings {
        let build = |(name, seconds): &(&str, f64)| {
            serde_json::json!({"name": name, "drv": name, "system": "", "state": "built", "start": 1.0, "end": 1.0 + seconds,
                "slack": 0.0, "gain": 0.0})
        };
        let time = serde_json::json!({"building": 0.0, "transferring": 0.0, "evaluating": 0.0, "waiting": 0.0, "asking": 0.0, "other": 0.0});
        let counts = serde_json::json!({"built": builds.len(), "failed": 0, "stopped": 0, "not_built": 0, "downloaded": 0,
            "copied": 0, "uploaded": 0, "present": 0});
        let builds: Vec<_> = builds.iter().map(build).collect();
        serde_json::from_value(serde_json::json!({"version": 1, "target": "build a/b --x", "system": "s", "nix": "", "cores": 0,
            "started": started, "ok": true, "seconds": 9.0, "time": time, "counts": counts,
            "bytes": {"downloaded": 0, "copied": 0, "uploaded": 0}, "critical": {"lead": 0.0, "seconds": 0.0, "steps": []},
            "derivations": builds, "transfers": [], "stretches": [], "load": [], "previous": null}))
        .unwrap()
    }

    fn keep_in(temp: &tempfile::TempDir, timings: &mut Timings) -> Files {
        keep(Utf8Path::from_path(temp.path()).unwrap(), timings).unwrap()
    }

    #[test]
    fn the_run_before_is_compared_by_name() {
        let temp = tempfile::tempdir().unwrap();
        keep_in(&temp, &mut run(&[("a-1.0", 2.0), ("i-1", 3.0), ("i-1.tar", 4.0), ("gone-1", 5.0)], 0));
        let mut now = run(&[("a-2.0", 2.5), ("i-1", 3.5), ("i-1.tar", 4.5), ("new-1", 1.0)], 10);
        keep_in(&temp, &mut now);
        let before: Vec<Option<f64>> = now.derivations.iter().map(|it| it.before).collect();
        assert_eq!(before, [Some(2.0), Some(3.0), Some(4.0), None]);
        assert_eq!(now.previous.unwrap().gone, [("gone-1".to_owned(), 5.0)]);
    }

    #[test]
    fn names_are_plain_and_the_oldest_go() {
        let temp = tempfile::tempdir().unwrap();
        let first = keep_in(&temp, &mut run(&[], 1_795_389_068));
        assert_eq!(first.json.file_name(), Some("2026-11-22-231108-build-a-b---x.json"));
        let second = keep_in(&temp, &mut run(&[], 1_795_389_068));
        assert_eq!(second.html.file_name(), Some("2026-11-22-231108.2-build-a-b---x.html"));
        for n in 0..i64::try_from(KEPT).unwrap() {
            keep_in(&temp, &mut run(&[], 1_795_400_000 + n));
        }
        assert!(!first.json.exists() && !first.html.exists());
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 2 * KEPT);
    }
}
