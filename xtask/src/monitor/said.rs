//! What was said in a run that may tell why it failed: messages of Nix, and what others say between them.

/// Bytes of talk in a row, and messages, that are kept.
const MOST_TALK: usize = 8000;
const MOST_SAID: usize = 2000;

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Error,
    Warning,
    /// ssh, git, the build hook.
    Talk,
}

/// A message, or lines of talk in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub kind: Kind,
    /// The cause, where Nix tells it apart from the way there.
    pub text: String,
    pub whole: String,
}

/// How Nix says that a cache is busy, which it goes on without. Other errors that it ignores for a while may be told
/// again at its end.
pub const BUSY_CACHE: &str = "error (ignored): SQLite database";

/// Takes in a message of Nix, when it is an error or a warning.
pub(super) fn hear(said: &mut Vec<Said>, level: u64, text: &str, whole: &str) {
    let kind = match level {
        0 => Kind::Error,
        1 => Kind::Warning,
        _ => return,
    };
    // A builder's own words about its log are not Nix's.
    if said.len() < MOST_SAID && !text.starts_with("bad JSON log message") {
        said.push(Said { kind, text: bare(text), whole: bare(whole) });
    }
}

/// Takes in a line that is no message; lines in a row belong together.
pub(super) fn talk(said: &mut Vec<Said>, line: &str) {
    let full = said.len() >= MOST_SAID;
    match said.last_mut().filter(|it| it.kind == Kind::Talk) {
        Some(last) if last.text.len() < MOST_TALK => {
            last.text.push_str(&format!("\n{line}"));
            last.whole.clone_from(&last.text);
        }
        // Talk without end tells nothing.
        Some(_) => {}
        None if full => {}
        None => said.push(Said { kind: Kind::Talk, text: line.to_owned(), whole: line.to_owned() }),
    }
}

fn bare(text: &str) -> String {
    text.trim().trim_start_matches("warning:").trim().trim_start_matches("error:").trim().to_owned()
}
