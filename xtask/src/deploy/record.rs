//! What was done to which device, a line of JSON for each: `target/xtask/deploys.jsonl`. The device keeps its own.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::job;
use super::verdict::Verdict;
use crate::context::Context;
use crate::files::create_dir;

/// Adds a line.
///
/// # Errors
/// With the file in the message.
pub fn add(cx: &Context, record: &Value, verdict: &Verdict, took: Duration) -> anyhow::Result<()> {
    let dir = cx.state();
    create_dir(&dir)?;
    let file = dir.join("deploys.jsonl");
    let mut line = json!({
        "time": job::time(SystemTime::now()),
        "result": verdict.end.name(),
        "why": verdict.why,
        "runs": verdict.runs,
        "generation": verdict.generation,
        "seconds": took.as_secs(),
    });
    if let (Value::Object(line), Value::Object(record)) = (&mut line, record.clone()) {
        line.extend(record);
    }
    let mut out = OpenOptions::new().create(true).append(true).open(&file);
    let written = out.as_mut().map(|it| it.write_all(format!("{line}\n").as_bytes()));
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error).with_context(|| format!("cannot write `{file}`")),
        Err(error) => Err(anyhow::anyhow!("cannot write `{file}`: {error}")),
    }
}
