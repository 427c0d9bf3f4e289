//! `cargo xtask lock`

mod check;
mod status;
mod sync;

pub(crate) use self::check::Check;

use crate::context::Context;
use crate::report::Report;

/// The locks of all flakes as one: see them, check them, make them equal
#[derive(Debug, Clone, clap::Args)]
pub struct Lock {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    Check(Check),
    Status(status::Status),
    Sync(sync::Sync),
}

impl Lock {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        match self.verb {
            Verb::Check(it) => it.run(cx),
            Verb::Status(it) => it.run(cx),
            Verb::Sync(it) => it.run(cx),
        }
    }
}
