//! What every task receives: the workspace, the machine, Nix, and somebody to talk to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde::de::DeserializeOwned;
use xshell::Shell;

use crate::host::{Host, System};
use crate::logs::{self, Logs};
use crate::monitor::{Failure, Monitor};
use crate::nix::Nix;
use crate::nix::discover::{self, Notice, Wanted};
use crate::nix::process::{self, Command, Exit, Interrupt};
use crate::nix::replace::{Program, replace};
use crate::plan::{CommandLine, Settings, Step};
use crate::report::{Report, count};
use crate::revision;
use crate::timings::Recording;
use crate::ui::{Ui, name_of};
use crate::watch::{PastBuilds, Watch};
use crate::workspace::{ConfigVerdict, Scope, Workspace, config_differences};

/// What somebody without a terminal can do.
const SAY_YES: &str = "say `--yes`";

/// The flags that every task understands.
#[derive(Debug, Clone, Default)]
pub struct Globals {
    pub dry_run: bool,
    pub offline: bool,
    /// `--yes`: nothing is asked.
    pub yes: bool,
    /// `--nix`
    pub nix: Option<Utf8PathBuf>,
}

#[derive(Debug)]
pub struct Context {
    pub host: Host,
    pub workspace: Workspace,
    /// Where the user stands, or `-C`.
    pub dir: Utf8PathBuf,
    pub globals: Globals,
    pub ui: Ui,
    /// For short commands whose output is read: git, cargo.
    pub sh: Shell,
    pub interrupt: Interrupt,
    /// What `--timings` records.
    pub recording: Recording,
    nix: Option<Nix>,
    revisions: BTreeMap<Utf8PathBuf, Option<String>>,
}

/// What came of a call of Nix.
#[derive(Debug)]
pub struct Call {
    pub exit: Exit,
    pub monitor: Monitor,
}

impl Context {
    /// # Errors
    /// When the directory is in no workspace, or its manifest is wrong.
    pub fn new(
        host: Host,
        dir: Utf8PathBuf,
        globals: Globals,
        mut ui: Ui,
        scope: Scope,
    ) -> anyhow::Result<Context> {
        let workspace = Workspace::discover(&dir, scope)?;
        let sh = Shell::new().context("cannot read the current directory")?;
        sh.change_dir(&workspace.root);
        let interrupt = Interrupt::install()?;
        ui.heed(interrupt.clone());
        Ok(Context {
            host,
            workspace,
            dir,
            globals,
            ui,
            sh,
            interrupt,
            recording: Recording::default(),
            nix: None,
            revisions: BTreeMap::new(),
        })
    }

    /// The Nix to use, found (or fetched) on first use.
    ///
    /// # Errors
    /// When there is none and none can be had.
    pub fn nix(&mut self) -> anyhow::Result<&Nix> {
        // A dry run changes nothing, not even the cache.
        self.find_nix(!self.globals.dry_run)
    }

    /// The Nix to use, if it can be had without fetching one.
    pub fn nix_at_hand(&mut self) -> Option<&Nix> {
        self.find_nix(false).ok()
    }

    /// Why there is no Nix at hand; empty when there is one.
    #[must_use]
    pub fn nix_missing(&mut self) -> String {
        self.find_nix(false).err().map(|it| format!("{it:#}")).unwrap_or_default()
    }

    fn find_nix(&mut self, fetch: bool) -> anyhow::Result<&Nix> {
        if self.nix.is_none() {
            let settings = &self.workspace.manifest.nix;
            let wanted = Wanted {
                explicit: self.globals.nix.as_deref(),
                minimum: settings.minimum.parse().context("xtask.toml: nix.minimum")?,
                sandbox: settings.sandbox,
                fetch,
            };
            let ui = &self.ui;
            let nix = discover::discover(&self.host, &wanted, &mut |notice| match notice {
                Notice::Status(text) => ui.status(&text),
                Notice::Warning(text) => ui.warning(&text),
            })?;
            self.nix = Some(nix);
        }
        self.nix.as_ref().context("no Nix")
    }

    /// The content of the git work tree around a directory; see [`revision::of_tree`].
    pub fn revision(&mut self, dir: &Utf8Path) -> Option<String> {
        let top = revision::work_tree(dir)?;
        let sh = &self.sh;
        self.revisions.entry(top).or_insert_with_key(|top| revision::of_tree(sh, top)).clone()
    }

    /// A file of the workspace was changed in the middle of a task: what is known of the trees holds no more.
    pub fn changed(&mut self) {
        self.revisions.clear();
    }

    /// The directory for our own files in this workspace; safe to delete.
    #[must_use]
    pub fn state(&self) -> Utf8PathBuf {
        self.workspace.root.join("target/xtask")
    }

