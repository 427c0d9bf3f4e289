//! What a builder says of itself, held against its line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use super::probe::Probe;
use super::{Machine, words};
use crate::report::bytes;

/// The less free space is a warning.
const LITTLE: u64 = 5_000_000_000;
/// Seconds by which clocks may differ.
const SKEW: u64 = 60;

/// What the builder is asked, in one go, by any POSIX shell, also on a Mac. `PATH` also has the place of a daemon that
/// is named.
pub(super) const SCRIPT: &str = r#"
echo "time=$(date +%s)"
export NIX_CONFIG="extra-experimental-features = nix-command"
build=
if command -v nix >/dev/null; then
  settings=$(nix config show 2>/dev/null)
  printf '%s\n' "$settings" | sed -nE 's/^(system|extra-platforms|system-features) = /\1=/p'
  build=$(printf '%s\n' "$settings" | sed -n 's/^build-dir = *//p')
fi
if [ -z "$build" ]; then
  build=/nix/var/nix/builds
  [ -d "$build" ] || build=${TMPDIR:-/tmp}
fi
for dir in /nix/store "$build"; do df -Pk "$dir" 2>/dev/null | sed -n "2s|^|df=$dir |p"; done
df -PT "$build" 2>/dev/null | sed -n "2s|^|build=$build |p"
true
"#;

/// The answers by name, each with its lines.
pub(super) type Answers = BTreeMap<String, Vec<String>>;

/// What the script printed.
pub(super) fn answers(text: &str) -> Answers {
    let mut res = Answers::new();
    for (name, value) in text.lines().filter_map(|it| it.split_once('=')) {
        res.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    res
}

impl Probe {
    pub(super) fn remote(&mut self, machine: &Machine, facts: &Answers) {
        self.systems(machine, facts);
        self.features(machine, facts);
        self.disk(facts);
        self.build_directory(facts);
        self.clock(facts);
    }

    fn systems(&mut self, machine: &Machine, facts: &Answers) {
        let Some(system) = facts.get("system") else { return };
        let mut own = set(facts, "extra-platforms").unwrap_or_default();
        own.extend(system.iter().cloned());
        let lacks: BTreeSet<String> = machine.systems.difference(&own).cloned().collect();
        if lacks.is_empty() {
            return self.pass("systems", words(&machine.systems));
        }
        let found = format!("its line says {}, and it builds for {} only", words(&lacks), words(&own));
        let cure =
            format!("take {} out of {}, or set `extra-platforms` there", words(&lacks), machine.origin);
        self.fail("systems", found, cure);
    }

    fn features(&mut self, machine: &Machine, facts: &Answers) {
        let Some(own) = set(facts, "system-features") else { return };
        let said: BTreeSet<String> = machine.supported.union(&machine.mandatory).cloned().collect();
        let lacks: BTreeSet<String> = said.difference(&own).cloned().collect();
        match (said.is_empty(), lacks.is_empty()) {
            (true, _) => self.pass("features", "none are said"),
            (false, true) => self.pass("features", words(&said)),
            (false, false) => self.fail(
                "features",
                format!("its line says {}, and it has {} only", words(&lacks), words(&own)),
                format!(
                    "put {} into `system-features` of the builder's nix.conf if it can, else take it out of {}",
                    words(&lacks),
                    machine.origin
                ),
            ),
        }
    }

    fn disk(&mut self, facts: &Answers) {
        let free = facts.get("df").into_iter().flatten().filter_map(|it| {
            let mut fields = it.split_whitespace();
            Some((fields.next()?.to_owned(), fields.nth(3)?.parse::<u64>().ok()? * 1024))
        });
        for (dir, free) in free {
            let found = format!("{dir} has {} left", bytes(free));
            if free < LITTLE {
                self.warn("disk", found, "`nix-collect-garbage --delete-older-than 14d` there");
            } else {
                self.pass("disk", found);
            }
        }
    }

    /// Where builds happen: the setting, else what its version takes.
    fn build_directory(&mut self, facts: &Answers) {
        let Some(line) = facts.get("build").and_then(|it| it.first()) else { return };
        let mut fields = line.split_whitespace();
        let dir = fields.next().unwrap_or_default();
        match fields.nth(1) {
            Some("tmpfs") => self.warn(
                "build directory",
                format!("{dir} is in memory (tmpfs)"),
                "large builds fill it: set `build-dir = /var/cache/nix-build` there, or `cargo xtask setup builder disk`",
            ),
            Some(kind) => self.pass("build directory", format!("{dir} is on {kind}")),
            None => {}
        }
    }

    fn clock(&mut self, facts: &Answers) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        let time = facts.get("time").and_then(|it| it.first()?.parse::<u64>().ok());
        match time.map(|it| now.abs_diff(it)) {
            None => {}
            Some(skew) if skew > SKEW => self.warn(
                "clock",
                format!("differs by {skew} s"),
                "set it: `sudo timedatectl set-ntp true` there; builds with time stamps go wrong",
            ),
            Some(_) => self.pass("clock", "agrees with ours"),
        }
    }
}

fn set(facts: &Answers, name: &str) -> Option<BTreeSet<String>> {
    let lines = facts.get(name)?;
    Some(lines.iter().flat_map(|it| it.split_whitespace()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::builders::Machines;
    use crate::host::Host;

    fn told(line: &str, answer: &str) -> String {
        let machines = Machines::read(&Host::current().unwrap(), line, "x86_64-linux").machines;
        let mut probe = Probe::default();
        probe.remote(&machines[0], &answers(answer));
        let lines = probe.checks.iter().map(|it| {
            let cure = it.cure.as_deref().map_or(String::new(), |it| format!("\n    {it}"));
            format!("{:?} {}: {}{cure}\n", it.state, it.step, it.found)
        });
        lines.collect()
    }

    #[test]
    fn what_is_held_against_the_line() {
        let answer = "time=0\nsystem=aarch64-linux\nextra-platforms=\nsystem-features=kvm big-parallel\n\
                      df=/nix/store /dev/vda 100000000 99000000 1000 99% /\n\
                      build=/tmp tmpfs tmpfs 8000000 0 8000000 0% /tmp\n";
        expect![[r#"
            Fail systems: its line says xNN_NN-linux, and it builds for aarchNN-linux only
                take xNN_NN-linux out of the setting `builders`, or set `extra-platforms` there
            Fail features: its line says gpu, and it has big-parallel, kvm only
                put gpu into `system-features` of the builder's nix.conf if it can, else take it out of the setting `builders`
            Warn disk: /nix/store has N.N MB left
                `nix-collect-garbage --delete-older-than NNd` there
            Warn build directory: /tmp is in memory (tmpfs)
                large builds fill it: set `build-dir = /var/cache/nix-build` there, or `cargo xtask setup builder disk`
            Warn clock: differs by NNNNNNNNNN s
                set it: `sudo timedatectl set-ntp true` there; builds with time stamps go wrong
        "#]]
        .assert_eq(
            &told("ssh://a x86_64-linux,aarch64-linux - 1 1 kvm gpu", answer)
                .replace(|it: char| it.is_ascii_digit(), "N"),
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let answer =
            format!("time={now}\nsystem=x86_64-linux\nsystem-features=\nbuild=/b /dev/vda ext4 1 1 1 1% /\n");
        expect![[r#"
            Pass systems: x86_64-linux
            Pass features: none are said
            Pass build directory: /b is on ext4
            Pass clock: agrees with ours
        "#]]
        .assert_eq(&told("ssh://a", &answer));
        // One that only has Nix, and says nothing.
        assert_eq!(told("ssh://a", ""), "");
    }
}
