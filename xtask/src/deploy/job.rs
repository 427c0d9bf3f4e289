//! One deployment as a value: what the device is to do, written down for it.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use xshell::cmd;

use super::facts::Facts;
use super::script::{self, Script};
use crate::context::Context;
use crate::locks::calendar;
use crate::workspace::Probe;

/// How long an activation may take that goes back, and the boot loader.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It runs now, and is kept when it is confirmed.
    Switch,
    /// It runs after the next boot.
    Boot,
}

#[derive(Debug, Clone)]
pub struct Job {
    /// Names files and units on the device.
    pub id: String,
    pub who: String,
    pub new: String,
    /// What runs and what boots before.
    pub old: Facts,
    /// The generation to go to; a new one is made otherwise.
    pub generation: Option<u32>,
    pub mode: Mode,
    /// After it the device goes back by itself.
    pub timeout: Duration,
    pub probes: Vec<Probe>,
    /// What is written down about it, here and there.
    pub record: Value,
}

impl Job {
    fn script(&self) -> Script {
        Script::new()
            .set("ID", &self.id)
            .set("OLD", &self.old.current)
            .set("NEW", &self.new)
            .set("WHO", &self.who)
            .set("LEASE", &self.lease().as_secs().to_string())
    }

    /// How long the lock lives without being renewed. Who says that the device may be silent for so long before it goes
    /// back says for how long a silence is no end.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.timeout * 2
    }

    /// A script that the device keeps, with what its end needs.
    fn kept(&self, body: &str) -> String {
        let mode = if self.mode == Mode::Switch { "test" } else { "boot" };
        let generation = self.generation.map(|it| it.to_string()).unwrap_or_default();
        let record = self.record.to_string();
        self.script()
            .set("MODE", mode)
            .set("GENERATION", &generation)
            .set("PATIENCE", &PATIENCE.max(self.timeout).as_secs().to_string())
            // Without the braces: the device adds the time and the result.
            .set("RECORD", record.trim_start_matches('{').trim_end_matches('}'))
            .then(body)
            .text()
    }

    #[must_use]
    pub fn arm(&self) -> Script {
        self.script()
            .set("TIMEOUT", &self.timeout.as_secs().to_string())
            .set("REVERT", &self.kept(script::REVERT))
            .set("ACTIVATE", &self.kept(script::ACTIVATE))
            .then(script::ARM)
    }

    #[must_use]
    pub fn commit(&self) -> Script {
        let text = self.kept(script::COMMIT);
        self.script().set("FILE", "commit").set("TEXT", &text).then(script::LAUNCH)
    }

    /// Starts now what the timer would start.
    #[must_use]
    pub fn revert(&self) -> Script {
        self.script().set("FILE", "revert").set("TEXT", "").then(script::LAUNCH)
    }

    /// How far it is; waits up to `turns` of 0.2 s for news. Ends in what the program behind `log` said.
    #[must_use]
    pub fn state(&self, turns: u32, offset: u64, log: &str) -> Script {
        self.script()
            .set("TURNS", &turns.to_string())
            .set("OFFSET", &offset.to_string())
            .set("LOG", log)
            .then(script::STATE)
            .then(script::LOG)
    }

    /// How far it is, and how well the device is.
    #[must_use]
    pub fn health(&self) -> Script {
        let script = self.script().set("TURNS", "0").set("OFFSET", "0").then(script::STATE).call(&["units"]);
        let probe = |script: Script, (n, probe): (usize, &Probe)| {
            let (kind, argument) = words(probe);
            script.call(&["probe", &n.to_string(), kind, &argument])
        };
        self.probes.iter().enumerate().fold(script.then(script::PROBES), probe)
    }

    /// What was found to be true of a device that is kept, for people.
    #[must_use]
    pub fn proven(&self) -> String {
        let units = self.old.systemd.then(|| "no unit has failed since".to_owned());
        let probes = match self.probes.len() {
            0 => None,
            1 => Some("the probe passes".to_owned()),
            n => Some(format!("{n} probes pass")),
        };
        let all = [Some("it answers".to_owned()), units, probes];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    #[must_use]
    pub fn lock(&self, take_over: bool) -> Script {
        self.script().set("TAKE_OVER", if take_over { "yes" } else { "" }).then(script::LOCK)
    }

    #[must_use]
    pub fn renew(&self) -> Script {
        self.script().then(script::RENEW)
    }

    #[must_use]
    pub fn unlock(&self) -> Script {
        self.script().then(script::UNLOCK)
    }
}

fn words(probe: &Probe) -> (&'static str, String) {
    match probe {
        Probe::Tcp(port) => ("tcp", port.to_string()),
        Probe::Unit(unit) => ("unit", unit.clone()),
        Probe::Command(command) => ("command", command.clone()),
    }
}

/// `2026-11-22T22:45:12Z`
#[must_use]
pub fn time(now: SystemTime) -> String {
    let seconds = calendar::seconds(now);
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", calendar::date(seconds))
}

/// A name for a deployment that no other has.
#[must_use]
pub fn id(now: SystemTime) -> String {
    let text: String = time(now).chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{text}-{}", std::process::id())
}

/// Who does it: `alice@laptop`.
#[must_use]
pub fn who(cx: &Context) -> String {
    let sh = &cx.sh;
    let user = cx.host.env("USER").or(cx.host.env("LOGNAME")).map(str::to_owned);
    let user =
        user.or_else(|| cmd!(sh, "id -un").quiet().read().ok()).unwrap_or_else(|| "somebody".to_owned());
    let machine = cmd!(sh, "uname -n").quiet().read().unwrap_or_else(|_| "somewhere".to_owned());
    format!("{user}@{machine}").chars().filter(|it| !it.is_control()).collect()
}

/// What is written down of a deployment: everything but when and how it ended.
#[must_use]
pub fn record(id: &str, who: &str, target: &str, new: &str, old: &str, more: &Value) -> Value {
    let mut res = json!({"version": 1, "id": id, "who": who, "target": target, "path": new, "previous": old});
    if let (Value::Object(res), Value::Object(more)) = (&mut res, more) {
        res.extend(more.clone());
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let time_of = |it: u64| time(SystemTime::UNIX_EPOCH + Duration::from_secs(it));
        assert_eq!(time_of(0), "1970-01-01T00:00:00Z");
        assert_eq!(time_of(1_795_387_512), "2026-11-22T22:45:12Z");
        assert!(id(SystemTime::UNIX_EPOCH).starts_with("19700101T000000Z-"));
    }
}
