//! Whether a builder answers, and would take what Nix sends it: tried as `builder test` tries it.

use std::ffi::OsString;

use crate::builders::Machine;
use crate::builders::probe::{Probe, RIGHTS, State};
use crate::context::Context;

/// Of ssh, for every connection that Nix makes for us: no prompts, and no waiting for ever for a link that is cut.
const SSH_OPTIONS: &str =
    "-o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=5 -o ServerAliveCountMax=6";

/// Makes Nix' ssh impatient, for the rest of this run. What the user has set comes first, and so wins.
pub fn make_ssh_impatient(cx: &mut Context) {
    let own = cx.host.env("NIX_SSHOPTS").map_or_else(String::new, |it| format!("{it} "));
    cx.host.env.insert(OsString::from("NIX_SSHOPTS"), OsString::from(format!("{own}{SSH_OPTIONS}")));
}

/// Whether Nix can build there, from what was found when it was tried.
///
/// # Errors
/// Why not, in the words of ssh or of Nix.
pub fn answers(cx: &Context, machine: &Machine, probe: &Probe) -> Result<(), String> {
    let Some(bad) = probe.checks.iter().find(|it| it.state == State::Fail) else { return Ok(()) };
    // The daemon, which is root, connects; who may not become root cannot know what becomes of that.
    if bad.step == RIGHTS {
        let (name, why) = (&machine.name, &bad.found);
        cx.ui.warning(&format!("{name} was not tried ({why}); Nix will try it"));
        return Ok(());
    }
    let what = if probe.no_way().is_some() { "does not answer" } else { "is not fit" };
    Err(format!("{what}: {}", bad.found))
}
