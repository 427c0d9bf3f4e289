//! What will be run: every Nix command line that there is, as a value. Pure, so that `--dry-run` can print it and
//! a test can compare it. No other file spells a Nix flag.

pub mod question;

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};

#[cfg(test)]
mod tests;

/// One call of Nix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Build(Build),
    /// Roots a path that is already there against garbage collection: `link` becomes a symlink to it.
    Root {
        path: String,
        link: Utf8PathBuf,
    },
    /// Asks `apply` of a value; nothing is written to the store.
    Eval {
        installable: String,
        apply: &'static str,
    },
    /// Whether paths are valid, and their sizes.
    PathInfo {
        paths: Vec<String>,
        /// Newer versions want the form of their answer to be named.
        name_format: bool,
    },
    /// Derivations and all that they need, as JSON.
    ShowDerivations {
        paths: Vec<String>,
    },
    /// Every path that a path needs at run time, with sizes and references.
    Closure {
        path: String,
        /// As for [`Step::PathInfo`].
        name_format: bool,
    },
    /// The environment of a dev shell as JSON; `profile` roots it.
    DevEnv {
        installable: String,
        profile: Utf8PathBuf,
    },
    /// Enters a dev shell by Nix itself.
    Develop {
        installable: String,
        command: Vec<String>,
    },
    /// Runs a program of a store path, wherever its store is.
    Exec {
        path: String,
        command: Vec<String>,
    },
    /// Whether a lock is complete and matches its flake.
    Metadata {
        flake: String,
    },
    /// Finds the newest revision of inputs, all when there are none named; `overrides` are inputs and their URLs.
    Update {
        flake: String,
        inputs: Vec<String>,
        overrides: Vec<(String, String)>,
    },
    /// Writes what a lock lacks; `overrides` are inputs and the URLs that they are locked to.
    Lock {
        flake: String,
        overrides: Vec<(String, String)>,
    },
    /// Says what would have to be built and what can be downloaded. What is evaluated is written to the store.
    WouldBuild {
        installable: String,
    },
    /// What derivations are made of.
    Derivations {
        paths: Vec<String>,
    },
    /// The settings that Nix has, from its files and from the user's options.
    Config,
    /// Whether a store answers; the one that Nix works on where none is named.
    StoreInfo {
        store: Option<String>,
    },
    /// Whether the daemon trusts the user; on stderr, which of these caches it would not use for him.
    Trust {
        substituters: Vec<String>,
    },
    /// Evaluates every output of a flake and builds this system's checks.
    FlakeCheck {
        flake: String,
        build: bool,
        all_systems: bool,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    pub installables: Vec<String>,
    pub keep_going: bool,
    /// Builds at once; Nix decides when absent.
    pub jobs: Option<u32>,
    /// A system whose programs run here too, which Nix has not been told.
    pub platform: Option<String>,
    /// The machine to build on besides this one, as a line of Nix' `machines` file; it takes the place of all others.
    pub builder: Option<String>,
}

/// What every call gets, whatever it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub offline: bool,
    pub sandbox: bool,
    /// Seconds.
    pub connect_timeout: u32,
    /// The flake's caches are the manifest's own, so Nix need not ask.
    pub accept_flake_config: bool,
    /// The user's own Nix options: all of them for a build, those that matter to evaluation for the rest.
    pub extra: Vec<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            offline: false,
            sandbox: true,
            connect_timeout: 5,
            accept_flake_config: false,
            extra: Vec::new(),
        }
    }
}

impl Step {
    /// The arguments of `nix`.
    #[must_use]
    pub fn argv(&self, settings: &Settings) -> Vec<String> {
        self.words(settings, &[])
    }

    /// The same, with a log of events instead of prose.
    #[must_use]
    pub fn argv_for_events(&self, settings: &Settings) -> Vec<String> {
        self.words(settings, &["--log-format", "internal-json"])
    }

    fn words(&self, settings: &Settings, log: &[&str]) -> Vec<String> {
        let mut argv = Argv(Vec::new());
        self.subcommand(&mut argv);
        // Nix would look `nixpkgs` up in the registry for its own bash, and wait 5 s for it without network.
        if matches!(self, Step::Develop { .. }) {
            argv.push(["--option", "flake-registry", ""]);
        }
        argv.flag("--no-update-lock-file", self.reads_a_flake());
        match self {
            // The daemon would refuse settings of ours, and say so.
            Step::Trust { .. } => features(&mut argv),
            _ => settings.argv(&mut argv),
        }
        match self {
            Step::Build(_) | Step::WouldBuild { .. } => argv.push(&settings.extra),
            Step::Config => argv.push(machine_options(&settings.extra)),
            _ if self.reads_a_flake() => argv.push(evaluation_options(&settings.extra)),
            _ => &mut argv,
        };
        argv.push(log);
        // The last of all: what follows is the command's own.
        if let Step::Develop { command, .. } | Step::Exec { command, .. } = self
            && !command.is_empty()
        {
            argv.push(["--command"]).push(command);
        }
        argv.0
    }

