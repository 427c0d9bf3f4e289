//! The revision that a change started from, and what there was to build in it.

use std::fs;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use xshell::cmd;

use crate::ci::output::{Output, Outputs, State};
use crate::context::Context;
use crate::files::write_atomic;
use crate::memory;
use crate::outputs;
use crate::revision::outside_hook;
use crate::worktree::{self, Worktree};

/// The version of the memory's files; another one is ignored.
const FORMAT: u32 = 1;

/// Where a change started from.
#[derive(Debug)]
pub(super) struct Since {
    /// The full hash.
    pub(super) commit: String,
    /// As people call it.
    pub(super) name: String,
}

/// The commit that HEAD and a revision have in common. Without a revision: the target of the pull request, or the
/// default branch; `None` where HEAD is that itself, because then there is nothing to compare with.
pub(super) fn base(cx: &Context, revision: Option<&str>) -> anyhow::Result<Option<Since>> {
    if let Some(revision) = revision {
        let commit = worktree::merge_base(cx, revision)?;
        return Ok(Some(Since { name: shown(cx, revision, &commit), commit }));
    }
    // Without git, or where it refuses to answer, that is the reason, and no branch that is missing.
    let head = worktree::commit(cx, "HEAD")?;
    let branch = target(cx);
    let remote = format!("origin/{branch}");
    let found = [remote.as_str(), &branch].into_iter().find(|it| worktree::commit(cx, it).is_ok());
    let found = found.with_context(|| {
        format!(
            "neither `{remote}` nor `{branch}` is here; run `git fetch origin {branch}`, or name a revision"
        )
    })?;
    let commit = worktree::merge_base(cx, found)?;
    if commit == head && !is_dirty(cx)? {
        return Ok(None);
    }
    Ok(Some(Since { name: shown(cx, found, &commit), commit }))
}

/// `main`, or with the commit where that is another one.
fn shown(cx: &Context, revision: &str, commit: &str) -> String {
    match worktree::commit(cx, revision) {
        Ok(it) if it == commit => revision.to_owned(),
        _ => format!("{} (where it left {revision})", &commit[..commit.len().min(10)]),
    }
}

/// The branch that a change is for.
fn target(cx: &Context) -> String {
    let variables = ["GITHUB_BASE_REF", "BUILDKITE_PULL_REQUEST_BASE_BRANCH"];
    let named = variables.iter().find_map(|it| cx.host.env(it));
    named.map_or_else(|| cx.workspace.manifest.ci.default_branch.clone(), str::to_owned)
}

/// Whether tracked files differ from HEAD.
pub(super) fn is_dirty(cx: &Context) -> anyhow::Result<bool> {
    let (sh, top) = (&cx.sh, worktree::top(cx)?);
    let status = cmd!(sh, "git -C {top} --no-optional-locks status --porcelain --untracked-files=no");
    let told = outside_hook(status).quiet().read().context("cannot ask git what has changed")?;
    Ok(!told.is_empty())
}

#[derive(Serialize, Deserialize)]
struct Memory {
    version: u32,
    outputs: Vec<(Output, State)>,
}

/// The outputs of a commit, evaluated in a work tree of its own, and remembered. By commit and not by tree: a flake may
/// read its revision.
pub(super) fn outputs(
    cx: &mut Context,
    commit: &str,
    wanted: &dyn Fn(&str) -> bool,
) -> anyhow::Result<Outputs> {
    let nix = cx.nix()?.version.to_string();
    let file = cx.state().join(format!("eval/commit-{commit}-{nix}.json"));
    let memory = fs::read(&file).ok().and_then(|it| serde_json::from_slice::<Memory>(&it).ok());
    let mut all: Outputs = if let Some(memory) = memory.filter(|it| it.version == FORMAT) {
        memory.outputs.into_iter().collect()
    } else {
        let tree = Worktree::add(cx, commit)?;
        let found = in_tree(cx, &tree)?;
        let memory = Memory { version: FORMAT, outputs: found.clone().into_iter().collect() };
        let lasting = |it: &State| !matches!(it, State::Broken(why) if crate::inventory::is_passing(why));
        if found.values().all(lasting) {
            memory::forgive(cx, write_atomic(&file, &serde_json::to_vec(&memory)?));
        }
        found
    };
    all.retain(|output, state| {
        let system = state.derivation().map(|it| it.system.clone());
        system.or(output.system_in_path().map(str::to_owned)).is_none_or(|it| wanted(&it))
    });
    Ok(all)
}

/// All outputs of the workspace in a work tree; none where there was no workspace yet.
pub(super) fn in_tree(cx: &mut Context, tree: &Worktree) -> anyhow::Result<Outputs> {
    if !tree.root.join("xtask.toml").is_file() {
        return Ok(Outputs::new());
    }
    let mut there = cx.in_workspace(&tree.root)?;
    outputs::evaluate(&mut there, &|_| true)
}
