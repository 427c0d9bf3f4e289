//! What will be run: every Nix command line that there is, as a value. Pure, so that `--dry-run` can print it and
//! a test can compare it. No other file spells a Nix flag.

mod argv;
mod command_line;
mod display;
pub mod question;
mod user_options;

use camino::Utf8PathBuf;

use argv::Argv;
pub use command_line::{CommandLine, override_input, quoted};
pub use user_options::evaluation_options;
use user_options::machine_options;

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
    /// Asks `apply` of all outputs of a flake. Many run at once, so none writes Nix's own memory of evaluations.
    EvalFlake {
        flake: String,
        apply: String,
    },
    /// The value of an attribute of a file that is no flake.
    EvalFile {
        file: Utf8PathBuf,
        attr: &'static str,
    },
    /// What a derivation is made from, with all that it needs; they are written to the store for that.
    DerivationGraph {
        installables: Vec<String>,
    },
    /// Whether paths are valid, and their sizes; in the store of this machine, or in a cache.
    PathInfo {
        paths: Vec<String>,
        cache: Option<String>,
        /// Newer versions want the form of their answer to be named.
        name_format: bool,
    },
    /// The same for all that paths need at run time, with themselves.
    Closure {
        paths: Vec<String>,
        name_format: bool,
    },
    /// Signs a path and all that it needs; `key` is the file with the secret key.
    Sign {
        path: String,
        key: Utf8PathBuf,
    },
    /// Copies a path and all that it needs to another store.
    Copy {
        path: String,
        to: String,
        /// The other store fetches what it can by itself.
        substitute: bool,
        check_signatures: bool,
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
    /// Builds what an expression says, on one machine alone, which `builder` is the line of.
    BuildOn {
        expression: String,
        builder: String,
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
            Step::EvalFlake { flake, apply } => {
                argv.push(["eval", "--json", "--read-only", &format!("{flake}#."), "--apply", apply]);
                argv.push(["--option", "eval-cache", "false"])
            }
            Step::EvalFile { file, attr } => {
                argv.push(["eval", "--json", "--read-only", "--file", file.as_str(), attr])
            }
            Step::DerivationGraph { installables } => {
                argv.push(["derivation", "show", "--recursive"]).push(installables)
            }
            Step::PathInfo { paths, cache, name_format } => {
                argv.path_info(cache.as_deref(), *name_format).push(paths)
            }
            Step::Closure { .. } | Step::Sign { .. } | Step::Copy { .. } => self.for_a_closure(argv),
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
            Step::BuildOn { expression, builder } => {
                argv.push(["build", "--json", "--no-link", "--impure", "--expr", expression]);
                argv.push(["--max-jobs", "0", "--builders", builder])
            }
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

    /// What is done with a path and all that it needs.
    fn for_a_closure<'a>(&self, argv: &'a mut Argv) -> &'a mut Argv {
        match self {
            Step::Closure { paths, name_format } => {
                argv.path_info(None, *name_format).push(["--recursive"]).push(paths)
            }
            Step::Sign { path, key } => {
                argv.push(["store", "sign", "--key-file", key.as_str(), "--recursive", path])
            }
            Step::Copy { path, to, substitute, check_signatures } => {
                argv.push(["copy", "--to", to]);
                argv.flag("--substitute-on-destination", *substitute);
                argv.flag("--no-check-sigs", !check_signatures).push([path])
            }
            _ => argv,
        }
    }

    /// Whether it takes the lock as it is. A path in the store has no lock, and Nix would have nothing to check.
    fn reads_a_flake(&self) -> bool {
        let paths = matches!(
            self,
            Step::Root { .. }
                | Step::EvalFile { .. }
                | Step::PathInfo { .. }
                | Step::Exec { .. }
                | Step::Derivations { .. }
        );
        let closures = matches!(self, Step::Closure { .. } | Step::Sign { .. } | Step::Copy { .. });
        let writes = matches!(self, Step::Update { .. } | Step::Lock { .. });
        let machine =
            matches!(self, Step::BuildOn { .. } | Step::Config | Step::StoreInfo { .. } | Step::Trust { .. });
        !paths && !closures && !writes && !machine
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
