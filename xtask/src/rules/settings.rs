//! What is said of settings, of rights, and of commands.

use super::{ERROR, On, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "feature-disabled",
        says: &["experimental Nix feature '{feature}' is disabled"],
        seen: "2.8 2.26 2.34",
        cause: "`{feature}` is not switched on in this Nix",
        cure: "in nix.conf: `extra-experimental-features = nix-command flakes`; xtask passes both itself, for others: `-- --extra-experimental-features {feature}`",
        facts: "the file and line of the setting",
        ..ERROR
    },
    Rule {
        id: "untrusted-substituter",
        on: On::Warning,
        says: &["ignoring untrusted substituter '{url}', you are not a trusted user"],
        cause: "the daemon does not use {url} for you: it is not in its own `substituters` or `trusted-substituters`",
        cure: "have an administrator add it there: `cargo xtask setup cache`; being a trusted user would do, and equals root",
        facts: "the file and line of the daemon's `substituters`",
        explains: &["no-substituter"],
        ..ERROR
    },
    Rule {
        id: "restricted-setting",
        on: On::Warning,
        says: &[
            "ignoring the client-specified setting '{setting}', because it is a restricted setting and you are not a trusted user",
        ],
        cause: "`{setting}` may only be set by the administrator, so it was ignored",
        cure: "set it in the daemon's nix.conf, and restart the daemon",
        facts: "the file and line of the setting",
        explains: &["no-substituter"],
        ..ERROR
    },
    Rule {
        id: "unknown-setting",
        on: On::Warning,
        says: &["unknown setting '{setting}'"],
        cause: "this Nix knows no setting `{setting}`: misspelt, or of another version; it was ignored",
        cure: "correct it: `nix config show` lists all",
        facts: "the file and line of the setting",
        ..ERROR
    },
    Rule {
        id: "bad-setting",
        on: On::Warning,
        says: &["configuration setting '{setting}' should be {what}"],
        cause: "`{setting}` should be {what}, so it was ignored",
        cure: "correct its value",
        facts: "the file and line of the setting",
        ..ERROR
    },
    Rule {
        id: "unknown-flag",
        says: &["unrecognised flag '{flag}'"],
        cause: "this Nix knows no option `{flag}`: misspelt, or of another version",
        cure: "`nix COMMAND --help` lists them; `nix --version` says which it is",
        ..ERROR
    },
    Rule {
        id: "unknown-command",
        says: &["'{command}' is not a recognised command"],
        cause: "this Nix knows no command `{command}`: misspelt, or of another version (`profile add` was `profile install` before 2.30)",
        cure: "`nix --help` lists them; `nix --version` says which it is",
        ..ERROR
    },
    Rule {
        id: "exec-failed",
        says: &["unable to execute '{program}': {why}", "unable to exec '{program}': {why}"],
        cause: "`{program}` cannot be started: {why}",
        cure: "look at what the package has: `ls` its `bin`; set `meta.mainProgram` where the name differs. `Exec format error` means that it is for another machine",
        ..ERROR
    },
    Rule {
        id: "develop-needs-bash",
        says: &["'nix develop' only works on derivations that use 'bash' as their builder"],
        cause: "a dev shell must be a derivation whose builder is called `bash`, as `mkShell` makes it",
        cure: "use `mkShell`, or a builder `…/bin/bash`",
        ..ERROR
    },
    Rule {
        id: "file-missing",
        says: &["opening file '{file}': No such file or directory"],
        when: Some(|it| !it["file"].contains("-source/")),
        cause: "`{file}` is not there",
        cure: "correct the path, or make the file",
        ..ERROR
    },
    Rule {
        id: "path-missing",
        says: &["getting status of '{path}': No such file or directory"],
        cause: "`{path}` is not there",
        cure: "correct the path",
        ..ERROR
    },
    Rule {
        id: "not-writable",
        says: &["creating directory '{dir}': {why}"],
        cause: "Nix cannot make `{dir}`: {why}",
        cure: "choose a place that you may write to: `cargo xtask build NAME --out-link DIR`",
        ..ERROR
    },
    Rule {
        id: "interrupted",
        says: &["^interrupted by the user"],
        cause: "somebody stopped it: Ctrl-C, or a CI system that ran out of time",
        cure: "run it again: what was finished is kept",
        plain: true,
        ..ERROR
    },
];
