//! `cargo xtask setup undo`

use super::report;
use crate::changeset::apply::Applied;
use crate::changeset::receipt;
use crate::context::Context;
use crate::report::Report;

/// Take the last change of this machine back, by `setup` or `doctor --fix`; again for the one before
///
/// A file that somebody has changed since is left alone.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Undo {}

impl Undo {
    #[expect(clippy::unused_self, reason = "it has no options yet, and is called like the others")]
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let (dir, mut found) = receipt::latest(&cx.host.state_dir()?)?;
        let set = found.reverse();
        // Before it is shown: what has been changed since must not be thrown away.
        set.fits(&cx.host, &dir)?;
        cx.ui.status(&set.title);
        let applied = set.apply(cx)?;
        if applied == Applied::Done {
            found.undone = true;
            found.write(&dir)?;
        }
        let note = match applied {
            Applied::Done => "the files are as they were",
            Applied::Refused => "nothing was changed",
            Applied::Nothing | Applied::Shown => "",
        };
        Ok(report(applied, true, note))
    }
}
