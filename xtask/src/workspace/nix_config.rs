//! Whether a flake's own `nixConfig` asks for no more than the manifest allows.

use std::collections::BTreeSet;

use super::flake_source::{FlakeSource, NixConfigValue};
use super::manifest::CacheSettings;

/// What accepting a flake's `nixConfig` would mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigVerdict {
    /// The flake has none.
    None,
    /// It names the manifest's caches and keys, or none, and else only settings that can do no harm.
    Equal,
    /// It differs from the manifest; each sentence names one difference.
    Differs(Vec<String>),
}

/// Settings that choose neither what is trusted nor what is run: how long to wait, how much to do at once, what to say.
/// `bash-prompt*`, `flake-registry` and `commit-lock-file-summary` are applied by Nix without asking anyway.
const HARMLESS: &[&str] = &[
    "bash-prompt",
    "bash-prompt-prefix",
    "bash-prompt-suffix",
    "commit-lock-file-summary",
    "commit-lockfile-summary",
    "connect-timeout",
    "download-attempts",
    "download-buffer-size",
    "fallback",
    "flake-registry",
    "http-connections",
    "log-lines",
    "max-substitution-jobs",
    "stalled-download-timeout",
    "warn-dirty",
];

/// The features that are always on anyway.
const HARMLESS_FEATURES: &[&str] = &["flakes", "nix-command"];

/// Compares a flake's `nixConfig` with the manifest's caches.
#[must_use]
pub fn config_differences(source: &FlakeSource, manifest: &CacheSettings) -> ConfigVerdict {
    if source.nix_config.is_empty() {
        return ConfigVerdict::None;
    }
    let (mut substituters, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut differences = Vec::new();
    let mut names_caches = false;
    for (name, value) in &source.nix_config {
        match name.strip_prefix("extra-").unwrap_or(name) {
            "substituters" => substituters.extend(value.words().map(cache_url)),
            "trusted-public-keys" => keys.extend(value.words()),
            "experimental-features" => differences.extend(odd_features(name, value)),
            _ if HARMLESS.contains(&name.as_str()) => continue,
            _ => differences.push(format!("nixConfig sets `{name}`, which is never accepted from a flake")),
        }
        names_caches |= name.ends_with("substituters") || name.ends_with("trusted-public-keys");
    }
    if names_caches {
        let allowed = manifest.substituters.iter().map(|it| cache_url(it)).collect();
        compare("substituter", "cache.substituters", &substituters, &allowed, &mut differences);
        let allowed = manifest.public_keys.iter().map(String::as_str).collect();
        compare("public key", "cache.public-keys", &keys, &allowed, &mut differences);
    }
    if differences.is_empty() { ConfigVerdict::Equal } else { ConfigVerdict::Differs(differences) }
}

/// A cache is the same with and without a slash at its end.
fn cache_url(url: &str) -> &str {
    url.trim_end_matches('/')
}

fn odd_features(name: &str, value: &NixConfigValue) -> Option<String> {
    let odd: Vec<&str> = value.words().filter(|it| !HARMLESS_FEATURES.contains(it)).collect();
    (!odd.is_empty()).then(|| format!("nixConfig turns on `{}` by `{name}`", odd.join("`, `")))
}

fn compare(
    what: &str,
    key: &str,
    flake: &BTreeSet<&str>,
    manifest: &BTreeSet<&str>,
    differences: &mut Vec<String>,
) {
    for it in flake.difference(manifest) {
        differences.push(format!("nixConfig names the {what} `{it}`, which `{key}` in xtask.toml does not"));
    }
    for it in manifest.difference(flake) {
        differences.push(format!("nixConfig lacks the {what} `{it}` of `{key}` in xtask.toml"));
    }
}
