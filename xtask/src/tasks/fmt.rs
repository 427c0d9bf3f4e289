//! `cargo xtask fmt`

use std::io::Read as _;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;
use serde_json::{Value, json};
use xshell::cmd;

use crate::alejandra4;
use crate::context::Context;
use crate::format::{self, Cache, FileReport, Options, Outcome};
use crate::report::{Report, count};
use crate::{nix_files, revision};

/// What one file may take; a nixpkgs-sized file takes a tenth of it in the dev profile.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Format all .nix files by Alejandra, and the Rust code by rustfmt
///
/// What is written is what Alejandra 4 writes, or the file is left alone. Files that git ignores are never touched.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Fmt {
    /// Files, and directories whose tracked files are meant; all of the workspace by default
    #[arg(value_name = "PATH")]
    pub paths: Vec<Utf8PathBuf>,
    /// Only say what is not formatted; exit code 1 if anything is not
    #[arg(long)]
    pub check: bool,
    /// Show what changes
    #[arg(long)]
    pub diff: bool,
    /// With --check: fail too where only Alejandra 4 itself could tell
    #[arg(long, requires = "check")]
    pub strict: bool,
    /// Format what comes on stdin to stdout
    #[arg(long, conflicts_with_all = ["paths", "check", "diff", "strict"])]
    pub stdin: bool,
}

impl Fmt {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        if self.stdin {
            return stdin();
        }
        let files = nix_files::find(cx, &self.paths)?;
        if cx.globals.dry_run {
            let lines = files.iter().map(ToString::to_string).collect();
            return Ok(Report { lines, ..Report::done() });
        }
        let cache_file = cx.state().join("fmt-cache");
        let mut cache = Cache::load(&cache_file);
        let options = Options {
            check: self.check,
            time_limit: TIME_LIMIT,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            root: revision::work_tree(&cx.workspace.root).unwrap_or_else(|| cx.workspace.root.clone()),
            now: SystemTime::now(),
        };
        let mut reports = format::run(&files, &options, &mut cache);
        alejandra4::format(cx, &mut reports, self.check, &mut cache)?;
        // What was done is done: without the cache, the next run only takes longer.
        if let Err(error) = cache.save(&cache_file) {
            cx.ui.warning(&format!("{error:#}"));
        }
        let rust = if self.paths.is_empty() { rustfmt(cx, self.check)? } else { None };
        Ok(self.report(cx, &reports, rust))
    }

    fn report(&self, cx: &Context, reports: &[FileReport], rust: Option<String>) -> Report {
        let mut notes = Vec::new();
        let (mut changed, mut bad) = (0, 0);
        for report in reports {
            let path = nix_files::shown(cx, &report.path);
            match &report.outcome {
                Outcome::Clean | Outcome::Skipped(_) => {}
                Outcome::Changed { new } => {
                    changed += 1;
                    if self.diff {
                        notes.push(format::diff(&report.old, new, &path).trim_end().to_owned());
                    } else {
                        notes.push(format!(
                            "{} {path}",
                            if self.check { "not formatted:" } else { "formatted" }
                        ));
                    }
                }
                Outcome::NeedsAlejandra4(spots) => {
                    bad += usize::from(self.strict);
                    let spot = |it: &format::Spot| {
                        format!("needs Alejandra 4: {path}:{}:{}: {}", it.line, it.column, it.what)
                    };
                    let title = if self.strict {
                        cx.ui.paint("31;1", "error:")
                    } else {
                        cx.ui.paint("33", "warning:")
                    };
                    notes.extend(spots.iter().map(|it| format!("{title} {}", spot(it))));
                }
                Outcome::Refused(problem) => {
                    bad += 1;
                    // A place follows its file without a blank.
                    let gap = if problem.place.is_some() { "" } else { " " };
                    notes.push(format!("{} {path}:{gap}{problem}", cx.ui.paint("31;1", "error:")));
                }
            }
        }
        let rust_bad = rust.is_some();
        notes.extend(rust);
        let ok = bad == 0 && !rust_bad && (changed == 0 || !self.check);
        notes.push(self.summary(reports, rust_bad));
        let json = json!({
            "version": 1,
            "ok": ok,
            "files": reports.iter().map(|it| file_json(cx, it)).collect::<Vec<_>>(),
            "rustfmt": !rust_bad,
        });
        Report { ok, notes, json, ..Report::default() }
    }

    fn summary(&self, reports: &[FileReport], rust_is_bad: bool) -> String {
        let number = |is: &dyn Fn(&Outcome) -> bool| reports.iter().filter(|it| is(&it.outcome)).count();
        let changed = number(&|it| matches!(it, Outcome::Changed { .. }));
        let left = number(&|it| matches!(it, Outcome::NeedsAlejandra4(_)));
        let refused = number(&|it| matches!(it, Outcome::Refused(_)));
        let mut parts = vec![count(reports.len(), "file")];
        match (changed, self.check) {
            (0, _) => {}
            (n, true) => parts.push(format!("{n} not formatted: run `cargo xtask fmt`")),
            (n, false) => parts.push(format!("{n} changed")),
        }
        if left > 0 {
            parts.push(format!("{left} left alone"));
        }
        if refused > 0 {
            parts.push(format!("{refused} in trouble"));
        }
        if parts.len() == 1 && !rust_is_bad {
            parts.push("all formatted".to_owned());
        }
        parts.join(", ")
    }
}

