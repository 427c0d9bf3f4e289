//! What the text of a `.drv` file says of a derivation.

/// For which system it is built: the fourth field of `Derive(outputs,inputs,sources,"system",…)`.
///
/// Source: Nix manual, "Derivation, ATerm format".
#[must_use]
pub fn system(text: &str) -> Option<&str> {
    let fields = text.strip_prefix("Derive(")?;
    let mut depth = 0_usize;
    let mut commas = 0;
    let mut chars = fields.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                commas += 1;
                if commas == 3 {
                    return fields[at + 1..].strip_prefix('"')?.split('"').next();
                }
            }
            '"' => {
                while let Some((_, char)) = chars.next() {
                    match char {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_found_behind_lists_and_strings() {
        let text = r#"Derive([("out","/nix/store/h-a","","")],[("/nix/store/h-b.drv",["out"])],["/nix/store/h-,\"]["],"aarch64-linux","/bin/sh",["-c"],[])"#;
        assert_eq!(system(text), Some("aarch64-linux"));
        for broken in
            ["", "Derive(", "Derive([]", "Derive(]],,,\"a\"", "Derive([],[],[],x)", "DrvWithVersion(\"x\")"]
        {
            assert_eq!(system(broken), None, "{broken}");
        }
    }
}
