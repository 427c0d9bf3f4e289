//! What the evaluator says.

use super::{ERROR, Rule};

/// Up to 2025 `Package … , refusing to evaluate`, from 2026 `Refusing to evaluate package …`.
const CHECK_META: &str =
    "nixpkgs, pkgs/stdenv/generic/check-meta.nix; thrown, so Nix prints them in both versions";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "impure-builtin",
        says: &["attribute 'currentSystem' missing", "attribute 'currentTime' missing"],
        cause: "a flake is evaluated without looking at this machine: `builtins.currentSystem` and `currentTime` are not there",
        cure: "take the system from the output's name (`packages.x86_64-linux`); by hand: `cargo xtask build NAME -- --impure`",
        ..ERROR
    },
    Rule {
        id: "attr-missing-eval",
        says: &["^attribute '{attr}' missing"],
        seen: "2.8 2.26 2.34",
        cause: "a set has no attribute `{attr}`: a wrong name, another version of nixpkgs, or a builtin that this Nix is too old for",
        cure: "look at the place that Nix names; for a package, search it in the nixpkgs that the lock names",
        plain: true,
        ..ERROR
    },
    Rule {
        id: "infinite-recursion",
        says: &["infinite recursion encountered"],
        cause: "a value needs itself: an overlay that uses `final` where it must use `prev`, a NixOS module whose `imports` or `mkIf` ask `config`",
        cure: "see the whole way there: `cargo xtask build NAME -- --show-trace`; the first file of your own in it is the place",
        ..ERROR
    },
    Rule {
        id: "stack-overflow",
        says: &["stack overflow; max-call-depth exceeded", "stack overflow (possible infinite recursion)"],
        cause: "a function calls itself without end",
        cure: "see the way there: `cargo xtask build NAME -- --show-trace`",
        ..ERROR
    },
    Rule {
        id: "undefined-variable",
        says: &["undefined variable '{name}'"],
        cause: "nothing in scope is called `{name}`",
        cure: "correct the name, or take it as an argument: `{ {name}, … }:`",
        plain: true,
        ..ERROR
    },
    Rule {
        id: "syntax-error",
        says: &["syntax error, unexpected {token}"],
        seen: "2.8 2.26 2.34",
        cause: "this is not Nix, or newer Nix than this one reads: unexpected {token}",
        cure: "look at the place that Nix names; `cargo xtask fmt --check` finds all such places at once",
        plain: true,
        ..ERROR
    },
    Rule {
        id: "type-error",
        says: &[
            "cannot coerce {what}",
            "cannot add a{what} to a{}",
            "attempt to call something which is not a function but {what}",
            "expected a{what} but found",
        ],
        when: Some(|it| !it["what"].contains("derivation or path")),
        cause: "a value has another type than its use wants",
        cure: "look at the place that Nix names; `cargo xtask build NAME -- --show-trace` shows how it got there",
        plain: true,
        ..ERROR
    },
    Rule {
        id: "missing-arg",
        says: &["function '{function}' called without required argument '{argument}'"],
        cause: "`{function}` wants the argument `{argument}`, and who calls it does not give it",
        cure: "pass `{argument}`; for `callPackage`: nothing in nixpkgs is called so",
        ..ERROR
    },
    Rule {
        id: "unexpected-arg",
        says: &["function '{function}' called with unexpected argument '{argument}'"],
        cause: "`{function}` does not take `{argument}`",
        cure: "leave `{argument}` out, or let the function take more: `{ …, ... }:`; of `outputs`: an input that its arguments do not name",
        ..ERROR
    },
    Rule {
        id: "abort",
        says: &["evaluation aborted with the following error message: '{message}'"],
        cause: "the expression gives up by itself: {message}",
        cure: "do what the message says: its author wrote it",
        plain: true,
        ..ERROR
    },
    Rule {
        id: "unfree",
        says: &[
            "Package '{package}' in {place} has an unfree license",
            "Refusing to evaluate package '{package}' in {place} because it has an unfree license",
        ],
        source: CHECK_META,
        cause: "`{package}` has an unfree license, and nixpkgs refuses such packages unless they are allowed by name",
        cure: "where nixpkgs is imported: `config.allowUnfreePredicate = pkg: builtins.elem (lib.getName pkg) [ … ];`",
        explains: &["assertion"],
        ..ERROR
    },
    Rule {
        id: "insecure",
        says: &[
            "Package '{package}' in {place} is marked as insecure, refusing to evaluate",
            "Refusing to evaluate package '{package}' in {place} because it is marked as insecure",
        ],
        source: CHECK_META,
        cause: "nixpkgs knows holes in `{package}`, and refuses it",
        cure: "use a newer version; to accept the risk, where nixpkgs is imported: `config.permittedInsecurePackages = [ \"{package}\" ];`",
        explains: &["assertion"],
        ..ERROR
    },
    Rule {
        id: "marked-broken",
        says: &[
            "Package '{package}' in {place} is marked as broken, refusing to evaluate",
            "Refusing to evaluate package '{package}' in {place} because it has problems: - broken: {}",
        ],
        source: CHECK_META,
        cause: "nixpkgs knows that `{package}` does not build in this release",
        cure: "take it from another release (`cargo xtask bump`), or mend it in an overlay",
        explains: &["assertion"],
        ..ERROR
    },
    Rule {
        id: "nixpkgs-problem",
        says: &[
            "Refusing to evaluate package '{package}' in {place} because it has problems: - {problem}: {why}",
        ],
        source: "nixpkgs since 2026, pkgs/stdenv/generic/problems.nix",
        cause: "nixpkgs refuses `{package}`: {problem}: {why}",
        cure: "use another version or another package; to accept it, where nixpkgs is imported: `config.problems.handlers.PACKAGE.PROBLEM = \"warn\";`",
        explains: &["assertion"],
        ..ERROR
    },
    Rule {
        id: "unsupported-platform",
        says: &[
            "Package '{package}' in {place} is not available on the requested hostPlatform",
            "Refusing to evaluate package '{package}' in {place} because it is not available on the requested hostPlatform",
        ],
        source: CHECK_META,
        cause: "`{package}` does not exist for this system",
        cure: "leave it out there: `lib.optionals (lib.meta.availableOn stdenv.hostPlatform pkg) [ pkg ]`",
        explains: &["assertion"],
        ..ERROR
    },
    Rule {
        id: "assertion",
        says: &[
            "while evaluating the condition of the assertion '{condition}'",
            "^assertion '{condition}' failed",
            "in the condition of the assert statement at {condition}",
        ],
        when: Some(|it| !it["condition"].contains("call-flake.nix")),
        cause: "an `assert` of the expression does not hold: {condition}",
        cure: "look at the place that Nix names: the assertion says what its author relies on",
        plain: true,
        ..ERROR
    },
    Rule {
        id: "pure-eval",
        says: &[
            "access to absolute path '{path}' is forbidden in pure evaluation mode",
            "in pure evaluation mode, '{path}' requires a 'sha256' argument",
        ],
        cause: "a flake sees only its own git tree and its locked inputs; `{path}` is neither",
        cure: "put the file into the flake, make it an input, or give the download its hash; by hand: `cargo xtask build NAME -- --impure`",
        ..ERROR
    },
    Rule {
        id: "not-a-derivation",
        says: &[
            "expected flake output attribute '{attr}' to be a derivation or path but found",
            "string '{attr}' has 0 entries in its context",
        ],
        cause: "`{attr}` is no package: it cannot be built",
        cure: "choose an attribute that is one; `cargo xtask build --all --dry-run` shows them",
        ..ERROR
    },
    Rule {
        id: "bad-drv-name",
        says: &["invalid derivation name: {why}"],
        cause: "a derivation's name may have letters, digits and `+-._?=` only, and not begin with a dot: {why}",
        cure: "change its `name` or `pname`; for a file, `builtins.path { path = …; name = \"…\"; }`",
        ..ERROR
    },
    Rule {
        id: "ifd-disabled",
        says: &[
            "cannot build '{drv}' during evaluation because the option 'allow-import-from-derivation' is disabled",
        ],
        cause: "the evaluation wants to read what `{drv.short}` builds, and that is switched off here",
        cure: "check the generated file in instead of generating it; or set `allow-import-from-derivation = true`",
        facts: "the file and line that sets it",
        ..ERROR
    },
];
