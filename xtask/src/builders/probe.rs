//! Tries a builder step by step, as the user who connects. `builder`, `doctor`, `setup builder` and `build-aleph` read it.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Machine;
use super::address::Address;
use super::client::Client;
use super::remote::{Answers, SCRIPT, answers};
use crate::nix::trust;
use crate::plan::{Settings, Step};
use crate::report::seconds;
use crate::rules::diagnosis::{Finding, findings_in_talk};

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
    /// How long ssh took to log in, and Nix to answer over it; both were asked at the same time.
    pub login: Duration,
    pub answer: Duration,
}

/// The step at which root's rights are missing here.
pub const RIGHTS: &str = "rights";
/// The steps on the way to its Nix.
const WAY: [&str; 4] = [RIGHTS, "key", "ssh", "Nix"];

/// What is wrong with a way, in words, by the rule that knows what ssh said.
const WORDS: [(&str, &str); 7] = [
    ("ssh-unreachable", "cannot be reached"),
    ("ssh-unresolved", "cannot be reached"),
    ("ssh-closed", "cannot be reached"),
    ("ssh-permission", "refuses the key"),
    ("ssh-key-open", "ssh does not use the key"),
    ("ssh-host-key", "its host key is not known"),
    ("ssh-host-key-changed", "its host key has changed"),
];

impl Probe {
    #[must_use]
    pub fn good(&self) -> bool {
        self.checks.iter().all(|it| it.state != State::Fail)
    }

    /// The step at which the way to its Nix ends.
    #[must_use]
    pub fn no_way(&self) -> Option<&Check> {
        self.checks.iter().find(|it| it.state == State::Fail && WAY.contains(&it.step))
    }

    /// The worst that was found, the first of its kind.
    #[must_use]
    pub fn worst(&self) -> Option<&Check> {
        let first = |state| self.checks.iter().find(|it| it.state == state);
        first(State::Fail).or_else(|| first(State::Warn))
    }

    pub(super) fn pass(&mut self, step: &'static str, found: impl Into<String>) {
        self.checks.push(Check { step, state: State::Pass, found: found.into(), cure: None });
    }

    pub(super) fn warn(&mut self, step: &'static str, found: impl Into<String>, cure: impl Into<String>) {
        self.checks.push(Check { step, state: State::Warn, found: found.into(), cure: Some(cure.into()) });
    }

    pub(super) fn fail(&mut self, step: &'static str, found: impl Into<String>, cure: impl Into<String>) {
        self.checks.push(Check { step, state: State::Fail, found: found.into(), cure: Some(cure.into()) });
    }

    /// Tries a machine.
    ///
    /// # Errors
    /// When a file for ssh cannot be written.
    pub fn of(client: &Client<'_>, machine: &Machine) -> anyhow::Result<Probe> {
        let mut res = Probe::default();
        let Some(address) = Address::of(machine) else {
            res.nix(&store(client, machine));
            return Ok(res);
        };
        if let Err(why) = client.may_connect() {
            let found = format!("root connects to builders, and sudo gives no rights: {}", last_line(&why));
            res.fail(RIGHTS, found, "give them for a while: `sudo -v`, then the same command again");
            return Ok(res);
        }
        res.key(client, &address);
        if !res.good() {
            return Ok(res);
        }
        let (ssh, _known) = client.ssh(&address)?;
        let (login, store) = std::thread::scope(|scope| {
            let login = scope.spawn(|| login(client, &address, &ssh));
            let store = store(client, machine);
            (login.join().unwrap_or_else(|_| (Err(String::new()), Duration::ZERO)), store)
        });
        res.login = login.1;
        if let Some(facts) = res.ssh(client, &address, login.0, store.0.is_ok()) {
            res.nix(&store);
            if res.good() || res.no_way().is_none() {
                res.remote(machine, &facts);
            }
        }
        Ok(res)
    }

    /// The private key, as who connects sees it. ssh has its own ideas of keys where none is named.
    fn key(&mut self, client: &Client<'_>, address: &Address) {
        let Some(key) = address.parameters.get("ssh-key") else { return };
        let who = client.who();
        match client.can_read(key) {
            Some(true) => self.pass("key", format!("{key} can be read by {who}")),
            Some(false) => self.fail(
                "key",
                format!("{key} cannot be read by {who}"),
                format!("`sudo chown root {key}`, or put a copy where {who} can read it"),
            ),
            None => self.fail(
                "key",
                format!("{key} is not there"),
                "name the right file in the third field of the machine's line, or make one: `ssh-keygen -t ed25519`",
            ),
        }
    }

