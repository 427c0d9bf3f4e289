//! Where a setting is set.

use super::plain;
use crate::context::Context;
use crate::nix_conf::{Assignment, Conf, SYSTEM, plain_name};
use crate::report::Hint;
use crate::rules::diagnosis::Finding;

/// The rule, with the file and line of the setting that it is about.
pub(super) fn placed(cx: &Context, finding: &Finding) -> Hint {
    let hint = plain(finding);
    let Some(place) = place(cx, finding) else { return hint };
    Hint { cure: format!("{} (it is set in {place})", hint.cure), ..hint }
}

fn place(cx: &Context, finding: &Finding) -> Option<String> {
    let hole = |name: &str| finding.holes.get(name).map(String::as_str);
    // What it is called, and a word that must be among its values.
    let (names, word): (&[&str], Option<&str>) = match finding.rule.id {
        "unknown-setting" | "bad-setting" | "restricted-setting" => (&[hole("setting")?], None),
        "dirty-not-allowed" => (&["allow-dirty"], None),
        "ifd-disabled" => (&["allow-import-from-derivation"], None),
        "timeout" => (&["timeout", "max-silent-time"], None),
        "feature-disabled" => (&["experimental-features"], None),
        "untrusted-substituter" => (&["substituters"], None),
        "cache-not-a-cache" | "cache-storedir" | "download-retry" => (&["substituters"], hole("url")),
        "sandbox-path-missing" => (&["sandbox-paths"], hole("path")),
        "tls" => (&["ssl-cert-file"], None),
        _ => return None,
    };
    let conf = Conf::system(&cx.host, SYSTEM).and(Conf::user(&cx.host));
    let suits = |it: &&Assignment| {
        let right = names.iter().any(|name| plain_name(&it.name).0 == plain_name(name).0);
        let bare =
            |it: &str| it.trim_end_matches('/').split(['?', '=']).next().unwrap_or_default().to_owned();
        let has =
            |word: &str| it.words.iter().any(|it| bare(word).starts_with(&bare(it)) || it.contains(word));
        right && word.is_none_or(has)
    };
    conf.assignments.iter().rfind(suits).map(|it| it.place.to_string())
}
