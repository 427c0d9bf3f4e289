//! Whether a builder answers, and would take what Nix sends it: tried as `builder test` tries it.

use std::ffi::OsString;

use crate::builders::Machine;
use crate::builders::probe::{Probe, State};
use crate::context::Context;

/// Of ssh, for every connection that Nix makes for us: no prompts, and no waiting for ever for a link that is cut.
const SSH_OPTIONS: &str =
    "-o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=5 -o ServerAliveCountMax=6";

/// Makes Nix' ssh impatient, for the rest of this run. What the user has set comes first, and so wins.
pub fn make_ssh_impatient(cx: &mut Context) {
    let own = cx.host.env("NIX_SSHOPTS").map_or_else(String::new, |it| format!("{it} "));
    cx.host.env.insert(OsString::from("NIX_SSHOPTS"), OsString::from(format!("{own}{SSH_OPTIONS}")));
}

/// Tries a builder.
///
/// # Errors
/// Why Nix cannot build there, in the words of ssh or of Nix.
pub fn answers(cx: &mut Context, machine: &Machine) -> Result<(), String> {
    cx.ui.status(&format!("asking {} whether it is there", machine.name));
    let probe = Probe::of(cx, machine).map_err(|it| format!("cannot be asked: {it:#}"))?;
    let Some(bad) = probe.checks.iter().find(|it| it.state == State::Fail) else { return Ok(()) };
    // The daemon, which is root, connects; who may not become root cannot know what becomes of that.
    if bad.found.starts_with("sudo: ") {
        let (name, why) = (&machine.name, &bad.found);
        cx.ui.warning(&format!("{name} was not tried, because that takes root ({why}); Nix will try it"));
        return Ok(());
    }
    let what = if probe.no_way().is_some() { "does not answer" } else { "is not fit" };
    Err(format!("{what}: {}", bad.found))
}
