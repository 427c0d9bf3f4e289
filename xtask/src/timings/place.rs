//! Stores as people call them: without what only a program needs, or what nobody may see.

/// What 2.26 leaves out when it copies from a builder.
pub const UNNAMED: &str = "another machine";

/// `ssh-ng://root@box?ssh-key=…` is `box`; a cache keeps its URL, without password and options.
#[must_use]
pub fn place(uri: &str) -> String {
    let uri = uri.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let rest = rest.trim_end_matches('/');
    let (authority, path) = rest.find('/').map_or((rest, ""), |it| rest.split_at(it));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    match scheme {
        "ssh" | "ssh-ng" if host.is_empty() => UNNAMED.to_owned(),
        "ssh" | "ssh-ng" => host.to_owned(),
        _ => format!("{scheme}://{host}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_keys_nor_passwords_are_left() {
        for (uri, want) in [
            ("", ""),
            ("ssh-ng://root@127.0.0.1?ssh-key=/k&remote-store=/r", "127.0.0.1"),
            ("ssh-ng://", "another machine"),
            ("ssh://box:2222", "box:2222"),
            ("https://user:secret@cache.example/a/?token=x", "https://cache.example/a"),
            ("file:///var/cache?secret-key=/k", "file:///var/cache"),
            ("s3://bucket?endpoint=x", "s3://bucket"),
            ("local", "local"),
        ] {
            assert_eq!(place(uri), want);
        }
    }
}
