//! What `cargo xtask` itself keeps: the dev shell, and the links that keep results from the garbage collector.

use camino::Utf8PathBuf;

use super::check::Check;
use super::facts::Facts;
use crate::report::count;

const GROUP: &str = "cargo xtask";

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let Ok(nix) = &facts.nix else { return Vec::new() };
    let state = facts.workspace.root.join("target/xtask");
    let entries = |dir: &str| -> Vec<Utf8PathBuf> {
        let entries = state.join(dir).read_dir_utf8().ok().into_iter().flatten().flatten();
        let mut res: Vec<Utf8PathBuf> = entries.map(|it| it.path().to_owned()).collect();
        res.sort();
        res
    };
    let links: Vec<(Utf8PathBuf, Utf8PathBuf)> =
        entries("roots").into_iter().filter_map(|it| Some((it.clone(), it.read_link_utf8().ok()?))).collect();
    let paths = links.iter().filter(|it| it.1.as_str().starts_with("/nix/store/"));
    let gone: Vec<&Utf8PathBuf> =
        paths.filter(|it| nix.real(it.1.as_str()).symlink_metadata().is_err()).map(|it| &it.0).collect();
    let shells = entries("shell").into_iter().filter(|it| it.join("environment.json").exists()).count();
    let shell = match shells {
        0 => Check::pass(GROUP, "dev shell", "not entered yet: the first time takes longer"),
        it => Check::pass(GROUP, "dev shell", format!("{} remembered", count(it, "environment"))),
    };
    let roots = if gone.is_empty() {
        Check::pass(
            GROUP,
            "roots",
            format!("{} kept from the garbage collector", count(links.len(), "result")),
        )
    } else {
        Check::warn(GROUP, "roots", format!("links that lead nowhere: {} of {}", gone.len(), links.len()))
            .because("what they keep is gone, as after a new installation of Nix")
            .cure(format!("rm -r {}", state.join("roots")))
    };
    vec![shell, roots]
}