    /// What it does, before what every call gets.
    fn subcommand(&self, argv: &mut Argv) {
        match self {
            Step::Build(build) => build.argv(argv),
            Step::Root { path, link } => argv.push(["build", path, "--out-link", link.as_str()]),
            Step::Eval { installable, apply } => {
                argv.push(["eval", "--json", "--read-only", installable, "--apply", apply])
            }
            Step::PathInfo { paths, name_format } => {
                argv.push(["path-info", "--json"]);
                if *name_format {
                    argv.push(["--json-format", "1"]);
                }
                argv.push(paths)
            }
            Step::ShowDerivations { paths } => argv.push(["derivation", "show", "--recursive"]).push(paths),
            Step::Closure { path, name_format } => {
                argv.push(["path-info", "--json", "--recursive"]);
                if *name_format {
                    argv.push(["--json-format", "1"]);
                }
                argv.push([path])
            }
            Step::DevEnv { installable, profile } => {
                argv.push(["print-dev-env", "--json", installable, "--profile", profile.as_str()])
            }
            Step::Develop { installable, .. } => argv.push(["develop", installable]),
            Step::Exec { path, .. } => argv.push(["shell", path]),
            Step::Metadata { flake } => argv.push(["flake", "metadata", "--json", flake]),
            Step::Update { flake, inputs, overrides } => {
                argv.push(["flake", "update"]).push(inputs).push(["--flake", flake]).overrides(overrides)
            }
            Step::Lock { flake, overrides } => argv.push(["flake", "lock", flake]).overrides(overrides),
            Step::WouldBuild { installable } => {
                argv.push(["build", "--dry-run", "--json", "--no-link", installable])
            }
            Step::Derivations { paths } => argv.push(["derivation", "show"]).push(paths),
            Step::Config => argv.push(["config", "show", "--json"]),
            Step::StoreInfo { store } => {
                argv.push(["store", "info", "--json"]);
                argv.push(store.iter().flat_map(|it| ["--store", it]))
            }
            Step::Trust { substituters } => {
                argv.push(["store", "info", "--json"]);
                if !substituters.is_empty() {
                    argv.push(["--option", "extra-substituters", &substituters.join(" ")]);
                }
                argv
            }
            Step::FlakeCheck { flake, build, all_systems } => {
                argv.push(["flake", "check", flake, "--keep-going"]);
                argv.flag("--no-build", !build).flag("--all-systems", *all_systems)
            }
        };
    }

    /// Whether it takes the lock as it is. A path in the store has no lock, and Nix would have nothing to check.
    fn reads_a_flake(&self) -> bool {
        let paths = matches!(
            self,
            Step::Root { .. }
                | Step::PathInfo { .. }
                | Step::Closure { .. }
                | Step::ShowDerivations { .. }
                | Step::Exec { .. }
                | Step::Derivations { .. }
        );
        let writes = matches!(self, Step::Update { .. } | Step::Lock { .. });
        !paths && !writes && !matches!(self, Step::Config | Step::StoreInfo { .. } | Step::Trust { .. })
    }
}

impl Build {
    fn argv<'a>(&self, argv: &'a mut Argv) -> &'a mut Argv {
        argv.push(["build", "--json", "--no-link"]).push(&self.installables);
        argv.flag("--keep-going", self.keep_going);
        if let Some(jobs) = self.jobs {
            argv.push(["--max-jobs", &jobs.to_string()]);
        }
        if let Some(platform) = &self.platform {
            argv.push(["--option", "extra-extra-platforms", platform]);
        }
        if let Some(builder) = &self.builder {
            argv.push(["--builders", builder]);
        }
        argv
    }
}

fn features(argv: &mut Argv) {
    argv.push(["--extra-experimental-features", "nix-command flakes"]);
}

