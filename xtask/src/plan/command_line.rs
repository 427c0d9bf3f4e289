//! Command lines as a user would type them.

use std::fmt;

use camino::Utf8Path;

/// A command line as a user would type it.
#[derive(Debug)]
pub struct CommandLine<'a>(pub &'a str, pub &'a [String]);

impl fmt::Display for CommandLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(self.0))?;
        self.1.iter().try_for_each(|it| write!(f, " {}", quoted(it)))
    }
}

/// A word for a POSIX shell.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-_./:=@%+,#^".contains(&it);
    match word {
        "" => "''".to_owned(),
        _ if word.bytes().all(plain) && !word.starts_with('#') => word.to_owned(),
        _ => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The options that replace an input by a directory, for one call.
#[must_use]
pub fn override_input(input: &str, dir: &Utf8Path) -> [String; 3] {
    ["--override-input".to_owned(), input.to_owned(), dir.to_string()]
}