    /// Where a flake of the workspace is.
    #[must_use]
    pub fn flake_dir(&self, flake: usize) -> Utf8PathBuf {
        match self.workspace.flakes[flake].dir.as_str() {
            "." => self.workspace.root.clone(),
            dir => self.workspace.root.join(dir),
        }
    }

    /// How a flake of the workspace is named to Nix: by its path, or by a URL where Nix would take the path apart.
    #[must_use]
    pub fn flake_ref(&self, flake: usize) -> String {
        let dir = self.flake_dir(flake);
        if !dir.as_str().contains(['#', '?']) {
            return dir.into_string();
        }
        let Some(top) = revision::work_tree(&dir) else { return format!("path:{}", url_path(&dir)) };
        match dir.strip_prefix(&top) {
            Ok(inside) if inside != "" => format!("git+file://{}?dir={}", url_path(&top), url_path(inside)),
            _ => format!("git+file://{}", url_path(&dir)),
        }
    }

    /// The same as it was at a commit of the work tree `top`.
    #[must_use]
    pub fn flake_ref_at(&self, flake: usize, top: &Utf8Path, commit: &str) -> String {
        let dir = self.flake_dir(flake);
        let inside = dir.strip_prefix(top).ok().filter(|it| *it != "");
        let inside = inside.map(|it| format!("&dir={}", url_path(it))).unwrap_or_default();
        format!("git+file://{}?rev={commit}{inside}", url_path(top))
    }

    #[must_use]
    pub fn system(&self) -> System {
        self.host.system()
    }

    /// What every call of Nix gets. The caches that some of these flakes name are accepted only when they are the
    /// manifest's, for all of them.
    ///
    /// # Errors
    /// When a `flake.nix` cannot be read.
    pub fn settings(&self, flakes: &[usize], extra: &[String]) -> anyhow::Result<Settings> {
        let manifest = &self.workspace.manifest;
        let mut accept = false;
        let mut differences = Vec::new();
        for flake in flakes {
            let flake = &self.workspace.flakes[*flake];
            match config_differences(&flake.source(&self.workspace.root)?, &manifest.cache) {
                ConfigVerdict::None => {}
                ConfigVerdict::Equal => accept = true,
                ConfigVerdict::Differs(it) => {
                    differences.extend(it.into_iter().map(|it| (flake.dir.clone(), it)));
                }
            }
        }
        for (dir, difference) in &differences {
            self.ui.warning(&format!("not accepting the nixConfig of `{dir}/flake.nix`: {difference}"));
        }
        Ok(Settings {
            offline: self.globals.offline,
            sandbox: manifest.nix.sandbox,
            connect_timeout: manifest.nix.connect_timeout,
            accept_flake_config: accept && differences.is_empty(),
            extra: extra.to_vec(),
        })
    }

    /// Prints a step instead of running it.
    ///
    /// # Errors
    /// When there is no Nix.
    pub fn planned(&mut self, step: &Step, settings: &Settings) -> anyhow::Result<()> {
        let program = self.nix()?.program.clone();
        self.ui.planned(&CommandLine(program.as_str(), &step.argv(settings)));
        Ok(())
    }

    /// Runs Nix and shows what it does.
    ///
    /// # Errors
    /// When it cannot be run. That it failed is in the [`Call`].
    pub fn call(&mut self, step: &Step, settings: &Settings) -> anyhow::Result<Call> {
        self.call_within(step, settings, None)
    }

    /// The same, but Nix is stopped when it has nothing to say for so long.
    pub fn call_within(
        &mut self,
        step: &Step,
        settings: &Settings,
        silence: Option<Duration>,
    ) -> anyhow::Result<Call> {
        let program = self.nix()?.program.clone();
        self.ui.command(&CommandLine(program.as_str(), &step.argv(settings)));
        let args = step.argv_for_events(settings);
        if matches!(step, Step::Eval { .. } | Step::DevEnv { .. } | Step::Metadata { .. }) {
            self.recording.with(|it| it.evaluates(&step.to_string(), Instant::now()));
        }
        let state = self.state();
        let mut monitor = Monitor::default();
        let mut watch = Watch {
            ui: &mut self.ui,
            nix: self.nix.as_ref().context("no Nix")?,
            recording: &self.recording,
            logs: Logs::new(state.join("logs")),
            history: PastBuilds::new(state.join("history.jsonl")),
            stat: self.host.path("/proc/stat"),
        };
        let command = Command {
            program: &program,
            args: &args,
            dir: &self.workspace.root,
            env: &self.host.env,
            input: &[],
        };
        let exit = process::run_within(&command, silence, &self.interrupt, &mut |event| {
            watch.event(&mut monitor, event);
        })?;
        watch.end(&mut monitor, &exit.stdout);
        Ok(Call { exit, monitor })
    }

