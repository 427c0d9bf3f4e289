//! Changes locks by Nix, in a transaction: all that was asked for, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use crate::context::Context;
use crate::locks::calls::{self, Request};
use crate::locks::{self, State, transaction};
use crate::plan::Step;
use crate::report::count;
use crate::revision::outside_hook;
use crate::workspace::Reference;
use crate::workspace::nearest::{did_you_mean, nearest};

/// Restores the locks of a run that was killed. Costs one look at a file when there was none.
///
/// # Errors
/// When they cannot be restored.
pub(crate) fn recover(cx: &Context) -> anyhow::Result<()> {
    let dir = journal(cx);
    if !transaction::is_unfinished(&dir) {
        return Ok(());
    }
    if cx.globals.dry_run {
        cx.ui.warning("an update was stopped half done; the next run without --dry-run restores the locks");
        return Ok(());
    }
    let restored = transaction::recover(&dir, &cx.workspace.root)?;
    if !restored.is_empty() {
        forget_created(cx, &restored);
        let files: Vec<&str> = restored.iter().map(|it| it.as_str()).collect();
        cx.ui.warning(&format!("an update was stopped half done; restored {}", files.join(", ")));
    }
    Ok(())
}

/// Runs `change`, which may change these files. When it fails, or we are told to stop, they are as before.
///
/// # Errors
/// Those of `change`, and when the files cannot be saved or restored.
pub(crate) fn transact<T>(
    cx: &mut Context,
    files: &[Utf8PathBuf],
    change: impl FnOnce(&mut Context) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let transaction = transaction::Transaction::begin(&journal(cx), &cx.workspace.root, files)?;
    let result = change(cx).and_then(|it| match cx.interrupt.signal() {
        Some(signal) => bail!("stopped by {signal}"),
        None => Ok(it),
    });
    match result {
        Ok(value) => {
            transaction.commit()?;
            Ok(value)
        }
        Err(error) => {
            let restored = transaction.restore().with_context(|| format!("{error:#}"))?;
            forget_created(cx, &restored);
            let state = match restored.len() {
                0 => "nothing was changed".to_owned(),
                n => format!("{} restored, so nothing is changed", count(n, "file")),
            };
            Err(error.context(state))
        }
    }
}

/// Nix tells git of each lock that it makes. When the lock is gone again, git must forget it, or it would check out
/// an empty one.
fn forget_created(cx: &Context, restored: &[Utf8PathBuf]) {
    for path in restored.iter().filter(|it| !cx.workspace.root.join(it).exists()) {
        let sh = &cx.sh;
        let reset = outside_hook(cmd!(sh, "git reset --quiet -- {path}"));
        let _ = reset.quiet().ignore_stdout().ignore_stderr().run();
    }
}

fn journal(cx: &Context) -> Utf8PathBuf {
    cx.state().join("update")
}

/// The locks of these flakes, relative to the root.
pub(crate) fn lock_files(states: &[State], flakes: &[usize]) -> Vec<Utf8PathBuf> {
    flakes.iter().map(|it| states[*it].file("flake.lock")).collect()
}

/// Runs one call of Nix that writes a lock.
pub(crate) fn run(cx: &mut Context, flake: usize, step: &Step) -> anyhow::Result<()> {
    let nix = cx.nix()?;
    if !nix.writes_current_locks() {
        bail!(
            "{nix} writes locks that newer versions write anew; put `minimum = \"2.26\"` under [nix] in xtask.toml"
        );
    }
    let settings = cx.settings(&[flake], &[])?;
    let call = cx.call(step, &settings)?;
    if !call.exit.success() {
        return Err(call.why(cx).into());
    }
    // Nix says that all is well, and has written nothing.
    match call.monitor.warnings.iter().find(|it| it.contains("unlocked input")) {
        Some(warning) => bail!("{warning}: commit the changes there, or name a revision in the URL"),
        None => Ok(()),
    }
}

/// Updates inputs (all when none are named) in these flakes, each input once.
///
/// # Errors
/// When Nix fails, or flakes that ask for the same end with different revisions.
pub(crate) fn update(
    cx: &mut Context,
    states: &[State],
    flakes: &[usize],
    names: &[String],
) -> anyhow::Result<()> {
    let mut known: BTreeMap<Request, String> = BTreeMap::new();
    let mut moved: Vec<Utf8PathBuf> = Vec::new();
    for index in calls::order(states).into_iter().filter(|it| flakes.contains(it)) {
        let requests: BTreeSet<Request> = known.keys().cloned().collect();
        let call = calls::call(&states[index], names, &requests, &moved);
        let whole = names.is_empty() && !states[index].inputs().is_empty();
        if !whole && call == calls::Call::default() {
            continue;
        }
        let flake = cx.flake_ref(index);
        let given = call.given.iter().map(|(name, it)| (name.clone(), known[it].clone())).collect();
        let step = step(flake, whole, call.fresh.clone(), given);
        if cx.globals.dry_run {
            let settings = cx.settings(&[index], &[])?;
            cx.planned(&step, &settings)?;
            for name in &call.fresh {
                let request = &calls::requests(&states[index])[name];
                known.insert(request.clone(), format!("<{name} of {}>", states[index].dir));
            }
            continue;
        }
        run(cx, index, &step)?;
        moved.push(states[index].dir.clone());
        known.extend(learned(cx, index, &states[index], &call.fresh)?);
    }
    if cx.globals.dry_run { Ok(()) } else { agreed(cx, flakes, names) }
}

