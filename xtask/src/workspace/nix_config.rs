//! Whether a flake's own `nixConfig` asks for no more than the manifest allows.

use std::collections::BTreeSet;

use super::cache_settings::CacheSettings;
use super::flake_source::FlakeSource;
use super::nix_value::NixConfigValue;

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
            "substituters" => {
                names_caches = true;
                substituters.extend(value.words().map(cache_url));
            }
            "trusted-public-keys" => {
                names_caches = true;
                keys.extend(value.words());
            }
            "experimental-features" => differences.extend(odd_features(name, value)),
            _ if HARMLESS.contains(&name.as_str()) => {}
            _ => differences.push(format!("nixConfig sets `{name}`, which is never accepted from a flake")),
        }
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

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(nix_config: &str, expect: Expect) {
        let text = format!("{{ nixConfig = {{ {nix_config} }}; outputs = _: {{}}; }}");
        let source = FlakeSource::parse(&text, Utf8Path::new("flake.nix")).unwrap();
        let manifest = CacheSettings {
            substituters: vec!["https://cache.nixos.org".to_owned(), "https://elodin.example".to_owned()],
            public_keys: vec!["elodin-1:AAAA".to_owned()],
            ..CacheSettings::default()
        };
        expect.assert_eq(&match config_differences(&source, &manifest) {
            ConfigVerdict::None => "none".to_owned(),
            ConfigVerdict::Equal => "equal".to_owned(),
            ConfigVerdict::Differs(what) => what.join("\n") + "\n",
        });
    }

    #[test]
    fn the_same_caches_in_any_spelling_are_equal() {
        check("", expect!["none"]);
        check(
            r#"extra-substituters = ["https://elodin.example/" "https://cache.nixos.org"];
               extra-trusted-public-keys = "elodin-1:AAAA";"#,
            expect!["equal"],
        );
        check(
            r#"substituters = "https://cache.nixos.org"; extra-substituters = ["https://elodin.example"];
               trusted-public-keys = ["elodin-1:AAAA"];"#,
            expect!["equal"],
        );
        check(r#"connect-timeout = 5; fallback = true; bash-prompt-prefix = "x";"#, expect!["equal"]);
        check(r#"extra-experimental-features = "nix-command flakes";"#, expect!["equal"]);
    }

    #[test]
    fn names_each_difference() {
        check(
            r#"extra-substituters = ["https://evil.example"];"#,
            expect![[r#"
            nixConfig names the substituter `https://evil.example`, which `cache.substituters` in xtask.toml does not
            nixConfig lacks the substituter `https://cache.nixos.org` of `cache.substituters` in xtask.toml
            nixConfig lacks the substituter `https://elodin.example` of `cache.substituters` in xtask.toml
            nixConfig lacks the public key `elodin-1:AAAA` of `cache.public-keys` in xtask.toml
        "#]],
        );
        check(
            r#"extra-substituters = "https://cache.nixos.org https://elodin.example?trusted=true";
               extra-trusted-public-keys = ["elodin-1:AAAA" "evil-1:BBBB"];"#,
            expect![[r#"
                nixConfig names the substituter `https://elodin.example?trusted=true`, which `cache.substituters` in xtask.toml does not
                nixConfig lacks the substituter `https://elodin.example` of `cache.substituters` in xtask.toml
                nixConfig names the public key `evil-1:BBBB`, which `cache.public-keys` in xtask.toml does not
            "#]],
        );
        check(
            r#"post-build-hook = ./hook.sh; sandbox = false;"#,
            expect![[r#"
            nixConfig sets `post-build-hook`, which is never accepted from a flake
            nixConfig sets `sandbox`, which is never accepted from a flake
        "#]],
        );
        check(
            r#"extra-trusted-substituters = "https://elodin.example"; require-sigs = false;"#,
            expect![[r#"
                nixConfig sets `extra-trusted-substituters`, which is never accepted from a flake
                nixConfig sets `require-sigs`, which is never accepted from a flake
            "#]],
        );
        check(
            r#"experimental-features = ["flakes" "impure-derivations"];"#,
            expect![[r#"
            nixConfig turns on `impure-derivations` by `experimental-features`
        "#]],
        );
    }
}
