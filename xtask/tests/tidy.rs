//! Rules about our own source that no lint knows. All that is broken is told at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "git is asked which files are ours")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 60;

/// What a part of `src` may use of the others. Parts that are not named may use all but `tasks` and `cli`.
const LAYERS: &[(&str, &[&str])] = &[
    ("workspace", &[]),
    ("host", &[]),
    ("report", &[]),
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
    ("ui", &["monitor", "nix", "plan", "report"]),
];

/// Who may use what does more than compute.
const TOOLS: &[(&str, &[&str])] = &[
    ("duct::", &["nix/process.rs"]),
    ("indicatif", &["ui/bars.rs"]),
    ("clap::", &["cli.rs", "tasks/"]),
    ("rnix::", &["format/", "nix_edit.rs", "nix_edit/", "workspace/"]),
    ("alejandra::", &["format/"]),
    ("std::env::", &["host.rs"]),
    ("std::process::Command", &["nix/replace.rs"]),
    ("print!(", &["ui.rs"]),
    ("println!(", &["ui.rs"]),
    ("io::stdout()", &["ui.rs"]),
    ("io::stderr()", &["ui.rs"]),
];

/// The layers that must stay pure, and what would spoil them.
const PURE: &[(&str, &[&str])] = &[
    ("plan.rs", &["std::fs", "xshell", "Instant::now", "SystemTime::now"]),
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
const NIX_OPTIONS: &[&str] = &[
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
const SPELL_OPTIONS: &[(&str, &str)] = &[
    ("nix/sandbox.rs", "tries whether Nix can build, before there is a plan"),
    ("nix/provision.rs", "starts the new Nix for the first time"),
    ("rules/", "tells users what to type"),
    ("ci/", "types our own `build`"),
    ("plan/", "is a part of plan"),
    ("inventory.rs", "knows the one option that changes no answer"),
];

const FORBIDDEN: &[&str] =
    &["todo!(", "unimplemented!(", "dbg!(", "#[ignore", "#[allow(", "#![allow(", "cfg(target_os"];

/// Mirrors and registries are the machine's business; written apart, so that this file has none of them.
const HOSTS: &[[&str; 2]] = &[
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

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files that git knows, relative to the root.
fn tracked() -> Vec<String> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').filter(|it| root().join(it).exists()).map(str::to_owned).collect()
}

/// Code without comments and without the tests at the foot of the file.
fn code(text: &str) -> Vec<(usize, &str)> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines()
        .enumerate()
        .map(|(n, it)| (n + 1, it))
        .filter(|it| !it.1.trim_start().starts_with("//"))
        .collect()
}

/// Rules for any Rust file; the path is relative to the root.
fn rust(path: &str, text: &str) -> Vec<String> {
    let mut res = Vec::new();
    if !text.starts_with("//!") {
        res.push(format!("{path}: the first line must say what the file is: `//! …`"));
    }
    // This file names them.
    for (line, content) in code(text).into_iter().filter(|_| path != "xtask/tests/tidy.rs") {
        for word in
            FORBIDDEN.iter().filter(|it| content.contains(**it) && !content.contains(&format!("\"{it}")))
        {
            res.push(format!("{path}:{line}: `{word}`"));
        }
    }
    for (line, name, length) in long_functions(text) {
        res.push(format!("{path}:{line}: `{name}` has {length} lines; {LONGEST_FUNCTION} are the most"));
    }
    res
}

/// Functions, found by their first line and the closing brace under it: all files are formatted by rustfmt.
fn long_functions(text: &str) -> Vec<(usize, String, usize)> {
    let mut res = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (n, line) in text.lines().enumerate() {
        let body = line.trim_start();
        let indent = &line[..line.len() - body.len()];
        let words: Vec<&str> =
            body.split_whitespace().take_while(|it| !it.contains('(') || it.starts_with("pub(")).collect();
        let is_function = body.contains('(')
            && words
                .iter()
                .all(|it| it.starts_with("pub") || ["fn", "const", "async", "unsafe"].contains(it))
            && words.contains(&"fn");
        if is_function && !body.ends_with(';') && !body.ends_with('}') {
            let name =
                body.split("fn ").nth(1).unwrap_or_default().split(['(', '<']).next().unwrap_or_default();
            open = Some((n, indent.to_owned(), name.to_owned()));
        }
        if let Some((start, at, name)) = &open
            && line.strip_prefix(at.as_str()) == Some("}")
        {
            let length = n - start + 1;
            if length > LONGEST_FUNCTION {
                res.push((start + 1, name.clone(), length));
            }
            open = None;
        }
    }
    res
}

/// Rules for a file of the product; the path is relative to `src`.
fn source(path: &str, text: &str) -> Vec<String> {
    let mut res = Vec::new();
    let part = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
    let allowed = LAYERS.iter().find(|it| it.0 == part).map(|it| it.1);
    for (line, content) in code(text) {
        for used in uses(content) {
            let good = used == part
                || ["cli", "lib", "main"].contains(&part)
                || allowed.map_or(!["cli", "tasks"].contains(&used), |it| it.contains(&used));
            if !good {
                res.push(format!("src/{path}:{line}: `{part}` must not use `{used}`"));
            }
        }
        for (tool, owners) in TOOLS {
            let own = owners.iter().any(|it| path == *it || (it.ends_with('/') && path.starts_with(it)));
            if has_word(content, tool) && !own && !content.trim_start().starts_with("#[") {
                res.push(format!("src/{path}:{line}: `{tool}` belongs to {}", owners.join(", ")));
            }
        }
        for (_, spoils) in PURE.iter().filter(|it| part == it.0.trim_end_matches(".rs")) {
            // The file that only tests use may read what was recorded.
            let spoils = spoils.iter().filter(|it| {
                content.contains(**it) && !path.ends_with("recorded.rs") && path != "rules/tests.rs"
            });
            res.extend(spoils.map(|it| format!("src/{path}:{line}: `{part}` must do without `{it}`")));
        }
        if path != "plan.rs"
            && path != "plan/tests.rs"
            && !SPELL_OPTIONS.iter().any(|it| it.0 == path || (it.0.ends_with('/') && path.starts_with(it.0)))
        {
            let spelled = NIX_OPTIONS.iter().filter(|it| spells(content, it));
            res.extend(spelled.map(|it| {
                format!("src/{path}:{line}: `{it}` is an option of Nix; only plan.rs spells them")
            }));
        }
    }
    res
}

/// The parts of the crate that a line names.
fn uses(line: &str) -> Vec<&str> {
    let mut res = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let list = rest.strip_prefix('{').map_or(rest, |it| it.split('}').next().unwrap_or_default());
        let names = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
        for name in names {
            let end =
                name.trim().find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(name.trim().len());
            let name = &name.trim()[..end];
            // Types at the top of the crate are none of its parts.
            if name.starts_with(|it: char| it.is_lowercase()) {
                res.push(name);
            }
        }
    }
    res
}