    /// What became of the login. Where only Nix is let in, there are no facts, and that is well.
    fn ssh(
        &mut self,
        client: &Client<'_>,
        address: &Address,
        login: Result<Answers, String>,
        nix_answers: bool,
    ) -> Option<Answers> {
        let said = match login {
            Ok(answers) => {
                self.pass("ssh", format!("{} lets us in, in {}", address.target, seconds(self.login)));
                return Some(answers);
            }
            Err(_) if nix_answers => {
                self.pass("ssh", format!("{} lets us in, for Nix alone", address.target));
                return Some(Answers::new());
            }
            Err(said) => said,
        };
        let finding = findings_in_talk(&said).into_iter().next();
        let known = finding.as_ref().and_then(|it| WORDS.iter().find(|word| word.0 == it.rule.id));
        let found = match known {
            Some((_, words)) => format!("{words}: {}", last_line(&said)),
            None => last_line(&said).to_owned(),
        };
        let cure =
            finding.map_or_else(|| format!("try it: `{}`", client.typed(address)), |it| cure(client, &it));
        self.fail("ssh", found, cure);
        None
    }

    /// Whether Nix answers there, and trusts who connects.
    fn nix(&mut self, (info, took): &(Result<Value, String>, Duration)) {
        self.answer = *took;
        let info = match info {
            Ok(it) => it,
            Err(said) => {
                let finding = findings_in_talk(said).into_iter().next();
                let cure = finding.map_or_else(
                    || "install Nix there, or name it: `…?remote-program=/path/nix-daemon`".to_owned(),
                    |it| it.rule.cure(&it.holes),
                );
                return self.fail("Nix", last_line(said), cure);
            }
        };
        let version = info["version"].as_str().map_or_else(String::new, |it| format!(" {it}"));
        self.pass("Nix", format!("Nix{version} answers, in {}", seconds(*took)));
        match trust::of_store(info) {
            Some(false) => self.fail(
                "trust",
                "its Nix does not trust the user that we log in as, so it takes no unsigned inputs",
                "add that user to `trusted-users` in the builder's nix.conf, and restart its daemon",
            ),
            Some(true) => self.pass("trust", "its Nix trusts the user that we log in as"),
            None => {}
        }
    }
}

/// What the rule says, with who it is that connects.
fn cure(client: &Client<'_>, finding: &Finding) -> String {
    let who = if client.is_root_needed() { "root, because the daemon connects" } else { "your user" };
    finding.rule.cure(&finding.holes).replace("the user who connects: root, where a daemon builds", who)
}

/// Logs in, and asks for the facts.
fn login(client: &Client<'_>, address: &Address, ssh: &[String]) -> (Result<Answers, String>, Duration) {
    let place =
        address.parameters.get("remote-program").and_then(|it| it.rsplit_once('/')).map_or("", |it| it.0);
    let script = format!(
        "PATH=\"{place}:$PATH:/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin\"\n{SCRIPT}"
    );
    let since = Instant::now();
    let answer = client.run(&[ssh, &["sh".to_owned()]].concat(), &script);
    (answer.map(|it| answers(&it)), since.elapsed())
}

/// What its Nix says of itself.
fn store(client: &Client<'_>, machine: &Machine) -> (Result<Value, String>, Duration) {
    let Some(nix) = client.nix else { return (Err("there is no Nix here".to_owned()), Duration::ZERO) };
    let step = Step::StoreInfo { store: Some(machine.store_with_keys()) };
    let words = [&[nix.program.to_string()][..], &step.argv(&Settings::default())].concat();
    let since = Instant::now();
    let answer = client.run(&words, "");
    let info = answer.and_then(|it| serde_json::from_str(&it).map_err(|_| it));
    (info, since.elapsed())
}

fn last_line(text: &str) -> &str {
    text.lines().rfind(|it| !it.trim().is_empty()).unwrap_or("it said nothing").trim()
}
