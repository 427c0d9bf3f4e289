//! A real terminal, by tmux: what is on the screen is what the user sees.

use std::process::Command;

use camino::Utf8PathBuf;

use super::Sandbox;
use super::wait::wait_for;

/// A screen of 100 by 30; the program in it is stopped when this goes away.
pub(crate) struct Terminal {
    dir: Utf8PathBuf,
}

impl Terminal {
    /// The binary with these arguments, in a terminal.
    pub(crate) fn start(sandbox: &Sandbox, args: &[&str]) -> Terminal {
        Terminal::start_in(sandbox, &[&[env!("CARGO_BIN_EXE_xtask")], args].concat())
    }

    /// The binary with these arguments, in a terminal of so many columns and rows.
    pub(crate) fn sized(sandbox: &Sandbox, size: (u16, u16), args: &[&str]) -> Terminal {
        Terminal::open(sandbox, size, &[&[env!("CARGO_BIN_EXE_xtask")], args].concat())
    }

    /// Any command, in a terminal, with the environment of the sandbox.
    pub(crate) fn start_in(sandbox: &Sandbox, command: &[&str]) -> Terminal {
        Terminal::open(sandbox, (100, 30), command)
    }

    fn open(sandbox: &Sandbox, (columns, rows): (u16, u16), command: &[&str]) -> Terminal {
        let res = Terminal { dir: sandbox.temp().to_owned() };
        let conf = res.dir.join("tmux.conf");
        std::fs::write(&conf, "set -g status off\n").unwrap();
        let root = sandbox.root();
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let size = ["-x", &columns, "-y", &rows, "-c", root.as_str(), "--"];
        let start = ["-f", conf.as_str(), "new-session", "-d"];
        let mut words: Vec<String> = start.into_iter().chain(size).map(str::to_owned).collect();
        words.extend(["env", "-i", "TERM=screen"].map(str::to_owned));
        words.extend(sandbox.environment().iter().map(|(name, value)| format!("{name}={value}")));
        // tmux itself does not always learn how a program ended. It reads this after all that the program has said.
        let wrapper = "trap : INT; \"$@\"; printf '\\033]2;ended %s\\033\\\\' $?; exec cat";
        words.extend(["sh", "-c", wrapper, "sh"].map(str::to_owned));
        words.extend(command.iter().map(|it| (*it).to_owned()));
        res.tmux(&words.iter().map(String::as_str).collect::<Vec<_>>());
        res
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.env_clear().env("TMUX_TMPDIR", &self.dir).env("PATH", std::env::var("PATH").unwrap());
        let output = command.env("LC_ALL", "C.UTF-8").args(["-L", "test"]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What is to be seen, without the empty lines at the end.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).trim_end().to_owned()
    }

    /// What is to be seen, with its colours.
    pub(crate) fn colours(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"]).trim_end().to_owned()
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Types a line.
    pub(crate) fn line(&self, text: &str) {
        self.text(text);
        self.key("Enter");
    }

    /// Types a text.
    pub(crate) fn text(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
    }

    /// Presses a key, as tmux names it: `C-c`.
    pub(crate) fn key(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// The screen, once it shows a text.
    #[track_caller]
    pub(crate) fn shows(&self, what: &str) -> String {
        self.becomes(&format!("`{what}`"), |it| it.contains(what))
    }

    /// The screen, once it is as wanted in all respects.
    #[track_caller]
    pub(crate) fn becomes(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(what, || {
                last = self.screen();
                wanted(&last).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| panic!("the terminal never showed {what}, but:\n{last}"))
    }

    /// The screen and the exit code, after the program has ended.
    #[track_caller]
    pub(crate) fn end(&self) -> (String, String) {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for("the end of the program", || {
                let title = self.tmux(&["display-message", "-p", "#{pane_title}"]);
                title.trim_end().strip_prefix("ended ").map(str::to_owned)
            })
        }));
        let code = ended.unwrap_or_else(|_| panic!("no end of:\n{}", self.screen()));
        (code, self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