/// Not as the end of a longer name: `eprintln!(` is found by itself, `product::` is not `duct::`.
fn has_word(line: &str, word: &str) -> bool {
    let before = |at: usize| line[..at].chars().next_back();
    line.match_indices(word)
        .any(|(at, _)| before(at).is_none_or(|it| !it.is_alphanumeric() && it != '_' || it == 'e'))
}

/// As a word of a command, not in backticks as a message names our own.
fn spells(line: &str, option: &str) -> bool {
    line.match_indices(option).any(|(at, _)| {
        let after = line[at + option.len()..].chars().next();
        let before = line[..at].chars().next_back();
        !after.is_some_and(|it| it.is_alphanumeric() || it == '-')
            && matches!(before, Some('"' | ' '))
            && line.contains('"')
    })
}

#[test]
fn files() {
    let mut broken = Vec::new();
    for path in tracked() {
        let stem = |it: &str| it.split('.').next().unwrap_or_default().to_lowercase();
        if path
            .split('/')
            .any(|it| ["util", "utils", "helper", "helpers", "common", "misc"].contains(&stem(it).as_str()))
        {
            broken.push(format!("{path}: a name that says nothing"));
        }
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        // Companions are crates beside ours: `xtask-…`.
        let ours = path.starts_with("xtask") || path.starts_with("flake-lock/");
        let is_code =
            !path.contains("/fixtures/") && ((ours && path.ends_with(".rs")) || path.ends_with(".nix"));
        let lines = text.lines().count();
        if is_code && lines > LONGEST_FILE {
            broken.push(format!("{path}: {lines} lines; {LONGEST_FILE} are the most"));
        }
        if path != "Cargo.lock" {
            let named = HOSTS.iter().map(|it| it.concat()).filter(|it| text.contains(it));
            broken.extend(named.map(|it| format!("{path}: names the host `{it}`")));
        }
        if is_code && path.ends_with(".rs") {
            broken.extend(rust(&path, &text));
        }
        if let Some(path) = path.strip_prefix("xtask/src/").filter(|it| it.ends_with(".rs")) {
            broken.extend(source(path, &text));
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// `BuildAleph` as a file is called.
fn snake(name: &str) -> String {
    let mut res = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_uppercase() && at > 0 {
            res.push('_');
        }
        res.extend(letter.to_lowercase());
    }
    res
}

#[test]
fn every_verb_has_a_task_and_tests() {
    let cli = fs::read_to_string(root().join("xtask/src/cli.rs")).unwrap();
    let list = cli.split("enum Task {").nth(1).unwrap().split('}').next().unwrap();
    let verbs: BTreeSet<String> = list
        .lines()
        .map(str::trim)
        .filter(|it| !it.starts_with('#'))
        .filter_map(|it| it.split_once('('))
        .map(|it| snake(it.0))
        .collect();
    assert!(verbs.contains("build"), "{verbs:?}");
    let missing: Vec<String> = verbs
        .iter()
        .flat_map(|it| [format!("xtask/src/tasks/{it}.rs"), format!("xtask/tests/cli/{it}.rs")])
        .filter(|it| !root().join(it).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    // A file of tests that nobody names is never run.
    let named = fs::read_to_string(root().join("xtask/tests/cli.rs")).unwrap();
    for entry in fs::read_dir(root().join("xtask/tests/cli")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(named.contains(&format!("\"cli/{name}\"")), "tests/cli.rs does not name {name}");
    }
}

/// The rules see what they are there for.
#[test]
fn planted_violations_are_found() {
    let found = |path: &str, text: &str| {
        let mut res = rust(path, &format!("//! Text.\n{text}\n"));
        res.extend(source(path, text));
        res.len()
    };
    for (path, text) in [
        ("plan.rs", "use crate::ui::Ui;"),
        ("plan.rs", "use crate::{host, tasks};"),
        ("workspace/lock.rs", "use crate::nix::Nix;"),
        ("tasks/build.rs", "use crate::cli::Cli;"),
        ("tasks/build.rs", "duct::cmd!()"),
        ("tasks/build.rs", "argv.push(\"--no-link\");"),
        ("sizes.rs", "cmd!(sh, \"nix eval --impure x\")"),
        ("outcome.rs", "println!(\"x\");"),
        ("outcome.rs", "eprintln!(\"x\");"),
        ("nix.rs", "std::env::var(\"X\")"),
        ("plan.rs", "std::fs::read(x)"),
        ("report.rs", "    todo!()"),
        ("report.rs", "#[cfg(target_os = \"linux\")]"),
    ] {
        assert_eq!(found(path, text), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("plan.rs", "// println!"),
        ("plan.rs", "argv.push(\"--no-link\");"),
        ("outcome.rs", "bail!(\"choose another place with `--out-link DIR`\");"),
        ("outcome.rs", "let products = product::of();"),
        ("ui.rs", "use crate::monitor::Change;"),
    ] {
        assert_eq!(found(path, text), 0, "{path}: {text}");
    }
    let long = format!("fn f(\n    x: u32,\n) {{\n{}}}\n", "    x;\n".repeat(57));
    assert_eq!(long_functions(&long), [(1, "f".to_owned(), 61)]);
    assert_eq!(rust("a.rs", "fn main() {}\n").len(), 1);
}
