//! What the locks of the workspace say.

use serde_json::Value;

use super::{git, plain};
use crate::context::Context;
use crate::plan::quoted;
use crate::report::Hint;
use crate::rules::diagnosis::Finding;

pub(super) fn needs_update(cx: &Context, finding: &Finding) -> Hint {
    let dir = git::flake_dir(cx, &finding.holes["flake"]);
    // Our own Nix is not on PATH.
    let nix = cx.nix_found().filter(|it| it.store_root.is_some()).map_or("nix", |it| it.program.as_str());
    let command = format!("{} flake lock {}", quoted(nix), quoted(&dir));
    Hint { cure: format!("run `{command}`, look at the change, commit it"), ..plain(finding) }
}

/// The lock that cannot be read; 2.26 does not name it.
pub(super) fn unparsable(cx: &Context, finding: &Finding) -> Hint {
    let broken = locks(cx).into_iter().find(|(_, text)| serde_json::from_str::<Value>(text).is_err());
    let Some((file, text)) = broken else { return plain(finding) };
    let (cause, cure) = if text.trim().is_empty() {
        ("is empty".to_owned(), format!("restore it: `git checkout -- {file}`"))
    } else if let Some(line) = text.lines().position(|it| it.starts_with("<<<<<<< ")) {
        let cause = format!("has the marks of a conflict of git in line {}", line + 1);
        (cause, format!("take one side (`git checkout --ours -- {file}`), then run `cargo xtask lock sync`"))
    } else {
        ("is no JSON".to_owned(), format!("restore it: `git checkout -- {file}`"))
    };
    Hint { cause: format!("`{file}` {cause}"), cure, ..plain(finding) }
}

/// The input whose content is another one.
pub(super) fn input(cx: &Context, finding: &Finding) -> Hint {
    let hash = &finding.holes["locked"];
    let named = locks(cx).into_iter().find_map(|(file, text)| {
        let lock: Value = serde_json::from_str(&text).ok()?;
        let nodes = lock["nodes"].as_object()?;
        let node = nodes.iter().find(|it| it.1["locked"]["narHash"] == hash.as_str())?;
        Some((file, node.0.clone()))
    });
    let Some((file, input)) = named else { return plain(finding) };
    Hint {
        cause: format!(
            "the content of the input `{input}` is not what `{file}` says: {}",
            plain(finding).cause
        ),
        cure: plain(finding).cure.replace("INPUT", &input),
        ..plain(finding)
    }
}

/// The flake.lock files of the workspace, as users name them, and their texts.
fn locks(cx: &Context) -> Vec<(String, String)> {
    let files = (0..cx.workspace.flakes.len()).map(|it| cx.flake_dir(it).join("flake.lock"));
    let read = |file: camino::Utf8PathBuf| {
        let text = std::fs::read_to_string(&file).ok()?;
        Some((file.strip_prefix(&cx.dir).unwrap_or(&file).to_string(), text))
    };
    files.filter_map(read).collect()
}
