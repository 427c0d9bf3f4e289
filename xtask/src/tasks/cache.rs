//! `cargo xtask cache`

mod keygen;
mod prune;
mod push;
mod repair;
mod status;
mod verify;
mod watch;

use self::keygen::Keygen;
use self::prune::Prune;
use self::push::Push;
use self::repair::Repair;
use self::status::Status;
use self::verify::Verify;
use self::watch::Watch;
use crate::context::Context;
use crate::report::Report;

/// Fill the binary cache, and look after it
///
/// Where it is, and which key signs, is in `[cache]` of xtask.toml. Credentials are those of the AWS tools. See
/// docs/cache.md.
#[derive(Debug, Clone, clap::Args)]
pub struct Cache {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    Push(Push),
    Status(Status),
    Verify(Verify),
    Repair(Repair),
    Prune(Prune),
    Watch(Watch),
    Keygen(Keygen),
}

impl Cache {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        match self.verb {
            Verb::Push(it) => it.run(cx),
            Verb::Status(it) => it.run(cx),
            Verb::Verify(it) => it.run(cx),
            Verb::Repair(it) => it.run(cx),
            Verb::Prune(it) => it.run(cx),
            Verb::Watch(it) => it.run(cx),
            Verb::Keygen(it) => it.run(cx),
        }
    }
}
