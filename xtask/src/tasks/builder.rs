//! `cargo xtask builder`

mod explain;
pub(in crate::tasks) mod test;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::builders::choice::Here;
use crate::builders::client::Client;
use crate::builders::probe::{Check, Probe, State};
use crate::builders::{Machine, Machines, Problem, load, short};
use crate::context::Context;
use crate::plan::{Settings, Step};
use crate::report::{Report, Table};
use crate::tool::Tool;

/// Remote builders: which there are, why a build goes to one of them, whether they work
///
/// They are tried as the user who connects: root where a daemon builds (asked for by `sudo -n`), else you.
#[derive(Debug, Clone, clap::Args)]
pub struct Builder {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Verb {
    /// The machines that Nix may build on, and whether they work
    List {
        /// Only read the settings: connect to nobody
        #[arg(long)]
        no_probe: bool,
    },
    Explain(explain::Explain),
    Test(test::Test),
}

/// Who asks for one machine waits so long for each of its answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// The settings of Nix that decide where something is built.
struct Setup {
    machines: Machines,
    load: Vec<u32>,
    here: Here,
    system: String,
}

#[derive(Deserialize)]
struct Values {
    builders: Setting<String>,
    system: Setting<String>,
    #[serde(rename = "extra-platforms")]
    platforms: Setting<Vec<String>>,
    #[serde(rename = "system-features")]
    features: Setting<Vec<String>>,
    #[serde(rename = "max-jobs")]
    jobs: Setting<Value>,
}

#[derive(Deserialize)]
struct Setting<T> {
    value: T,
    #[serde(rename = "defaultValue")]
    default: Option<T>,
}

impl Builder {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        match self.verb {
            Verb::List { no_probe } => list(cx, no_probe),
            Verb::Explain(it) => it.run(cx),
            Verb::Test(it) => it.run(cx),
        }
    }
}

impl Setup {
    /// What Nix has, from all its files and variables.
    fn read(cx: &mut Context) -> anyhow::Result<Setup> {
        let values: Values = cx.query(&Step::Config, &Settings::default())?;
        let system = values.system.value;
        let mut machines = Machines::read(&cx.host, &values.builders.value, &system);
        // The file that Nix looks for by itself need not be there.
        if values.builders.default.as_ref() == Some(&values.builders.value) {
            machines.problems.retain(|it| !matches!(it, Problem::Missing(_)));
        }
        let nix = cx.nix()?;
        let (own, real) = (nix.store_root.is_some(), nix.real("/nix/var/nix"));
        let state = cx.host.env("NIX_STATE_DIR").filter(|_| !own).map_or(real, Utf8PathBuf::from);
        let load = load::of(&cx.host, &machines.machines, &state);
        let mut systems: BTreeSet<String> = values.platforms.value.into_iter().collect();
        systems.insert(system.clone());
        let jobs = values.jobs.value;
        // `auto` is one for each processor.
        let jobs = jobs.as_u64().and_then(|it| u32::try_from(it).ok()).unwrap_or(1);
        let here = Here { systems, features: values.features.value.into_iter().collect(), jobs };
        for problem in &machines.problems {
            cx.ui.warning(&problem.to_string());
        }
        Ok(Setup { machines, load, here, system })
    }

    /// The machine of a name: as it is written, or only its host.
    fn named(&self, name: &str) -> anyhow::Result<&Machine> {
        let machines = &self.machines.machines;
        let host = |it: &Machine| {
            it.name.split("://").last().is_some_and(|it| {
                it.split(['?', '/']).next() == Some(name)
                    || it.split(['?', '/']).next().and_then(|it| it.rsplit('@').next()) == Some(name)
            })
        };
        machines.iter().find(|it| it.name == name || short(it) == name || host(it)).with_context(|| {
            let names: Vec<&str> = machines.iter().map(short).collect();
            if names.is_empty() {
                return "this machine has no builders; `cargo xtask setup builder` sets one up".to_owned();
            }
            format!("there is no builder `{name}`; there are: {}", names.join(", "))
        })
    }
}

