//! Looks into disk images and writes them to disks. Started by `cargo xtask flash`: by the user to look, by root to
//! write.
//!
//! The job is the first line of stdin, as JSON; the end of stdin means that nobody wants it done any more. Events go to
//! stderr, a JSON object in each line. What came of it is one JSON object on stdout.

mod buffers;
mod device;
mod format;
mod inspect;
mod table;
mod talk;
mod write;

use std::io::{BufRead as _, Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::talk::{Interrupted, Stop, Talk};

fn main() -> ExitCode {
    let talk = Talk::new(Stop::default());
    let answer = run(&talk);
    let (answer, code) = match answer {
        Ok(answer) => (answer, ExitCode::SUCCESS),
        Err(error) => (
            json!({"error": format!("{error:#}"), "interrupted": error.is::<Interrupted>()}),
            ExitCode::FAILURE,
        ),
    };
    // Who does not listen any more does not want to know.
    drop(writeln!(std::io::stdout(), "{answer}"));
    code
}

fn run(talk: &Talk) -> anyhow::Result<serde_json::Value> {
    let verb = std::env::args().nth(1).unwrap_or_default();
    match verb.as_str() {
        "inspect" => told(&inspect::inspect(&job(talk)?, talk)?),
        "write" => told(&write::write(&job(talk)?, talk)?),
        _ => bail!("usage: xtask-disk inspect|write; it is started by `cargo xtask flash`"),
    }
}

fn told(answer: &impl Serialize) -> anyhow::Result<serde_json::Value> {
    serde_json::to_value(answer).context("cannot write the answer")
}

/// Reads the job, and from then on watches for the end of stdin and for signals.
fn job<T: DeserializeOwned>(talk: &Talk) -> anyhow::Result<T> {
    talk.stop.on_signals()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read the job")?;
    let stop = talk.stop.clone();
    std::thread::spawn(move || {
        // Whatever else comes: the end of it counts.
        while std::io::stdin().lock().read(&mut [0; 64]).is_ok_and(|it| it > 0) {}
        stop.set();
    });
    serde_json::from_str(&line).context("the job is not what this program knows; is it of another version?")
}
