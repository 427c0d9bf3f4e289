//! What is known of this machine and this workspace, gathered once: all questions that may take time are asked at the
//! same time.

use std::collections::BTreeMap;
use std::thread;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::build_dir::{self, BuildDir};
use super::probe::{self, CacheAnswer, Git, StoreAnswer};
use super::space::Space;
use crate::builders::client::Client;
use crate::builders::probe::Probe;
use crate::builders::{Machine, Machines};
use crate::host::{Host, Os};
use crate::installation::Installation;
use crate::nix::{Flavour, Nix, Origin, Version, known};
use crate::nix_conf::{self, Conf};
use crate::plan::{Settings, Step};
use crate::sizes;
use crate::workspace::CacheSettings;
use crate::workspace::Workspace;

/// Everything that the checks look at.
#[derive(Debug)]
pub struct Facts {
    pub host: Host,
    pub workspace: Workspace,
    pub offline: bool,
    /// Wait for builders as long as they need.
    pub patient: bool,
    /// Seconds since 1970.
    pub now: i64,
    /// The Nix that is used, or why there is none.
    pub nix: Result<Nix, String>,
    /// Each program `nix` on PATH that is another file, in the order of PATH.
    pub on_path: Vec<(Utf8PathBuf, Option<(Flavour, Version)>)>,
    pub installation: Installation,
    /// The file that the daemon begins with.
    pub conf_file: String,
    /// What the daemon reads, and what the user adds.
    pub machine: Conf,
    pub user: Conf,
    /// All settings as Nix itself has them, by name.
    pub settings: Result<BTreeMap<String, Value>, String>,
    pub store: Result<StoreAnswer, String>,
    pub wanted: CacheSettings,
    pub caches: Vec<(String, Result<CacheAnswer, String>)>,
    pub build_dir: BuildDir,
    /// Of the build directory and of the store.
    pub build_space: Option<Space>,
    pub store_space: Option<Space>,
    /// Bytes of the largest output that was built here.
    pub largest: Option<u64>,
    pub builders: Machines,
    /// What came of trying each of the builders; nothing where that is not allowed or not possible.
    pub probes: Vec<Option<Result<Probe, String>>>,
    pub git: Option<Git>,
    /// What `orbctl list` said, on macOS.
    pub orbstack: Option<Result<String, String>>,
}

impl Facts {
    /// Asks everything; of the network only if that is allowed.
    #[must_use]
    pub fn of(host: Host, workspace: Workspace, nix: Result<Nix, String>, offline: bool, now: i64) -> Facts {
        let mut res = Facts::unasked(host, workspace, nix, offline, now);
        res.ask();
        res
    }

    /// The same, however long a builder takes to answer.
    #[must_use]
    pub fn patiently(
        host: Host,
        workspace: Workspace,
        nix: Result<Nix, String>,
        offline: bool,
        now: i64,
    ) -> Facts {
        let mut res = Facts::unasked(host, workspace, nix, offline, now);
        res.patient = true;
        res.ask();
        res
    }

    /// What the files say.
    fn unasked(host: Host, workspace: Workspace, nix: Result<Nix, String>, offline: bool, now: i64) -> Facts {
        let flavour = nix.as_ref().ok().map(|it| it.flavour);
        let installation = Installation::find(&host, flavour);
        let conf_file = conf_file(&host, nix.as_ref().ok());
        let machine = Conf::system(&host, &conf_file);
        let user = if is_private(nix.as_ref().ok()) { Conf::variable(&host) } else { Conf::user(&host) };
        let wanted = wanted(&workspace);
        let builders = builders(&host, &machine, &user, nix.as_ref().ok());
        let state = workspace.root.join("target/xtask");
        Facts {
            on_path: on_path(&host),
            largest: sizes::largest(&state),
            build_dir: build_dir::effective(&host, nix.as_ref().ok(), &machine),
            installation,
            conf_file,
            machine,
            user,
            settings: Err(String::new()),
            store: Err(String::new()),
            wanted,
            caches: Vec::new(),
            build_space: None,
            store_space: None,
            builders,
            probes: Vec::new(),
            git: None,
            orbstack: None,
            host,
            workspace,
            offline,
            patient: false,
            now,
            nix,
        }
    }

