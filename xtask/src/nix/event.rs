//! One line of Nix's log (`--log-format internal-json`) as one event. Never fails: what we do not know is passed
//! on as text or ignored, because a new Nix must not break us.
//!
//! Source of the numbers: `src/libutil/include/nix/util/logging.hh` of Nix 2.26 to 2.34, and recorded streams.

use serde::Deserialize;

/// What Nix said, or that nothing was said for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Start {
        id: u64,
        parent: u64,
        activity: Activity,
    },
    Stop {
        id: u64,
    },
    /// One line that a builder printed.
    Log {
        id: u64,
        line: String,
    },
    Phase {
        id: u64,
        phase: String,
    },
    Progress {
        id: u64,
        progress: Progress,
    },
    /// A message of Nix itself, without colours. `root` is the bare cause of an error, where Nix says it apart.
    Message {
        level: u64,
        text: String,
        root: Option<String>,
    },
    /// A line that is not in Nix's format: ssh, git, a hook.
    Plain(String),
    /// Time to draw.
    Tick,
    /// The child is told to stop. Another process may still hold its log open.
    Stopping,
    Ignored,
}

/// The kinds of work that we show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activity {
    /// `machine` is empty for this one.
    Build {
        drv: String,
        machine: String,
    },
    /// Stores are URIs, or `local`; older versions leave parts of them out.
    CopyPath {
        path: String,
        from: String,
        to: String,
    },
    /// A download over HTTP or from S3; there is none for `file://`.
    Transfer {
        url: String,
    },
    /// A path is fetched from a cache instead of being built; the parent of its copy.
    Substitute {
        cache: String,
    },
    /// The caches are asked what they have.
    Query,
    /// Totals over all builds.
    Builds,
    /// Totals over all paths to copy.
    CopyPaths,
    /// A git repository or tarball being fetched, an evaluation: only a text.
    Talk(String),
    Other,
}

/// For a copy, bytes done and expected; for totals also how many run and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub expected: u64,
    pub running: u64,
    pub failed: u64,
}

#[derive(Deserialize)]
struct Raw {
    action: String,
    #[serde(default)]
    id: u64,
    #[serde(default)]
    level: u64,
    #[serde(default)]
    parent: u64,
    #[serde(default, rename = "type")]
    kind: u64,
    #[serde(default)]
    text: String,
    #[serde(default)]
    msg: String,
    raw_msg: Option<String>,
    /// `PATH:LINE:COLUMN`
    file: Option<String>,
    /// Only with `--show-trace`.
    #[serde(default)]
    trace: Vec<serde_json::Value>,
    #[serde(default)]
    fields: Vec<serde_json::Value>,
}

/// Reads one line, without its newline.
#[must_use]
pub fn parse(line: &[u8]) -> Event {
    let Some(json) = line.strip_prefix(b"@nix ") else {
        return Event::Plain(strip_ansi(&String::from_utf8_lossy(line)));
    };
    match serde_json::from_slice::<Raw>(json) {
        Ok(raw) => Event::from_raw(&raw),
        // Nix escapes its strings, but a builder's bytes have been seen to slip through: try once more as text.
        Err(_) => match serde_json::from_str::<Raw>(&String::from_utf8_lossy(json)) {
            Ok(raw) => Event::from_raw(&raw),
            Err(_) => Event::Ignored,
        },
    }
}

