//! What is said of the store on this machine.

use super::{ERROR, On, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "enospc",
        on: On::Talk,
        says: &["No space left on device", "Disk quota exceeded"],
        cause: "a disk is full, in bytes or in inodes, or a quota is used up",
        cure: "free some: `nix-collect-garbage --delete-older-than 30d`; look at inodes, too: `df -i`",
        facts: "which of the directories that Nix writes to is full",
        ..ERROR
    },
    Rule {
        id: "invalid-path",
        says: &["path '/nix/store/{path}' is not valid"],
        cause: "`/nix/store/{path}` is not in the store: never built here, or collected as garbage",
        cure: "build it: `cargo xtask build NAME`; a `result` link keeps it from being collected",
        ..ERROR
    },
    Rule {
        id: "drv-missing",
        says: &["cannot build missing derivation '{drv}'", "failed to obtain derivation of '{drv}'"],
        cause: "the derivation `{drv.short}` was collected as garbage",
        cure: "evaluate it again: name the package, not the `.drv`",
        ..ERROR
    },
    Rule {
        id: "store-path-vanished",
        says: &["^path '{}/nix/store/{path}' does not exist", "^path '/nix/store/{path}' does not exist"],
        when: Some(|it| !it["path"].contains("-source/")),
        cause: "the database has `/nix/store/{path}`, and the disk has not: somebody deleted it behind Nix's back",
        cure: "repair it: `sudo nix store repair /nix/store/{path}`; all: `sudo nix store verify --all --repair`",
        ..ERROR
    },
    Rule {
        id: "log-missing",
        says: &["build log of '{path}' is not available"],
        cause: "Nix keeps no log of `{path.short}`: it came from a cache, was built elsewhere, or the log was deleted",
        cure: "xtask keeps its own in target/xtask/logs; else build it again: `nix build --rebuild {path}`",
        ..ERROR
    },
    Rule {
        id: "path-alive",
        says: &["Cannot delete path '{path}' since it is still alive"],
        cause: "something still uses `{path.short}`",
        cure: "see what: `nix-store --query --roots {path}`; remove that link first",
        ..ERROR
    },
    Rule {
        id: "liveness",
        says: &["you are not allowed to ignore liveness"],
        cause: "only a trusted user may delete what is still in use",
        cure: "leave it to the garbage collector: `nix-collect-garbage`",
        ..ERROR
    },
    Rule {
        id: "eval-cache-busy",
        on: On::Warning,
        says: &["SQLite database '{}/eval-cache-{}' is busy"],
        seen: "2.34",
        cause: "another Nix evaluates the same flake: this one goes on, and does not remember what it evaluates",
        cure: "it does no harm; jobs that run side by side get caches of their own by `XDG_CACHE_HOME`",
        plain: true,
        ..ERROR
    },
    Rule {
        id: "sqlite-busy",
        on: On::Talk,
        says: &["SQLite database '{file}' is busy"],
        when: Some(|it| !it["file"].contains("/eval-cache-")),
        seen: "",
        source: "Nix 2.26 and 2.34, src/libstore/sqlite.cc; seen by others (NixOS/nix#3794)",
        cause: "another Nix holds the database for long: a garbage collection, or a store on a network disk",
        cure: "let it end (`pgrep -a nix`), then try again; do not put the database on NFS",
        ..ERROR
    },
    Rule {
        id: "profile-collision",
        says: &["An existing package already provides the following file: {file}"],
        cause: "two packages of the profile have the same file: {file}",
        cure: "remove one (`nix profile remove NAME`), or rank them: `nix profile install --priority 4 …`",
        ..ERROR
    },
    Rule {
        id: "daemon-down",
        says: &["cannot connect to socket at '{socket}': {why}"],
        cause: "the Nix daemon does not answer at `{socket}`: {why}",
        cure: "start it: `sudo systemctl start nix-daemon`; then `cargo xtask doctor`",
        facts: "the command of this system and this kind of installation",
        ..ERROR
    },
    Rule {
        id: "store-permission",
        says: &["opening lock file '{lock}': Permission denied"],
        cause: "the store belongs to root, and no daemon is there to do the work: `{lock}` may not be opened",
        cure: "start the daemon (`sudo systemctl start nix-daemon`), or use a Nix of your own: `cargo xtask` without `--nix` brings one",
        facts: "the command of this system and this kind of installation",
        ..ERROR
    },
];
