//! One line of a `nix.conf`, cut as Nix cuts it.

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Nothing, or a comment.
    Blank,
    Set {
        name: &'a str,
        words: Vec<&'a str>,
    },
    Include {
        path: &'a str,
        /// `!include`: nothing is wrong when it is not there.
        optional: bool,
    },
    /// Nix refuses to start.
    Bad,
}

/// The part before a comment. There is no quoting: a `#` always begins one.
pub(super) fn content(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim_end()
}

pub(super) fn parse(line: &str) -> Line<'_> {
    let mut words = content(line).split_ascii_whitespace();
    let Some(name) = words.next() else { return Line::Blank };
    let rest: Vec<&str> = words.collect();
    match (name, rest.as_slice()) {
        ("include" | "!include", [path]) => Line::Include { path, optional: name.starts_with('!') },
        (_, ["=", words @ ..]) => Line::Set { name, words: words.to_vec() },
        _ => Line::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_as_nix_cuts_them() {
        let set = |name, words: &[&'static str]| Line::Set { name, words: words.to_vec() };
        for (text, want) in [
            ("", Line::Blank),
            ("  # a = b", Line::Blank),
            ("a = b  c\t# d", set("a", &["b", "c"])),
            ("a =", set("a", &[])),
            ("a = b = c", set("a", &["b", "=", "c"])),
            ("a = b\r", set("a", &["b"])),
            ("include x.conf", Line::Include { path: "x.conf", optional: false }),
            ("!include ./x.conf", Line::Include { path: "./x.conf", optional: true }),
            ("include", Line::Bad),
            ("include a b", Line::Bad),
            ("a=b", Line::Bad),
            ("a b", Line::Bad),
        ] {
            assert_eq!(parse(text), want, "{text}");
        }
    }
}
