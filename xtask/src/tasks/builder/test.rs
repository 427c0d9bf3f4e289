//! `cargo xtask builder test`

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Setup;
use crate::builders::{Machine, short};
use crate::context::Context;
use crate::plan::{Settings, Step};
use crate::report::{Report, Table, seconds};

/// Build something tiny on a builder, with nothing built here, and show how long each part took
///
/// It is new each time, and needs neither nixpkgs nor a cache.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Test {
    /// The builder; by default every one
    #[arg(value_name = "BUILDER")]
    name: Option<String>,
    /// The system to build for; by default the first that the builder is for
    #[arg(long, value_name = "SYSTEM")]
    system: Option<String>,
}

#[derive(Deserialize)]
struct Built {
    #[serde(rename = "drvPath")]
    drv: String,
    outputs: BTreeMap<String, String>,
}

/// What came of one machine.
pub(in crate::tasks) struct Outcome {
    login: Duration,
    answer: Duration,
    /// Copying there and back, and waiting for a slot.
    copying: Duration,
    build: Duration,
    pub(in crate::tasks) total: Duration,
    /// What it says of its Nix.
    pub(in crate::tasks) nix: String,
}

impl Test {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let setup = Setup::read(cx)?;
        let machines: Vec<Machine> = match &self.name {
            Some(name) => vec![setup.named(name)?.clone()],
            None => setup.machines.machines.clone(),
        };
        if machines.is_empty() {
            bail!("this machine has no builders; `cargo xtask setup builder` sets one up");
        }
        let mut table =
            Table::new(&["builder", "system", "login", "Nix", "copying", "build", "total", "result"]);
        let (mut ok, mut notes, mut results) = (true, Vec::new(), Vec::new());
        for machine in &machines {
            let system = self.system.clone().or_else(|| machine.systems.first().cloned()).unwrap_or_default();
            if cx.globals.dry_run {
                cx.planned(&step(machine, &system, "NONCE"), &Settings::default())?;
                continue;
            }
            let (result, row, json) = match build_there(cx, machine, &system) {
                Ok(it) => {
                    let times = [it.login, it.answer, it.copying, it.build, it.total];
                    let json = json!({"login": it.login.as_secs_f64(), "nix": it.answer.as_secs_f64(), "copying": it.copying.as_secs_f64(),
                        "build": it.build.as_secs_f64(), "total": it.total.as_secs_f64()});
                    ("built there".to_owned(), times.map(seconds).to_vec(), json)
                }
                Err(error) => {
                    ok = false;
                    notes.push(format!("{}: {error:#}", cx.ui.paint("31;1", short(machine))));
                    notes.extend(
                        cx.hints(crate::trouble::findings_of(&error)).iter().map(|it| cx.ui.hint(it)),
                    );
                    ("failed".to_owned(), vec!["-".to_owned(); 5], json!(null))
                }
            };
            results.push(json!({"name": machine.name, "system": system, "result": result, "seconds": json}));
            table.rows.push([vec![short(machine).to_owned(), system], row, vec![result]].concat());
        }
        let json = json!({"version": 1, "ok": ok, "builders": results});
        Ok(Report { ok, notes, table, json, ..Report::default() })
    }
}

/// Builds something new on a machine, after trying the way there.
///
/// # Errors
/// Where the way ends, or why it was not built there.
pub(in crate::tasks) fn build_there(
    cx: &mut Context,
    machine: &Machine,
    system: &str,
) -> anyhow::Result<Outcome> {
    let probe = super::probe(cx, machine)?;
    if let Some(bad) = probe.no_way() {
        let cure = bad.cure.as_deref().unwrap_or_default();
        bail!("{}: {}; {cure}", bad.step, bad.found);
    }
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nonce = format!("{}-{}", time.as_nanos(), std::process::id());
    let since = Instant::now();
    let call = cx.call(&step(machine, system, &nonce), &Settings::default())?;
    let total = since.elapsed();
    if !call.exit.success() {
        return Err(call.why(cx).into());
    }
    let built: Vec<Built> =
        serde_json::from_str(&call.exit.stdout).context("unexpected answer to `nix build`")?;
    let built = built.into_iter().next().context("nix says that nothing was built")?;
    let out = built.outputs.get("out").context("nix names no output")?;
    // The derivation is new, so a valid output can only be what was built now.
    let name_format = cx.nix()?.names_json_format();
    let step = Step::PathInfo { paths: vec![out.clone()], cache: None, name_format };
    let info: Value = cx.query(&step, &Settings::default())?;
    if info.get(out).is_none_or(Value::is_null) {
        bail!("nix says that `{out}` is built, and it is not there");
    }
    let Some(run) = call.monitor.remote.get(&built.drv) else {
        bail!("it was built, and not on {}", short(machine));
    };
    // A daemon that does not trust who asks chooses by itself.
    let there = run.machine.split('?').next().unwrap_or(&run.machine);
    if !machine.store.starts_with(there) {
        bail!("it was built, but on {there}: the daemon does not trust you, so it chose by itself");
    }
    let whole = call.monitor.built.get(&built.drv).copied().unwrap_or_default();
    let pure = run.took.unwrap_or_default();
    let nix = probe.checks.iter().find(|it| it.step == "Nix").map_or_else(String::new, |it| it.found.clone());
    let copying = whole.saturating_sub(pure);
    Ok(Outcome { login: probe.login, answer: probe.answer, copying, build: pure, total, nix })
}

/// Builds something new on that machine alone.
fn step(machine: &Machine, system: &str, nonce: &str) -> Step {
    let features: Vec<String> = machine.mandatory.iter().map(|it| format!("\"{it}\"")).collect();
    let expression = format!(
        "derivation {{ name = \"xtask-builder-test\"; system = \"{system}\"; builder = \"/bin/sh\"; \
         args = [ \"-c\" \"echo {nonce} > $out\" ]; allowSubstitutes = false; requiredSystemFeatures = [ {} ]; }}",
        features.join(" ")
    );
    Step::BuildOn { expression, builder: line(machine, system) }
}

/// The machine's line, for one system.
fn line(machine: &Machine, system: &str) -> String {
    let list = |it: &BTreeSet<String>| super::words(it);
    let key = machine.ssh_key.as_deref().unwrap_or("-");
    let host_key = machine.host_key.as_deref().unwrap_or("-");
    format!(
        "{} {system} {key} 1 1 {} {} {host_key}",
        machine.name,
        list(&machine.supported),
        list(&machine.mandatory)
    )
}
