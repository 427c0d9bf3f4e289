//! `cargo xtask shell`

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;

use anyhow::{Context as _, bail};

use crate::context::Context;
use crate::plan::Step;
use crate::report::Report;
use crate::shell::environment::{Answer, Environment};
use crate::shell::files::{interactive, kind};
use crate::shell::memory::{self, Memory};
use crate::workspace::Target;

/// Enter the dev shell, or run one command in it
///
/// Your own shell ($SHELL: bash, zsh or fish) with the flake's tools; leave it with `exit`. With a command: exactly
/// that, and its exit code. The environment is remembered until a file that it depends on changes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Shell {
    /// Another dev shell than the default one: NAME or FLAKE#NAME
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Make the environment again
    #[arg(long)]
    pub refresh: bool,
    /// The command
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Where and what a dev shell is.
struct Place {
    flake: usize,
    /// As the prompt shows it.
    name: String,
    installable: String,
}

impl Shell {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let place = self.place(cx)?;
        if let (true, Some(outer)) = (self.command.is_empty(), cx.host.env("XTASK_SHELL")) {
            bail!("you are already in the dev shell `{outer}`; leave it with `exit` first");
        }
        if cx.globals.dry_run {
            let settings = cx.settings(&[place.flake], &[])?;
            let step = Step::Develop { installable: place.installable, command: self.command };
            cx.planned(&step, &settings)?;
            return Ok(Report::done());
        }
        let memory = Memory::new(&cx.state(), &place.name);
        let environment = self.environment(cx, &place, &memory)?;
        self.enter(cx, &place, &memory, &environment)
    }

    fn place(&self, cx: &Context) -> anyhow::Result<Place> {
        if cx.workspace.flakes.is_empty() {
            bail!(
                "there is no flake.nix in the workspace `{}`; act on another one with `-C DIR`",
                cx.workspace.root
            );
        }
        let (flake, attr) = match &self.name {
            None => (0, "default".to_owned()),
            Some(name) => match cx.workspace.target(name, &cx.dir)? {
                Target::Short(name) => (0, name),
                Target::In { flake, attr } => (flake, attr),
            },
        };
        let name = match (cx.workspace.flakes[flake].name.as_str(), attr.as_str()) {
            (".", "default") => cx.workspace.root.file_name().unwrap_or("shell").to_owned(),
            (".", attr) => attr.to_owned(),
            (flake, "default") => flake.to_owned(),
            (flake, attr) => format!("{flake}#{attr}"),
        };
        Ok(Place { flake, name, installable: format!("{}#{attr}", cx.flake_ref(flake)) })
    }

    fn environment(&self, cx: &mut Context, place: &Place, memory: &Memory) -> anyhow::Result<Environment> {
        cx.nix()?;
        let nix = cx.nix_found().context("no Nix")?;
        let question = format!("{} {}", place.installable, cx.system());
        let key = memory::key(&cx.workspace, place.flake, nix, &question)?;
        if !self.refresh
            && let Some(environment) = memory.recall(&key, nix)
        {
            return Ok(environment);
        }
        if let Some(dir) = memory.profile.parent() {
            crate::files::create_dir(dir)?;
        }
        let step = Step::DevEnv { installable: place.installable.clone(), profile: memory.profile.clone() };
        let settings = cx.settings(&[place.flake], &[])?;
        let answer: Answer = cx
            .query(&step, &settings)
            .with_context(|| format!("cannot make the dev shell `{}`", place.name))?;
        let environment = Environment::new(answer, &cx.workspace.root.join("outputs"));
        memory.keep(&key, &environment)?;
        Ok(environment)
    }

    fn enter(
        self,
        cx: &mut Context,
        place: &Place,
        memory: &Memory,
        environment: &Environment,
    ) -> anyhow::Result<Report> {
        let mut env = environment.apply(&cx.host.env);
        mark(&mut env, place, memory, environment);
        let shell = cx.host.env("SHELL").filter(|it| !it.contains("noshell")).unwrap_or("bash").to_owned();
        let at_terminal = std::io::stdin().is_terminal();
        if self.command.is_empty() && at_terminal && kind(&shell) == "zsh" {
            let own = cx.host.env("ZDOTDIR").unwrap_or_default();
            env.insert("XTASK_ZDOTDIR".into(), own.into());
            env.insert("ZDOTDIR".into(), memory.dir.join("zsh").as_str().into());
        }
        let (command, reads_files) = match self.command.is_empty() {
            true if at_terminal => (interactive(&shell, &memory.dir), kind(&shell) == "bash"),
            // Somebody feeds commands to us.
            true => (vec![shell.clone()], false),
            false => (self.command.clone(), false),
        };
        if self.command.is_empty() && at_terminal && !["bash", "zsh", "fish"].contains(&kind(&shell)) {
            cx.ui.status(&format!(
                "entering the dev shell `{}`; {shell} cannot show that in its prompt",
                place.name
            ));
        }
        // An interactive bash reads the environment's bash code itself; the others get what it leaves behind.
        let command = if environment.is_plain() || reads_files {
            command
        } else {
            through_bash(cx, environment, memory, command)?
        };
        let [program, args @ ..] = command.as_slice() else { bail!("the command is empty") };
        let error = match cx.replace(program, args, &env) {
            Ok(never) => match never {},
            Err(error) => error,
        };
        match error.downcast_ref::<std::io::Error>() {
            // As every shell says it.
            Some(io) if io.kind() == std::io::ErrorKind::NotFound => {
                cx.ui.fail(&anyhow::anyhow!(
                    "there is no command `{program}` in the dev shell `{}`",
                    place.name
                ));
                Ok(Report { code: Some(127), ..Report::default() })
            }
            Some(_) => Err(error),
            None => self.develop(cx, place, &error),
        }
    }

    /// Nix knows more ways into a private store than we do.
    fn develop(self, cx: &mut Context, place: &Place, error: &anyhow::Error) -> anyhow::Result<Report> {
        cx.ui.warning(&format!("cannot use the remembered dev shell ({error:#}); trying `nix develop`"));
        let step = Step::Develop { installable: place.installable.clone(), command: self.command };
        let settings = cx.settings(&[place.flake], &[])?;
        let program = cx.nix()?.program.clone();
        let env = cx.host.env.clone();
        match cx.become_program(program.as_str(), &step.argv(&settings), &env)? {}
    }
}

