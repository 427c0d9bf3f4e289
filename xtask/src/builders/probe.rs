//! Tries a builder step by step, as the user who connects: root where a daemon builds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use xshell::cmd;

use super::address::Address;
use super::{Machine, words};
use crate::context::Context;
use crate::files::write_atomic;
use crate::nix::hash::decode_base64;
use crate::nix::trust;
use crate::plan::{Settings, Step};
use crate::report::{bytes, seconds};
use crate::rules::diagnosis::findings_in_talk;

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pass,
    Warn,
    Fail,
}

/// One step, what was found, and what to do.
#[derive(Debug, Clone)]
pub struct Check {
    pub step: &'static str,
    pub state: State,
    pub found: String,
    pub cure: Option<String>,
}

/// What was found out about a builder; a step that fails ends it.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    pub checks: Vec<Check>,
    /// How long ssh took to log in, and Nix to answer over it.
    pub login: Duration,
    pub answer: Duration,
}

/// The less free space is a warning.
const LITTLE: u64 = 5_000_000_000;
const SKEW: u64 = 60;

/// What the builder is asked, in one go, by any POSIX shell. `PATH` also has the place of a daemon that is named.
const SCRIPT: &str = r#"
echo "time=$(date +%s)"
export NIX_CONFIG="extra-experimental-features = nix-command"
if command -v nix >/dev/null; then
  nix config show 2>/dev/null | sed -n 's/^\(system\|extra-platforms\|system-features\|build-dir\|store\) = /\1=/p'
fi
for dir in /nix/store "${BUILD_DIR:-/tmp}"; do df -Pk "$dir" 2>/dev/null | sed -n "2s|^|df=$dir |p"; done
for dir in /nix/var/nix/builds "${TMPDIR:-/tmp}"; do
  [ -d "$dir" ] && echo "tmp=$dir $(df -PT "$dir" 2>/dev/null | sed -n '2p')"
done
true
"#;

impl Probe {
    #[must_use]
    pub fn good(&self) -> bool {
        self.checks.iter().all(|it| it.state != State::Fail)
    }

    /// The step at which the way to its Nix ends.
    #[must_use]
    pub fn no_way(&self) -> Option<&Check> {
        self.checks.iter().find(|it| it.state == State::Fail && ["key", "ssh", "Nix"].contains(&it.step))
    }

    fn pass(&mut self, step: &'static str, found: impl Into<String>) {
        self.checks.push(Check { step, state: State::Pass, found: found.into(), cure: None });
    }

    fn warn(&mut self, step: &'static str, found: impl Into<String>, cure: impl Into<String>) {
        self.checks.push(Check { step, state: State::Warn, found: found.into(), cure: Some(cure.into()) });
    }

    fn fail(&mut self, step: &'static str, found: impl Into<String>, cure: impl Into<String>) {
        self.checks.push(Check { step, state: State::Fail, found: found.into(), cure: Some(cure.into()) });
    }

    /// Tries a machine.
    ///
    /// # Errors
    /// When a file of ours cannot be written.
    pub fn of(cx: &mut Context, machine: &Machine) -> anyhow::Result<Probe> {
        let mut res = Probe::default();
        let Some(address) = Address::of(machine) else {
            res.store(cx, machine, &[]);
            return Ok(res);
        };
        let sudo = as_root(cx);
        res.key(cx, &address, &sudo);
        if res.good()
            && let Some(facts) = res.ssh(cx, &address, &sudo)?
        {
            res.store(cx, machine, &sudo);
            res.facts(machine, &facts);
        }
        Ok(res)
    }

    /// The private key, as who connects sees it. ssh has its own ideas of keys where none is named.
    fn key(&mut self, cx: &Context, address: &Address, sudo: &[String]) {
        let Some(key) = address.parameters.get("ssh-key") else { return };
        let words = [sudo, &["test".to_owned(), "-r".to_owned(), key.clone()]].concat();
        let who = if sudo.is_empty() { "you" } else { "root" };
        match run(cx, &words, "") {
            Ok(_) => self.pass("key", format!("{key} can be read by {who}")),
            Err(_) if !cx.host.path(key).exists() => self.fail(
                "key",
                format!("{key} is not there"),
                "name the right file in the third field of the machine's line, or make one: `ssh-keygen -t ed25519`",
            ),
            Err(_) => self.fail("key", format!("{key} cannot be read by {who}"), format!("`sudo chown root {key}`, or put a copy where root can read it")),
        }
    }

