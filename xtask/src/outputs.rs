//! All outputs of a workspace, evaluated: several processes of Nix at once, each with a limit to its heap. What one
//! of them cannot evaluate is divided until the outputs that are at fault stand alone.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::de::DeserializeOwned;

use crate::ci::output::{Derivation, KINDS, Output, Outputs, SYSTEMS, State, TOPLEVEL};
use crate::context::Context;
use crate::inventory;
use crate::monitor::Monitor;
use crate::nix::process::{self, Command, Interrupt};
use crate::plan::{CommandLine, Settings, Step, question};
use crate::trouble::silence;

/// One process is given at most so many: its command line has an end.
const MOST: usize = 400;
/// What the kernel, the user and the builds need beside evaluation.
const RESERVE: u64 = 1 << 30;

/// Evaluates every output of every flake. `system` says which are looked at.
///
/// # Errors
/// When there is no Nix, or we were told to stop. What is broken is in the answer.
pub fn evaluate(cx: &mut Context, wanted: &dyn Fn(&str) -> bool) -> anyhow::Result<Outputs> {
    let mut res = Outputs::new();
    let mut open = Vec::new();
    for flake in 0..cx.workspace.flakes.len() {
        let settings = match cx.settings(&[flake], &[]) {
            Ok(settings) => settings,
            // Its own text is wrong already.
            Err(error) => {
                let output = Output { flake: cx.workspace.flakes[flake].dir.clone(), path: Vec::new() };
                res.insert(output, State::Broken(format!("{error:#}")));
                continue;
            }
        };
        match inventory::recalled::<Vec<(Output, State)>>(cx, flake, QUESTION, &settings)? {
            Some(known) => res.extend(known),
            None => open.push(Flake::new(cx, flake, settings)),
        }
    }
    if !open.is_empty() {
        let pool = Pool::new(cx)?;
        let listed = pool.list(cx, &open)?;
        let found = pool.derivations(cx, &open, listed)?;
        for (flake, outputs) in open.iter().zip(found) {
            // What could not be fetched now may be there later.
            let passing = |it: &State| matches!(it, State::Broken(why) if inventory::is_passing(why));
            if !outputs.values().any(passing) {
                let outputs: Vec<_> = outputs.iter().collect();
                inventory::remember(cx, flake.number, QUESTION, &flake.settings, &outputs)?;
            }
            res.extend(outputs);
        }
    }
    let system = |output: &Output, state: &State| {
        let evaluated = state.derivation().map(|it| it.system.clone());
        evaluated.or(output.system_in_path().map(str::to_owned))
    };
    res.retain(|output, state| system(output, state).is_none_or(|it| wanted(&it)));
    Ok(res)
}

const QUESTION: &str = "all outputs";

/// A flake that has to be evaluated.
struct Flake {
    number: usize,
    dir: Utf8PathBuf,
    reference: String,
    settings: Settings,
}

impl Flake {
    fn new(cx: &Context, number: usize, settings: Settings) -> Flake {
        let dir = cx.workspace.flakes[number].dir.clone();
        Flake { number, dir, reference: cx.flake_ref(number), settings }
    }
}

/// What each worker needs of the context.
struct Pool {
    program: Utf8PathBuf,
    env: BTreeMap<OsString, OsString>,
    dir: Utf8PathBuf,
    interrupt: Interrupt,
    workers: usize,
    /// What each process may have, in MiB.
    memory: u32,
}

/// Paths of one flake that are asked for at once.
#[derive(Debug, Clone)]
struct Batch {
    flake: usize,
    paths: Vec<Vec<String>>,
}

/// An answer for one path, or Nix's error.
type Answer<T> = (usize, Vec<String>, Result<T, String>);

impl Pool {
    fn new(cx: &mut Context) -> anyhow::Result<Pool> {
        let program = cx.nix()?.program.clone();
        let memory = cx.workspace.manifest.ci.eval_memory;
        let limit = u64::from(memory) << 20;
        let mut env = cx.host.env.clone();
        // The collector's own limit works on every system, and ends in an error that says what it is.
        env.insert("GC_MAXIMUM_HEAP_SIZE".into(), limit.to_string().into());
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let fit = available_memory(&cx.host.path("/proc/meminfo"))
            .map_or(cores, |it| usize::try_from(it.saturating_sub(RESERVE) / limit.max(1)).unwrap_or(cores));
        let workers = cores.min(fit).max(1);
        let dir = cx.workspace.root.clone();
        Ok(Pool { program, env, dir, interrupt: cx.interrupt.clone(), workers, memory })
    }