    /// What may take time, each in a thread of its own.
    fn ask(&mut self) {
        let facts = &*self;
        let (settings, store, caches, probes, git, orbstack, spaces) = thread::scope(|scope| {
            let settings = scope.spawn(|| facts.ask_settings());
            let store = scope.spawn(|| facts.ask_store());
            let caches: Vec<_> = facts.caches_to_ask().into_iter().collect();
            let caches: Vec<_> = caches
                .into_iter()
                .map(|it| (it.clone(), scope.spawn(move || probe::cache(&facts.host, &it))))
                .collect();
            let probes: Vec<_> = facts
                .builders
                .machines
                .iter()
                .map(|it| facts.may_ask(it).then(|| scope.spawn(move || facts.probe(it))))
                .collect();
            let git = scope.spawn(|| probe::git(&facts.host, &facts.workspace.root));
            let orbstack = scope.spawn(|| probe::orbstack(&facts.host));
            let spaces = scope.spawn(|| {
                let store = facts.store_dir();
                (Space::of(&facts.host, &facts.build_dir.path), Space::of(&facts.host, &store))
            });
            (
                end(settings).unwrap_or_else(|| Err(BROKEN.to_owned())),
                end(store).unwrap_or_else(|| Err(BROKEN.to_owned())),
                caches
                    .into_iter()
                    .map(|(url, it)| (url, end(it).unwrap_or_else(|| Err(BROKEN.to_owned()))))
                    .collect(),
                probes
                    .into_iter()
                    .map(|it| it.map(|it| end(it).unwrap_or_else(|| Err(BROKEN.to_owned()))))
                    .collect(),
                end(git).flatten(),
                end(orbstack).flatten(),
                end(spaces).unwrap_or_default(),
            )
        });
        self.settings = settings;
        self.store = store;
        self.caches = caches;
        self.probes = probes;
        self.git = git;
        self.orbstack = orbstack;
        (self.build_space, self.store_space) = spaces;
    }

    fn ask_settings(&self) -> Result<BTreeMap<String, Value>, String> {
        let nix = self.nix.as_ref().map_err(Clone::clone)?;
        let args = Step::Config.argv(&Settings::default());
        let answer = probe::ask(&self.host, &nix.program, &args)?;
        let all: BTreeMap<String, Value> = serde_json::from_str(&answer.stdout)
            .map_err(|_| format!("`nix config show` failed: {}", probe::last_line(&answer.stderr)))?;
        Ok(all.into_iter().map(|(name, it)| (name, it.get("value").cloned().unwrap_or_default())).collect())
    }

    fn ask_store(&self) -> Result<StoreAnswer, String> {
        let nix = self.nix.as_ref().map_err(Clone::clone)?;
        let args = Step::Trust { substituters: self.wanted.substituters.clone() }.argv(&Settings::default());
        let answer = probe::ask(&self.host, &nix.program, &args)?;
        StoreAnswer::parse(&answer)
    }

    /// Only what can be asked by HTTP, and only if asking is allowed.
    fn caches_to_ask(&self) -> Vec<String> {
        let urls = if self.offline { &[][..] } else { &self.wanted.substituters };
        urls.iter().filter(|it| it.starts_with("http")).cloned().collect()
    }

    fn may_ask(&self, machine: &Machine) -> bool {
        let ssh = machine.store.starts_with("ssh://") || machine.store.starts_with("ssh-ng://");
        ssh && !self.offline && self.nix.is_ok()
    }

