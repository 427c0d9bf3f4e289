//! `--timings`: a run is recorded, and told as a page with its critical path. One line in a verb turns it on
//! ([`crate::context::Context::record`]); what calls Nix is recorded by itself, and the command line writes the
//! files when the verb has ended.

pub mod conclude;
pub mod critical;
pub mod data;
pub mod ends;
pub mod files;
pub mod graph;
pub mod page;
pub mod place;
pub mod recorder;
pub mod shares;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use serde_json::json;

use crate::context::Context;
use crate::locks::calendar;
use crate::plan::{Settings, Step};
use crate::report::Report;
use conclude::{Run, conclude};
use files::{Files, keep};
use graph::Graph;
pub use place::place;
pub use recorder::Recorder;

/// The recording of this run, if there is one; shared by the contexts of all its workspaces.
#[derive(Debug, Clone, Default)]
pub struct Recording(Rc<RefCell<Option<Recorded>>>);

#[derive(Debug)]
struct Recorded {
    target: String,
    started: SystemTime,
    since: Instant,
    recorder: Recorder,
}

impl Recording {
    /// From now on all is recorded, under the name that the user typed.
    pub fn start(&self, target: String, now: Instant, time: SystemTime) {
        let recorder = Recorder::new(now);
        *self.0.borrow_mut() = Some(Recorded { target, started: time, since: now, recorder });
    }

    /// Does something with the recorder, where there is one.
    pub fn with(&self, change: impl FnOnce(&mut Recorder)) {
        if let Some(it) = self.0.borrow_mut().as_mut() {
            change(&mut it.recorder);
        }
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.borrow().is_some()
    }
}

/// Writes down what was recorded, and says where; also after a failure. That it cannot be written is a warning.
///
/// # Errors
/// Those of the task, unchanged.
pub fn finish(cx: &mut Context, result: anyhow::Result<Report>) -> anyhow::Result<Report> {
    let Some(recorded) = cx.recording.0.borrow_mut().take() else { return result };
    let ok = result.as_ref().is_ok_and(|it| it.ok);
    match write(cx, recorded, ok) {
        Ok(files) => {
            cx.ui.status(&format!("timings {}", cx.near(&files.html)));
            result.map(|mut report| {
                if let Some(json) = report.json.as_object_mut() {
                    json.insert("timings".to_owned(), json!({"html": files.html, "json": files.json}));
                }
                report
            })
        }
        Err(error) => {
            cx.ui.warning(&format!("cannot write the timings: {error:#}"));
            result
        }
    }
}

fn write(cx: &mut Context, mut recorded: Recorded, ok: bool) -> anyhow::Result<Files> {
    let took = recorded.since.elapsed();
    let graph = graph(cx, &recorded.recorder);
    let run = Run {
        target: recorded.target,
        system: cx.system().to_string(),
        nix: cx.nix_found().map(|it| format!("{} {}", it.flavour, it.version)).unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        started: calendar::seconds(recorded.started),
        ok,
        took,
    };
    let mut timings = conclude(&run, &mut recorded.recorder, &graph);
    keep(&cx.state().join("timings"), &mut timings)
}

/// What needs what, as far as Nix can be asked. Without it the page has no critical path, and all the rest.
fn graph(cx: &mut Context, recorder: &Recorder) -> Graph {
    let mut res = Graph::default();
    // What was asked for covers nearly all; what remains was built by a check or an evaluation.
    // They are asked for apart, because one that is gone spoils the whole answer.
    let built: BTreeSet<String> = recorder.builds.iter().map(|it| it.drv.clone()).collect();
    for roots in [&recorder.wanted, &built] {
        let roots: Vec<String> = roots.iter().filter(|it| !res.0.contains_key(*it)).cloned().collect();
        if roots.is_empty() || cx.interrupt.signal().is_some() {
            continue;
        }
        let answer = cx.call(&Step::DerivationGraph { installables: roots }, &Settings::default());
        let added = answer.and_then(|call| {
            anyhow::ensure!(call.exit.success(), "{}", call.why(cx));
            res.add(&call.exit.stdout)
        });
        if let Err(error) = added {
            cx.ui.warning(&format!("the timings lack a part of the graph: {error:#}"));
        }
    }
    res
}