    /// What there is to evaluate, by flake; what cannot even be listed is broken.
    fn list(&self, cx: &mut Context, flakes: &[Flake]) -> anyhow::Result<Vec<Outputs>> {
        let mut res: Vec<Outputs> = flakes.iter().map(|_| Outputs::new()).collect();
        let mut open: Vec<Batch> = Vec::new();
        for (number, flake) in flakes.iter().enumerate() {
            let step = question::all_outputs(&flake.reference, &KINDS, SYSTEMS);
            let names = self.ask::<BTreeMap<String, BTreeMap<String, Vec<String>>>>(cx, flake, &step)?;
            match names {
                Ok(names) => {
                    for (kind, sets) in names {
                        for (set, names) in sets {
                            let paths = names.iter().map(|name| path_of(&kind, &set, name));
                            add(&mut res[number], flake, paths.collect());
                        }
                    }
                }
                Err(error) if inventory::is_passing(&error) => broken(&mut res[number], flake, &[], &error),
                // One of its sets is at fault: they are asked for one by one.
                Err(_) => open.push(Batch { flake: number, paths: vec![Vec::new()] }),
            }
        }
        while !open.is_empty() {
            let mut deeper = Vec::new();
            for (number, path, names) in
                self.run::<Vec<String>>(cx, flakes, open, &question::names_at, "sets")?
            {
                let flake = &flakes[number];
                let kind = path.first().cloned().unwrap_or_default();
                match names {
                    Err(error) => broken(&mut res[number], flake, &path, &error),
                    Ok(names) => match path.len() {
                        0 => deeper
                            .extend(names.into_iter().filter(|it| is_kind(it)).map(|it| (number, vec![it]))),
                        1 if kind == SYSTEMS => {
                            let paths = names.iter().map(|name| path_of(&kind, "", name)).collect();
                            add(&mut res[number], flake, paths);
                        }
                        1 => deeper.extend(names.into_iter().map(|it| (number, vec![kind.clone(), it]))),
                        _ => {
                            let paths = names.iter().map(|name| path_of(&kind, &path[1], name)).collect();
                            add(&mut res[number], flake, paths);
                        }
                    },
                }
            }
            open = deeper.into_iter().map(|(flake, path)| Batch { flake, paths: vec![path] }).collect();
        }
        Ok(res)
    }

    fn derivations(
        &self,
        cx: &mut Context,
        flakes: &[Flake],
        mut res: Vec<Outputs>,
    ) -> anyhow::Result<Vec<Outputs>> {
        let mut batches = Vec::new();
        for (number, outputs) in res.iter().enumerate() {
            // Those of one system share most of what is evaluated.
            let mut sets: BTreeMap<&str, Vec<Vec<String>>> = BTreeMap::new();
            for (output, state) in outputs {
                if *state == State::Broken(String::new()) {
                    sets.entry(output.system_in_path().unwrap_or(SYSTEMS))
                        .or_default()
                        .push(output.path.clone());
                }
            }
            for paths in sets.into_values() {
                let batch = |it: &[Vec<String>]| Batch { flake: number, paths: it.to_vec() };
                batches.extend(paths.chunks(MOST).map(batch));
            }
        }
        let answers = self.run::<Derivation>(cx, flakes, batches, &question::derivations_at, "outputs")?;
        for (number, path, answer) in answers {
            let state = answer.map_or_else(State::Broken, State::Derivation);
            res[number].insert(Output { flake: flakes[number].dir.clone(), path }, state);
        }
        Ok(res)
    }

    /// Runs batches in as many processes as fit. Who fails as one of several is asked alone.
    fn run<T: DeserializeOwned + Send>(
        &self,
        cx: &mut Context,
        flakes: &[Flake],
        batches: Vec<Batch>,
        question: &(dyn Fn(&str, &[&[String]]) -> Step + Sync),
        noun: &str,
    ) -> anyhow::Result<Vec<Answer<T>>> {
        let total: usize = batches.iter().map(|it| it.paths.len()).sum();
        let mut res = Vec::new();
        let queue = Mutex::new((VecDeque::from(batches), 0_usize));
        let (sender, answers) = channel::<Answer<T>>();
        let verbose = cx.ui.style().verbose;
        std::thread::scope(|scope| {
            for _ in 0..self.workers {
                let (sender, queue) = (sender.clone(), &queue);
                scope.spawn(move || self.work(flakes, queue, &sender, question));
            }
            drop(sender);
            for answer in answers {
                res.push(answer);
                if !verbose {
                    cx.ui.progress(&format!("evaluated {} of {total} {noun}", res.len()));
                }
            }
        });
        cx.ui.clear();
        if self.interrupt.signal().is_some() {
            bail!("interrupted");
        }
        if res.len() < total {
            bail!("an evaluation was lost");
        }
        Ok(res)
    }

