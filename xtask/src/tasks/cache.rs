//! `cargo xtask cache`

mod keygen;
mod push;
mod watch;

use self::keygen::Keygen;
use self::push::Push;
use self::watch::Watch;
use crate::context::Context;
use crate::report::Report;

/// Fill the binary cache
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
    Watch(Watch),
    Keygen(Keygen),
}

impl Cache {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        match self.verb {
            Verb::Push(it) => it.run(cx),
            Verb::Watch(it) => it.run(cx),
            Verb::Keygen(it) => it.run(cx),
        }
    }
}
