//! What is said of machines that build for this one, and on the way to them.

use super::{ERROR, On, Rule};

/// What Nix says in the end, whatever the reason was that nobody could build.
const NOBODY: &[&str] = &[
    "builder-unreachable",
    "ssh-failed",
    "no-machine",
    "max-jobs-zero",
    "ssh-disconnected",
    "features-missing",
];

/// The same where ssh says why it does not trust a key, or does not use one.
const SSH: &[&str] = &[
    "ssh-host-key",
    "ssh-permission",
    "builder-unreachable",
    "ssh-failed",
    "no-machine",
    "max-jobs-zero",
    "ssh-disconnected",
    "features-missing",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "ssh-host-key-changed",
        on: On::Talk,
        says: &["REMOTE HOST IDENTIFICATION HAS CHANGED!"],
        seen: "",
        source: "OpenSSH; Nix does not let it say so, `cargo xtask builder explain` does",
        cause: "the machine shows another host key than the one that is known: it was set up anew, or it is another machine",
        cure: "compare the key with the machine's own (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there); if it is right, put it in place of the old one: the last field of its line in /etc/nix/machines (`cargo xtask setup builder ssh://…` does that), else known_hosts of the user who connects: root, where a daemon builds",
        facts: "which user connects",
        explains: SSH,
        ..ERROR
    },
    Rule {
        id: "ssh-key-open",
        on: On::Talk,
        says: &["Permissions {mode} for '{key}' are too open."],
        seen: "",
        source: "OpenSSH, authfile.c",
        cause: "everybody may read the private key `{key}` ({mode}), so ssh does not use it",
        cure: "keep it to its owner: `chmod 600 {key}`",
        explains: SSH,
        ..ERROR
    },
    Rule {
        id: "ssh-closed",
        on: On::Talk,
        says: &[
            "kex_exchange_identification: {why}",
            "Connection timed out during banner exchange",
            "Connection closed by {host} port {port}",
            "Connection reset by {host} port {port}",
        ],
        seen: "",
        source: "OpenSSH, kex.c, sshconnect.c and packet.c",
        cause: "something answers there and ends the connection before a login: no sshd, one that refuses this address or too many connections at once, or a machine that is going down",
        cure: "look at the log of its sshd (`journalctl -u sshd` there); `cargo xtask builder explain` tries again",
        explains: NOBODY,
        ..ERROR
    },
    Rule {
        id: "ssh-host-key",
        on: On::Talk,
        says: &["Host key verification failed."],
        cause: "ssh does not know the machine's host key, or knows another one; Nix asks nobody, so it gives up",
        cure: "compare the key with the machine's own, then pin it: the last field of its line in /etc/nix/machines is `base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub`, or put it into known_hosts of the user who connects: root, where a daemon builds",
        facts: "which user connects",
        explains: NOBODY,
        ..ERROR
    },
    Rule {
        id: "ssh-permission",
        on: On::Talk,
        says: &["{who}: Permission denied ({methods})"],
        cause: "{who} does not accept the key that was offered",
        cure: "the key must be readable by the user who connects (root, where a daemon builds) and be in `~/.ssh/authorized_keys` there; `cargo xtask builder explain` tries it as that user",
        explains: NOBODY,
        ..ERROR
    },
    Rule {
        id: "ssh-unresolved",
        on: On::Talk,
        says: &["ssh: Could not resolve hostname {host}: {why}"],
        cause: "no machine is called `{host}`; a port in the URL (`HOST:22`) is only understood by Nix 2.34",
        cure: "correct the name, or write a `Host` entry with `HostName` and `Port` into ~/.ssh/config of the user who connects: root, where a daemon builds",
        explains: NOBODY,
        ..ERROR
    },
    Rule {
        id: "ssh-unreachable",
        on: On::Talk,
        says: &["ssh: connect to host {host} port {port}: {why}"],
        cause: "there is no way to {host}, port {port}: {why}",
        cure: "start the machine or its sshd, or correct address and port; `cargo xtask builder explain` tries each step",
        explains: NOBODY,
        ..ERROR
    },
    Rule {
        id: "ssh-no-nix",
        on: On::Talk,
        says: &[
            "{program}: No such file or directory error: Nix daemon disconnected unexpectedly",
            "line 1: {program}: No such file or directory cannot build on",
            "{program}: command not found cannot build on",
            "line {}: {program}: No such file or directory",
            "line {}: {program}: command not found",
        ],
        when: Some(|it| it["program"].contains("nix")),
        cause: "ssh works, but there is no `{program}` on the other machine's `PATH`",
        cure: "install Nix there, or name its place: `…?remote-program=/nix/var/nix/profiles/default/bin/nix-daemon` in the URL",
        explains: NOBODY,
        ..ERROR
    },
    Rule {
        id: "builder-unreachable",
        on: On::Talk,
        says: &["cannot build on '{uri}': error: {why}"],
        cause: "the builder `{uri}` could not be used: {why}",
        cure: "find out at which step it fails: `cargo xtask builder explain`",
        explains: NOBODY,
        ..ERROR
    },
    Rule {
        id: "no-machine",
        on: On::Talk,
        says: &[
            "Failed to find a machine for remote build! derivation: {drv} required (system, features): ({system}, [{features}])",
        ],
        cause: "no builder takes `{drv.short}`: it wants {system} with the features [{features}], and every machine lacks one of them or reserves itself",
        cure: "see what each lacks: `cargo xtask builder explain --system {system}`",
        facts: "the builder that could have taken it, and what it lacks",
        explains: &["max-jobs-zero", "features-missing"],
        ..ERROR
    },
    Rule {
        id: "bad-machine-spec",
        on: On::Talk,
        says: &["bad machine specification: {why}"],
        cause: "a line of `builders` or /etc/nix/machines cannot be read: {why}",
        cure: "its fields are: URL, systems, key file, jobs, speed, features, mandatory features, host key; `-` where there is none",
        facts: "the file and line",
        explains: NOBODY,
        ..ERROR
    },
    Rule {
        id: "max-jobs-zero",
        says: &[
            "Unable to start any build; either increase '--max-jobs' or enable remote builds",
            "Unable to start any build; remote machines may not have all required system features",
            "Reason: local builds are disabled (max-jobs = 0)",
        ],
        cause: "this machine may not build (`max-jobs = 0`), and no other one can",
        cure: "set up a builder (`cargo xtask builder explain` says what is missing), or allow local builds: `cargo xtask build NAME --jobs 4`",
        explains: &["features-missing"],
        ..ERROR
    },
    Rule {
        id: "builder-features",
        says: &[
            "build of '{drv}' on '{uri}' failed: error: a '{}' with features {{{features}}} is required to build '{}', but I am a '{}' with features {{{have}}}",
            "build of '{drv}' on '{uri}' failed: a '{}' with features {{{features}}} is required to build '{}', but I am a '{}' with features {{{have}}}",
            "build of '{drv}' on '{uri}' failed: Cannot build '{}'. Reason: missing system features Required features: {{{features}}} Available features: {{{have}}}",
        ],
        cause: "`{uri}` was chosen for `{drv.short}`, which wants {features}, and that machine itself says that it has {have}: the features in /etc/nix/machines only choose",
        cure: "add what it really can to `system-features` in the builder's own nix.conf, or take it from its line here",
        explains: &["builder-exit", "features-missing", "platform-mismatch"],
        ..ERROR
    },
    Rule {
        id: "platform-mismatch",
        says: &[
            "a '{system}' with features {{{}}} is required to build '{drv}', but I am a '{here}'",
            "Cannot build '{drv}'. Reason: platform mismatch Required system: '{system}' Current system: '{here}'",
        ],
        when: Some(|it| it["system"] != it["here"]),
        cause: "`{drv.short}` must be built on {system}, this machine is {here}, and no builder for {system} took it",
        cure: "see why: `cargo xtask builder explain --system {system}`",
        facts: "the builder that could have taken it; whether the evaluation itself wanted it",
        explains: &["builder-exit"],
        ..ERROR
    },
    Rule {
        id: "features-missing",
        says: &[
            "a '{system}' with features {{{features}}} is required to build '{drv}', but I am a '{here}' with features {{{have}}}",
            "Cannot build '{drv}'. {}Reason: missing system features Required features: {{{features}}} Available features: {{{have}}}",
            "Cannot build '{drv}'. Reason: missing system features Required features: {{{features}}} Available features: {{{have}}}",
        ],
        when: Some(|it| it.get("system") == it.get("here") && !it["features"].is_empty()),
        cause: "`{drv.short}` wants a machine with {{features}}, and this one has {{have}}",
        cure: "use a builder that has them, or, if this machine really can: `extra-system-features = {features}` in nix.conf",
        facts: "for kvm: whether /dev/kvm is there and may be used",
        explains: &["builder-exit"],
        ..ERROR
    },
    Rule {
        id: "ssh-disconnected",
        on: On::Talk,
        says: &["Nix daemon disconnected unexpectedly (maybe it crashed?)"],
        cause: "the Nix on the other side ended in the middle: not installed there, out of memory, or the connection broke",
        cure: "try it alone: `nix store info --store ssh-ng://HOST`; for a builder: `cargo xtask builder explain`",
        ..ERROR
    },
    Rule {
        id: "ssh-failed",
        says: &["failed to start SSH connection to '{host}'"],
        cause: "ssh to `{host}` failed; its own words stand above",
        cure: "try the same by hand, as the user who connects: `ssh {host} true`",
        ..ERROR
    },
];
