//! From `nix print-dev-env --json` to what a program, and a bash, get. Pure.
//!
//! Follows what `nix develop` does with the same data (`src/nix/develop.cc`), and drops what leaks from the sandbox.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use crate::plan::quoted;

/// Nix's answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    #[serde(default)]
    bash_functions: BTreeMap<String, String>,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    #[serde(default)]
    structured_attrs: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(from = "Raw")]
enum Variable {
    Exported(String),
    Var(String),
    Array(Vec<String>),
    Associative(BTreeMap<String, String>),
    /// Nix could not tell, or it is a kind that only newer versions know.
    Unknown,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    value: serde_json::Value,
}

impl From<Raw> for Variable {
    fn from(raw: Raw) -> Variable {
        let Raw { kind, value } = raw;
        let known = match kind.as_str() {
            "exported" => serde_json::from_value(value).map(Variable::Exported),
            "var" => serde_json::from_value(value).map(Variable::Var),
            "array" => serde_json::from_value(value).map(Variable::Array),
            "associative" => serde_json::from_value(value).map(Variable::Associative),
            _ => return Variable::Unknown,
        };
        known.unwrap_or(Variable::Unknown)
    }
}

/// What the dev shell adds to the caller's environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Set for every program.
    pub exported: BTreeMap<String, String>,
    /// Put before the caller's own, by variable: `PATH`, `XDG_DATA_DIRS`.
    pub prepended: BTreeMap<String, Vec<String>>,
    /// Known to bash only: functions, arrays, what is not exported.
    pub bash: String,
    /// Bash code that the flake wants run on entry.
    pub hook: String,
    /// What the hook does, where that is no more than exporting literals: then it takes no bash to run it.
    pub hook_exports: Option<BTreeMap<String, String>>,
    /// The bash of the environment, where it has one in the store.
    pub bash_program: Option<String>,
    /// `.attrs.sh` and `.attrs.json`, where the derivation has structured attributes.
    pub attrs: BTreeMap<String, String>,
}

/// Belongs to the sandbox in which Nix looked, or to bash itself.
const DROPPED: &[&str] = &[
    "BASH",
    "BASHOPTS",
    "EUID",
    "HOME",
    "HOSTTYPE",
    "IFS",
    "LINENO",
    "MACHTYPE",
    "NIX_BUILD_TOP",
    "NIX_ENFORCE_PURITY",
    "NIX_LOG_FD",
    "NIX_REMOTE",
    "OLDPWD",
    "OPTERR",
    "OPTIND",
    "OSTYPE",
    "PPID",
    "PS4",
    "PWD",
    "SHELL",
    "SHELLOPTS",
    "SHLVL",
    "SSL_CERT_FILE",
    "TEMP",
    "TEMPDIR",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "UID",
    "shellHook",
];

/// Lists of directories, in which the caller's own stay reachable.
const LISTS: &[&str] = &["PATH", "XDG_DATA_DIRS"];

impl Environment {
    /// `outputs` is where a build by hand in the shell may put its results, as with `nix develop`.
    #[must_use]
    pub fn new(answer: Answer, outputs: &Utf8Path) -> Environment {
        let mut res = Environment { attrs: answer.structured_attrs, ..Environment::default() };
        let output_paths = output_paths(&answer.variables, outputs);
        let moved =
            |text: &str| output_paths.iter().fold(text.to_owned(), |it, (from, to)| it.replace(from, to));
        for (name, variable) in &answer.variables {
            match (name.as_str(), variable) {
                ("shellHook", Variable::Exported(it) | Variable::Var(it)) => it.clone_into(&mut res.hook),
                ("BASH", Variable::Exported(it) | Variable::Var(it)) if it.starts_with("/nix/store/") => {
                    res.bash_program = Some(it.clone());
                }
                (it, _) if DROPPED.contains(&it) => {}
                (it, Variable::Exported(list)) if LISTS.contains(&it) => {
                    // An empty entry would mean the current directory; the other one says that there was no PATH.
                    let dirs = list.split(':').filter(|it| !it.is_empty() && *it != "/path-not-set");
                    res.prepended.insert(name.clone(), dirs.map(str::to_owned).collect());
                }
                (_, Variable::Exported(value)) => {
                    res.exported.insert(name.clone(), moved(value));
                }
                (_, variable) => variable.declare(name, &moved, &mut res.bash),
            }
        }
        res.hook_exports = literal_exports(&res.hook);
        for (name, body) in &answer.bash_functions {
            writeln!(res.bash, "{name} ()\n{{\n{}}}", moved(body)).ok();
        }
        res
    }

