//! `cargo xtask rollback`

use anyhow::bail;
use serde_json::json;

use super::deploy::Device;
use crate::context::Context;
use crate::deploy::generations;
use crate::deploy::job::Mode;
use crate::deploy::session::{Session, short};
use crate::plan::CommandLine;
use crate::report::Report;

/// Go back to an earlier system of a device, as carefully as `deploy` goes forward
///
/// Nothing is built or copied. Exit codes are those of `deploy`: 0 done, 10 the device went back to what ran before,
/// 11 failed before any change, 12 unknown.
#[derive(Debug, Clone, clap::Args)]
pub struct Rollback {
    #[command(flatten)]
    pub device: Device,
    /// The generation to go to; by default the one before the one that boots
    #[arg(long, value_name = "N", conflicts_with = "list")]
    pub to: Option<u32>,
    /// Only show the generations
    #[arg(long)]
    pub list: bool,
}

impl Rollback {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        if cx.globals.dry_run {
            return self.plan(cx);
        }
        Ok(Session::with(cx, &self.device.terms(), |cx, session| self.with(cx, session)))
    }

    fn with(&self, cx: &mut Context, session: &Session) -> anyhow::Result<Report> {
        let all = generations::read(cx, &session.ssh)?;
        let target = &session.ssh.target;
        if self.list {
            let json = json!({"version": 1, "ok": true, "target": target.to_string(), "generations": generations::json(&all)});
            let lines = all.iter().map(|it| format!("{} {}", it.number, it.path)).collect();
            return Ok(Report {
                ok: true,
                lines,
                table: generations::table(&all),
                json,
                ..Report::default()
            });
        }
        let chosen = generations::choose(&all, self.to)?;
        let more = json!({"rollback": true, "to": chosen.number});
        if chosen.boots && chosen.runs {
            return Ok(session.already(more));
        }
        cx.ui.status(&format!(
            "{} → generation {}, {}",
            short(&session.facts.current),
            chosen.number,
            short(&chosen.path)
        ));
        if !cx.confirm(&format!("Go back to generation {} on {target}?", chosen.number))? {
            bail!("you said no");
        }
        let job = session.job(cx, &chosen.path, Mode::Switch, Some(chosen.number), &more);
        let verdict = session.carry_out(cx, &job, |_| Ok(()))?;
        Ok(session.report(&verdict, more))
    }

    fn plan(&self, cx: &Context) -> anyhow::Result<Report> {
        let target = self.device.terms().target(cx)?;
        let timeout = self.device.terms().timeout(cx)?.as_secs();
        let generation = self.to.map_or_else(|| "<the one before>".to_owned(), |it| it.to_string());
        let rest = format!("nix-env -p /nix/var/nix/profiles/system --switch-generation {generation}");
        let mut steps = vec!["facts".to_owned(), "generations".to_owned()];
        if !self.list {
            steps.push("lock".to_owned());
            steps.push(format!("arm: go back after {timeout} s; then its bin/switch-to-configuration test"));
            steps.push("over a new connection: units, probes".to_owned());
            steps.push(format!("{rest}, switch-to-configuration boot"));
            steps.push("read back".to_owned());
        }
        for step in steps {
            cx.ui.planned(&CommandLine("ssh", &[target.to_string(), format!("/bin/sh -s  # {step}")]));
        }
        Ok(Report::done())
    }
}
