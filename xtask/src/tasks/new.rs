//! `cargo xtask new`

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;
use xshell::cmd;

use crate::aleph::public_key::PublicKey;
use crate::aleph::template::{self, Answers};
use crate::context::Context;
use crate::files::{create_dir, write_atomic};
use crate::plan::{Step, quoted};
use crate::report::{Report, Table};
use crate::revision::outside_hook;

/// Where this repository is: the flake that a new configuration is locked to.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Start your own configuration of the flight computer
///
/// Writes a flake from `aleph/template`, locked to this repository's revision, in a new git repository. What is not
/// said by a flag is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct New {
    /// The directory; it must not exist, or be empty
    #[arg(value_name = "DIR")]
    dir: Utf8PathBuf,
    /// The board's name; `serial` names each board after its serial number
    #[arg(long, value_name = "NAME", value_parser = name)]
    host_name: Option<String>,
    /// Who may log in: an SSH public key, or the file that has it
    #[arg(long, value_name = "KEY")]
    ssh_key: Option<String>,
    /// The board has a WiFi card
    #[arg(long, conflicts_with = "no_wifi")]
    wifi: bool,
    /// The board has none
    #[arg(long)]
    no_wifi: bool,
    /// What it runs, such as elodin-db,mekf; or all, or none
    #[arg(long, value_name = "LIST", value_parser = services)]
    services: Option<Services>,
}

#[derive(Debug, Clone)]
struct Services(BTreeSet<String>);

const SERIAL: &str = "serial";

fn name(text: &str) -> Result<String, String> {
    if text == SERIAL { Ok(text.to_owned()) } else { template::host_name(text) }
}

fn services(text: &str) -> Result<Services, String> {
    template::services(text).map(Services)
}

impl New {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        // Without a slash at its end, and behind links: it is replaced as a whole.
        let dir: Utf8PathBuf = cx.dir.join(&self.dir).components().collect();
        let dir = dir.canonicalize_utf8().unwrap_or(dir);
        if dir == cx.host.cwd {
            bail!("that is where you are: name a new directory");
        }
        let title = dir.file_name().context("the new directory needs a name")?.to_owned();
        refuse_what_is_there(&dir)?;
        if cx.host.which("git").is_none() {
            bail!("there is no `git` on PATH, and Nix needs one for a flake in a repository");
        }
        self.needs_terminal(cx)?;
        let answers = self.answers(cx, &title)?;
        let flake = answers.flake()?;
        if cx.globals.dry_run {
            return plan(cx, &dir);
        }
        // All of it appears at once, or nothing does.
        let draft = Utf8PathBuf::from(format!("{dir}.{}.tmp", std::process::id()));
        let made = write(cx, &draft, &answers, &flake, &title).and_then(|it| {
            refuse_what_is_there(&dir)?;
            fs::rename(&draft, &dir).with_context(|| format!("cannot create `{dir}`"))?;
            Ok(it)
        });
        let made = made.inspect_err(|_| drop(fs::remove_dir_all(&draft)))?;
        Ok(made.report(cx, &dir, &answers))
    }

    /// All that is missing is told at once where nobody can be asked.
    fn needs_terminal(&self, cx: &Context) -> anyhow::Result<()> {
        if cx.ui.can_ask() {
            return Ok(());
        }
        let mut missing = Vec::new();
        if !cx.globals.yes {
            missing.extend(self.host_name.is_none().then_some("--host-name NAME"));
            missing.extend((!self.wifi && !self.no_wifi).then_some("--wifi (or --no-wifi)"));
            missing.extend(self.services.is_none().then_some("--services LIST"));
        }
        missing.extend(self.ssh_key.is_none().then_some("--ssh-key KEY"));
        if !missing.is_empty() {
            bail!("nobody can be asked without a terminal; say {}", missing.join(", "));
        }
        Ok(())
    }

    fn answers(&self, cx: &mut Context, title: &str) -> anyhow::Result<Answers> {
        let default = template::host_name(title).unwrap_or_else(|_| SERIAL.to_owned());
        let host_name = match &self.host_name {
            Some(it) => it.clone(),
            None => ask(cx, "Host name (`serial`: each board by its serial number)", &default, name)?,
        };
        let key = match &self.ssh_key {
            Some(text) => key(cx, text)?,
            None => ask_key(cx)?,
        };
        let yes_or_no = |it: &str| match it.to_lowercase().as_str() {
            "y" | "yes" => Ok(true),
            "n" | "no" => Ok(false),
            _ => Err("say yes or no".to_owned()),
        };
        let wifi = match (self.wifi, self.no_wifi) {
            (true, _) => true,
            (_, true) => false,
            _ => ask(cx, "Does it have WiFi?", "yes", yes_or_no)?,
        };
        let services = if let Some(it) = &self.services {
            it.0.clone()
        } else {
            let question = format!("What does it run? ({}; or all, or none)", template::SERVICES.join(", "));
            ask(cx, &question, "all", template::services)?
        };
        if host_name == SERIAL && !wifi {
            bail!("`--host-name serial` needs WiFi, whose module names the boards; give it a name");
        }
        Ok(Answers { host_name: Some(host_name).filter(|it| it != SERIAL), key, wifi, services })
    }
}