    /// The environment of a program in the shell.
    #[must_use]
    pub fn apply(&self, caller: &BTreeMap<OsString, OsString>) -> BTreeMap<OsString, OsString> {
        let mut res = caller.clone();
        let exported = self.exported.iter().chain(self.hook_exports.iter().flatten());
        res.extend(exported.map(|(name, value)| (name.into(), value.into())));
        for (name, dirs) in &self.prepended {
            let mut list = OsString::from(dirs.join(":"));
            if let Some(own) = caller.get(OsStr::new(name)).filter(|it| !it.is_empty()) {
                if !list.is_empty() {
                    list.push(":");
                }
                list.push(own);
            }
            res.insert(name.into(), list);
        }
        res
    }

    /// Whether a program can be started without a bash before it. What only bash knows, no program could see.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.hook_exports.is_some()
    }
}

impl Variable {
    fn declare(&self, name: &str, moved: &dyn Fn(&str) -> String, bash: &mut String) {
        let word = |it: &String| quoted(&moved(it));
        match self {
            Variable::Var(value) => writeln!(bash, "{name}={}", word(value)).ok(),
            Variable::Array(values) => {
                let values: Vec<String> = values.iter().map(word).collect();
                writeln!(bash, "declare -a {name}=({})", values.join(" ")).ok()
            }
            Variable::Associative(values) => {
                let pair = |(key, value): (&String, &String)| format!("[{}]={}", quoted(key), word(value));
                let values: Vec<String> = values.iter().map(pair).collect();
                writeln!(bash, "declare -A {name}=({})", values.join(" ")).ok()
            }
            Variable::Exported(_) | Variable::Unknown => None,
        };
    }
}

/// Reads a hook of lines `export NAME=VALUE` whose values need no shell to be understood. `None` for any other hook.
fn literal_exports(hook: &str) -> Option<BTreeMap<String, String>> {
    let mut res = BTreeMap::new();
    for line in hook.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#')) {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        let is_name = |it: u8| it == b'_' || it.is_ascii_alphanumeric();
        let literal = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(value);
        let is_literal = |it: u8| it.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&it);
        if !name.bytes().all(is_name) || !literal.bytes().all(is_literal) || LISTS.contains(&name) {
            return None;
        }
        res.insert(name.to_owned(), literal.to_owned());
    }
    Some(res)
}

