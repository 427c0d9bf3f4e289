//! Words put together.

/// The words of a command line while they are put together.
pub(super) struct Argv(pub(super) Vec<String>);

impl Argv {
    pub(super) fn push(&mut self, args: impl IntoIterator<Item = impl AsRef<str>>) -> &mut Argv {
        self.0.extend(args.into_iter().map(|it| it.as_ref().to_owned()));
        self
    }

    pub(super) fn path_info(&mut self, cache: Option<&str>, name_format: bool) -> &mut Argv {
        self.push(["path-info", "--json"]);
        if let Some(cache) = cache {
            self.push(["--store", cache]);
            // What Nix remembers of a cache may be a month old.
            self.push(["--option", "narinfo-cache-negative-ttl", "0"]);
            self.push(["--option", "narinfo-cache-positive-ttl", "0"]);
        }
        if name_format {
            self.push(["--json-format", "1"]);
        }
        self
    }

    pub(super) fn overrides(&mut self, overrides: &[(String, String)]) -> &mut Argv {
        for (input, url) in overrides {
            self.push(["--override-input", input, url]);
        }
        self
    }

    pub(super) fn flag(&mut self, flag: &str, on: bool) -> &mut Argv {
        if on {
            self.0.push(flag.to_owned());
        }
        self
    }
}
