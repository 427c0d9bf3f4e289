//! Small programs in POSIX shell for the device, and their answers. There is nothing to install there.

use crate::plan::quoted;

const PRELUDE: &str = include_str!("scripts/prelude.sh");

/// What a script can do. The texts are beside this file, where a linter reads them too.
pub const FACTS: &str = include_str!("scripts/facts.sh");
pub const COMPARE: &str = include_str!("scripts/compare.sh");
pub const LOCK: &str = include_str!("scripts/lock.sh");
pub const RENEW: &str = include_str!("scripts/renew.sh");
pub const UNLOCK: &str = include_str!("scripts/unlock.sh");
pub const ARM: &str = include_str!("scripts/arm.sh");
pub const ACTIVATE: &str = include_str!("scripts/activate.sh");
pub const REVERT: &str = include_str!("scripts/revert.sh");
pub const COMMIT: &str = include_str!("scripts/commit.sh");
pub const LAUNCH: &str = include_str!("scripts/launch.sh");
pub const STATE: &str = include_str!("scripts/state.sh");
pub const PROBES: &str = include_str!("scripts/probes.sh");
pub const LOG: &str = include_str!("scripts/log.sh");
pub const GENERATIONS: &str = include_str!("scripts/generations.sh");

/// A script with its variables, in the order in which it is written down.
#[derive(Debug, Clone, Default)]
pub struct Script {
    variables: String,
    body: String,
}

impl Script {
    #[must_use]
    pub fn new() -> Script {
        Script::default()
    }

    /// Sets a variable, whatever the value is made of.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Script {
        self.variables.push_str(&format!("{name}={}\n", quoted(value)));
        self
    }

    /// Adds what it does.
    #[must_use]
    pub fn then(mut self, body: &str) -> Script {
        self.body.push_str(body);
        self
    }

    /// Adds a call of a function with arguments.
    #[must_use]
    pub fn call(mut self, words: &[&str]) -> Script {
        let words: Vec<String> = words.iter().map(|it| quoted(it)).collect();
        self.body.push_str(&format!("{}\n", words.join(" ")));
        self
    }

    /// The text for `sh`. All of it is one function that is called in the last line: where a link is cut in the middle
    /// of the text, nothing runs.
    #[must_use]
    pub fn text(&self) -> String {
        let Script { variables, body } = self;
        format!("main() {{\nset -u\n{variables}{PRELUDE}\n{body}\nreturn 0\n}}\nmain </dev/null\nexit\n")
    }
}

/// What a script said: `key=value` in each line, and at the end, behind `log:`, the words of another program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    pairs: Vec<(String, String)>,
    pub log: String,
}

impl Answer {
    #[must_use]
    pub fn parse(text: &str) -> Answer {
        let (said, log) = match text.strip_prefix("log:\n") {
            Some(log) => ("", log),
            None => text.split_once("\nlog:\n").unwrap_or((text, "")),
        };
        // A login shell may greet; what is no pair is none of ours.
        let pairs = said.lines().filter_map(|it| it.split_once('='));
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect();
        Answer { pairs, log: log.to_owned() }
    }

    /// The value of a key; `None` when it is not there or empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// All values of a key that may come more than once.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        let values = self.pairs.iter().filter(move |it| it.0 == key).map(|it| it.1.as_str());
        values.filter(|it| !it.is_empty())
    }

    /// Keys that begin with `prefix`, without it, and their values.
    pub fn under(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().filter_map(move |it| Some((it.0.strip_prefix(prefix)?, it.1.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use xshell::{Shell, cmd};

    use super::*;

    /// What it prints. That half of a script is no script is said on stderr, and is no news.
    fn run(text: &str) -> String {
        let sh = Shell::new().unwrap();
        let output = cmd!(sh, "/bin/sh -s").stdin(text).quiet().ignore_status().output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    #[test]
    fn every_script_is_posix() {
        let sh = Shell::new().unwrap();
        for body in [
            FACTS,
            COMPARE,
            LOCK,
            RENEW,
            UNLOCK,
            ARM,
            ACTIVATE,
            REVERT,
            COMMIT,
            LAUNCH,
            STATE,
            PROBES,
            LOG,
            GENERATIONS,
        ] {
            let text = Script::new().set("ID", "1").then(body).text();
            cmd!(sh, "/bin/sh -n -s").stdin(&text).quiet().run().unwrap();
        }
    }

    #[test]
    fn values_stay_what_they_are() {
        for value in ["", "a b", "it's", "$(rm x) `y` \\ \"z\"", "two\nlines", "#"] {
            let text = Script::new().set("V", value).then("printf '[%s]' \"$V\"").text();
            assert_eq!(run(&text), format!("[{value}]"));
        }
        assert_eq!(run(&Script::new().call(&["say", "a b", "c'd"]).text()), "a b=c'd");
    }

    /// A link that is cut anywhere in the text must not start half of it.
    #[test]
    fn half_a_script_does_nothing() {
        let text = Script::new().set("V", "x").then("echo first\necho \"$V\"\n").text();
        assert_eq!(run(&text), "first\nx");
        let end = text.len() - "main </dev/null\nexit\n".len();
        for cut in 0..end {
            assert_eq!(run(&text[..cut]), "", "{cut}");
        }
    }

    #[test]
    fn answers() {
        let answer = Answer::parse("Welcome!\na=1\nb=x=y\na=2\nc=\nunit.x=ok\nlog:\nq=1\nrest\n");
        assert_eq!((answer.get("a"), answer.get("b"), answer.get("c")), (Some("1"), Some("x=y"), None));
        assert_eq!(answer.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(answer.under("unit.").collect::<Vec<_>>(), [("x", "ok")]);
        assert_eq!(answer.log, "q=1\nrest\n");
        assert_eq!(Answer::parse("log:\nx\n").log, "x\n");
    }

    #[test]
    fn a_port_that_something_listens_on() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let probe = |kind, argument: &str| {
            run(&Script::new().then(PROBES).call(&["probe", "0", kind, argument]).text())
        };
        assert_eq!(probe("tcp", &port), "probe.0=good");
        assert_eq!(probe("tcp", "1"), "probe.0=bad nothing listens on TCP port 1");
        assert_eq!(probe("command", "true"), "probe.0=good");
        assert_eq!(probe("command", "echo a; echo broken >&2; exit 3"), "probe.0=bad broken");
    }
}
