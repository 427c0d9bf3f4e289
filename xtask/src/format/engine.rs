//! One text through Alejandra, with every reason not to trust the result looked at.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Once, mpsc};
use std::thread;
use std::time::Duration;

use rnix::SyntaxNode;

use super::syntax_error::syntax_error;
use super::{Outcome, Problem, Spot, decode, depth, doc_comments, meaning, version4};

/// Both parsers and the formatter recurse; pages that are not touched cost nothing.
pub(super) const STACK: usize = 256 << 20;
const THREAD_NAME: &str = "fmt";

/// Formats one text; it takes at most `time_limit`.
///
/// A text that takes longer is refused and its thread abandoned: Alejandra cannot be stopped, so that thread goes on
/// until the process ends.
#[must_use]
pub fn format_text(text: &[u8], time_limit: Duration) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let text = text.to_vec();
    let spawned = spawn(move || {
        let _ = sender.send(judge(&text));
    });
    match spawned.map(|_| receiver.recv_timeout(time_limit)) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::Refused(too_slow(time_limit)),
        Err(err) => Outcome::Refused(Problem::whole(format!("cannot start a thread: {err}"))),
    }
}

/// Says whether `new` means what `old` means: for text that something else formatted, such as Alejandra 4 itself.
///
/// # Errors
/// Names the first place in `old` that would change its meaning, or says that `new` does not parse.
pub fn same_meaning(old: &str, new: &str) -> Result<(), Problem> {
    let (sender, receiver) = mpsc::channel();
    let (old, new) = (old.to_owned(), new.to_owned());
    let spawned = spawn(move || {
        let parse = |it: &str| match depth::too_deep(it) {
            Some(problem) => Err(problem),
            None => Ok(rnix::Root::parse(it)),
        };
        let _ = sender.send(parse(&old).and_then(|before| {
            let after = parse(&new)?;
            match after.errors().first() {
                Some(error) => {
                    Err(Problem::whole(format!("the formatter wrote what does not parse: {error}")))
                }
                None => meaning::same(&old, &before.syntax(), &after.syntax()),
            }
        }));
    });
    spawned.map_err(|err| Problem::whole(format!("cannot start a thread: {err}")))?;
    receiver.recv().map_err(|_| Problem::whole("the parser gave up on this file"))?
}

/// A thread fit for `judge`, whose panics are not printed: they are reported per file.
pub(super) fn spawn(work: impl FnOnce() + Send + 'static) -> std::io::Result<thread::JoinHandle<()>> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().name() != Some(THREAD_NAME) {
                previous(info);
            }
        }));
    });
    thread::Builder::new().name(THREAD_NAME.to_owned()).stack_size(STACK).spawn(work)
}

pub(super) fn too_slow(limit: Duration) -> Problem {
    let message =
        format!("formatting takes longer than {limit:?}: take nested brackets apart, e.g. with `let`");
    Problem::whole(message)
}

/// Formats one text for as long as it takes; needs a thread made by `spawn`.
pub(super) fn judge(text: &[u8]) -> Outcome {
    panic::catch_unwind(AssertUnwindSafe(|| try_format(text))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Outcome::Refused(Problem::whole(format!("alejandra gave up on this file: {text}")))
    })
}

fn try_format(text: &[u8]) -> Outcome {
    let text = match decode::decode(text) {
        Ok(it) => it,
        Err(problem) => return Outcome::Refused(problem),
    };
    if let Some(problem) = depth::too_deep(text) {
        return Outcome::Refused(problem);
    }
    let parsed = rnix::Root::parse(text);
    if let Some(error) = parsed.errors().first() {
        return Outcome::Refused(syntax_error(text, error));
    }
    let old = parsed.syntax();
    if let Some(problem) = depth::too_much_work(text, &old) {
        return Outcome::Refused(problem);
    }
    let spots = version4::spots_before(text, &old);
    if !spots.is_empty() {
        return Outcome::NeedsAlejandra4(spots);
    }
    match alejandra(text, &old) {
        Ok(new) => compare(text, &old, new),
        Err(spot) => Outcome::NeedsAlejandra4(vec![spot]),
    }
}

fn compare(text: &str, old: &SyntaxNode, new: String) -> Outcome {
    if text == new {
        let spots = version4::spots_after(text, old, old);
        return if spots.is_empty() { Outcome::Clean } else { Outcome::NeedsAlejandra4(spots) };
    }
    let parsed = rnix::Root::parse(&new);
    if !parsed.errors().is_empty() {
        return Outcome::Refused(Problem::whole(
            "alejandra writes what does not parse; please report it to its authors",
        ));
    }
    // Strings come first: Alejandra 4 would change them just the same.
    if let Err(problem) = meaning::same(text, old, &parsed.syntax()) {
        return Outcome::Refused(problem);
    }
    let spots = version4::spots_after(text, old, &parsed.syntax());
    if spots.is_empty() { Outcome::Changed { new } } else { Outcome::NeedsAlejandra4(spots) }
}

/// The text as 3.1.0 writes it, but for doc comments, which it is not shown as such.
fn alejandra(text: &str, old: &SyntaxNode) -> Result<String, Spot> {
    let comments = meaning::comments(old);
    let is_doc: Vec<bool> = comments.iter().map(|it| doc_comments::is_doc(it.text())).collect();
    let hidden = doc_comments::hide(text, &comments);
    let (status, new) = alejandra::format::in_memory(String::new(), hidden);
    match status {
        alejandra::format::Status::Error(message) => {
            Err(Spot::at(text, error_offset(&message), "syntax that Alejandra 3 does not know"))
        }
        alejandra::format::Status::Changed(_) if is_doc.contains(&true) => {
            Ok(doc_comments::restore(&new, &is_doc))
        }
        alejandra::format::Status::Changed(_) => Ok(new),
    }
}

/// Messages of the old parser name bytes as `at 12..15`.
fn error_offset(message: &str) -> usize {
    let digits = message.split_once(" at ").map_or("", |it| it.1);
    digits.split(|it: char| !it.is_ascii_digit()).next().and_then(|it| it.parse().ok()).unwrap_or(0)
}