fn file_json(cx: &Context, report: &FileReport) -> Value {
    let path = nix_files::shown(cx, &report.path);
    let spot = |it: &format::Spot| json!({"line": it.line, "column": it.column, "message": it.what});
    match &report.outcome {
        Outcome::Clean => json!({"path": path, "outcome": "clean"}),
        Outcome::Changed { .. } => json!({"path": path, "outcome": "changed"}),
        Outcome::Skipped(why) => json!({"path": path, "outcome": "skipped", "message": why}),
        Outcome::NeedsAlejandra4(spots) => {
            json!({"path": path, "outcome": "needs-alejandra-4", "spots": spots.iter().map(spot).collect::<Vec<_>>()})
        }
        Outcome::Refused(problem) => json!({
            "path": path,
            "outcome": "refused",
            "line": problem.place.map(|it| it.0),
            "column": problem.place.map(|it| it.1),
            "message": problem.message,
        }),
    }
}

fn stdin() -> anyhow::Result<Report> {
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).context("cannot read stdin")?;
    let text_of = |it: &[u8]| String::from_utf8_lossy(it).trim_end_matches('\n').to_owned();
    match format::format_text(&text, TIME_LIMIT) {
        Outcome::Clean | Outcome::Skipped(_) => Ok(Report { lines: vec![text_of(&text)], ..Report::done() }),
        Outcome::Changed { new } => Ok(Report { lines: vec![text_of(new.as_bytes())], ..Report::done() }),
        Outcome::NeedsAlejandra4(spots) => {
            let spots: Vec<String> =
                spots.iter().map(|it| format!("{}:{}: {}", it.line, it.column, it.what)).collect();
            bail!("needs Alejandra 4: <stdin>:{}", spots.join("\nneeds Alejandra 4: <stdin>:"))
        }
        Outcome::Refused(problem) => bail!("<stdin>:{problem}"),
    }
}

/// What rustfmt has to say of the workspace's crates, when it has some and is not content.
fn rustfmt(cx: &Context, check: bool) -> anyhow::Result<Option<String>> {
    if !cx.workspace.root.join("Cargo.toml").is_file() {
        return Ok(None);
    }
    let (sh, args) = (&cx.sh, if check { &["fmt", "--", "--check", "-l"][..] } else { &["fmt"] });
    let cargo = cx.host.env("CARGO").unwrap_or("cargo");
    let output =
        cmd!(sh, "{cargo} {args...}").quiet().ignore_status().output().context("cannot run rustfmt")?;
    if output.status.success() {
        return Ok(None);
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let cure = if check { "\nrun `cargo xtask fmt`" } else { "" };
    Ok(Some(format!("not formatted by rustfmt:\n{}{cure}", text.trim_end())))
}
