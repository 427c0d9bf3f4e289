//! The services that run CI, and how a log speaks to them.
//!
//! Sources: GitHub's "Workflow commands for GitHub Actions", Buildkite's "Managing log output".

use crate::host::Host;

use super::place::Place;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Github,
    Buildkite,
}

impl Service {
    /// The service that this process runs in.
    #[must_use]
    pub fn of(host: &Host) -> Option<Service> {
        match (host.env("GITHUB_ACTIONS"), host.env("BUILDKITE")) {
            (Some("true"), _) => Some(Service::Github),
            (_, Some("true")) => Some(Service::Buildkite),
            _ => None,
        }
    }

    /// The line that begins a group of lines, which is shown folded.
    #[must_use]
    pub fn begin(self, title: &str) -> String {
        match self {
            Service::Github => format!("::group::{title}"),
            Service::Buildkite => format!("--- {title}"),
        }
    }

    /// The line that ends a group. What follows a failure is seen by itself on GitHub; Buildkite unfolds the group.
    #[must_use]
    pub fn end(self, good: bool) -> Option<&'static str> {
        match (self, good) {
            (Service::Github, _) => Some("::endgroup::"),
            (Service::Buildkite, false) => Some("^^^ +++"),
            (Service::Buildkite, true) => None,
        }
    }

    /// The line that pins an error to a file; Buildkite has no such line, its annotation is made of the summary.
    #[must_use]
    pub fn annotation(self, job: &str, place: Option<&Place>, message: &str) -> Option<String> {
        if self == Service::Buildkite {
            return None;
        }
        let property = |it: &str| message_text(it).replace(':', "%3A").replace(',', "%2C");
        let at = place.map_or_else(String::new, |it| {
            let column = it.column.map_or_else(String::new, |it| format!(",col={it}"));
            format!("file={},line={}{column},", property(&it.file), it.line)
        });
        Some(format!("::error {at}title={}::{}", property(job), message_text(message)))
    }
}

/// A text as the data of a command of GitHub.
fn message_text(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_at_its_place() {
        let place = Place { file: "a,b/flake.nix".to_owned(), line: 3, column: Some(5) };
        assert_eq!(
            Service::Github.annotation("check", Some(&place), "100 %\nof: it").as_deref(),
            Some("::error file=a%2Cb/flake.nix,line=3,col=5,title=check::100 %25%0Aof: it")
        );
        assert_eq!(Service::Github.annotation("a", None, "b").as_deref(), Some("::error title=a::b"));
        assert_eq!(Service::Buildkite.annotation("check", Some(&place), "x"), None);
    }
}