/// What tells programs, and ourselves, that this is the dev shell.
fn mark(env: &mut BTreeMap<OsString, OsString>, place: &Place, memory: &Memory, environment: &Environment) {
    let mut set = |name: &str, value: &str| env.insert(name.into(), value.into());
    set("XTASK_SHELL", &place.name);
    set("IN_NIX_SHELL", "impure");
    if let Some(dirs) = environment.prepended.get("PATH") {
        set("XTASK_SHELL_PATH", &dirs.join(":"));
    }
    for (variable, file) in [("NIX_ATTRS_SH_FILE", ".attrs.sh"), ("NIX_ATTRS_JSON_FILE", ".attrs.json")] {
        if environment.attrs.contains_key(file) {
            set(variable, memory.dir.join(file).as_str());
        }
    }
}

/// Runs the environment's bash code first. The command's words are passed on untouched.
fn through_bash(
    cx: &Context,
    environment: &Environment,
    memory: &Memory,
    command: Vec<String>,
) -> anyhow::Result<Vec<String>> {
    let bash = match &environment.bash_program {
        Some(it) => it.clone(),
        None => cx
            .host
            .which("bash")
            .context("the dev shell has a shellHook, and there is no bash on PATH to run it: install bash")?
            .into_string(),
    };
    let script = ". \"$0\" && exec \"$@\"".to_owned();
    let words = [
        bash,
        "--norc".to_owned(),
        "--noprofile".to_owned(),
        "-c".to_owned(),
        script,
        memory.dir.join("env.bash").into_string(),
    ];
    Ok(words.into_iter().chain(command).collect())
}