/// Nobody can write to the real outputs: they are read-only, and may not even exist.
fn output_paths(variables: &BTreeMap<String, Variable>, dir: &Utf8Path) -> Vec<(String, String)> {
    let moved = |name: &str, path: &str| (path.to_owned(), dir.join(name).into_string());
    let path = |name: &str| match variables.get(name) {
        Some(Variable::Exported(path)) if path.starts_with("/nix/store/") => Some(moved(name, path)),
        _ => None,
    };
    match variables.get("outputs") {
        Some(Variable::Exported(outputs)) => outputs.split_whitespace().filter_map(path).collect(),
        Some(Variable::Associative(outputs)) => {
            outputs.iter().map(|(name, path)| moved(name, path)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn environment(json: &str) -> Environment {
        Environment::new(serde_json::from_str(json).unwrap(), "/w/outputs".into())
    }

    #[test]
    fn what_reaches_the_user() {
        let env = environment(
            r#"{"bashFunctions": {"f": " echo $out;\n"}, "variables": {
                "PATH": {"type": "exported", "value": "/nix/store/a/bin::/path-not-set"},
                "HOME": {"type": "exported", "value": "/homeless-shelter"},
                "FOO": {"type": "exported", "value": "it's"},
                "shellHook": {"type": "exported", "value": "echo hi"},
                "BASH": {"type": "var", "value": "/nix/store/b/bin/bash"},
                "outputs": {"type": "exported", "value": "out"},
                "out": {"type": "exported", "value": "/nix/store/o-env"},
                "flags": {"type": "exported", "value": "-rpath /nix/store/o-env/lib"},
                "list": {"type": "array", "value": ["a b", ""]},
                "map": {"type": "associative", "value": {"k": "v"}},
                "plain": {"type": "var", "value": "x y"},
                "later": {"type": "nameref", "value": {"a": 1}},
                "odd": {"type": "unknown"}}}"#,
        );
        expect![[r#"
            Environment {
                exported: {
                    "FOO": "it's",
                    "flags": "-rpath /w/outputs/out/lib",
                    "out": "/w/outputs/out",
                    "outputs": "out",
                },
                prepended: {
                    "PATH": [
                        "/nix/store/a/bin",
                    ],
                },
                bash: "declare -a list=('a b' '')\ndeclare -A map=([k]=v)\nplain='x y'\nf ()\n{\n echo $out;\n}\n",
                hook: "echo hi",
                hook_exports: None,
                bash_program: Some(
                    "/nix/store/b/bin/bash",
                ),
                attrs: {},
            }
        "#]]
        .assert_debug_eq(&env);
    }

    #[test]
    fn the_callers_variables_stay() {
        let env = environment(r#"{"variables": {"PATH": {"type": "exported", "value": "/s/bin"}}}"#);
        let caller = |list: &[(&str, &str)]| -> BTreeMap<OsString, OsString> {
            list.iter().map(|(name, value)| (name.into(), value.into())).collect()
        };
        let own = caller(&[("HOME", "/h"), ("PATH", "/usr/bin")]);
        assert_eq!(env.apply(&own), caller(&[("HOME", "/h"), ("PATH", "/s/bin:/usr/bin")]));
        // An empty PATH of the caller must not become the current directory.
        assert_eq!(env.apply(&caller(&[("PATH", "")])), caller(&[("PATH", "/s/bin")]));
        let none = environment(r#"{"variables": {"PATH": {"type": "exported", "value": "/path-not-set"}}}"#);
        assert_eq!(none.apply(&own), own);
    }

    #[test]
    fn a_hook_of_literals_needs_no_bash() {
        let read = |hook: &str| literal_exports(hook).map(|it| it.into_iter().collect::<Vec<_>>());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read(""), Some(vec![]));
        assert_eq!(
            read("  # why\n\n  export A=b/c\nexport B=\"d\""),
            Some(vec![pair("A", "b/c"), pair("B", "d")])
        );
        for other in [
            "echo hi",
            "export A",
            "export A=$B",
            "export A='b'",
            "export A=b c",
            "export A=~/b",
            "export PATH=x",
            "export A=b; c",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        // A tilde is for the shell after `:` too; `A=b:~` must not be taken literally.
        assert_eq!(read("export A=b:~"), None);
    }

    /// What both versions say of four kinds of shells is understood.
    #[test]
    fn recorded_answers() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/dev-env");
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let env = environment(&text);
            for name in env.exported.keys() {
                assert!(!DROPPED.contains(&name.as_str()), "{}: {name}", path.display());
            }
            assert!(env.exported.contains_key("name") || env.bash.contains("\nname="), "{}", path.display());
            assert!(!env.bash.contains("/noshell"), "{}", path.display());
            let structured = path.file_name().unwrap().to_str().unwrap().contains("structured");
            assert_eq!(env.attrs.contains_key(".attrs.json"), structured, "{}", path.display());
        }
    }
}