    fn work<T: DeserializeOwned>(
        &self,
        flakes: &[Flake],
        queue: &Mutex<(VecDeque<Batch>, usize)>,
        sender: &Sender<Answer<T>>,
        question: &(dyn Fn(&str, &[&[String]]) -> Step + Sync),
    ) {
        let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
        while self.interrupt.signal().is_none() {
            let batch = {
                let mut queue = lock();
                match queue.0.pop_front() {
                    Some(batch) => {
                        queue.1 += 1;
                        batch
                    }
                    None if queue.1 == 0 => return,
                    // Who is at work may still divide what it has.
                    None => {
                        drop(queue);
                        std::thread::sleep(Duration::from_millis(5));
                        continue;
                    }
                }
            };
            let paths: Vec<&[String]> = batch.paths.iter().map(Vec::as_slice).collect();
            let flake = &flakes[batch.flake];
            let step = question(&flake.reference, &paths);
            let answer = self.call(&step, &flake.settings);
            let answer = answer.and_then(|it| {
                serde_json::from_str::<Vec<Option<T>>>(&it)
                    .map_err(|it| format!("unexpected answer of Nix: {it}"))
            });
            let mut again = Vec::new();
            for (path, answer) in deal(&batch, answer, &mut again) {
                // Nobody listens only after an interrupt.
                drop(sender.send((batch.flake, path, answer)));
            }
            let mut queue = lock();
            queue.0.extend(again);
            queue.1 -= 1;
        }
    }

    /// Asks one flake on this thread.
    fn ask<T: DeserializeOwned>(
        &self,
        cx: &mut Context,
        flake: &Flake,
        step: &Step,
    ) -> anyhow::Result<Result<T, String>> {
        cx.ui.command(&CommandLine(self.program.as_str(), &step.argv(&flake.settings)));
        let answer = self.call(step, &flake.settings);
        if self.interrupt.signal().is_some() {
            bail!("interrupted");
        }
        match answer {
            Ok(text) => {
                serde_json::from_str(&text).map(Ok).with_context(|| format!("unexpected answer to `{step}`"))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Runs Nix: what it printed, or its error.
    fn call(&self, step: &Step, settings: &Settings) -> Result<String, String> {
        let args = step.argv_for_events(settings);
        let command =
            Command { program: &self.program, args: &args, dir: &self.dir, env: &self.env, input: &[] };
        let mut monitor = Monitor::default();
        let exit = process::run(&command, &self.interrupt, &mut |event| {
            drop(monitor.event(event, std::time::Instant::now()));
        });
        match exit {
            Err(error) => Err(format!("{error:#}")),
            Ok(exit) if exit.success() => Ok(exit.stdout),
            Ok(exit) => {
                let failed = monitor.failures.iter().map(|it| it.said.clone());
                let told = failed.chain(monitor.errors.iter().cloned()).chain(silence(&exit, &monitor));
                let told = told.collect::<Vec<_>>().join("\n");
                let more = format!(
                    "out of memory: it may have {} MiB; set eval-memory under [ci] in xtask.toml",
                    self.memory
                );
                Err(if told == "out of memory" { more } else { told })
            }
        }
    }
}

/// What is known now of the paths of a batch; what has to be asked for again goes to `again`.
fn deal<T>(
    batch: &Batch,
    answer: Result<Vec<Option<T>>, String>,
    again: &mut Vec<Batch>,
) -> Vec<(Vec<String>, Result<T, String>)> {
    let part = |paths: &[Vec<String>]| Batch { flake: batch.flake, paths: paths.to_vec() };
    let mut res = Vec::new();
    match (answer, batch.paths.as_slice()) {
        (Err(error), [only]) => res.push((only.clone(), Err(error))),
        // What cannot be fetched for one cannot be fetched for the others.
        (Err(error), paths) if inventory::is_passing(&error) => {
            res.extend(paths.iter().map(|it| (it.clone(), Err(error.clone()))));
        }
        (Err(_), paths) => {
            let (left, right) = paths.split_at(paths.len() / 2);
            again.extend([part(left), part(right)]);
        }
        (Ok(answers), paths) => {
            let mut answers = answers.into_iter();
            for path in paths {
                match answers.next().flatten() {
                    Some(answer) => res.push((path.clone(), Ok(answer))),
                    None if paths.len() > 1 => again.push(part(std::slice::from_ref(path))),
                    None => res.push((path.clone(), Err("it cannot be evaluated".to_owned()))),
                }
            }
        }
    }
    res
}

fn is_kind(name: &str) -> bool {
    KINDS.contains(&name) || name == SYSTEMS
}

fn path_of(kind: &str, set: &str, name: &str) -> Vec<String> {
    let text = |it: &str| it.to_owned();
    match kind {
        SYSTEMS => [kind, name].into_iter().chain(TOPLEVEL).map(text).collect(),
        _ => [kind, set, name].map(text).to_vec(),
    }
}

/// Outputs that are there, and not yet evaluated.
fn add(outputs: &mut Outputs, flake: &Flake, paths: Vec<Vec<String>>) {
    let output = |path| (Output { flake: flake.dir.clone(), path }, State::Broken(String::new()));
    outputs.extend(paths.into_iter().map(output));
}

fn broken(outputs: &mut Outputs, flake: &Flake, path: &[String], error: &str) {
    let output = Output { flake: flake.dir.clone(), path: path.to_vec() };
    outputs.insert(output, State::Broken(error.to_owned()));
}

/// Bytes of memory that can be had without swapping, where the system says so.
fn available_memory(file: &Utf8Path) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|it| it.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
