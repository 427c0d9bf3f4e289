//! Whether a store trusts us, as `nix store info --json` tells it.

use serde_json::Value;

/// 2.26 writes 0 and 1, 2.34 writes false and true; `None` where there is no daemon that could trust anybody.
#[must_use]
pub fn of_store(info: &Value) -> Option<bool> {
    let trusted = info.get("trusted")?;
    trusted.as_bool().or(trusted.as_u64().map(|it| it > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions() {
        let of = |text: &str| of_store(&serde_json::from_str(text).unwrap());
        for text in [r#"{"trusted":1}"#, r#"{"trusted":true}"#] {
            assert_eq!(of(text), Some(true), "{text}");
        }
        for text in [r#"{"trusted":0}"#, r#"{"trusted":false}"#] {
            assert_eq!(of(text), Some(false), "{text}");
        }
        for text in [r#"{"url":"x"}"#, "null", r#"{"trusted":null}"#] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
