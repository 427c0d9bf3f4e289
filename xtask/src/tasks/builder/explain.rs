//! `cargo xtask builder explain`

use serde_json::json;

use super::{Setup, check_lines, checks_json};
use crate::builders::choice::{Goes, Wanted, choose};
use crate::builders::{Machine, short};
use crate::context::Context;
use crate::report::Report;

/// Where Nix would build something, why, and whether that works
///
/// Replays Nix's own choice: systems, features, features that a machine wants to be asked for, slots, load, speed.
/// Then the machine that is chosen is tried. Exit code 1 when it can be built nowhere, or the machine does not work.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Explain {
    /// The system that it is for, such as aarch64-linux; by default this machine's own
    #[arg(long, value_name = "SYSTEM")]
    system: Option<String>,
    /// What it wants of the machine, such as kvm or big-parallel
    #[arg(long, value_name = "FEATURE,…", value_delimiter = ',')]
    features: Vec<String>,
    /// Only replay the choice: connect to nobody
    #[arg(long)]
    no_probe: bool,
}

impl Explain {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let setup = Setup::read(cx)?;
        let machines = &setup.machines.machines;
        let wanted = Wanted {
            system: self.system.unwrap_or_else(|| setup.system.clone()),
            features: self.features.into_iter().filter(|it| !it.is_empty()).collect(),
        };
        let choice = choose(machines, &setup.load, &wanted, &setup.here);
        let mut what = format!("a build for {}", wanted.system);
        if !wanted.features.is_empty() {
            what.push_str(&format!(" that wants {}", super::words(&wanted.features)));
        }
        let mut notes = vec![verdict(&what, choice.goes, machines)];
        for (machine, why) in machines.iter().zip(&choice.machines) {
            notes.push(format!("  {} ({}) {why}", short(machine), machine.origin));
        }
        notes.push(match &choice.here {
            Ok(()) => "  this machine could do it".to_owned(),
            Err(why) => format!("  this machine {why}"),
        });
        if choice.goes == Goes::Nowhere && !setup.machines.problems.is_empty() {
            notes.push(
                "  a line that cannot be read makes Nix use none of the machines (see above)".to_owned(),
            );
        }
        let mut ok = choice.goes != Goes::Nowhere;
        let mut probed = None;
        if let Goes::To(n) = choice.goes
            && !self.no_probe
            && !cx.globals.dry_run
        {
            let probe = super::probe(cx, &machines[n])?;
            notes.push(format!("{} was tried:", short(&machines[n])));
            notes.extend(check_lines(cx, &probe));
            ok &= probe.good();
            if probe.no_way().is_some() {
                notes.push("Nix would leave it out for this run and take the next one that suits".to_owned());
            }
            probed = Some(probe);
        }
        let goes = match choice.goes {
            Goes::To(n) => machines[n].name.as_str(),
            Goes::Here => "here",
            Goes::Waits => "waits",
            Goes::Nowhere => "nowhere",
        };
        let why = machines.iter().zip(&choice.machines);
        let json = json!({
            "version": 1,
            "ok": ok,
            "system": wanted.system,
            "features": wanted.features,
            "goes": goes,
            "builders": why.map(|(it, why)| json!({"name": it.name, "origin": it.origin.to_string(), "why": why})).collect::<Vec<_>>(),
            "here": choice.here.err(),
            "checks": probed.as_ref().map(checks_json),
        });
        Ok(Report { ok, notes, json, ..Report::default() })
    }
}

/// Where it goes, in a sentence.
fn verdict(what: &str, goes: Goes, machines: &[Machine]) -> String {
    match goes {
        Goes::To(n) if machines.len() == 1 => {
            format!("{what} goes to {}, which suits and is free", short(&machines[n]))
        }
        Goes::To(n) => format!(
            "{what} goes to {}: of those that suit and are free it is the least busy for its speed",
            machines[n].name
        ),
        Goes::Here if machines.is_empty() => format!("{what} is done here: there are no builders"),
        Goes::Here => format!("{what} is done here: no builder takes it"),
        Goes::Waits => format!("{what} waits: every builder that suits is busy"),
        Goes::Nowhere => format!("{what} can be done nowhere"),
    }
}
