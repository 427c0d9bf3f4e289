//! `xtask-cache VERB`, started by `cargo xtask cache …`: a job as JSON on stdin, events as JSON lines on stderr, the
//! result as JSON on stdout.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the edge of the program")]

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use xtask_cache::bucket::Patience;
use xtask_cache::job::{Event, KeygenJob, PushJob, Summary, WatchJob};
use xtask_cache::machine::Machine;
use xtask_cache::upkeep::Upkeep;
use xtask_cache::{keys, push, watch};

fn main() -> ExitCode {
    match run() {
        Ok((good, result)) => {
            println!("{result}");
            if good { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            println!("{}", json!({"error": format!("{error:#}")}));
            ExitCode::from(1)
        }
    }
}

fn run() -> anyhow::Result<(bool, Value)> {
    let machine = machine();
    let patience = Patience::default();
    let summary = |it: Summary| Ok((it.ok(), serde_json::to_value(it)?));
    let upkeep = Upkeep { machine: &machine, patience, tell: &tell };
    match std::env::args().nth(1).as_deref() {
        Some("push") => summary(push::push(&job::<PushJob>()?, &machine, patience, &mut tell)?),
        Some("watch") => summary(watch::watch(&job::<WatchJob>()?, &machine, patience, &mut tell)?),
        Some("keygen") => {
            let KeygenJob { name, file } = job()?;
            let key = keys::generate(&name, &file)?;
            Ok((true, json!({"public_key": key.to_string()})))
        }
        Some("status") => upkeep.status(&job()?),
        Some("verify") => upkeep.verify(&job()?),
        Some("prune") => upkeep.prune(&job()?),
        verb => {
            bail!("`{}` is no verb: this program is started by `cargo xtask cache`", verb.unwrap_or_default())
        }
    }
}

fn job<T: DeserializeOwned>() -> anyhow::Result<T> {
    serde_json::from_reader(std::io::stdin().lock())
        .context("the job on stdin is not what this program takes")
}

#[expect(clippy::needless_pass_by_value, reason = "whoever listens may keep it")]
fn tell(event: Event) {
    if let Ok(line) = serde_json::to_string(&event) {
        eprintln!("{line}");
    }
}

fn machine() -> Machine {
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Machine { env: env.collect(), now: SystemTime::now, random }
}

/// Chance only spreads requests; without any they come together.
fn random() -> u64 {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).ok();
    u64::from_le_bytes(bytes)
}
