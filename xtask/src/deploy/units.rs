//! Units of systemd on the device: which will restart, and which are worse off than before.

use std::collections::BTreeMap;

use super::script::Answer;

/// What `systemctl list-units` says of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Units(BTreeMap<String, Unit>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Unit {
    load: String,
    active: String,
    sub: String,
}

/// How the units compare with those before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    Good,
    /// It may still become good.
    Unsettled(String),
    Bad(String),
}

impl Units {
    #[must_use]
    pub fn of(answer: &Answer) -> Units {
        let unit = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let name = words.next()?;
            Some((name, Unit { load: words.next()?, active: words.next()?, sub: words.next()? }))
        };
        Units(answer.all("unit").filter_map(unit).collect())
    }

    #[must_use]
    pub fn failed(&self) -> Vec<&str> {
        self.0.iter().filter(|it| it.1.active == "failed").map(|it| it.0.as_str()).collect()
    }

    fn active(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|it| it.active == "active" || it.active == "reloading")
    }

    /// Compares with the units before the activation.
    #[must_use]
    pub fn health(&self, before: &Units) -> Health {
        let was_failed = before.failed();
        let failed: Vec<&str> = self.failed().into_iter().filter(|it| !was_failed.contains(it)).collect();
        if !failed.is_empty() {
            let names = failed.join(", ");
            return Health::Bad(format!(
                "{names} failed, and had not before\non the device: journalctl -b -u {}",
                failed.join(" -u ")
            ));
        }
        // A unit that starts again and again has not failed by systemd's count.
        let starting = |name: &&String| {
            self.0.get(*name).is_some_and(|it| {
                it.load == "loaded"
                    && (it.sub == "auto-restart" || (it.active == "activating" && before.active(name)))
            })
        };
        let names: Vec<&str> = self.0.keys().filter(starting).map(String::as_str).collect();
        match names.as_slice() {
            [] => Health::Good,
            _ => Health::Unsettled(format!("not running yet: {}", names.join(", "))),
        }
    }
}

/// What an activation will do to units, told from their files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub start: Vec<String>,
    pub stop: Vec<String>,
    pub restart: Vec<String>,
    pub reload: Vec<String>,
}

/// The file of a unit: its hash, and what it says of restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    pub hash: String,
    pub on_change: OnChange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnChange {
    Restart,
    Reload,
    Nothing,
}

impl OnChange {
    /// From the words that NixOS writes into a unit.
    #[must_use]
    pub fn of(text: &str) -> OnChange {
        let says = |key: &str, value: &str| {
            text.lines()
                .any(|it| it.split_once('=').is_some_and(|it| it.0.trim() == key && it.1.trim() == value))
        };
        match () {
            () if says("X-RestartIfChanged", "false") || says("RefuseManualStop", "true") => {
                OnChange::Nothing
            }
            () if says("X-ReloadIfChanged", "true") => OnChange::Reload,
            () => OnChange::Restart,
        }
    }
}

impl Changes {
    /// `old` are hashes by name; `running` is what runs now.
    #[must_use]
    pub fn between(
        old: &BTreeMap<String, String>,
        new: &BTreeMap<String, UnitFile>,
        running: &Units,
    ) -> Changes {
        let mut res = Changes::default();
        for (name, file) in new {
            match old.get(name) {
                None if name.ends_with(".service") => res.start.push(name.clone()),
                Some(hash) if *hash != file.hash && running.active(name) => match file.on_change {
                    OnChange::Restart => res.restart.push(name.clone()),
                    OnChange::Reload => res.reload.push(name.clone()),
                    OnChange::Nothing => {}
                },
                _ => {}
            }
        }
        res.stop = old.keys().filter(|it| !new.contains_key(*it) && running.active(it)).cloned().collect();
        res
    }

    /// A line for each kind that there is.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let kinds = [
            ("restart", &self.restart),
            ("reload", &self.reload),
            ("stop", &self.stop),
            ("new", &self.start),
        ];
        let some = kinds.into_iter().filter(|it| !it.1.is_empty());
        some.map(|(kind, names)| format!("{kind}: {}", names.join(", "))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Units {
        let lines: String = text.split(", ").map(|it| format!("unit={it}\n")).collect();
        Units::of(&Answer::parse(&lines))
    }

    #[test]
    fn health() {
        let before = units(
            "a.service loaded active running, b.service loaded failed failed, c.service loaded inactive dead",
        );
        let check = |after: &str| units(after).health(&before);
        assert_eq!(check("a.service loaded active running, b.service loaded failed failed"), Health::Good);
        // Gone with the new system: that is meant.
        assert_eq!(check("b.service loaded failed failed"), Health::Good);
        for after in ["a.service loaded failed failed", "new.service loaded failed failed"] {
            assert!(matches!(check(after), Health::Bad(_)), "{after}");
        }
        for after in
            ["a.service loaded activating auto-restart", "new.service loaded activating auto-restart"]
        {
            assert!(matches!(check(after), Health::Unsettled(_)), "{after}");
        }
        // A oneshot that takes its time, and did not run before.
        assert_eq!(check("c.service loaded activating start"), Health::Good);
    }

    #[test]
    fn changes() {
        let old =
            ["same.service", "changed.service", "idle.service", "gone.service", "kept.service", "re.service"];
        let old: BTreeMap<String, String> = old.iter().map(|it| ((*it).to_owned(), "1".to_owned())).collect();
        let file = |hash: &str, text: &str| UnitFile { hash: hash.to_owned(), on_change: OnChange::of(text) };
        let new = BTreeMap::from([
            ("same.service".to_owned(), file("1", "")),
            ("changed.service".to_owned(), file("2", "[Unit]\n")),
            ("idle.service".to_owned(), file("2", "")),
            ("kept.service".to_owned(), file("2", "[Unit]\nX-RestartIfChanged=false\n")),
            ("re.service".to_owned(), file("2", "X-ReloadIfChanged = true\n")),
            ("new.service".to_owned(), file("2", "")),
        ]);
        let running =
            ["same", "changed", "gone", "kept", "re"].map(|it| format!("{it}.service loaded active running"));
        let changes = Changes::between(&old, &new, &units(&running.join(", ")));
        assert_eq!(
            changes.lines(),
            ["restart: changed.service", "reload: re.service", "stop: gone.service", "new: new.service"]
        );
    }
}