    /// Logs in and asks for the facts.
    fn ssh(
        &mut self,
        cx: &Context,
        address: &Address,
        sudo: &[String],
    ) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        let known = match address.parameters.get("base64-ssh-public-host-key") {
            Some(key) => {
                let file = cx.state().join(format!("builder-host-key-{}", std::process::id()));
                let key = decode_base64(key).unwrap_or_default();
                let line = format!("{} {}\n", address.host(), String::from_utf8_lossy(&key).trim());
                write_atomic(&file, line.as_bytes())?;
                Some(file)
            }
            None => None,
        };
        let options = cx.host.env("NIX_SSHOPTS").unwrap_or_default();
        let place =
            address.parameters.get("remote-program").and_then(|it| it.rsplit_once('/')).map_or("", |it| it.0);
        let script = format!(
            "PATH=\"{place}:$PATH:/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin\"\n{SCRIPT}"
        );
        let words =
            [sudo, &address.ssh(options, known.as_ref().map(|it| it.as_str())), &["sh".to_owned()]].concat();
        let since = Instant::now();
        let answer = run(cx, &words, &script);
        self.login = since.elapsed();
        known.map(std::fs::remove_file).transpose()?;
        match answer {
            Ok(answer) => {
                self.pass("ssh", format!("{} lets us in, in {}", address.target, seconds(self.login)));
                let pairs = answer.lines().filter_map(|it| it.split_once('='));
                Ok(Some(pairs.fold(BTreeMap::new(), |mut all, (name, value)| {
                    all.entry(name.to_owned())
                        .and_modify(|it: &mut String| {
                            it.push('\n');
                            it.push_str(value);
                        })
                        .or_insert_with(|| value.to_owned());
                    all
                })))
            }
            Err(said) => {
                let hint = cx.hints(&findings_in_talk(&said)).into_iter().next();
                let last = said
                    .lines()
                    .rfind(|it| !it.trim().is_empty())
                    .unwrap_or("ssh said nothing")
                    .trim()
                    .to_owned();
                let cure = hint.map_or_else(|| format!("try it: `{}`", words.join(" ")), |it| it.cure);
                self.fail("ssh", last, cure);
                Ok(None)
            }
        }
    }

    /// Whether Nix answers there, and trusts who connects.
    fn store(&mut self, cx: &mut Context, machine: &Machine, sudo: &[String]) {
        let step = Step::StoreInfo { store: Some(machine.store_with_keys()) };
        let Ok(nix) = cx.nix().map(|it| it.program.to_string()) else { return };
        let words = [sudo, &[nix], &step.argv(&Settings::default())].concat();
        let since = Instant::now();
        let answer = run(cx, &words, "");
        self.answer = since.elapsed();
        let parsed = answer.as_ref().ok().and_then(|it| serde_json::from_str::<Value>(it).ok());
        match (parsed, answer) {
            (Some(info), _) => {
                let version = info["version"].as_str().map_or_else(String::new, |it| format!(" {it}"));
                self.pass("Nix", format!("Nix{version} answers, in {}", seconds(self.answer)));
                match trust::of_store(&info) {
                    Some(false) => self.fail(
                        "trust",
                        "its Nix does not trust the user that we log in as, so it takes no unsigned inputs",
                        "add that user to `trusted-users` in the builder's nix.conf, and restart its daemon",
                    ),
                    Some(true) => self.pass("trust", "its Nix trusts the user that we log in as"),
                    None => {}
                }
            }
            (None, answer) => {
                let said = answer.err().unwrap_or_default();
                let hint = cx.hints(&findings_in_talk(&said)).into_iter().next();
                let last =
                    said.lines().rfind(|it| !it.trim().is_empty()).unwrap_or("no answer").trim().to_owned();
                let cure = hint.map_or_else(
                    || "install Nix there, or name it: `…?remote-program=/path/nix-daemon`".to_owned(),
                    |it| it.cure,
                );
                self.fail("Nix", last, cure);
            }
        }
    }

    /// What the builder says of itself, held against its line.
    fn facts(&mut self, machine: &Machine, facts: &BTreeMap<String, String>) {
        let set = |name: &str| {
            facts
                .get(name)
                .map(|it| it.split_whitespace().map(str::to_owned).collect::<std::collections::BTreeSet<_>>())
        };
        if let Some(system) = facts.get("system") {
            let mut own = set("extra-platforms").unwrap_or_default();
            own.insert(system.clone());
            let lacks: std::collections::BTreeSet<String> =
                machine.systems.difference(&own).cloned().collect();
            if lacks.is_empty() {
                self.pass("systems", words(&machine.systems));
            } else {
                self.fail(
                    "systems",
                    format!("its line says {}, and it builds for {} only", words(&lacks), words(&own)),
                    format!(
                        "take {} out of {}, or set `extra-platforms` there",
                        words(&lacks),
                        machine.origin
                    ),
                );
            }
        }
        if let Some(own) = set("system-features") {
            let said: std::collections::BTreeSet<String> =
                machine.supported.union(&machine.mandatory).cloned().collect();
            let lacks: std::collections::BTreeSet<String> = said.difference(&own).cloned().collect();
            if lacks.is_empty() {
                self.pass(
                    "features",
                    if said.is_empty() { "none are said".to_owned() } else { words(&said) },
                );
            } else {
                self.fail("features", format!("its line says {}, and it has {} only", words(&lacks), words(&own)), format!("put {} into `system-features` of the builder's nix.conf if it can, else take it out of {}", words(&lacks), machine.origin));
            }
        }
        self.disk(facts);
        self.clock(facts);
    }

    fn clock(&mut self, facts: &BTreeMap<String, String>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        if let Some(time) = facts.get("time").and_then(|it| it.parse::<u64>().ok()) {
            let skew = now.abs_diff(time);
            if skew > SKEW {
                self.warn(
                    "clock",
                    format!("differs by {skew} s"),
                    "set it: `sudo timedatectl set-ntp true` there; builds with time stamps go wrong",
                );
            } else {
                self.pass("clock", "agrees with ours");
            }
        }
    }

    fn disk(&mut self, facts: &BTreeMap<String, String>) {
        let lines = facts.get("df").map_or("", String::as_str).lines();
        let free = lines.filter_map(|it| {
            let mut fields = it.split_whitespace();
            Some((fields.next()?, fields.nth(3)?.parse::<u64>().ok()? * 1024))
        });
        for (dir, free) in free {
            if free < LITTLE {
                self.warn(
                    "disk",
                    format!("{dir} has {} left", bytes(free)),
                    "`nix-collect-garbage --delete-older-than 14d` there",
                );
            } else {
                self.pass("disk", format!("{dir} has {} left", bytes(free)));
            }
        }
        // Where builds happen: the setting, else what this version takes.
        let dirs: Vec<&str> = facts.get("tmp").map_or("", String::as_str).lines().collect();
        let set = facts.get("build-dir").filter(|it| !it.trim().is_empty());
        let line = match set {
            Some(dir) => dirs.iter().find(|it| it.split_whitespace().next() == Some(dir.trim())),
            None => dirs.first(),
        };
        if let Some(line) = line {
            let mut fields = line.split_whitespace();
            let dir = fields.next().unwrap_or_default();
            match fields.nth(1) {
                Some("tmpfs") => self.warn("build directory", format!("{dir} is in memory (tmpfs)"), "large builds fill it: set `build-dir = /var/cache/nix-build` there, or `cargo xtask setup builder disk`"),
                Some(kind) => self.pass("build directory", format!("{dir} is on {kind}")),
                None => {}
            }
        }
    }
}

/// `sudo` where the daemon, which is root, connects and we are somebody else.
fn as_root(cx: &Context) -> Vec<String> {
    let daemon = cx.host.path("/nix/var/nix/daemon-socket/socket").exists();
    let private = cx.nix_found().is_some_and(|it| it.store_root.is_some());
    if daemon && !private && !unix::unistd::geteuid().is_root() {
        vec!["sudo".to_owned(), "-n".to_owned()]
    } else {
        Vec::new()
    }
}

/// Runs a short command, and gives what it printed, or what it said when it failed.
fn run(cx: &Context, words: &[String], input: &str) -> Result<String, String> {
    let Some((program, args)) = words.split_first() else { return Err(String::new()) };
    let done = cmd!(cx.sh, "{program} {args...}").quiet().ignore_status().stdin(input).output();
    let done = done.map_err(|it| it.to_string())?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&done.stderr).into_owned())
}
