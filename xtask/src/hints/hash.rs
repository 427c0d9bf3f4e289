//! The file and line of a hash, and its replacement.

use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use super::plain;
use crate::context::Context;
use crate::files::write_atomic;
use crate::format::diff;
use crate::nix::hash::Sri;
use crate::nix_edit::hash::{Edit, placeholders, places};
use crate::nix_edit::splice;
use crate::plan::quoted;
use crate::report::Hint;
use crate::revision::{self, outside_hook};
use crate::rules::diagnosis::Finding;

/// A file that has the hash, and what to put there.
struct Place {
    file: Utf8PathBuf,
    text: String,
    edits: Vec<Edit>,
}

pub(super) fn hint(cx: &Context, finding: &Finding) -> Hint {
    let mut hint = plain(finding);
    let found = find(cx, finding);
    let lines = found.iter().flat_map(|it| it.edits.iter().map(|edit| line(cx, it, edit)));
    let lines: Vec<String> = lines.collect();
    match lines.as_slice() {
        [] => {}
        [one] => {
            hint.cause = format!("{}: {one}", hint.cause);
            hint.cure.push_str("; `cargo xtask build NAME --fix` does that and builds again");
        }
        many => hint.cause = format!("{}; the hash stands in {}", hint.cause, many.join(", ")),
    }
    hint
}

fn line(cx: &Context, place: &Place, edit: &Edit) -> String {
    let line = place.text[..edit.0.start].matches('\n').count() + 1;
    format!("{}:{line}", place.file.strip_prefix(&cx.dir).unwrap_or(&place.file))
}

/// Puts the hash that came in place of the one that is written, when there is exactly one place; shows that and asks
/// first. Whether something was changed.
///
/// # Errors
/// When nobody can be asked, or a file cannot be written.
pub fn repair(cx: &mut Context, findings: &[Finding]) -> anyhow::Result<bool> {
    let mut changed = false;
    for finding in findings.iter().filter(|it| it.rule.id == "fod-hash-mismatch") {
        let found = find(cx, finding);
        let lines: Vec<String> =
            found.iter().flat_map(|it| it.edits.iter().map(|edit| line(cx, it, edit))).collect();
        let place = match (found.as_slice(), lines.as_slice()) {
            ([place], [_]) => place,
            (_, []) => {
                cx.ui.warning("no hash was replaced: no tracked Nix file of this repository has it");
                continue;
            }
            (_, many) => {
                let all = many.join(", ");
                cx.ui.warning(&format!("no hash was replaced: it stands in {all}; edit the right one"));
                continue;
            }
        };
        let new = splice(&place.text, &place.edits);
        let shown = place.file.strip_prefix(&cx.workspace.root).unwrap_or(&place.file).to_owned();
        cx.ui.status(diff(&place.text, &new, shown.as_str()).trim_end());
        if cx.globals.dry_run || !cx.confirm(&format!("put what came into {}?", quoted(shown.as_str())))? {
            continue;
        }
        write_atomic(&place.file, new.as_bytes())?;
        cx.changed();
        changed = true;
    }
    Ok(changed)
}

/// The tracked Nix files that have the hash.
fn find(cx: &Context, finding: &Finding) -> Vec<Place> {
    let hashes = || {
        Some((
            finding.holes.get("specified")?.parse::<Sri>().ok()?,
            finding.holes.get("got")?.parse::<Sri>().ok()?,
        ))
    };
    let Some((old, new)) = hashes() else { return Vec::new() };
    let top = revision::work_tree(&cx.workspace.root).unwrap_or_else(|| cx.workspace.root.clone());
    let spellings: Vec<(String, String)> = old.spellings().into_iter().zip(new.spellings()).collect();
    let search = |edits: &dyn Fn(&str) -> Vec<Edit>| -> Vec<Place> {
        let read = |file: Utf8PathBuf| {
            let text = std::fs::read_to_string(&file).ok()?;
            let edits = edits(&text);
            (!edits.is_empty()).then_some(Place { file, text, edits })
        };
        nix_files(cx, &top).into_iter().filter_map(read).collect()
    };
    let written = search(&|text| places(text, &spellings));
    if written.is_empty() && old.is_zero() {
        search(&|text| placeholders(text, &new.to_string()))
    } else {
        written
    }
}

fn nix_files(cx: &Context, top: &Utf8Path) -> Vec<Utf8PathBuf> {
    let sh = &cx.sh;
    let listed = outside_hook(cmd!(sh, "git -C {top} ls-files -z -- *.nix")).quiet().ignore_stderr().read();
    let listed = listed.unwrap_or_default();
    listed.split('\0').filter(|it| !it.is_empty()).map(|it| top.join(it)).collect()
}
