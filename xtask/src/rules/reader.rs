//! Reads the log of somebody else's run: Nix's events, Nix's prose, what xtask prints, and all of that as CI systems
//! keep it, with times, colours and marks.

use std::time::Instant;

use crate::monitor::{BUSY_CACHE, Monitor};
use crate::nix::event::{self, Activity, Event, strip_ansi};

/// What happened in the run that a log is of.
#[must_use]
pub fn read(log: &[u8], now: Instant) -> Monitor {
    let mut reader = Reader { monitor: Monitor::default(), now, block: None, builds: Vec::new() };
    for line in log.split(|it| *it == b'\n') {
        reader.line(line);
    }
    reader.flush();
    reader.monitor.end();
    reader.monitor
}

struct Reader {
    monitor: Monitor,
    now: Instant,
    /// A message that may go on: its level and its lines.
    block: Option<(u64, Vec<String>)>,
    /// The derivations whose builds were announced; the place is the id.
    builds: Vec<String>,
}

impl Reader {
    fn line(&mut self, raw: &[u8]) {
        let line = bare(&String::from_utf8_lossy(raw));
        if line.starts_with("@nix ") {
            self.flush();
            self.event(&event::parse(line.as_bytes()));
            return;
        }
        let goes_on = line.starts_with([' ', '\t']) || line.is_empty();
        if let (Some((_, lines)), true) = (&mut self.block, goes_on) {
            lines.push(line);
            return;
        }
        self.flush();
        let level = match () {
            () if ["warning:", "Warning:", BUSY_CACHE].iter().any(|it| line.starts_with(it)) => Some(1),
            () if line.starts_with("error:") || line.starts_with("error (ignored):") => Some(0),
            () => None,
        };
        if let Some(text) = translated(&line) {
            self.block = Some((0, vec![text]));
            return;
        }
        match level {
            // What Nix ignores, so do we.
            Some(0) if line.starts_with("error (ignored)") => {}
            Some(level) => self.block = Some((level, vec![line])),
            None => self.prose(&line),
        }
    }

    /// A line that is no message: a build that begins, a builder's line, talk.
    fn prose(&mut self, line: &str) {
        if let Some((drv, machine)) = announced(line) {
            let activity = Activity::Build { drv: drv.clone(), machine };
            self.builds.push(drv);
            self.event(&Event::Start { id: self.builds.len() as u64, parent: 0, activity });
            return;
        }
        let log = line.split_once("> ").or_else(|| line.strip_suffix('>').map(|it| (it, "")));
        let build = log.and_then(|(name, _)| {
            let named = |drv: &String| drv.ends_with(&format!("-{name}.drv"));
            self.builds.iter().rposition(named)
        });
        match (build, log) {
            (Some(at), Some((_, text))) => {
                self.event(&Event::Log { id: at as u64 + 1, line: text.to_owned() });
            }
            _ => self.event(&Event::Plain(line.to_owned())),
        }
    }

    fn flush(&mut self) {
        let Some((level, lines)) = self.block.take() else { return };
        let text = dedented(&lines);
        // The cause of a trace is its last `error:`.
        let cause = text.match_indices("\nerror: ").last().map(|it| text[it.0 + 8..].to_owned());
        self.event(&Event::Message { level, root: cause.filter(|_| level == 0), text });
    }

    fn event(&mut self, event: &Event) {
        self.monitor.event(event, self.now);
    }
}

/// How xtask tells a build that failed, in Nix's words again.
fn translated(line: &str) -> Option<String> {
    let (name, words) = line.split_once(": ").filter(|it| !it.0.contains([' ', '\'']))?;
    if let Some(code) = words.strip_prefix("its builder ended with ") {
        return Some(format!("builder for '{name}' failed with {code}"));
    }
    if let Some(output) = words.strip_prefix("its builder did not make the output ") {
        return Some(format!(
            "builder for '{name}' failed to produce output path for output {} at ''",
            output.replace('`', "'")
        ));
    }
    if let Some(end) = words.strip_prefix("its builder failed ") {
        return Some(format!("builder for '{name}' failed {end}"));
    }
    if words.starts_with("what it fetched has another hash") {
        return Some(format!("hash mismatch in fixed-output derivation '{name}':"));
    }
    let (system, here) =
        words.strip_prefix("it needs a ")?.split_once(" machine to build on, and this one is ")?;
    Some(format!("a '{system}' with features {{}} is required to build '{name}', but I am a '{here}'"))
}