impl Settings {
    fn argv(&self, argv: &mut Argv) {
        features(argv);
        argv.push(["--option", "connect-timeout", &self.connect_timeout.to_string()]);
        argv.flag("--offline", self.offline);
        argv.flag("--accept-flake-config", self.accept_flake_config);
        if !self.sandbox {
            argv.push(["--option", "sandbox", "false"]);
        }
    }
}

/// What a step is about, in a few words: an expression of ours would only confuse.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Build(build) => write!(f, "nix build {}", build.installables.join(" ")),
            Step::Root { path, .. } => write!(f, "nix build {path}"),
            Step::Eval { installable, .. } => write!(f, "nix eval {installable}"),
            Step::PathInfo { .. } => f.write_str("nix path-info"),
            Step::Closure { path, .. } => write!(f, "nix path-info --recursive {path}"),
            Step::DevEnv { installable, .. } => write!(f, "nix print-dev-env {installable}"),
            Step::Develop { installable, .. } => write!(f, "nix develop {installable}"),
            Step::Exec { path, .. } => write!(f, "nix shell {path}"),
            Step::Metadata { flake } => write!(f, "nix flake metadata {flake}"),
            Step::WouldBuild { installable } => write!(f, "nix build --dry-run {installable}"),
            Step::Derivations { .. } | Step::ShowDerivations { .. } => f.write_str("nix derivation show"),
            Step::Config => f.write_str("nix config show"),
            Step::Trust { .. } => f.write_str("nix store info"),
            Step::StoreInfo { store } => {
                write!(f, "nix store info --store {}", store.as_deref().unwrap_or("auto"))
            }
            Step::FlakeCheck { flake, .. } => write!(f, "nix flake check {flake}"),
            Step::Update { flake, .. } => write!(f, "nix flake update {flake}"),
            Step::Lock { flake, .. } => write!(f, "nix flake lock {flake}"),
        }
    }
}

/// Those of a user's options that change what is evaluated; a cached evaluation is then of no use.
#[must_use]
pub fn evaluation_options(extra: &[String]) -> Vec<String> {
    those(extra, |word| match word {
        "--impure" | "--refresh" | "--show-trace" => Some(0),
        "-I" | "--include" | "--override-flake" | "--reference-lock-file" => Some(1),
        "--override-input" | "--option" | "--arg" | "--argstr" => Some(2),
        _ => None,
    })
}

/// Those of a user's options that change where something is built.
fn machine_options(extra: &[String]) -> Vec<String> {
    those(extra, |word| match word {
        "--builders"
        | "--max-jobs"
        | "-j"
        | "--extra-platforms"
        | "--extra-extra-platforms"
        | "--system-features"
        | "--extra-system-features" => Some(1),
        "--option" => Some(2),
        _ => None,
    })
}

/// Some options with their values; `values` says how many each has, and `None` for those that are left out.
fn those(extra: &[String], values: impl Fn(&str) -> Option<usize>) -> Vec<String> {
    let mut res = Vec::new();
    let mut words = extra.iter();
    while let Some(word) = words.next() {
        let Some(values) = values(word) else { continue };
        res.push(word.clone());
        res.extend(words.by_ref().take(values).cloned());
    }
    res
}

struct Argv(Vec<String>);

impl Argv {
    fn push(&mut self, args: impl IntoIterator<Item = impl AsRef<str>>) -> &mut Argv {
        self.0.extend(args.into_iter().map(|it| it.as_ref().to_owned()));
        self
    }

    fn overrides(&mut self, overrides: &[(String, String)]) -> &mut Argv {
        for (input, url) in overrides {
            self.push(["--override-input", input, url]);
        }
        self
    }

    fn flag(&mut self, flag: &str, on: bool) -> &mut Argv {
        if on {
            self.0.push(flag.to_owned());
        }
        self
    }
}

/// A command line as a user would type it.
#[derive(Debug)]
pub struct CommandLine<'a>(pub &'a str, pub &'a [String]);

impl fmt::Display for CommandLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(self.0))?;
        self.1.iter().try_for_each(|it| write!(f, " {}", quoted(it)))
    }
}

/// A word for a POSIX shell.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-_./:=@%+,#^".contains(&it);
    match word {
        "" => "''".to_owned(),
        _ if word.bytes().all(plain) && !word.starts_with('#') => word.to_owned(),
        _ => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The options that replace an input by a directory, for one call.
#[must_use]
pub fn override_input(input: &str, dir: &Utf8Path) -> [String; 3] {
    ["--override-input".to_owned(), input.to_owned(), dir.to_string()]
}