/// Tells why an input that was named will not move.
pub(crate) fn tell_fixed(cx: &Context, states: &[State], flakes: &[usize], names: &[String]) {
    for state in flakes.iter().map(|it| &states[*it]) {
        let Ok(source) = &state.source else { continue };
        for (name, input) in source.inputs.iter().filter(|it| names.contains(it.0)) {
            if input.reference().is_some_and(|it| it.rev.is_some()) {
                let at = input.url_position.unwrap_or(input.position);
                let file = state.file("flake.nix");
                cx.ui.warning(&format!("`{name}` has its revision in the URL; to move it, edit {file}:{at}"));
            } else if let Some(path) = &input.follows {
                let file = state.file("flake.nix");
                let path = path.join("/");
                cx.ui.status(&format!("`{name}` in {file} follows `{path}`, and moves with it"));
            }
        }
    }
}

fn step(flake: String, whole: bool, fresh: Vec<String>, overrides: Vec<(String, String)>) -> Step {
    match (whole, fresh.is_empty()) {
        (true, _) => Step::Update { flake, inputs: Vec::new(), overrides },
        (false, false) => Step::Update { flake, inputs: fresh, overrides },
        (false, true) => Step::Lock { flake, overrides },
    }
}

/// The revisions that a flake has got, by request.
fn learned(
    cx: &Context,
    index: usize,
    state: &State,
    fresh: &[String],
) -> anyhow::Result<BTreeMap<Request, String>> {
    let flake = &cx.workspace.flakes[index];
    let Some(lock) = flake.lock(&cx.workspace.root)? else { return Ok(BTreeMap::new()) };
    let requests = calls::requests(state);
    let url = |name: &String| {
        let url = lock.input(&[name])?.locked.as_ref().and_then(Reference::pinned_url)?;
        Some((requests.get(name)?.clone(), url))
    };
    Ok(fresh.iter().filter_map(url).collect())
}

/// What has no revision (a path, a tarball) is fetched by each flake for itself, and may have changed in between.
fn agreed(cx: &Context, flakes: &[usize], names: &[String]) -> anyhow::Result<()> {
    let states = locks::load(&cx.workspace);
    let mut seen: BTreeMap<Request, (usize, Reference)> = BTreeMap::new();
    for index in flakes {
        let Some(lock) = states[*index].lock() else { continue };
        let wanted = calls::requests(&states[*index]);
        for (name, request) in wanted.into_iter().filter(|it| names.is_empty() || names.contains(&it.0)) {
            let Some(locked) = lock.input(&[&name]).and_then(|it| it.locked.clone()) else { continue };
            match seen.get(&request) {
                Some((first, other)) if !locked.is_relative() && !locked.is_same_content(other) => bail!(
                    "`{name}` is {} in `{}`, but {} in `{}`, though both ask for {}: it changed in between; run it again",
                    locked.short(),
                    states[*index].dir,
                    other.short(),
                    states[*first].dir,
                    request.1
                ),
                Some(_) => {}
                None => drop(seen.insert(request, (*index, locked))),
            }
        }
    }
    Ok(())
}

/// The flakes that a user means; all of them when none are named.
///
/// # Errors
/// When one is not of this workspace, or its `flake.nix` cannot be read.
pub(crate) fn flakes(cx: &Context, states: &[State], dirs: &[Utf8PathBuf]) -> anyhow::Result<Vec<usize>> {
    let mut found = Vec::new();
    for dir in dirs {
        let named = |it: &Utf8Path| it.components().eq(dir.components());
        let path = cx.host.cwd.join(dir).canonicalize_utf8().ok();
        let is = |index: &usize| {
            path.is_some() && cx.flake_dir(*index).canonicalize_utf8().ok() == path
                || named(&states[*index].dir)
        };
        let Some(index) = (0..states.len()).find(is) else {
            let near = did_you_mean(&nearest(dir.as_str(), states.iter().map(|it| it.dir.as_str())));
            bail!("no flake of this workspace is in `{dir}`{near}");
        };
        found.push(index);
    }
    if dirs.is_empty() {
        // A template has no lock, and must not get one.
        found =
            (0..states.len()).filter(|it| !states[*it].template || states[*it].lock().is_some()).collect();
    }
    found.sort_unstable();
    found.dedup();
    for index in &found {
        let state = &states[*index];
        if let Some(error) = state.source.as_ref().err().or(state.lock.as_ref().err()) {
            bail!("{error}");
        }
    }
    Ok(found)
}

/// That each name is an input of at least one of these flakes. Nix itself would only warn.
///
/// # Errors
/// With the names that may have been meant.
pub(crate) fn known_inputs(states: &[State], flakes: &[usize], names: &[String]) -> anyhow::Result<()> {
    let known: BTreeSet<&str> = flakes.iter().flat_map(|it| states[*it].inputs()).collect();
    let Some(name) = names.iter().find(|it| !known.contains(it.as_str())) else { return Ok(()) };
    if known.is_empty() {
        bail!("no flake has the input `{name}`, nor any other");
    }
    let near = did_you_mean(&nearest(name, known.iter().copied()));
    let all = known.iter().copied().collect::<Vec<_>>().join(", ");
    bail!("no flake has the input `{name}`{near} (inputs: {all})");
}
