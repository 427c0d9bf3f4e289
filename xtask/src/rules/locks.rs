//! What is said of flake.lock.

use super::{ERROR, On, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "lock-needs-update",
        says: &["flake '{flake}' requires lock file changes but they're not allowed"],
        cause: "flake.lock is missing or does not match flake.nix",
        cure: "run `nix flake lock`, look at the change, commit it",
        facts: "the directory of the flake, and the Nix that xtask uses",
        ..ERROR
    },
    Rule {
        id: "lock-unlocked-entry",
        says: &["Lock file contains unlocked input {input}. Use '--allow-dirty-locks'"],
        cause: "flake.lock has an input without a fixed revision or hash: {input}",
        cure: "lock it: `cargo xtask update INPUT`; an input that is a local directory must be a git tree without changes",
        ..ERROR
    },
    Rule {
        id: "lock-unlocked-input",
        says: &[
            "Will not write lock file of flake '{flake}' because it has an unlocked input ('{input}')",
            "Not writing lock file of flake '{flake}' because it has an unlocked input ('{input}')",
        ],
        cause: "`{input}` has changes that are not committed, so there is no revision that the lock could name",
        cure: "commit there, then lock again",
        ..ERROR
    },
    Rule {
        id: "lock-unlocked-warning",
        on: On::Warning,
        says: &[
            "will not write lock file of flake '{flake}' because it has an unlocked input",
            "not writing lock file of flake '{flake}' because it has an unlocked input",
        ],
        cause: "an input of `{flake}` has changes that are not committed: this run used them, and the lock was not written",
        cure: "commit there, then lock again",
        ..ERROR
    },
    Rule {
        id: "lock-unparsable",
        says: &[
            "^[json.exception.parse_error.101] parse error at line {line}, column {column}: {}",
            "Could not parse '{}': [json.exception.parse_error.101] parse error at line {line}, column {column}: {}",
        ],
        cause: "a JSON file cannot be read at line {line}: a flake.lock that is empty or has conflict markers of git",
        cure: "restore it: `git checkout -- flake.lock`; after a conflict take one side, then run `cargo xtask lock sync`",
        facts: "which flake.lock of the workspace it is",
        ..ERROR
    },
    Rule {
        id: "lock-version",
        says: &["lock file '{file}' has unsupported version {version}"],
        cause: "`{file}` was written by a newer Nix: this one does not know version {version} of the format",
        cure: "use a newer Nix; or go back: `git checkout -- flake.lock`",
        ..ERROR
    },
    Rule {
        id: "lock-mutable-old",
        says: &["lockfile contains mutable lock '{}"],
        seen: "2.8",
        cause: "the lock has an input with a relative path, which Nix can only read since 2.26",
        cure: "use Nix 2.26 or newer; `cargo xtask` brings its own where there is none",
        ..ERROR
    },
    Rule {
        id: "input-narhash-mismatch",
        says: &[
            "mismatch in field 'narHash' of input '{{{}\"narHash\":\"{locked}\"{}}}', got '{{{}\"narHash\":\"{fetched}\"",
            "NAR hash mismatch in input '{input}', expected '{fetched}' but got '{locked}'",
        ],
        cause: "an input's content is not what the lock says: locked is {locked}, and there came {fetched}",
        cure: "find out why before you believe it: a tag or tarball that was replaced, a proxy, a lock edited by hand; then `cargo xtask update INPUT`",
        facts: "which input of which flake.lock has that hash",
        ..ERROR
    },
];
