//! Doc comments (`/** … */`) in disguise: 3.1.0 breaks them, and 4.0.0 lays them out as both lay out `/* … */`.

use rnix::SyntaxToken;

use super::meaning;

pub(super) fn is_doc(comment: &str) -> bool {
    comment.starts_with("/**") && !comment.starts_with("/**/")
}

/// The text with its doc comments made plain comments.
///
/// A comment on one line keeps its length, as the columns of what follows matter; its inner blanks do not. On
/// several lines it is the other way round: the column of its first word matters.
pub(super) fn hide(text: &str, comments: &[SyntaxToken]) -> String {
    let mut res = String::with_capacity(text.len());
    let mut done = 0;
    for comment in comments.iter().filter(|it| is_doc(it.text())) {
        let start: usize = comment.text_range().start().into();
        res.push_str(&text[done..start + 2]);
        if !comment.text().contains('\n') {
            res.push(' ');
        }
        done = start + 3;
    }
    res.push_str(&text[done..]);
    res
}

/// Makes doc comments of those comments of `text` that were doc comments before.
pub(super) fn restore(text: &str, is_doc: &[bool]) -> String {
    let mut res = String::with_capacity(text.len() + is_doc.len());
    let mut done = 0;
    let comments = meaning::comments(&rnix::Root::parse(text).syntax());
    for (comment, _) in comments.iter().zip(is_doc).filter(|(_, is_doc)| **is_doc) {
        let start: usize = comment.text_range().start().into();
        res.push_str(&text[done..start]);
        res.push_str("/**");
        // Still on one line: it was copied, with the blank that stands for the star.
        let was_copied = comment.text().starts_with("/* ") && !comment.text().contains('\n');
        done = start + if was_copied { 3 } else { 2 };
    }
    res.push_str(&text[done..]);
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, hidden: &str) {
        let comments = meaning::comments(&rnix::Root::parse(text).syntax());
        let is_doc: Vec<bool> = comments.iter().map(|it| is_doc(it.text())).collect();
        assert_eq!(hide(text, &comments), hidden);
        assert_eq!(restore(hidden, &is_doc), text);
    }

    #[test]
    fn what_is_hidden_can_be_restored() {
        check("/** a */ /* b */ c # /** d */", "/*  a */ /* b */ c # /** d */");
        check("/** a\n* b */ c", "/* a\n* b */ c");
        check("/**/ /***/ /**** a **/ \"/** b */\"", "/**/ /* */ /* ** a **/ \"/** b */\"");
    }
}
