//! A unified diff of two texts, for `fmt --diff`.

use std::fmt::Write as _;
use std::ops::Range;

/// Lines shown around a change, as diff and git do.
const CONTEXT: usize = 3;
/// Above this many cells the table of common lines would cost too much: the middle is shown as replaced.
const MAX_CELLS: usize = 16_000_000;

/// A stretch of old lines that is replaced by a stretch of new lines; either may be empty.
type Change = (Range<usize>, Range<usize>);

/// The unified diff that turns `old` into `new`, empty when they are equal; `patch -p1` takes it.
#[must_use]
pub fn diff(old: &str, new: &str, path: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let changes = changes(&a, &b);
    let mut res = String::new();
    if changes.is_empty() {
        return res;
    }
    let path = path.trim_start_matches('/');
    let _ = write!(res, "--- a/{path}\n+++ b/{path}\n");
    for hunk in hunks(changes) {
        write_hunk(&mut res, &hunk, &a, &b);
    }
    res
}

/// The changes in order; what is between them is equal.
fn changes(a: &[&str], b: &[&str]) -> Vec<Change> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (a_end, b_end) = (a.len() - tail, b.len() - tail);
    if head == a_end && head == b_end {
        return Vec::new();
    }
    if (a_end - head).saturating_mul(b_end - head) > MAX_CELLS {
        return vec![(head..a_end, head..b_end)];
    }
    walk(&a[head..a_end], &b[head..b_end])
        .into_iter()
        .map(|(x, y)| (x.start + head..x.end + head, y.start + head..y.end + head))
        .collect()
}

/// Longest common subsequence, by the plain table: files are small and mostly equal.
fn walk(old: &[&str], new: &[&str]) -> Vec<Change> {
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for row in (0..old.len()).rev() {
        for column in (0..new.len()).rev() {
            common[row * width + column] = if old[row] == new[column] {
                common[(row + 1) * width + column + 1] + 1
            } else {
                common[(row + 1) * width + column].max(common[row * width + column + 1])
            };
        }
    }
    let mut res: Vec<Change> = Vec::new();
    let (mut row, mut column) = (0, 0);
    while row < old.len() || column < new.len() {
        if row < old.len() && column < new.len() && old[row] == new[column] {
            (row, column) = (row + 1, column + 1);
            continue;
        }
        let from = (row, column);
        let skip_old = || common[(row + 1) * width + column] >= common[row * width + column + 1];
        if column == new.len() || (row < old.len() && skip_old()) {
            row += 1;
        } else {
            column += 1;
        }
        match res.last_mut() {
            Some((x, y)) if (x.end, y.end) == from => (x.end, y.end) = (row, column),
            _ => res.push((from.0..row, from.1..column)),
        }
    }
    res
}

/// Changes whose context would touch belong together.
fn hunks(changes: Vec<Change>) -> Vec<Vec<Change>> {
    let mut res: Vec<Vec<Change>> = Vec::new();
    for change in changes {
        match res.last_mut() {
            Some(hunk) if hunk.last().is_some_and(|it| change.0.start - it.0.end <= 2 * CONTEXT) => {
                hunk.push(change);
            }
            _ => res.push(vec![change]),
        }
    }
    res
}

fn write_hunk(res: &mut String, hunk: &[Change], a: &[&str], b: &[&str]) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return };
    let before = CONTEXT.min(first.0.start);
    let after = CONTEXT.min(a.len() - last.0.end);
    let (a_range, b_range) =
        (first.0.start - before..last.0.end + after, first.1.start - before..last.1.end + after);
    let _ = writeln!(res, "@@ -{} +{} @@", position(&a_range), position(&b_range));
    let mut at = a_range.start;
    for (x, y) in hunk {
        a[at..x.start].iter().for_each(|it| write_line(res, ' ', it));
        a[x.clone()].iter().for_each(|it| write_line(res, '-', it));
        b[y.clone()].iter().for_each(|it| write_line(res, '+', it));
        at = x.end;
    }
    a[at..a_range.end].iter().for_each(|it| write_line(res, ' ', it));
}

/// An empty range is named by the line before it: that is what `patch` expects.
fn position(range: &Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        len => format!("{},{len}", range.start + 1),
    }
}

fn write_line(res: &mut String, sign: char, line: &str) {
    res.push(sign);
    res.push_str(line);
    if !line.ends_with('\n') {
        res.push_str("\n\\ No newline at end of file\n");
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "so that a case is one line")]
    fn check(old: &str, new: &str, expect: Expect) {
        expect.assert_eq(&diff(old, new, "a.nix"));
    }

    #[test]
    fn equal_texts_have_no_diff() {
        check("a\n", "a\n", expect![[""]]);
    }

    #[test]
    fn a_change_in_the_middle_shows_three_lines_of_context() {
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
            "1\n2\n3\n4\nV\n6\n7\n8\n9\n",
            expect![[r"
            --- a/a.nix
            +++ b/a.nix
            @@ -2,7 +2,7 @@
             2
             3
             4
            -5
            +V
             6
             7
             8
        "]],
        );
    }

    #[test]
    fn distant_changes_are_two_hunks_and_near_ones_one() {
        let lines: Vec<String> = (1..=20).map(|it| it.to_string()).collect();
        let old = lines.join("\n") + "\n";
        let new = old.replace("2\n3\n", "2\nx\n3\n").replace("18\n", "");
        check(
            &old,
            &new,
            expect![[r"
            --- a/a.nix
            +++ b/a.nix
            @@ -1,5 +1,6 @@
             1
             2
            +x
             3
             4
             5
            @@ -15,6 +16,5 @@
             15
             16
             17
            -18
             19
             20
        "]],
        );
    }

    #[test]
    fn ends_without_newline_are_said() {
        check(
            "a",
            "a\n",
            expect![[r"
            --- a/a.nix
            +++ b/a.nix
            @@ -1 +1 @@
            -a
            \ No newline at end of file
            +a
        "]],
        );
        check(
            "",
            "a\n",
            expect![[r"
            --- a/a.nix
            +++ b/a.nix
            @@ -0,0 +1 @@
            +a
        "]],
        );
    }
}
