//! Whether a builder answers: its store is asked, as Nix would.

use std::ffi::OsString;

use crate::builders::Machine;
use crate::context::Context;
use crate::plan::{Settings, Step};
use crate::tool::Tool;

/// Of ssh, for every connection that Nix makes for us: no prompts, and no waiting for ever for a link that is cut.
const SSH_OPTIONS: &str =
    "-o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=5 -o ServerAliveCountMax=6";

/// Makes Nix' ssh impatient, for the rest of this run. What the user has set comes first, and so wins.
pub fn make_ssh_impatient(cx: &mut Context) {
    let own = cx.host.env("NIX_SSHOPTS").map_or_else(String::new, |it| format!("{it} "));
    cx.host.env.insert(OsString::from("NIX_SSHOPTS"), OsString::from(format!("{own}{SSH_OPTIONS}")));
}

/// Asks a builder's store.
///
/// # Errors
/// Why it does not answer, in the words of ssh or of Nix.
pub fn answers(cx: &mut Context, machine: &Machine, settings: &Settings) -> Result<(), String> {
    cx.ui.status(&format!("asking {} whether it is there", machine.name));
    let step = Step::StoreInfo { store: Some(machine.store_with_keys()) };
    let args = step.argv(&Settings { extra: Vec::new(), ..settings.clone() });
    let done = Tool::nix(cx).and_then(|it| it.run(cx, &args)).map_err(|it| format!("{it:#}"))?;
    if done.exit.success() {
        return Ok(());
    }
    // What ssh says comes first; what Nix makes of it says less.
    let lines = done.talk.iter().map(|it| it.trim());
    let lines: Vec<&str> = lines.filter(|it| !it.is_empty() && !it.starts_with("warning:")).collect();
    let why = lines.iter().find(|it| !it.starts_with("error:")).or(lines.last());
    Err((*why.unwrap_or(&"it says nothing")).to_owned())
}