/// `building '/nix/store/….drv'...` or `… on 'ssh-ng://…'...`
fn announced(line: &str) -> Option<(String, String)> {
    let mut quoted = line.strip_prefix("building ")?.split('\'').skip(1).step_by(2);
    let drv = quoted.next().filter(|it| it.ends_with(".drv"))?;
    Some((drv.to_owned(), quoted.next().unwrap_or_default().to_owned()))
}

/// Without the indentation that all lines but the first share.
fn dedented(lines: &[String]) -> String {
    let indent = |it: &&String| it.len() - it.trim_start().len();
    let rest = lines.iter().skip(1).filter(|it| !it.trim().is_empty());
    let shared = rest.map(|it| indent(&it)).min().unwrap_or(0);
    let line =
        |(n, it): (usize, &String)| it.get(if n == 0 { 0 } else { shared }..).unwrap_or_default().to_owned();
    lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// A line without what a terminal and a CI system add to it.
fn bare(line: &str) -> String {
    let line = line.trim_start_matches('\u{feff}').trim_end_matches('\r');
    // What a progress bar has overwritten.
    let line = line.rsplit('\r').next().unwrap_or(line);
    let line = strip_ansi(line);
    // `gh run view --log`: job, step, time.
    let fields = line.splitn(3, '\t').nth(2).filter(|it| after_time(it).is_some());
    let line = fields.unwrap_or(&line);
    let line = after_time(line).unwrap_or(line);
    let mark = line.strip_prefix("##[").and_then(|it| it.split_once(']'));
    let command = line.strip_prefix("::").and_then(|it| it.split_once("::"));
    mark.or(command).map_or(line, |it| it.1).to_owned()
}

/// What follows `2026-01-31T12:00:00.123Z ` or the same in brackets.
fn after_time(line: &str) -> Option<&str> {
    let rest = line.strip_prefix('[').unwrap_or(line);
    let digits = |range: std::ops::Range<usize>| {
        rest.get(range).is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit()))
    };
    let shape = digits(0..4)
        && digits(5..7)
        && digits(8..10)
        && rest.get(10..11).is_some_and(|it| it == "T" || it == " ");
    if !shape {
        return None;
    }
    let end = rest.find(|it: char| !(it.is_ascii_digit() || "-T:. +".contains(it)) || it == ' ')?;
    let after = rest[end..].strip_prefix('Z').unwrap_or(&rest[end..]);
    let after = after.strip_prefix(']').unwrap_or(after);
    Some(after.strip_prefix(' ').unwrap_or(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ci_systems_add_is_taken_away() {
        for line in [
            "error: x",
            "error: x\r",
            "\u{1b}[31;1merror:\u{1b}[0m x",
            "2026-01-31T12:00:00.1234567Z error: x",
            "\u{feff}2026-01-31T12:00:00.1234567Z \u{1b}[31merror: x\u{1b}[0m",
            "build\tcargo xtask build\t2026-01-31T12:00:00.1234567Z error: x",
            "\u{1b}_bk;t=1700000000000\u{7}error: x",
            "[2026-01-31T12:00:00Z] error: x",
            "##[error]error: x",
            "::error file=a.nix,line=3::error: x",
            "10 %\r90 %\rerror: x",
        ] {
            assert_eq!(bare(line), "error: x", "{line:?}");
        }
        for line in ["      at /a:1", "2026 was a year", "a\tb\tc", "std::fs::read", "--- group"] {
            assert_eq!(bare(line), line);
        }
        assert_eq!(bare("2026-01-31T12:00:00.1Z        at /a"), "       at /a");
    }
}
