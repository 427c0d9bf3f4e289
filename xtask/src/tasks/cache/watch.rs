//! `cargo xtask cache watch`

use crate::cache::{Destination, pusher};
use crate::context::Context;
use crate::report::Report;

/// Push whatever is built on this machine as soon as it is built, until Ctrl-C
///
/// A cache that cannot be reached stops no build: what was not pushed is tried again with the next output.
/// `cargo xtask build --push` does the same for one build.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Watch {
    /// Where to; by default `cache.push` of xtask.toml
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Requests at once
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

impl Watch {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let destination = Destination::of(cx, Some("--to"), self.to.as_deref(), self.jobs.map(usize::from))?;
        let job = pusher::watch_job(cx, &destination, &[], None)?;
        if cx.globals.dry_run {
            cx.ui.status(&format!("would push to {} what is built", destination.url));
            return Ok(Report::done());
        }
        cx.ui.status(&format!("pushing to {} what is built, until Ctrl-C", destination.url));
        let summary = pusher::run(cx, &destination, "watch", &job)?;
        Ok(summary.report(cx))
    }
}