fn words(set: &BTreeSet<String>) -> String {
    if set.is_empty() { "-".to_owned() } else { set.iter().map(String::as_str).collect::<Vec<_>>().join(",") }
}

fn list(cx: &mut Context, no_probe: bool) -> anyhow::Result<Report> {
    let setup = Setup::read(cx)?;
    let mut table =
        Table::new(&["builder", "systems", "features", "jobs", "busy", "speed", "health", "written in"]);
    let (mut results, mut ok) = (Vec::new(), setup.machines.problems.is_empty());
    for (machine, busy) in setup.machines.machines.iter().zip(&setup.load) {
        let probe = if no_probe || cx.globals.dry_run { None } else { Some(probe(cx, machine)?) };
        let health = health(probe.as_ref());
        ok &= probe.as_ref().is_none_or(Probe::good);
        let mandatory = if machine.mandatory.is_empty() {
            String::new()
        } else {
            format!(" only:{}", words(&machine.mandatory))
        };
        table.rows.push(vec![
            short(machine).to_owned(),
            words(&machine.systems),
            format!("{}{mandatory}", words(&machine.supported)),
            machine.jobs.to_string(),
            busy.to_string(),
            machine.speed.to_string(),
            health.clone(),
            machine.origin.to_string(),
        ]);
        let checks = probe.as_ref().map(checks_json);
        results.push(json!({"name": machine.name, "systems": machine.systems, "features": machine.supported,
            "mandatory": machine.mandatory, "jobs": machine.jobs, "busy": busy, "speed": machine.speed,
            "origin": machine.origin.to_string(), "health": health, "checks": checks}));
    }
    if table.rows.is_empty() {
        cx.ui.status("Nix has no builders besides this machine; `cargo xtask setup builder` sets one up");
    }
    let problems: Vec<String> = setup.machines.problems.iter().map(ToString::to_string).collect();
    let json = json!({"version": 1, "ok": ok, "builders": results, "problems": problems});
    let lines = setup.machines.machines.iter().map(|it| it.name.clone()).collect();
    Ok(Report { ok, lines, table, json, ..Report::default() })
}

/// Tries a machine as who connects; where that is root, sudo may ask for the password first.
pub(super) fn probe(cx: &mut Context, machine: &Machine) -> anyhow::Result<Probe> {
    let nix = cx.nix()?.clone();
    let (host, state) = (cx.host.clone(), cx.state());
    let client = Client { host: &host, nix: Some(&nix), state, patience: PATIENCE };
    if client.may_connect().is_err() && std::io::stdin().is_terminal() {
        cx.ui.status("$ sudo -v");
        if let Some(sudo) = Tool::on_path(cx, "sudo") {
            sudo.run(cx, &["-v".to_owned()])?;
        }
    }
    Probe::of(&client, machine)
}

/// In a word, or the first thing that is wrong.
fn health(probe: Option<&Probe>) -> String {
    let Some(probe) = probe else { return "not tried".to_owned() };
    match probe.worst() {
        Some(it) if it.state == State::Fail => format!("{}: {}", it.step, it.found),
        Some(it) => format!("works; {}: {}", it.step, it.found),
        None => "works".to_owned(),
    }
}

fn checks_json(probe: &Probe) -> Vec<Value> {
    let check =
        |it: &Check| json!({"step": it.step, "state": state(it.state), "found": it.found, "cure": it.cure});
    probe.checks.iter().map(check).collect()
}

fn state(state: State) -> &'static str {
    match state {
        State::Pass => "pass",
        State::Warn => "warn",
        State::Fail => "fail",
    }
}

/// The steps as lines, each with what to do when it is not well.
fn check_lines(cx: &Context, probe: &Probe) -> Vec<String> {
    let mut res = Vec::new();
    for it in &probe.checks {
        let colour = match it.state {
            State::Pass => "32",
            State::Warn => "33",
            State::Fail => "31",
        };
        res.push(format!("  {}  {}: {}", cx.ui.paint(colour, state(it.state)), it.step, it.found));
        res.extend(it.cure.iter().map(|it| format!("        {it}")));
    }
    res
}
