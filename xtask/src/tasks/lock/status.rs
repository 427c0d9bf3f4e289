//! `cargo xtask lock status`

use std::time::SystemTime;

use anyhow::bail;
use camino::Utf8PathBuf;
use serde_json::json;

use crate::context::Context;
use crate::files::write_atomic;
use crate::locks::{self, calendar, graph, status};
use crate::report::Report;

/// Show what every flake has locked: one table, drift marked. Needs no Nix and no network
///
/// With --json: {version, ok, inputs: [{input, flake, rev, nar_hash, last_modified, date, age_days, asks_for,
/// follows, drift, notes}]}; `input` is null for a flake that has none.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Status {
    /// Draw the inputs of all flakes: who needs and follows whom, duplicates in colour. FILE.svg or FILE.html
    #[arg(long, value_name = "FILE")]
    graph: Option<Utf8PathBuf>,
}

impl Status {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let states = locks::load(&cx.workspace);
        let mut notes = Vec::new();
        if let Some(file) = &self.graph {
            let picture = match file.extension() {
                Some("svg") => graph::svg(&states),
                Some("html") => graph::html(&states),
                _ => bail!("cannot tell what to draw in `{file}`; name it FILE.svg or FILE.html"),
            };
            let path = cx.host.cwd.join(file);
            if cx.globals.dry_run {
                notes.push(format!("would write {file}"));
            } else {
                write_atomic(&path, picture.as_bytes())?;
                notes.push(format!("wrote {file}"));
            }
        }
        let now = calendar::seconds(SystemTime::now());
        let rows = status::rows(&states, &cx.workspace.manifest.lock, now);
        let table = status::table(&rows, |it| cx.ui.paint("31", it));
        Ok(Report {
            ok: true,
            notes,
            table,
            json: json!({"version": 1, "ok": true, "inputs": status::json(&rows)}),
            ..Report::default()
        })
    }
}
