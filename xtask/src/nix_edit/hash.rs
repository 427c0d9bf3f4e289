//! The places of a hash in Nix files: as text in any of its spellings, and what stands for an unknown one.

use std::ops::Range;

use rnix::SyntaxKind;
use rnix::SyntaxKind::{
    TOKEN_ASSIGN, TOKEN_COMMENT, TOKEN_DOT, TOKEN_IDENT, TOKEN_STRING_CONTENT, TOKEN_STRING_END,
    TOKEN_STRING_START, TOKEN_WHITESPACE,
};

/// The bytes to replace, and by what.
pub type Edit = (Range<usize>, String);

/// Where `old` is written; each pair is a spelling of the old hash and the same of the new one.
#[must_use]
pub fn places(text: &str, spellings: &[(String, String)]) -> Vec<Edit> {
    let spelled = |it: &str| spellings.iter().find(|(old, _)| old == it).map(|it| it.1.clone());
    let content = tokens(text).into_iter().filter(|it| it.0 == TOKEN_STRING_CONTENT);
    content.filter_map(|(_, range)| Some((range.clone(), spelled(&text[range])?))).collect()
}

/// Where an unknown hash is stood for: `hash = "";`, `lib.fakeHash`.
#[must_use]
pub fn placeholders(text: &str, new: &str) -> Vec<Edit> {
    let tokens = tokens(text);
    let mut res = Vec::new();
    for (n, (kind, range)) in tokens.iter().enumerate() {
        let before = |back: usize| n.checked_sub(back).and_then(|it| tokens.get(it));
        let word = |it: Option<&(SyntaxKind, Range<usize>)>| it.map_or("", |it| &text[it.1.clone()]);
        let is = |it: Option<&(SyntaxKind, Range<usize>)>, kind| it.is_some_and(|it| it.0 == kind);
        if *kind == TOKEN_IDENT && text[range.clone()].starts_with("fake") && is_fake(&text[range.clone()]) {
            // With the path that it is named by: `lib.fakeHash`, `pkgs.lib.fakeHash`.
            let mut start = range.start;
            let mut back = 1;
            while is(before(back), TOKEN_DOT) && is(before(back + 1), TOKEN_IDENT) {
                start = before(back + 1).map_or(start, |it| it.1.start);
                back += 2;
            }
            res.push((start..range.end, format!("\"{new}\"")));
        }
        let empty =
            *kind == TOKEN_STRING_END && is(before(1), TOKEN_STRING_START) && is(before(2), TOKEN_ASSIGN);
        let name = word(before(3));
        if empty && (name == "hash" || name == "sha256" || name.ends_with("Hash")) {
            res.push((range.start..range.start, new.to_owned()));
        }
    }
    res
}

fn is_fake(word: &str) -> bool {
    ["fakeHash", "fakeSha256", "fakeSha512"].contains(&word)
}

/// The tokens that mean something, with their places. No tree is made, so no nesting can use up the stack.
fn tokens(text: &str) -> Vec<(SyntaxKind, Range<usize>)> {
    let mut res = Vec::new();
    let mut at = 0;
    for (kind, token) in rnix::tokenize(text) {
        if kind != TOKEN_WHITESPACE && kind != TOKEN_COMMENT {
            res.push((kind, at..at + token.len()));
        }
        at += token.len();
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nix_edit::splice;

    #[test]
    fn only_the_literal_is_a_place() {
        let spellings = [("sha256-OLD=".to_owned(), "sha256-NEW=".to_owned())];
        let text =
            "{\n  # sha256-OLD= was it\n  hash = \"sha256-OLD=\";\n  url = \"https://x/sha256-OLD=\";\n}\n";
        let want = text.replace("\"sha256-OLD=\"", "\"sha256-NEW=\"");
        assert_eq!(splice(text, &places(text, &spellings)), want);
    }

    #[test]
    fn what_stands_for_an_unknown_hash() {
        for (text, want) in [
            ("{ cargoHash = lib.fakeHash; }", "{ cargoHash = \"NEW\"; }"),
            ("{ hash = pkgs.lib.fakeSha256; }", "{ hash = \"NEW\"; }"),
            ("with lib; { hash = fakeHash; }", "with lib; { hash = \"NEW\"; }"),
            ("{ outputHash = \"\"; name = \"\"; }", "{ outputHash = \"NEW\"; name = \"\"; }"),
            ("{ fakery = 1; # lib.fakeHash\n}", "{ fakery = 1; # lib.fakeHash\n}"),
        ] {
            assert_eq!(splice(text, &placeholders(text, "NEW")), want);
        }
    }
}