    /// The same as `cargo xtask builder explain` tries, but without much patience.
    fn probe(&self, machine: &Machine) -> Result<Probe, String> {
        let patience = probe::patience(&self.host);
        let client = Client {
            host: &self.host,
            nix: self.nix.as_ref().ok(),
            state: self.workspace.root.join("target/xtask"),
            patience: if self.patient { probe::DEEP.max(patience) } else { patience },
        };
        Probe::of(&client, machine).map_err(|it| format!("{it:#}"))
    }

    /// Where the store really is.
    #[must_use]
    pub fn store_dir(&self) -> Utf8PathBuf {
        match &self.nix {
            Ok(Nix { store_root: Some(root), .. }) => root.join("nix/store"),
            _ => Utf8PathBuf::from("/nix/store"),
        }
    }

    /// A setting as text, in Nix's own spelling; `None` when Nix does not answer, or has none of that name.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<String> {
        Some(match self.settings.as_ref().ok()?.get(name)? {
            Value::String(it) => it.clone(),
            Value::Bool(it) => it.to_string(),
            Value::Number(it) => it.to_string(),
            Value::Array(it) => it.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
            Value::Object(_) | Value::Null => return None,
        })
    }

    /// Whether the Nix is our own, with a store that nobody else has.
    #[must_use]
    pub fn is_private(&self) -> bool {
        is_private(self.nix.as_ref().ok())
    }

    #[must_use]
    pub fn is_mac(&self) -> bool {
        self.host.os == Os::MacOs
    }

    /// What makes room in the store.
    pub(super) fn collect_garbage(&self) -> String {
        self.nix.as_ref().map(Nix::collect_garbage).unwrap_or_default()
    }
}

const BROKEN: &str = "the check itself failed; please report that";

fn end<T>(thread: thread::ScopedJoinHandle<'_, T>) -> Option<T> {
    thread.join().ok()
}

fn is_private(nix: Option<&Nix>) -> bool {
    nix.is_some_and(|it| it.store_root.is_some())
}

/// Where the settings begin: beside our own Nix, or where every other looks.
fn conf_file(host: &Host, nix: Option<&Nix>) -> String {
    match nix {
        Some(Nix { origin: Origin::Private(_), program, .. }) => {
            let dir: Option<&Utf8Path> = program.parent().and_then(Utf8Path::parent);
            dir.map_or_else(|| nix_conf::SYSTEM.to_owned(), |it| it.join("conf/nix.conf").into_string())
        }
        _ => match host.env("NIX_CONF_DIR") {
            Some(dir) => format!("{dir}/nix.conf"),
            None => nix_conf::SYSTEM.to_owned(),
        },
    }
}

/// The caches of the manifest. What flakes name besides is not believed anyway.
fn wanted(workspace: &Workspace) -> CacheSettings {
    workspace.manifest.cache.clone()
}

/// The value of `builders` is the machines file beside `nix.conf` where nobody says anything else.
fn builders(host: &Host, machine: &Conf, user: &Conf, nix: Option<&Nix>) -> Machines {
    let both = machine.clone().and(user.clone());
    let setting = match both.last("builders") {
        Some(it) => it.words.join(" "),
        None => format!("@{}", conf_file(host, nix).replace("nix.conf", "machines")),
    };
    Machines::read(host, &setting, &host.system().to_string())
}

fn on_path(host: &Host) -> Vec<(Utf8PathBuf, Option<(Flavour, Version)>)> {
    let mut seen = Vec::new();
    let mut res = Vec::new();
    for dir in host.env("PATH").unwrap_or_default().split(':').filter(|it| it.starts_with('/')) {
        let program = Utf8Path::new(dir).join("nix");
        let Ok(real) = program.canonicalize_utf8() else { continue };
        if crate::host::is_executable(&real) && !seen.contains(&real) {
            let version = known::version(host, &program).ok();
            seen.push(real);
            res.push((program, version));
        }
    }
    res
}
