//! `cargo xtask setup cache`

use anyhow::bail;

use super::{facts_after_restart, facts_with_nix, module, report};
use crate::changeset::apply::Applied;
use crate::changeset::{self, Changeset};
use crate::context::Context;
use crate::doctor::{self, Facts, State};
use crate::host::Host;
use crate::installation::Installation;
use crate::report::Report;
use crate::workspace::CacheSettings;

/// Let every user of this machine use the workspace's binary caches, and believe their keys
///
/// They are allowed, not used for everything: a flake that names them gets them. Nobody gets other rights by that,
/// which is why it is better than `setup trust`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Cache {}

impl Cache {
    #[expect(clippy::unused_self, reason = "it has no options yet, and is called like the others")]
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let before = facts_with_nix(cx)?;
        let caches = before.wanted.clone();
        if caches.substituters.is_empty() {
            bail!(
                "xtask.toml names no caches: write them under [cache], as `substituters` and `public-keys`"
            );
        }
        if before.is_private() {
            return Ok(report(
                Applied::Nothing,
                true,
                "our own Nix has no daemon: it uses what the flakes name",
            ));
        }
        let installation = before.installation.clone();
        if installation.settings_file().is_none() {
            if good(&before) {
                return Ok(report(Applied::Nothing, true, "the caches are used already"));
            }
            return Ok(module(&installation.module(&lists(&caches)), &installation));
        }
        let set = plan(&cx.host, &installation, &before.conf_file, &caches)?;
        let applied = set.apply(cx)?;
        match applied {
            Applied::Nothing | Applied::Done => {}
            Applied::Shown => return Ok(report(applied, true, "")),
            Applied::Refused => return Ok(report(applied, false, "nothing was changed")),
        }
        // Whoever is root is believed by the old daemon too: what it says then proves nothing.
        let restarted = applied == Applied::Nothing || installation.restart().is_some();
        let after = facts_after_restart(cx, |it| good(it) || !restarted);
        Ok(if restarted && good(&after) {
            report(applied, true, "the daemon uses the caches")
        } else {
            report(applied, false, not_yet(&after))
        })
    }
}

fn lists(caches: &CacheSettings) -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("trusted-substituters", caches.substituters.clone()),
        ("trusted-public-keys", caches.public_keys.clone()),
    ]
}

/// The change of the file where such settings belong, tried on paper: a later line of another file could undo it.
fn plan(
    host: &Host,
    installation: &Installation,
    conf_file: &str,
    caches: &CacheSettings,
) -> anyhow::Result<Changeset> {
    let set = changeset::settings::add(host, installation, "allow the workspace's caches", &lists(caches))?;
    set.holds(host, conf_file, &lists(caches))?;
    Ok(set)
}

/// The checks that `doctor` makes of it. The keys must be in the files: whoever is trusted sees no difference.
fn good(facts: &Facts) -> bool {
    let failed = |it: &doctor::Check| ["used", "key"].contains(&it.name.as_str()) && it.state != State::Pass;
    facts.store.is_ok() && !doctor::checks(facts).iter().any(failed)
}

fn not_yet(facts: &Facts) -> String {
    let told: Vec<String> = doctor::checks(facts)
        .into_iter()
        .filter(|it| ["used", "key", "store"].contains(&it.name.as_str()) && it.state != State::Pass)
        .map(|it| format!("\n- {}", it.found))
        .collect();
    format!(
        "the settings are written; they hold when the daemon is restarted: {}{}",
        facts.installation.restart_text(),
        told.concat()
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::doctor::machines::Machine;

    fn caches() -> CacheSettings {
        CacheSettings {
            substituters: vec!["https://cache.example".to_owned()],
            public_keys: vec!["example-1:AAAA=".to_owned()],
            ..CacheSettings::default()
        }
    }

    fn check(machine: &Machine, expect: &expect_test::Expect) {
        let installation = Installation::find(&machine.host, None);
        let text = match plan(&machine.host, &installation, crate::nix_conf::SYSTEM, &caches()) {
            Ok(set) => {
                let runs = set.changes.iter().filter_map(|it| match it {
                    changeset::Change::Run(words) => Some(words.join(" ")),
                    changeset::Change::File { .. } => None,
                });
                [set.diffs(), runs.collect()].concat().join("\n") + "\n"
            }
            Err(error) => format!("error: {error:#}\n"),
        };
        expect.assert_eq(&text);
    }

    #[test]
    fn each_installation_has_its_file_and_its_restart() {
        check(
            &Machine::linux(),
            &expect![[r#"
            --- a/etc/nix/nix.conf
            +++ b/etc/nix/nix.conf
            @@ -1 +1,3 @@
             build-users-group = nixbld
            +extra-trusted-substituters = https://cache.example
            +extra-trusted-public-keys = example-1:AAAA=
            systemctl restart nix-daemon.service
        "#]],
        );
        check(
            &Machine::determinate(),
            &expect![[r#"
            --- a/etc/nix/nix.custom.conf
            +++ b/etc/nix/nix.custom.conf
            @@ -1,2 +1,4 @@
             # Mine
             cores = 4 # not all
            +extra-trusted-substituters = https://cache.example
            +extra-trusted-public-keys = example-1:AAAA=
            systemctl restart nix-daemon.service
        "#]],
        );
        check(
            &Machine::mac_determinate(),
            &expect![[r#"
            --- a/etc/nix/nix.custom.conf
            +++ b/etc/nix/nix.custom.conf
            @@ -0,0 +1,2 @@
            +extra-trusted-substituters = https://cache.example
            +extra-trusted-public-keys = example-1:AAAA=
            launchctl kickstart -k system/systems.determinate.nix-daemon
        "#]],
        );
        let nixos = Machine::nixos();
        let installation = Installation::find(&nixos.host, None);
        assert_eq!(installation.settings_file(), None);
        expect![[r#"
            nix.settings = {
              trusted-substituters = ["https://cache.example"];
              trusted-public-keys = ["example-1:AAAA="];
            };
        "#]]
        .assert_eq(&installation.module(&lists(&caches())));
    }

    #[test]
    fn a_later_line_that_wins_is_named_before_anything_is_changed() {
        let machine = Machine::determinate();
        machine
            .put("/etc/nix/nix.conf", "!include nix.custom.conf\ntrusted-substituters = https://a.example\n");
        check(
            &machine,
            &expect![[r#"
            error: `https://cache.example` in /etc/nix/nix.custom.conf would have no effect: /etc/nix/nix.conf:2 says `trusted-substituters = …`, which replaces it; write `extra-trusted-substituters` there
        "#]],
        );
    }
}
