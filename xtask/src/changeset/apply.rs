//! Shows a changeset, asks, does it as one step, and remembers how to take it back.

use anyhow::{Context as _, bail};

use super::{Change, Changeset, receipt};
use crate::context::Context;
use crate::plan::{CommandLine, quoted};
use crate::tool::Tool;

/// What became of a changeset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// There was nothing to do.
    Nothing,
    /// It was only shown, under `--dry-run`.
    Shown,
    /// The user did not want it.
    Refused,
    Done,
}

impl Changeset {
    /// All of it. What changes files is remembered.
    ///
    /// # Errors
    /// When the script failed, or the files are not what they were to be.
    pub fn apply(&self, cx: &mut Context) -> anyhow::Result<Applied> {
        if self.is_empty() {
            return Ok(Applied::Nothing);
        }
        let through: &[&str] = if self.needs_root(&cx.host) && !is_root() { &["sudo"] } else { &[] };
        let shown = self.shown(through);
        if cx.globals.dry_run {
            cx.ui.planned_script(&shown);
            return Ok(Applied::Shown);
        }
        if cx.globals.yes {
            cx.ui.status(&shown);
        } else if !cx.confirm(&format!("{shown}\nDo this?"))? {
            return Ok(Applied::Refused);
        }
        let state = cx.host.state_dir()?;
        let dir = receipt::next(&state)?;
        self.stage(&dir)?;
        let script = self.script(&cx.host, &dir);
        let outcome = run(cx, through, &script);
        // Also of what was begun and failed.
        let done = self.done(&cx.host);
        if done.has_files() && !self.is_undo {
            receipt::Receipt::of(&done).write(&dir)?;
            outcome.context("files were changed already; take them back: cargo xtask setup undo")?;
        } else {
            outcome?;
        }
        self.verify(&cx.host)?;
        Ok(Applied::Done)
    }

    /// What is done, as a user would do it by hand.
    fn shown(&self, through: &[&str]) -> String {
        let sudo: String = through.iter().flat_map(|it| [it, " "]).collect();
        let diffs: Vec<String> = self.diffs();
        let mut res = Vec::new();
        if !diffs.is_empty() {
            res.push(format!("{sudo}patch -p1 -d / <<'END'\n{}\nEND", diffs.join("\n")));
        }
        for it in &self.changes {
            match it {
                Change::File { path, new: None, .. } => res.push(format!("{sudo}rm -f {}", quoted(path))),
                Change::File { .. } => {}
                Change::Run(words) => res.push(format!("{sudo}{}", CommandLine(&words[0], &words[1..]))),
            }
        }
        res.join("\n")
    }
}

fn run(cx: &mut Context, through: &[&str], script: &str) -> anyhow::Result<()> {
    let shell = ["sh", "-c", script];
    let words: Vec<&str> = through.iter().chain(&shell).copied().collect();
    let tool = Tool::on_path(cx, words[0]).with_context(|| format!("there is no `{}` on PATH", words[0]))?;
    let args: Vec<String> = words[1..].iter().map(|it| (*it).to_owned()).collect();
    let done = tool.run(cx, &args)?;
    if done.exit.interrupted {
        bail!("interrupted; a file is either as it was, or changed as a whole");
    }
    if !done.exit.success() {
        bail!("{}", done.why());
    }
    Ok(())
}

fn is_root() -> bool {
    unix::unistd::geteuid().is_root()
}
