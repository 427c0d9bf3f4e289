//! What somebody may have meant by a name that does not exist.

/// Names that are close to a bad one, the closest first, three at most.
pub fn nearest<'a>(bad: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<(usize, &str)> = candidates.filter_map(|it| Some((score(bad, it)?, it))).collect();
    scored.sort_unstable();
    scored.dedup();
    scored.into_iter().map(|(_, it)| it).take(3).collect()
}

/// `` ; did you mean `a` or `b`? ``, or nothing when no name is near.
#[must_use]
pub fn did_you_mean(near: &[&str]) -> String {
    let quoted: Vec<String> = near.iter().map(|it| format!("`{it}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => format!("; did you mean {only}?"),
        Some((last, others)) => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

/// Lower is nearer; `None` is too far away to be worth a suggestion.
fn score(bad: &str, candidate: &str) -> Option<usize> {
    let (bad, candidate) = (bad.to_lowercase(), candidate.to_lowercase());
    if bad.is_empty() || candidate.is_empty() {
        return None;
    }
    let (left, right): (Vec<char>, Vec<char>) = (bad.chars().collect(), candidate.chars().collect());
    let cut_off = (left.len().max(right.len()) / 3).max(1);
    // A name of one or two letters is near to every other one; only a swap or a change of case may count.
    let distance = distance(&left, &right);
    if distance <= cut_off && distance < left.len().min(right.len()) {
        return Some(distance);
    }
    let contained =
        left.len() >= 2 && (candidate.contains(&bad) || (right.len() >= 3 && bad.contains(&candidate)));
    contained.then_some(cut_off + if candidate.starts_with(&bad) { 1 } else { 2 })
}

/// Damerau-Levenshtein distance with adjacent swaps (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let changed = last[column] + usize::from(from != to);
            let mut best = changed.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && left[row - 1] == *to && *from == right[column - 1];
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "expect! makes a value")]
    fn check(bad: &str, candidates: &str, expect: Expect) {
        expect.assert_eq(&nearest(bad, candidates.split(' ')).join(" "));
    }

    #[test]
    fn finds_what_was_meant() {
        check("elodin-bd", "elodin-db elodin aleph", expect!["elodin-db elodin"]);
        check("elodindb", "elodin-db sensor-fw", expect!["elodin-db"]);
        check("tolpevel", "toplevel sdimage", expect!["toplevel"]);
        check("ALEPH", "aleph", expect!["aleph"]);
        check("db", "elodin-db dbus aleph", expect!["dbus elodin-db"]);
        check("flaks", "flakes ignore nix cache shell", expect!["flakes"]);
    }

    #[test]
    fn stays_silent_when_nothing_is_near() {
        check("zzz", "elodin-db aleph", expect![""]);
        check("x", "y z", expect![""]);
        check("", "a b", expect![""]);
        check("kernel", "toplevel", expect![""]);
    }

    #[test]
    fn says_at_most_three_and_the_same_each_time() {
        check("a1", "a5 a4 a3 a2", expect!["a2 a3 a4"]);
        expect!["; did you mean `a`?"].assert_eq(&did_you_mean(&["a"]));
        expect!["; did you mean `a`, `b` or `c`?"].assert_eq(&did_you_mean(&["a", "b", "c"]));
    }
}
