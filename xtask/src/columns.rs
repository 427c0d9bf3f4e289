//! How wide text is on a terminal, and how it is made to fit.

use unicode_width::UnicodeWidthChar as _;

/// What starts a colour.
const ESCAPE: char = '\u{1b}';
/// What stands for what was left out.
const CUT: char = '…';

/// The columns that a text takes: colours take none, some characters of Asia two.
#[must_use]
pub fn width(text: &str) -> usize {
    cells(text).map(|it| it.1).sum()
}

/// The text, filled up with blanks.
#[must_use]
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text on one line and in so many columns, its end cut off where it does not fit. Nothing in it moves the cursor.
#[must_use]
pub fn fit(text: &str, columns: usize) -> String {
    let fits = width(text) <= columns;
    let room = if fits { columns } else { columns.saturating_sub(1) };
    let mut res = String::new();
    let (mut used, mut coloured) = (0, false);
    for (part, wide) in cells(text) {
        let colour = part.len() > 1 && part.starts_with(ESCAPE) && part.ends_with('m');
        coloured |= colour;
        if used + wide > room {
            break;
        }
        used += wide;
        if colour {
            res.push_str(part);
        } else if part == "\t" {
            res.push(' ');
        } else if !part.contains(|it: char| it.is_control()) {
            res.push_str(part);
        }
    }
    if !fits && columns > 0 {
        res.push(CUT);
    }
    if coloured {
        res.push_str("\u{1b}[0m");
    }
    res
}

/// The same for names, which differ at both ends: the middle is cut out.
#[must_use]
pub fn fit_name(name: &str, columns: usize) -> String {
    if width(name) <= columns {
        return name.to_owned();
    }
    let chars: Vec<char> = name.chars().collect();
    let take = |chars: &mut dyn Iterator<Item = &char>, room: usize| {
        let mut used = 0;
        let part = chars.take_while(|it| {
            used += it.width().unwrap_or(0);
            used <= room
        });
        part.copied().collect::<Vec<char>>()
    };
    let room = columns.saturating_sub(1);
    let start = take(&mut chars.iter(), room.div_ceil(2));
    let end = take(&mut chars.iter().rev(), room / 2);
    start.into_iter().chain([CUT]).chain(end.into_iter().rev()).collect()
}

/// Words in lines of so many columns; one that fits in none does not begin a new one, the terminal folds it.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut res: Vec<String> = Vec::new();
    for word in words(text) {
        match res.last_mut() {
            Some(line)
                if width(line) + 1 + width(word) <= columns
                    || (width(word) > columns && width(line) < columns) =>
            {
                line.push(' ');
                line.push_str(word);
            }
            _ => res.push(word.to_owned()),
        }
    }
    res
}

/// Text for people in so many columns: the lines that are too long go on below their last column. Lines of programs
/// are left alone: of logs, of differences, of code.
#[must_use]
pub fn fold(text: &str, columns: usize) -> String {
    if text.lines().any(|it| it.starts_with("@@")) {
        return text.to_owned();
    }
    let folded = text.split('\n').map(|line| {
        let start = line.trim_start();
        if width(line) <= columns || start.starts_with(['>', '+', '-', '@', '$', '|', '#']) {
            return line.to_owned();
        }
        let gap = line.rfind("  ").map_or(0, |it| width(&line[..it + 2]));
        let margin = line.len() - start.len();
        let indent = if gap > columns / 2 { margin + 2 } else { gap.max(margin) };
        let first = wrap(start, columns.saturating_sub(margin).max(1)).into_iter().next().unwrap_or_default();
        let rest = start[first.len()..].strip_prefix(' ').unwrap_or_default();
        let rest =
            if rest.is_empty() { Vec::new() } else { wrap(rest, columns.saturating_sub(indent).max(1)) };
        let rest = rest.iter().map(|it| format!("\n{}{it}", " ".repeat(indent)));
        format!("{}{first}{}", " ".repeat(margin), rest.collect::<String>())
    });
    folded.collect::<Vec<_>>().join("\n")
}

