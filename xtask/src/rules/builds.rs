//! What is said of builds, and what builders say last.

use super::{ERROR, On, Rule};

const BUILD: &[&str] = &["builder-exit", "builder-signal"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "fod-hash-mismatch",
        says: &["hash mismatch in fixed-output derivation '{drv}': specified: {specified} got: {got}"],
        cause: "what `{drv.short}` fetches is not what the hash in the Nix file says",
        cure: "if the change is meant (a new version, a first build), put `{got}` in place of `{specified}`; if not, ask what changed upstream before you do",
        facts: "the file and line of the hash; `cargo xtask build --fix` edits it and builds again",
        ..ERROR
    },
    Rule {
        id: "disk-full-boot",
        on: On::Talk,
        says: &["/boot{}No space left on device", "No space left on device: '/boot{}'"],
        seen: "",
        source: "NixOS' install-grub.pl (`cannot copy … to /boot/…: …`) and systemd-boot-builder.py (`OSError: [Errno 28] …: '/boot/…'`)",
        cause: "/boot is full: it keeps a kernel for each generation",
        cure: "remove old generations on that machine: `sudo nix-collect-garbage --delete-older-than 14d`, then switch again",
        explains: &["builder-exit", "enospc", "enospc-build"],
        ..ERROR
    },
    Rule {
        id: "enospc-build",
        on: On::Log,
        says: &[
            "No space left on device",
            "note: build failure may have been caused by lack of free disk space",
        ],
        cause: "the disk with the build directory is full, in bytes or in inodes; it need not be the disk of the store",
        cure: "free space, or put builds on a larger disk: `build-dir = /var/cache/nix-build` in nix.conf",
        facts: "which of the directories that Nix writes to is full",
        explains: &["builder-exit", "builder-signal", "command-not-found", "no-output"],
        ..ERROR
    },
    Rule {
        id: "builder-oom",
        says: &[
            "builder for '{drv}' failed with exit code 137",
            "Cannot build '{drv}'. Reason: builder failed with exit code 137.",
        ],
        cause: "a program of the build was killed (137 is 128 + SIGKILL): nearly always because memory was used up",
        cure: "give each build less to do at once: `cargo xtask build NAME -j 1 -- --cores 2`; or more memory or swap. `journalctl -k -g 'Out of memory'` confirms it",
        explains: BUILD,
        ..ERROR
    },
    Rule {
        id: "builder-signal",
        says: &[
            "builder for '{drv}' failed due to signal {signal} ({name})",
            "Cannot build '{drv}'. Reason: builder failed due to signal {signal} ({name}).",
        ],
        when: Some(|it| it["signal"] == "9"),
        cause: "the builder of `{drv.short}` was killed: nearly always because memory was used up",
        cure: "build less at once (`cargo xtask build NAME -j 1 -- --cores 2`), or give more memory; `journalctl -k -g 'Out of memory'` confirms it",
        ..ERROR
    },
    Rule {
        id: "builder-crashed",
        says: &[
            "builder for '{drv}' failed due to signal {signal} ({name})",
            "Cannot build '{drv}'. Reason: builder failed due to signal {signal} ({name}).",
        ],
        cause: "the builder of `{drv.short}` crashed: signal {signal} ({name})",
        cure: "it is a fault of that program; its last lines may tell more: `nix log {drv}`",
        plain: true,
        ..ERROR
    },
    Rule {
        id: "builder-missing",
        on: On::Log,
        says: &["^error: executing '{program}': No such file or directory"],
        cause: "the builder `{program}` is not there: the sandbox has only what the derivation depends on",
        cure: "name it through a store path (`\"${pkgs.bash}/bin/bash\"`) instead of a path of this machine",
        explains: &["builder-exit"],
        ..ERROR
    },
    Rule {
        id: "no-network",
        on: On::Log,
        says: &[
            "Could not resolve host: {host}",
            "Could not resolve hostname {host}",
            "Temporary failure in name resolution",
            "failed to lookup address information",
            "Name or service not known",
        ],
        cause: "the build wants the network, and builds have none: that keeps them the same on every machine",
        cure: "fetch it before, with its hash: `fetchurl`, `cargoHash`, `importCargoLock`, `npmDepsHash`",
        facts: "that the derivation has no fixed hash; those with one do have network, and then there is no hint",
        explains: &["builder-exit"],
        ..ERROR
    },
    Rule {
        id: "command-not-found",
        on: On::Log,
        says: &["line {}: {program}: command not found", "line {}: {program}: not found"],
        cause: "the build calls `{program}`, and nothing that the derivation depends on has it",
        cure: "add the package that has it to `nativeBuildInputs`; which one: `nix-locate bin/{program}`",
        facts: "that the exit code is 127, so that this is why it failed",
        explains: &["builder-exit"],
        ..ERROR
    },
    Rule {
        id: "no-output",
        says: &["builder for '{drv}' failed to produce output path for output '{output}' at '{}'"],
        cause: "the builder of `{drv.short}` ended well, and did not make its output `{output}`",
        cure: "the build must write to `${output}`: add it to the install step, or leave `{output}` out of `outputs`",
        ..ERROR
    },
    Rule {
        id: "builder-exit",
        says: &[
            "builder for '{drv}' failed with exit code {code}",
            "Cannot build '{drv}'. Reason: builder failed with exit code {code}",
        ],
        cause: "the builder of `{drv.short}` ended with a failure; its own last lines say why",
        cure: "read them from the first error on; all of them: `nix log {drv}`",
        explains: &["dependency-failed"],
        plain: true,
        ..ERROR
    },
    Rule {
        id: "dependency-failed",
        says: &[
            "{count} dependencies of derivation '{drv}' failed to build",
            "Cannot build '{drv}'. Reason: {count} dependencies failed.",
            "Cannot build '{drv}'. Reason: {count} dependency failed.",
        ],
        cause: "`{drv.short}` was not tried: something that it needs had failed",
        cure: "look at the first failure: it is the one that counts",
        plain: true,
        ..ERROR
    },
    Rule {
        id: "sandbox-path-missing",
        says: &["getting attributes of path '{path}': No such file or directory"],
        when: Some(|it| !it["path"].starts_with("/nix/store/")),
        cause: "`sandbox-paths` names `{path}`, which this machine does not have (Debian's Nix wants bash-static by default)",
        cure: "install it (`sudo apt-get install bash-static`), or set `sandbox-paths` in nix.conf",
        facts: "the file and line that names it",
        ..ERROR
    },
    Rule {
        id: "allowed-refs",
        says: &["output '{output}' is not allowed to refer to the following paths: {path}"],
        cause: "`{output.short}` refers to `{path.short}`, and its `allowedReferences` or `disallowedReferences` forbid that",
        cure: "find where: `nix why-depends --all {output} {path}`; then remove the reference (`removeReferencesTo`)",
        ..ERROR
    },
    Rule {
        id: "output-cycle",
        says: &[
            "cycle detected in build of '{drv}' in the references of output '{one}' from output '{other}'",
        ],
        cause: "the outputs `{one}` and `{other}` of `{drv.short}` refer to each other",
        cure: "let only one of them name the other: often a `.pc` or `.cmake` file in the wrong output",
        ..ERROR
    },
    Rule {
        id: "timeout",
        says: &[
            "building of '{drv}' from .drv file timed out after {time}",
            "timed out after {time} seconds",
        ],
        cause: "the build ran into a limit of time or of silence",
        cure: "raise it: `cargo xtask build NAME -- --timeout 0 --max-silent-time 0`",
        facts: "the file and line that sets the limit",
        ..ERROR
    },
    Rule {
        id: "nondeterministic",
        says: &["derivation '{drv}' may not be deterministic: output '{output}' differs"],
        cause: "building `{drv.short}` again gave other bits",
        cure: "keep both and compare: `nix build --rebuild --keep-failed`, then `diffoscope {output} {output}.check`; usual suspects: times, order of files, job counts",
        ..ERROR
    },
];
