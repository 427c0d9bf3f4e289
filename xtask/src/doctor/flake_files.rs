//! Whether Nix sees the files of this workspace: a flake has only what git tracks, and as git has it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use super::check::{Check, Fix};
use super::facts::Facts;
use super::probe::Git;
use crate::locks;
use crate::report::count;
use crate::workspace::Severity;

const GROUP: &str = "Workspace";
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// More are not named.
const NAMED: usize = 3;

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let mut res = match &facts.git {
        None => vec![
            Check::warn(GROUP, "git", "not a git work tree")
                .because("Nix copies the whole directory into its store, `target/` too, at each call")
                .cure("git init"),
        ],
        Some(git) => {
            let mut res = vec![untracked(facts, git)];
            res.extend(pointers(facts, git));
            res.extend(case(facts, git));
            res
        }
    };
    res.push(lock(facts));
    res
}

fn some(names: &[&String]) -> String {
    let mut shown: Vec<&str> = names.iter().take(NAMED).map(|it| it.as_str()).collect();
    let more = format!("and {} more", names.len().saturating_sub(NAMED));
    if names.len() > NAMED {
        shown.push(&more);
    }
    shown.join(", ")
}

fn untracked(facts: &Facts, git: &Git) -> Check {
    let files = match &git.untracked {
        Ok(it) => it,
        Err(why) if why.contains("dubious ownership") => {
            return Check::fail(GROUP, "git", "the work tree belongs to another user")
                .because("git and Nix refuse to read it")
                .cure(format!("git config --global --add safe.directory {}", facts.workspace.root));
        }
        Err(why) if why.starts_with("there is no `git`") => {
            return Check::fail(GROUP, "git", why)
                .because("Nix reads a flake through git, and does not bring one")
                .cure("install git");
        }
        Err(why) => return Check::skipped(GROUP, "git", why),
    };
    let nix: Vec<&String> =
        files.iter().filter(|it| it.ends_with(".nix") || it.ends_with("flake.lock")).collect();
    if nix.is_empty() {
        let others = if files.is_empty() {
            String::new()
        } else {
            format!(" ({} untracked)", count(files.len(), "other file"))
        };
        return Check::pass(GROUP, "git", format!("tracks all Nix files{others}"));
    }
    let mut words = ["git", "-C", facts.workspace.root.as_str(), "add", "--intent-to-add", "--"]
        .map(str::to_owned)
        .to_vec();
    words.extend(nix.iter().map(|it| (*it).clone()));
    Check::fail(GROUP, "git", format!("does not track {}", some(&nix)))
        .because("a flake has only what git tracks: Nix says that the file does not exist")
        .cure(format!(
            "git add --intent-to-add {}",
            nix.iter().map(|it| crate::plan::quoted(it)).collect::<Vec<_>>().join(" ")
        ))
        .fix(Fix::Run(words))
}

/// A file of Git LFS that was never fetched is three lines of text.
fn pointers(facts: &Facts, git: &Git) -> Option<Check> {
    if git.lfs.is_empty() {
        return None;
    }
    let is_pointer = |it: &&String| {
        let mut head = [0; POINTER.len()];
        let file = File::open(facts.workspace.root.join(it.as_str()));
        file.and_then(|mut it| it.read_exact(&mut head)).is_ok() && head == *POINTER
    };
    let found: Vec<&String> = git.lfs.iter().filter(is_pointer).collect();
    if found.is_empty() {
        return Some(Check::pass(GROUP, "lfs", format!("{} here", count(git.lfs.len(), "file"))));
    }
    let install = if git.has_lfs { "" } else { "install git-lfs, then " };
    Some(
        Check::fail(
            GROUP,
            "lfs",
            format!("pointers in place of files, {} of {}: {}", found.len(), git.lfs.len(), some(&found)),
        )
        .because("builds get three lines of text in place of the file, and may succeed")
        .cure(format!("{install}git lfs install --local && git lfs pull")),
    )
}

/// On macOS `A.nix` and `a.nix` are one file.
fn case(facts: &Facts, git: &Git) -> Option<Check> {
    let mut names: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    git.tracked.iter().for_each(|it| names.entry(it.to_lowercase()).or_default().push(it));
    let clash = names.into_values().find(|it| it.len() > 1)?;
    let told = format!("{} differ in case only", some(&clash));
    let insensitive = facts.workspace.root.join("XTASK.TOML").exists();
    let check = if insensitive { Check::fail(GROUP, "case", told) } else { Check::warn(GROUP, "case", told) };
    Some(
        check
            .because("on macOS they are one file, so the build differs from Linux")
            .cure(format!("git mv {} OTHER", clash[0])),
    )
}

fn lock(facts: &Facts) -> Check {
    let findings = locks::check(&locks::load(&facts.workspace), &facts.workspace.manifest.lock, facts.now);
    let failed = findings.iter().filter(|it| it.severity == Severity::Fail).count();
    let warned = findings.len() - failed;
    let found = format!("{}, {}", count(failed, "error"), count(warned, "warning"));
    match (failed, warned) {
        (0, 0) => {
            Check::pass(GROUP, "locks", format!("{} in order", count(facts.workspace.flakes.len(), "flake")))
        }
        (0, _) => Check::warn(GROUP, "locks", found).cure("cargo xtask lock check"),
        _ => Check::fail(GROUP, "locks", found)
            .because("builds are refused, or differ from one machine to the other")
            .cure("cargo xtask lock check"),
    }
}
