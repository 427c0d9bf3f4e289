//! A revision of the repository checked out beside it, for as long as somebody looks at it.

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use unix::errno::Errno;
use unix::sys::signal::kill;
use unix::unistd::Pid;
use xshell::{Shell, cmd};

use crate::context::Context;
use crate::files::create_dir;
use crate::revision::{self, outside_hook};

/// A detached work tree of git below `target/xtask/worktrees/`. It goes when this does; what a killed process left
/// is removed by the next one.
#[derive(Debug)]
pub struct Worktree {
    sh: Shell,
    top: Utf8PathBuf,
    dir: Utf8PathBuf,
    /// The workspace in it.
    pub root: Utf8PathBuf,
}

impl Worktree {
    /// Checks a commit out.
    ///
    /// # Errors
    /// When git cannot.
    pub fn add(cx: &Context, commit: &str) -> anyhow::Result<Worktree> {
        let top = top(cx)?;
        let all = cx.state().join("worktrees");
        create_dir(&all)?;
        sweep(&cx.sh, &top, &all)?;
        let dir = free_name(&all);
        let sh = &cx.sh;
        // Hooks are for people's checkouts, and so is what LFS would download.
        let output = outside_hook(cmd!(
            sh,
            "git -C {top} -c core.hooksPath=/dev/null worktree add --quiet --detach {dir} {commit}"
        ))
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .quiet()
        .ignore_status()
        .output()
        .context("cannot run git")?;
        let root = cx.workspace.root.canonicalize_utf8().context("cannot find the workspace")?;
        let inside = root.strip_prefix(&top).unwrap_or(Utf8Path::new(""));
        let root = dir.join(inside);
        let res = Worktree { sh: cx.sh.clone(), top, dir, root };
        if !output.status.success() {
            bail!("cannot check out {commit}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(res)
    }

    /// Commits all that is changed in it, or nothing. The commit belongs to no branch; git forgets it in time.
    ///
    /// # Errors
    /// When git cannot.
    pub fn commit(&self, message: &str) -> anyhow::Result<()> {
        let (sh, dir) = (&self.sh, &self.dir);
        outside_hook(cmd!(sh, "git -C {dir} add --all"))
            .quiet()
            .ignore_stdout()
            .run()
            .context("cannot add what was planted")?;
        let options = [
            "-c",
            "user.name=xtask",
            "-c",
            "user.email=xtask@localhost",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "commit.gpgSign=false",
        ];
        outside_hook(cmd!(sh, "git -C {dir} {options...} commit --quiet --allow-empty --message {message}"))
            .quiet()
            .run()
            .context("cannot commit what was planted")
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        remove(&self.sh, &self.top, &self.dir);
    }
}

/// A name that tells whose it is, and that is not taken.
fn free_name(all: &Utf8Path) -> Utf8PathBuf {
    let mut n = 0;
    loop {
        let dir = all.join(format!("{}-{n}", std::process::id()));
        if !dir.exists() {
            return dir;
        }
        n += 1;
    }
}

fn remove(sh: &Shell, top: &Utf8Path, dir: &Utf8Path) {
    let removed = outside_hook(cmd!(sh, "git -C {top} worktree remove --force --force {dir}"))
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run();
    if removed.is_err() {
        // git does not know it, or not any more: then it is only a directory.
        drop(std::fs::remove_dir_all(dir));
        drop(outside_hook(cmd!(sh, "git -C {top} worktree prune")).quiet().ignore_stderr().run());
    }
}

/// Removes what processes that are gone have left.
fn sweep(sh: &Shell, top: &Utf8Path, all: &Utf8Path) -> anyhow::Result<()> {
    for entry in all.read_dir_utf8().with_context(|| format!("cannot read `{all}`"))? {
        let entry = entry?;
        let pid = entry.file_name().split('-').next().and_then(|it| it.parse::<i32>().ok());
        let gone = pid.is_none_or(|it| kill(Pid::from_raw(it), None) == Err(Errno::ESRCH));
        if gone {
            remove(sh, top, entry.path());
        }
    }
    Ok(())
}

/// The top of the work tree that the workspace is in.
///
/// # Errors
/// Outside of git.
pub fn top(cx: &Context) -> anyhow::Result<Utf8PathBuf> {
    let root = cx.workspace.root.canonicalize_utf8().context("cannot find the workspace")?;
    revision::work_tree(&root).with_context(|| {
        format!("`{root}` is not in a git work tree, so there is no revision to compare with")
    })
}

/// The full hash of a revision.
///
/// # Errors
/// When there is no such commit here.
pub fn commit(cx: &Context, revision: &str) -> anyhow::Result<String> {
    commit_in(cx, &top(cx)?, revision)
}

/// The same, of another work tree.
///
/// # Errors
/// When there is no such commit in it.
pub fn commit_in(cx: &Context, top: &Utf8Path, revision: &str) -> anyhow::Result<String> {
    match answer(cx, top, &["rev-parse", "--verify", "--end-of-options", &format!("{revision}^{{commit}}")])?
    {
        Ok(hash) => Ok(hash),
        Err(why) if !why.contains("Needed a single revision") => {
            bail!("cannot ask git for the commit `{revision}`: {why}")
        }
        Err(_) if revision == "HEAD" => bail!("there is no commit in `{top}` yet; make one: `git commit`"),
        Err(_) => bail!(
            "git knows no commit `{revision}` here; if the clone is a shallow one, run `git fetch --unshallow`"
        ),
    }
}

/// Where the current commit parted from a revision.
///
/// # Errors
/// When the two have nothing in common, as in a shallow clone.
pub fn merge_base(cx: &Context, revision: &str) -> anyhow::Result<String> {
    let (top, commit) = (top(cx)?, commit(cx, revision)?);
    let found = answer(cx, &top, &["merge-base", "HEAD", &commit])?;
    found.ok().filter(|it| !it.is_empty()).with_context(|| {
        format!("HEAD and `{revision}` have no commit in common; if the clone is a shallow one, run `git fetch --unshallow`")
    })
}

/// What git answers in a work tree, or why it does not.
fn answer(cx: &Context, top: &Utf8Path, args: &[&str]) -> anyhow::Result<Result<String, String>> {
    let sh = &cx.sh;
    // Its words are looked at: no translation.
    let git = outside_hook(cmd!(sh, "git -C {top} {args...}")).env("LC_ALL", "C");
    let output = git.quiet().ignore_status().output().context("cannot run git")?;
    let text = if output.status.success() { output.stdout } else { output.stderr };
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    Ok(if output.status.success() { Ok(text) } else { Err(text) })
}
