//! `cargo xtask ci generate`

use std::collections::BTreeMap;
use std::fs;

use anyhow::bail;
use serde_json::json;

use crate::ci::{buildkite, github};
use crate::context::Context;
use crate::files::write_atomic;
use crate::report::{Report, count};
use crate::workspace::CiSettings;

/// Above every file, so that nobody edits it in vain.
const HEAD: &str =
    "Made by `cargo xtask ci generate` from [ci] in xtask.toml: change that, and run it again.";

/// Write the workflows of GitHub and the pipeline of Buildkite from the table of jobs
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Generate {
    /// Only say what is out of date; exit code 1 if anything is
    #[arg(long)]
    check: bool,
}

impl Generate {
    pub(super) fn run(self, cx: &Context) -> anyhow::Result<Report> {
        let wanted = wanted(cx)?;
        let root = &cx.workspace.root;
        let read = |it: &str| fs::read_to_string(root.join(it)).ok();
        let stale: Vec<&String> =
            wanted.iter().filter(|(file, text)| read(file).as_ref() != Some(*text)).map(|it| it.0).collect();
        let old = surplus(cx, &wanted)?;
        let mut notes = Vec::new();
        let only_look = self.check || cx.globals.dry_run;
        for file in &stale {
            if !only_look {
                write_atomic(&root.join(file), wanted[*file].as_bytes())?;
            }
            notes.push(format!("{} {file}", if only_look { "out of date:" } else { "wrote" }));
        }
        for file in &old {
            if !only_look {
                fs::remove_file(root.join(file))?;
            }
            notes.push(format!("{} {file}", if only_look { "no job needs it any more:" } else { "removed" }));
        }
        let changes = stale.len() + old.len();
        notes.push(match (changes, self.check) {
            (0, _) => format!("{}, up to date", count(wanted.len(), "file")),
            (n, true) => format!("{} out of date: run `cargo xtask ci generate`", count(n, "file")),
            (_, false) => count(wanted.len(), "file"),
        });
        let asked = asked_of_services(&cx.workspace.manifest.ci);
        if !asked.is_empty() && !self.check {
            notes.push(format!("set by hand, where the services keep them: {}", asked.join(", ")));
        }
        Ok(Report {
            ok: changes == 0 || !self.check,
            notes,
            json: json!({
                "version": 1,
                "ok": changes == 0 || !self.check,
                "files": wanted.keys().collect::<Vec<_>>(),
                "changed": stale,
                "removed": old,
                "set_by_hand": asked,
            }),
            ..Report::default()
        })
    }
}

/// The files as they should be, by their paths.
fn wanted(cx: &Context) -> anyhow::Result<BTreeMap<String, String>> {
    let settings = &cx.workspace.manifest.ci;
    for job in settings.jobs.iter().filter(|it| it.aws) {
        let github = &settings.github;
        if github.aws_role.is_some() == github.aws_role_variable.is_some() || github.aws_region.is_none() {
            bail!(
                "the job `{}` takes a role in AWS: set `aws-region`, and one of `aws-role` and `aws-role-variable`, \
                 in [ci.github] of xtask.toml",
                job.name
            );
        }
    }
    let mut res = github::workflows(settings, HEAD).map_err(|it| anyhow::anyhow!(it))?;
    res.insert(buildkite::FILE.to_owned(), buildkite::pipeline(settings, HEAD));
    Ok(res)
}

/// What the pipelines name and no file has: whoever looks after CI gives it to the services.
fn asked_of_services(settings: &CiSettings) -> Vec<String> {
    let mut names: Vec<String> = settings.jobs.iter().flat_map(|it| it.secrets.iter().cloned()).collect();
    names.sort();
    names.dedup();
    let mut res: Vec<String> = names.iter().map(|it| format!("the secret {it}")).collect();
    if settings.jobs.iter().any(|it| it.aws) {
        res.extend(settings.github.aws_role_variable.iter().map(|it| format!("GitHub's variable {it}")));
    }
    res
}

/// Workflows that we once made and would not make now. Files without our head are somebody else's.
fn surplus(cx: &Context, wanted: &BTreeMap<String, String>) -> anyhow::Result<Vec<String>> {
    let dir = cx.workspace.root.join(".github/workflows");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut res = Vec::new();
    for entry in dir.read_dir_utf8()? {
        let entry = entry?;
        let file = format!(".github/workflows/{}", entry.file_name());
        let ours = fs::read_to_string(entry.path()).is_ok_and(|it| it.starts_with(&format!("# {HEAD}")));
        if ours && !wanted.contains_key(&file) {
            res.push(file);
        }
    }
    res.sort();
    Ok(res)
}