    /// A failed build: why, the last lines of its log, and where the rest is.
    #[must_use]
    pub fn describe(&self, failure: &Failure) -> String {
        let mut res = format!("{}: {}", self.ui.paint("31;1", name_of(&failure.drv)), failure.reason);
        let hidden = failure.lines - failure.tail.len();
        if hidden > 0 {
            res.push_str(&format!("\n  … {} above", count(hidden, "line")));
        }
        failure.tail.iter().for_each(|it| res.push_str(&format!("\n  > {it}")));
        if failure.lines > 0 {
            res.push_str(&format!("\n  full log: {}", self.near(&self.log_of(failure))));
        }
        res
    }

    /// A path as the user would type it.
    #[must_use]
    pub fn near<'a>(&self, path: &'a Utf8Path) -> &'a Utf8Path {
        path.strip_prefix(&self.host.cwd).unwrap_or(path)
    }

    /// Where the log of a failed build is kept.
    #[must_use]
    pub fn log_of(&self, failure: &Failure) -> Utf8PathBuf {
        logs::path(&self.state().join("logs"), &failure.drv)
    }

    /// Asks before something is done that cannot be undone. `--yes` answers for the user.
    ///
    /// # Errors
    /// When nobody is there to answer.
    pub fn confirm(&mut self, question: &str) -> anyhow::Result<bool> {
        if self.globals.yes {
            return Ok(true);
        }
        let answer = self.ui.ask(&format!("{question} [y/N]"), SAY_YES, &self.interrupt)?;
        Ok(["y", "yes"].contains(&answer.to_lowercase().as_str()))
    }

    /// Before the work that leads to [`Context::confirm`].
    ///
    /// # Errors
    /// When nobody could be asked.
    pub fn expect_consent(&self, question: &str) -> anyhow::Result<()> {
        if self.globals.yes { Ok(()) } else { self.ui.expect_answer(question, SAY_YES) }
    }

    /// Tells a result in the middle of a task, and whether it is good.
    pub fn tell(&mut self, report: &Report) -> bool {
        self.ui.finish(report);
        report.ok
    }

    /// Records this run under the words that the user typed, when `--timings` is given.
    pub fn record(&self, wanted: bool, target: &[&str]) {
        if wanted && !self.globals.dry_run {
            self.recording.start(target.join(" "), Instant::now(), SystemTime::now());
        }
    }

    /// The same user on the same machine, acting on another workspace.
    ///
    /// # Errors
    /// When there is no workspace.
    pub fn in_workspace(&self, dir: &Utf8Path) -> anyhow::Result<Context> {
        let ui = Ui::new(self.ui.style());
        let mut res = Context::new(self.host.clone(), dir.to_owned(), self.globals.clone(), ui, Scope::All)?;
        res.recording = self.recording.clone();
        Ok(res)
    }

    /// Becomes a program from the store, where the user stands. Returns only when that fails.
    ///
    /// # Errors
    /// When it cannot be run, or the store cannot be mounted.
    pub fn replace(
        &mut self,
        program: &str,
        args: &[String],
        env: &BTreeMap<OsString, OsString>,
    ) -> anyhow::Result<Infallible> {
        self.ui.clear();
        let dir = self.host.cwd.clone();
        let store_root = self.nix()?.store_root.as_deref();
        replace(store_root, &Program { program, args, env, dir: &dir })
    }

    /// Becomes a program of the machine, where the user stands. Returns only when that fails.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn become_program(
        &mut self,
        program: &str,
        args: &[String],
        env: &BTreeMap<OsString, OsString>,
    ) -> anyhow::Result<Infallible> {
        self.ui.clear();
        replace(None, &Program { program, args, env, dir: &self.host.cwd })
    }

    /// The Nix that [`Context::nix`] has found.
    #[must_use]
    pub fn nix_found(&self) -> Option<&Nix> {
        self.nix.as_ref()
    }

    /// Runs Nix and reads the JSON that it prints.
    ///
    /// # Errors
    /// When Nix failed, with what it said, or printed something else.
    pub fn query<T: DeserializeOwned>(&mut self, step: &Step, settings: &Settings) -> anyhow::Result<T> {
        let call = self.call(step, settings)?;
        if !call.exit.success() {
            return Err(call.why(self).into());
        }
        serde_json::from_str(&call.exit.stdout).with_context(|| format!("unexpected answer to `{step}`"))
    }
}

/// A path as part of a URL.
fn url_path(path: &Utf8Path) -> String {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"/-._~+@:,".contains(&it);
    let encode = |it: u8| if plain(it) { char::from(it).to_string() } else { format!("%{it:02X}") };
    path.as_str().bytes().map(encode).collect()
}
