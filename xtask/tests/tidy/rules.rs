//! The rules as tables.

pub(crate) const LONGEST_FILE: usize = 400;
pub(crate) const LONGEST_FUNCTION: usize = 60;

/// What a part of `src` may use of the others. Parts that are not named may use all but `tasks` and `cli`.
pub(crate) const LAYERS: &[(&str, &[&str])] = &[
    ("workspace", &[]),
    ("host", &[]),
    ("columns", &[]),
    ("report", &["columns"]),
    ("revision", &[]),
    ("files", &[]),
    ("builders", &["context", "files", "host", "nix", "nix_conf", "plan", "report", "rules"]),
    ("format", &[]),
    ("ci", &["host", "nix", "plan", "report", "workspace"]),
    ("crates", &[]),
    ("source_changes", &["host"]),
    ("image", &["revision"]),
    ("disks", &["host", "report"]),
    ("closure", &["nix", "report"]),
    ("plan", &["host", "workspace"]),
    ("nix", &["host", "plan", "workspace"]),
    ("nix_edit", &["workspace"]),
    ("locks", &["nix_edit", "report", "workspace"]),
    ("history", &["files", "report"]),
    ("monitor", &["history", "nix"]),
    ("nix_conf", &["host"]),
    ("installation", &["host", "nix", "nix_conf"]),
    (
        "doctor",
        &[
            "builders",
            "changeset",
            "host",
            "installation",
            "locks",
            "nix",
            "nix_conf",
            "plan",
            "report",
            "revision",
            "sizes",
            "workspace",
        ],
    ),
    ("logs", &["monitor", "nix"]),
    ("rules", &["monitor", "nix"]),
    ("ui", &["columns", "monitor", "nix", "plan", "report"]),
];

/// Who may use what does more than compute.
pub(crate) const TOOLS: &[(&str, &[&str])] = &[
    ("duct::", &["nix/process.rs"]),
    ("terminal_size", &["ui/screen.rs"]),
    ("clap::", &["cli.rs", "tasks/"]),
    ("rnix::", &["format/", "nix_edit.rs", "nix_edit/", "workspace/"]),
    ("alejandra::", &["format/"]),
    ("std::env::", &["host.rs"]),
    ("std::process::Command", &["nix/replace.rs"]),
    ("print!(", &["ui.rs"]),
    ("println!(", &["ui.rs"]),
    ("io::stdout()", &["ui.rs"]),
    ("io::stderr()", &["ui.rs", "ui/screen.rs"]),
];

/// The layers that must stay pure, and what would spoil them.
pub(crate) const PURE: &[(&str, &[&str])] = &[
    ("plan.rs", &["std::fs", "xshell", "Instant::now", "SystemTime::now"]),
    ("columns.rs", &["std::fs", "std::io", "xshell", "Instant::now"]),
    ("report.rs", &["std::fs", "xshell", "Instant::now"]),
    ("monitor", &["std::fs", "xshell", "Instant::now"]),
    ("workspace", &["xshell", "Instant::now"]),
    ("format", &["xshell"]),
    ("ci", &["std::fs", "xshell", "Instant::now", "SystemTime::now"]),
    ("image", &["xshell", "Instant::now"]),
    ("disks", &["xshell", "Instant::now"]),
    ("locks", &["xshell", "SystemTime::now"]),
    ("timings", &["xshell"]),
    ("history", &["xshell", "SystemTime::now", "Instant::now"]),
    ("nix_conf", &["xshell"]),
    ("nix_edit", &["xshell"]),
    ("rules", &["std::fs", "xshell", "Instant::now"]),
    ("ui", &["std::fs", "xshell"]),
];

/// Options of Nix, which only `plan.rs` spells.
pub(crate) const NIX_OPTIONS: &[&str] = &[
    "--accept-flake-config",
    "--apply",
    "--expr",
    "--extra-experimental-features",
    "--impure",
    "--keep-going",
    "--log-format",
    "--max-jobs",
    "--no-build",
    "--no-check-sigs",
    "--no-link",
    "--no-update-lock-file",
    "--option",
    "--out-link",
    "--override-input",
    "--print-out-paths",
    "--profile",
    "--show-trace",
    "--substitute-on-destination",
];

/// Files that spell one all the same, and why.
pub(crate) const SPELL_OPTIONS: &[(&str, &str)] = &[
    ("nix/sandbox.rs", "tries whether Nix can build, before there is a plan"),
    ("nix/provision.rs", "starts the new Nix for the first time"),
    ("rules/", "tells users what to type"),
    ("ci/", "types our own `build`"),
    ("plan/", "is a part of plan"),
    ("tasks/setup/builder.rs", "types nixos-rebuild's, for another machine"),
    ("inventory.rs", "knows the one option that changes no answer"),
];

pub(crate) const FORBIDDEN: &[&str] =
    &["todo!(", "unimplemented!(", "dbg!(", "#[ignore", "#[allow(", "#![allow(", "cfg(target_os"];

/// Mirrors and registries are the machine's business; written apart, so that this file has none of them.
pub(crate) const HOSTS: &[[&str; 2]] = &[
    ["deb.", "debian.org"],
    ["security.", "debian.org"],
    ["snapshot.", "debian.org"],
    ["archive.", "ubuntu.com"],
    ["index.", "crates.io"],
    ["static.", "crates.io"],
    ["crates.io", "/api"],
    ["static.", "rust-lang.org"],
    ["registry.", "npmjs.org"],
    ["pypi", ".org"],
    ["proxy.", "golang.org"],
];
