//! What is remembered only to save time.

use crate::context::Context;

/// That it cannot be written, as in a workspace that is read-only or on a full disk, spoils nothing: it is told once.
pub fn forgive(cx: &Context, written: anyhow::Result<()>) {
    if let Err(error) = written {
        let (state, cause) = (cx.state(), error.root_cause());
        cx.ui
            .warning(&format!("cannot write to `{state}`: {cause}; nothing is remembered for the next time"));
    }
}
