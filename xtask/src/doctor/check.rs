//! One line of the page.

use serde_json::{Value, json};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pass,
    Warn,
    Fail,
    /// It could not be, or need not be, looked at.
    Skipped,
}

impl State {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Pass => "pass",
            State::Warn => "warn",
            State::Fail => "fail",
            State::Skipped => "skipped",
        }
    }
}

/// What `--fix` may do without thinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// A list among the settings of the machine gets these words.
    Setting { name: &'static str, words: Vec<String> },
    /// A command of the user's, which needs no rights.
    Run(Vec<String>),
}

/// What was looked at, what was found, why that matters, and the cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub group: &'static str,
    pub name: String,
    pub state: State,
    pub found: String,
    /// Empty where nothing is wrong.
    pub why: String,
    /// The command, or what to do.
    pub cure: String,
    pub fixes: Vec<Fix>,
}

impl Check {
    fn new(group: &'static str, name: &str, state: State, found: impl Into<String>) -> Check {
        Check {
            group,
            name: name.to_owned(),
            state,
            found: found.into(),
            why: String::new(),
            cure: String::new(),
            fixes: Vec::new(),
        }
    }

    #[must_use]
    pub fn pass(group: &'static str, name: &str, found: impl Into<String>) -> Check {
        Check::new(group, name, State::Pass, found)
    }

    #[must_use]
    pub fn warn(group: &'static str, name: &str, found: impl Into<String>) -> Check {
        Check::new(group, name, State::Warn, found)
    }

    #[must_use]
    pub fn fail(group: &'static str, name: &str, found: impl Into<String>) -> Check {
        Check::new(group, name, State::Fail, found)
    }

    #[must_use]
    pub fn skipped(group: &'static str, name: &str, why: impl Into<String>) -> Check {
        Check::new(group, name, State::Skipped, why)
    }

    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Check {
        self.why = why.into();
        self
    }

    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Check {
        self.cure = cure.into();
        self
    }

    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Check {
        self.fixes.push(fix);
        self
    }

    /// The line, and under it why and the cure.
    #[must_use]
    pub fn text(&self, width: usize, paint: &dyn Fn(&str, &str) -> String) -> String {
        let (word, colour) = match self.state {
            State::Pass => ("ok  ", "32"),
            State::Warn => ("warn", "33"),
            State::Fail => ("FAIL", "31;1"),
            State::Skipped => ("skip", "2"),
        };
        let mut res = format!("  {}  {:width$}  {}", paint(colour, word), self.name, self.found);
        let indent = " ".repeat(width + 10);
        for (title, text) in [("why: ", &self.why), ("cure: ", &self.cure)] {
            for (n, line) in text.lines().enumerate() {
                let title = if n == 0 { title.to_owned() } else { " ".repeat(title.len()) };
                res += &format!("\n{indent}{title}{line}");
            }
        }
        res
    }

    #[must_use]
    pub fn json(&self) -> Value {
        let some = |it: &str| (!it.is_empty()).then(|| it.to_owned());
        json!({
            "group": self.group,
            "name": self.name,
            "state": self.state.name(),
            "found": self.found,
            "why": some(&self.why),
            "cure": some(&self.cure),
            "fixable": !self.fixes.is_empty(),
        })
    }
}