/// What is not taken apart: words, and commands, which stand in backticks.
fn words(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let balanced = text.matches('`').count().is_multiple_of(2);
    let split = |it: char| {
        quoted ^= it == '`';
        it == ' ' && !(quoted && balanced)
    };
    text.split(split).collect()
}

/// The text with our own signs in letters, for terminals that have no others.
#[must_use]
pub fn ascii(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '…' => res.push_str("..."),
            '→' => res.push_str("->"),
            '×' => res.push('x'),
            '─' | '–' | '—' => res.push('-'),
            '│' => res.push('|'),
            '├' => res.push('+'),
            '└' => res.push('`'),
            '«' | '»' => res.push('"'),
            '‘' | '’' => res.push('\''),
            '·' => res.push('*'),
            '✅' => res.push_str("ok"),
            '❌' => res.push_str("no"),
            it => res.push(it),
        }
    }
    res
}

/// The parts of a text that are drawn as one, with their width: a character, or an escape sequence.
fn cells(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (length, width) = match (first, rest.strip_prefix("\u{1b}[")) {
            (_, Some(sequence)) => {
                let end = sequence.find(|it: char| ('@'..='~').contains(&it));
                (end.map_or(rest.len(), |it| 2 + it + 1), 0)
            }
            ('\t', _) => (1, 1),
            (it, _) => (it.len_utf8(), it.width().unwrap_or(0)),
        };
        let (cell, left) = rest.split_at(length);
        rest = left;
        Some((cell, width))
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn widths() {
        for (text, want) in
            [("", 0), ("ab", 2), ("ä", 1), ("火箭", 4), ("\u{1b}[31;1mred\u{1b}[0m", 3), ("e\u{301}", 1)]
        {
            assert_eq!(width(text), want, "{text}");
        }
        assert_eq!(pad("火", 4), "火  ");
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        for (text, columns, want) in [
            ("orbit", 5, "orbit"),
            ("orbit", 4, "orb…"),
            ("orbit", 1, "…"),
            ("orbit", 0, ""),
            ("火箭火", 4, "火…"),
            ("\u{1b}[31mred light\u{1b}[0m", 4, "\u{1b}[31mred…\u{1b}[0m"),
            ("a\tb\rc\u{1b}[2Jd", 9, "a bcd"),
        ] {
            assert_eq!(fit(text, columns), want, "{text:?} in {columns}");
        }
        assert_eq!(fit_name("a-long-name-1.2.3", 17), "a-long-name-1.2.3");
        assert_eq!(fit_name("a-long-name-1.2.3", 11), "a-lon…1.2.3");
    }

    #[test]
    fn words_are_kept_whole() {
        assert_eq!(wrap("not built, a dependency failed", 12), ["not built, a", "dependency", "failed"]);
        assert_eq!(wrap("path /nix/store/x is it", 6), ["path /nix/store/x", "is it"]);
        assert_eq!(wrap("", 6), [""]);
    }

    #[test]
    fn long_lines_go_on_below_their_last_column() {
        let check = |text: &str, columns, want: expect_test::Expect| {
            want.assert_eq(&format!("{}\n", fold(text, columns)));
        };
        let doctor = "Nix\n  ok    version  Nix 2.26.3 at /nix/bin/nix (our own)";
        check(
            doctor,
            40,
            expect![[r#"
            Nix
              ok    version  Nix 2.26.3 at
                             /nix/bin/nix (our own)
        "#]],
        );
        check(
            doctor,
            30,
            expect![[r#"
            Nix
              ok    version  Nix 2.26.3 at
                /nix/bin/nix (our own)
        "#]],
        );
        check(
            "error: there is no cache: set `cache.push` in xtask.toml, or say `--cache URL`",
            40,
            expect![[r#"
                error: there is no cache: set
                `cache.push` in xtask.toml, or say
                `--cache URL`
            "#]],
        );
        check(
            "  > a line of a log that is longer than\n+ that",
            20,
            expect![[r#"
              > a line of a log that is longer than
            + that
        "#]],
        );
    }

    #[test]
    fn signs_in_letters() {
        assert_eq!(ascii("a → b …"), "a -> b ...");
    }
}
