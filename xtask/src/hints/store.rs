//! What the disks, the store and the kind of installation say.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use unix::sys::statvfs::statvfs;

use super::plain;
use crate::context::Context;
use crate::installation::Installation;
use crate::report::{Hint, bytes};
use crate::rules::diagnosis::Finding;

/// Less than this is full: a build writes more than that at once.
const FULL: u64 = 200_000_000;

/// A derivation without a hash has no network, and that is why; one with a hash has, and something else is wrong.
pub(super) fn no_network(cx: &Context, finding: &Finding) -> Option<Hint> {
    let drv = finding.drv.as_deref()?;
    let file = cx.nix_found().map_or_else(|| Utf8PathBuf::from(drv), |it| it.real(drv));
    let file = cx.host.path(file.as_str());
    let text = std::fs::read_to_string(file).ok()?;
    // `Derive([("out","/nix/store/…","sha256","…")],…`: the third is empty unless the hash is fixed.
    let output = text.strip_prefix("Derive([(")?.split(')').next()?;
    (output.split(',').nth(2) == Some("\"\"")).then(|| plain(finding))
}

/// Which of the directories that Nix writes to is full.
pub(super) fn full(cx: &Context, finding: &Finding) -> Hint {
    let mut hint = plain(finding);
    let nix = cx.nix_found();
    let real =
        |it: &str| cx.host.path(nix.map_or_else(|| Utf8PathBuf::from(it), |nix| nix.real(it)).as_str());
    let temporary = cx.host.env("TMPDIR").map_or_else(|| cx.host.path("/tmp"), Utf8PathBuf::from);
    let dirs = [real("/nix/store"), real("/nix/var/nix/builds"), temporary, cx.workspace.root.clone()];
    let mut found = BTreeSet::new();
    for dir in dirs {
        let Ok(it) = statvfs(dir.as_std_path()) else { continue };
        let free = it.blocks_available() * it.fragment_size();
        if free < FULL {
            found.insert(format!("`{dir}` has {} left", bytes(free)));
        } else if it.files() > 0 && it.files_available() < 1000 {
            found.insert(format!("`{dir}` has {} inodes left", it.files_available()));
        }
    }
    if !found.is_empty() {
        hint.cause = format!("a disk is full: {}", found.into_iter().collect::<Vec<_>>().join(", "));
    }
    hint
}

/// How the daemon is started here.
pub(super) fn daemon(cx: &Context, finding: &Finding) -> Hint {
    let command = Installation::find(&cx.host, cx.nix_found().map(|it| it.flavour)).restart_text();
    let command = if command.starts_with("sudo ") { format!("`{command}`") } else { command };
    let hint = plain(finding);
    Hint { cure: hint.cure.replace("`sudo systemctl start nix-daemon`", &command), ..hint }
}