fn refuse_what_is_there(dir: &Utf8Path) -> anyhow::Result<()> {
    match dir.read_dir_utf8().map(Iterator::count) {
        Ok(1..) => {
            bail!("`{dir}` is not empty, and nothing is overwritten; choose another directory")
        }
        Err(_) if dir.symlink_metadata().is_ok() => bail!("`{dir}` is there and is no directory"),
        _ => Ok(()),
    }
}

/// Asks until the answer is good. Just Enter, and `--yes`, take the default.
fn ask<T>(
    cx: &mut Context,
    question: &str,
    default: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> anyhow::Result<T> {
    loop {
        let answer = if cx.globals.yes {
            String::new()
        } else {
            cx.ui.ask(&format!("{question} [{default}]"), "say it by a flag", &cx.interrupt)?
        };
        match read(if answer.is_empty() { default } else { &answer }) {
            Ok(it) => return Ok(it),
            Err(why) if cx.globals.yes => bail!(why),
            Err(why) => cx.ui.warning(&why),
        }
    }
}

/// Offers the keys that the user has.
fn ask_key(cx: &mut Context) -> anyhow::Result<PublicKey> {
    let own = own_keys(cx);
    for (n, (file, key)) in own.iter().enumerate() {
        let comment = key.as_str().split_whitespace().nth(2).unwrap_or_default();
        cx.ui.status(&format!("  {}  {file}  {comment}", n + 1));
    }
    loop {
        let question =
            if own.is_empty() { "SSH public key:" } else { "SSH public key, or a number above [1]:" };
        let answer = cx.ui.ask(question, "say `--ssh-key KEY`", &cx.interrupt)?;
        let number = if answer.is_empty() { Some(1) } else { answer.parse::<usize>().ok() };
        if let Some((_, key)) = number.and_then(|it| own.get(it.checked_sub(1)?)) {
            return Ok(key.clone());
        }
        match key(cx, &answer) {
            Ok(key) => return Ok(key),
            Err(why) => cx.ui.warning(&format!("{why:#}")),
        }
    }
}

fn own_keys(cx: &Context) -> Vec<(Utf8PathBuf, PublicKey)> {
    let Ok(home) = cx.host.home() else { return Vec::new() };
    let Ok(entries) = home.join(".ssh").read_dir_utf8() else { return Vec::new() };
    let mut files: Vec<Utf8PathBuf> = entries.flatten().map(|it| it.path().to_owned()).collect();
    files.sort();
    let keys = files.into_iter().filter(|it| it.extension() == Some("pub"));
    keys.filter_map(|it| Some((it.clone(), fs::read_to_string(&it).ok()?.parse().ok()?))).collect()
}

/// A key, or the file with one.
fn key(cx: &Context, text: &str) -> anyhow::Result<PublicKey> {
    let path = match (text.strip_prefix("~/"), cx.host.home()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => cx.host.cwd.join(text),
    };
    let text = if path.is_file() {
        fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?
    } else {
        text.to_owned()
    };
    text.parse().map_err(|it: String| anyhow::anyhow!("the SSH key: {it}"))
}

/// What was made of it.
#[derive(Debug)]
struct Made {
    /// The revision that it is locked to; else why it is not locked.
    locked: Result<String, String>,
    /// Whether the first commit was made.
    committed: bool,
}

fn write(
    cx: &mut Context,
    dir: &Utf8Path,
    answers: &Answers,
    flake: &str,
    title: &str,
) -> anyhow::Result<Made> {
    create_dir(dir)?;
    for (file, text) in [
        ("flake.nix", flake),
        ("README.md", answers.readme(title).as_str()),
        ("xtask.toml", template::MANIFEST),
        (".gitignore", template::IGNORED),
    ] {
        write_atomic(&dir.join(file), text.as_bytes())?;
    }
    let sh = cx.sh.clone();
    let git = |args: &[&str]| outside_hook(cmd!(sh, "git -C {dir} {args...}")).quiet().ignore_stdout();
    git(&["init", "--quiet"]).run().context("cannot make a git repository")?;
    git(&["add", "."]).run()?;
    let locked = lock(cx, dir).map_err(|it| format!("{it:#}"));
    if cx.interrupt.signal().is_some() {
        bail!("interrupted; nothing was made");
    }
    git(&["add", "."]).run()?;
    let identity = git(&["var", "GIT_COMMITTER_IDENT"]).ignore_stderr().run().is_ok();
    let committed = identity && git(&["commit", "--quiet", "-m", "An Aleph of our own"]).run().is_ok();
    Ok(Made { locked, committed })
}

/// Locks `aleph` to the revision that this repository is at, without network: Nix reads it from here, and what it
/// locks is what this repository's own lock names.
fn lock(cx: &mut Context, dir: &Utf8Path) -> anyhow::Result<String> {
    let repository = Utf8Path::new(REPOSITORY).canonicalize_utf8()?;
    let sh = cx.sh.clone();
    let revision = outside_hook(cmd!(sh, "git -C {repository} rev-parse HEAD"));
    let revision = revision.quiet().ignore_stderr().read();
    let revision = revision.with_context(|| format!("`{repository}` is no git repository"))?;
    let url = format!("git+file://{repository}?dir=aleph&rev={revision}");
    let step = Step::Lock { flake: dir.to_string(), overrides: vec![("aleph".to_owned(), url)] };
    let settings = cx.settings(&[], &[])?;
    let call = cx.call(&step, &settings)?;
    if !call.exit.success() {
        bail!("{}", call.why(cx));
    }
    let file = dir.join("flake.lock");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{file}`"))?;
    write_atomic(&file, template::moved(&text, &revision)?.as_bytes())?;
    Ok(revision)
}

fn plan(cx: &mut Context, dir: &Utf8Path) -> anyhow::Result<Report> {
    let step = Step::Lock { flake: dir.to_string(), overrides: Vec::new() };
    let settings = cx.settings(&[], &[])?;
    cx.planned(&step, &settings)?;
    Ok(Report::done())
}

impl Made {
    fn report(&self, cx: &Context, dir: &Utf8Path, answers: &Answers) -> Report {
        let shown = dir.strip_prefix(&cx.host.cwd).unwrap_or(dir);
        let mut notes = Vec::new();
        if let Err(why) = &self.locked {
            let warning = cx.ui.paint("33", "warning:");
            let dir = quoted(shown.as_str());
            notes.push(format!("{warning} it is not locked: {why}\nwith network: `nix flake lock {dir}`"));
        }
        if !self.committed {
            let dir = quoted(shown.as_str());
            notes.push(format!(
                "git knows no name of yours; set one, then `git -C {dir} commit -m 'An Aleph of our own'`"
            ));
        }
        notes.push(format!("now: cargo xtask -C {} build-aleph", quoted(shown.as_str())));
        let mut table = Table::new(&["directory", "host name", "WiFi", "services", "locked to"]);
        let locked = self.locked.as_deref().unwrap_or("-");
        let name = answers.host_name.as_deref().unwrap_or(SERIAL);
        table.rows.push(vec![
            shown.to_string(),
            name.to_owned(),
            if answers.wifi { "yes" } else { "no" }.to_owned(),
            answers.services.len().to_string(),
            locked.chars().take(12).collect(),
        ]);
        let json = json!({
            "version": 1, "ok": true, "directory": dir, "host_name": answers.host_name, "wifi": answers.wifi,
            "services": answers.services, "revision": self.locked.as_ref().ok(), "committed": self.committed,
        });
        Report { ok: true, notes, table, json, lines: vec![dir.to_string()], ..Report::default() }
    }
}