/// The activity that a line reports progress of, found without parsing: one large copy makes 90,000 such lines,
/// and only the last of each activity matters.
#[must_use]
pub fn progress_id(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(br#"@nix {"action":"result","fields":["#)?;
    let rest = rest.strip_suffix(br#","type":105}"#)?;
    let digits = rest.iter().rev().take_while(|it| it.is_ascii_digit()).count();
    let (head, id) = rest.split_at(rest.len() - digits);
    if !head.ends_with(br#"],"id":"#) {
        return None;
    }
    std::str::from_utf8(id).ok()?.parse().ok()
}

impl Event {
    fn from_raw(raw: &Raw) -> Event {
        let Raw { id, parent, .. } = *raw;
        match (raw.action.as_str(), raw.kind) {
            ("start", _) => Event::Start { id, parent, activity: Activity::from_raw(raw) },
            ("stop", _) => Event::Stop { id },
            ("result", 101) => Event::Log { id, line: strip_ansi(text_field(&raw.fields, 0)) },
            ("result", 104) => Event::Phase { id, phase: text_field(&raw.fields, 0).to_owned() },
            ("result", 105) => {
                let number = |n: usize| raw.fields.get(n).and_then(serde_json::Value::as_u64).unwrap_or(0);
                let progress =
                    Progress { done: number(0), expected: number(1), running: number(2), failed: number(3) };
                Event::Progress { id, progress }
            }
            ("msg", _) => Event::Message { level: raw.level, text: strip_ansi(&raw.msg), root: raw.root() },
            _ => Event::Ignored,
        }
    }
}

impl Raw {
    /// The bare cause of an error and its place. Who asks for the trace gets the whole message instead.
    fn root(&self) -> Option<String> {
        let cause = strip_ansi(self.raw_msg.as_deref().filter(|_| self.trace.is_empty())?);
        let Some(place) = &self.file else { return Some(cause) };
        // 2.26 names the copy in the store.
        let place = place.split_once("-source/").map_or(place.as_str(), |(_, it)| it);
        Some(format!("{cause}\nat {place}"))
    }
}

impl Activity {
    fn from_raw(raw: &Raw) -> Activity {
        let field = |n| text_field(&raw.fields, n).to_owned();
        match raw.kind {
            100 => Activity::CopyPath { path: field(0), from: field(1), to: field(2) },
            101 => Activity::Transfer { url: field(0) },
            108 => Activity::Substitute { cache: field(1) },
            109 => Activity::Query,
            0 if raw.text.starts_with("querying info about") => Activity::Query,
            103 => Activity::CopyPaths,
            104 => Activity::Builds,
            105 => Activity::Build { drv: field(0), machine: field(1) },
            0 | 111 | 112 if !raw.text.is_empty() && raw.level <= 4 => Activity::Talk(strip_ansi(&raw.text)),
            _ => Activity::Other,
        }
    }
}

fn text_field(fields: &[serde_json::Value], n: usize) -> &str {
    fields.get(n).and_then(|it| it.as_str()).unwrap_or_default()
}

/// Removes colours, cursor movements and links (CSI and OSC sequences), and what a terminal would not show.
#[must_use]
pub fn strip_ansi(text: &str) -> String {
    if !text.contains(|it: char| it.is_control() && it != '\n' && it != '\t') {
        return text.to_owned();
    }
    let mut res = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => match chars.next() {
                Some('[') => while chars.next().is_some_and(|it| !('\u{40}'..='\u{7e}').contains(&it)) {},
                // Buildkite writes the time as an APC sequence.
                Some(']' | '_' | 'P' | '^') => {
                    // Ends in BEL, or in ESC and a backslash.
                    while let Some(it) = chars.next() {
                        if it == '\u{7}' || (it == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\n' | '\t' => res.push(char),
            it if it.is_control() => {}
            it => res.push(it),
        }
    }
    res
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "the snapshot is written at the call")]
    fn check(line: &str, expect: Expect) {
        expect.assert_eq(&format!("{:?}", parse(line.as_bytes())));
    }

    #[test]
    fn events() {
        check(
            r#"@nix {"action":"start","fields":["/nix/store/x-a.drv","",1,1],"id":29789893165065,"level":3,"parent":0,"text":"building","type":105}"#,
            expect![[
                r#"Start { id: 29789893165065, parent: 0, activity: Build { drv: "/nix/store/x-a.drv", machine: "" } }"#
            ]],
        );
        check(r#"@nix {"action":"stop","id":7}"#, expect!["Stop { id: 7 }"]);
        check(
            r#"@nix {"action":"result","fields":["\u001b[1mred\u001b[0m"],"id":7,"type":101}"#,
            expect![[r#"Log { id: 7, line: "red" }"#]],
        );
        check(
            r#"@nix {"action":"result","fields":["buildPhase"],"id":7,"type":104}"#,
            expect![[r#"Phase { id: 7, phase: "buildPhase" }"#]],
        );
        check(
            r#"@nix {"action":"result","fields":[1,2,3,4],"id":7,"type":105}"#,
            expect!["Progress { id: 7, progress: Progress { done: 1, expected: 2, running: 3, failed: 4 } }"],
        );
        check(
            r#"@nix {"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m x","raw_msg":"x","file":null}"#,
            expect![[r#"Message { level: 0, text: "error: x", root: Some("x") }"#]],
        );
        check(
            r#"@nix {"action":"msg","level":0,"msg":"error: x","raw_msg":"x","file":"/nix/store/h-source/a/flake.nix:3:5"}"#,
            expect![[r#"Message { level: 0, text: "error: x", root: Some("x\nat a/flake.nix:3:5") }"#]],
        );
        check(
            r#"@nix {"action":"msg","level":0,"msg":"error: x\nwhile y","raw_msg":"x","trace":[{}]}"#,
            expect![[r#"Message { level: 0, text: "error: x\nwhile y", root: None }"#]],
        );
    }

    #[test]
    fn the_unknown_is_not_an_error() {
        check("From http://host/dep", expect![[r#"Plain("From http://host/dep")"#]]);
        check("@nix nonsense", expect!["Ignored"]);
        check(r#"@nix {"action":"dance","id":1}"#, expect!["Ignored"]);
        check(r#"@nix {"action":"result","fields":[],"id":1,"type":999}"#, expect!["Ignored"]);
        assert_eq!(parse(b"\xff raw"), Event::Plain("\u{fffd} raw".to_owned()));
        let broken = b"@nix {\"action\":\"result\",\"fields\":[\"a\xffb\"],\"id\":1,\"type\":101}";
        assert_eq!(parse(broken), Event::Log { id: 1, line: "a\u{fffd}b".to_owned() });
    }

    #[test]
    fn progress_is_found_without_parsing() {
        let line =
            br#"@nix {"action":"result","fields":[65536,600000000,0,0],"id":66344359821312,"type":105}"#;
        assert_eq!(progress_id(line), Some(66_344_359_821_312));
        // A builder may print what looks like one: it arrives inside a string, as a log line.
        let log = br#"@nix {"action":"result","fields":["],\"id\":1,\"type\":105}"],"id":1,"type":101}"#;
        assert_eq!(progress_id(log), None);
        assert_eq!(progress_id(br#"@nix {"action":"stop","id":1}"#), None);
    }

    #[test]
    fn colours_and_links_are_stripped() {
        assert_eq!(
            strip_ansi("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{7} \u{1b}[31;1mred\u{1b}[0m\r"),
            "link red"
        );
        assert_eq!(strip_ansi("\u{1b}_bk;t=17\u{7}x"), "x");
        assert_eq!(strip_ansi("tab\tstays"), "tab\tstays");
        assert_eq!(strip_ansi("\u{1b}["), "");
    }

    /// Every recorded stream of both versions is understood: no line of Nix's own is thrown away but for the
    /// result kinds that we do not show.
    #[test]
    fn recorded_streams() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/logs");
        let mut streams = 0;
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read(&path).unwrap();
            let events: Vec<Event> = text.split(|it| *it == b'\n').map(parse).collect();
            let ignored = events.iter().filter(|it| matches!(it, Event::Ignored)).count();
            assert!(ignored * 2 < events.len(), "{}: {ignored} of {} ignored", path.display(), events.len());
            assert!(events.iter().any(|it| matches!(it, Event::Start { .. })), "{}", path.display());
            streams += 1;
        }
        assert!(streams > 20, "{streams} streams");
    }
}
