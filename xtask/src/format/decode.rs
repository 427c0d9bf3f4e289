//! Bytes to text: UTF-8 without a byte order mark and with Unix line ends, or a problem with its place.

use super::Problem;

/// The text of a file.
///
/// # Errors
/// Names the first byte that is in the way, and how to get rid of it.
pub(super) fn decode(bytes: &[u8]) -> Result<&str, Problem> {
    let first = |message: &str| Err(Problem { place: Some((1, 1)), message: message.to_owned() });
    match bytes {
        [0xff, 0xfe, ..] => {
            return first("this is UTF-16 (little endian); convert it with `iconv -f UTF-16 -t UTF-8`");
        }
        [0xfe, 0xff, ..] => {
            return first("this is UTF-16 (big endian); convert it with `iconv -f UTF-16 -t UTF-8`");
        }
        [0xef, 0xbb, 0xbf, ..] => {
            return first(
                "a byte order mark, which Nix does not accept; remove it with `sed -i '1s/^\\xef\\xbb\\xbf//'`",
            );
        }
        _ => {}
    }
    let text = str::from_utf8(bytes).map_err(|err| {
        let valid = &bytes[..err.valid_up_to()];
        let byte = bytes.get(err.valid_up_to()).copied().unwrap_or_default();
        let message = format!(
            "byte {byte:#04x} is not UTF-8; convert the file, e.g. with `iconv -f ISO-8859-1 -t UTF-8`"
        );
        // What comes before is valid: nothing is lost.
        let text = String::from_utf8_lossy(valid);
        Problem::at(&text, text.len(), message)
    })?;
    if let Some(at) = text.find('\r') {
        let message = if text[at..].starts_with("\r\n") {
            "the line ends in CR LF; convert the file with `sed -i 's/\\r$//'`"
        } else {
            "a carriage return; write \\r in a string, or remove it"
        };
        return Err(Problem::at(text, at, message));
    }
    if let Some(at) = text.find('\0') {
        return Err(Problem::at(text, at, "a NUL byte: this is no Nix file"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "so that a case is one line")]
    fn check(bytes: &[u8], expect: Expect) {
        let res = decode(bytes).map_or_else(|it| it.to_string(), |it| format!("ok: {it}"));
        expect.assert_eq(&res);
    }

    #[test]
    fn text_passes() {
        check(b"", expect!["ok: "]);
        check("\u{e4}".as_bytes(), expect!["ok: ä"]);
    }

    #[test]
    fn everything_else_is_named_with_its_place() {
        check(
            b"{\n  a = \"\xe4\"",
            expect![
                "2:8: byte 0xe4 is not UTF-8; convert the file, e.g. with `iconv -f ISO-8859-1 -t UTF-8`"
            ],
        );
        check(
            b"\xff\xfe{\0",
            expect!["1:1: this is UTF-16 (little endian); convert it with `iconv -f UTF-16 -t UTF-8`"],
        );
        check(
            b"\xfe\xff\0{",
            expect!["1:1: this is UTF-16 (big endian); convert it with `iconv -f UTF-16 -t UTF-8`"],
        );
        check(
            b"\xef\xbb\xbf{}",
            expect![[
                r"1:1: a byte order mark, which Nix does not accept; remove it with `sed -i '1s/^\xef\xbb\xbf//'`"
            ]],
        );
        check(
            b"{\r\n}\r\n",
            expect![[r"1:2: the line ends in CR LF; convert the file with `sed -i 's/\r$//'`"]],
        );
        check(b"{\n}\ra", expect![[r"2:2: a carriage return; write \r in a string, or remove it"]]);
        check(b"{\n\0", expect!["2:1: a NUL byte: this is no Nix file"]);
    }
}
