//! From what was recorded and the graph to what a timings file says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::critical::critical;
use super::data::{
    Bytes, Counts, Critical, Derivation, FORMAT, State, Stretch, Timings, Transfer, Way, Work,
};
use super::ends::{Candidate, settle};
use super::graph::Graph;
use super::recorder::{self, Direction, End, Kind, Recorder};
use super::shares::shares;
use crate::ui::name_of;

/// What is known of a run besides what was recorded.
#[derive(Debug)]
pub struct Run {
    pub target: String,
    pub system: String,
    pub nix: String,
    pub cores: usize,
    /// Seconds since 1970.
    pub started: i64,
    pub ok: bool,
    pub took: Duration,
}

/// Pure: the same recording gives the same file.
#[must_use]
pub fn conclude(run: &Run, recorder: &mut Recorder, graph: &Graph) -> Timings {
    end(recorder, graph);
    let recorder = &*recorder;
    let mut derivations = derivations(recorder, graph);
    let places: BTreeMap<String, usize> =
        derivations.iter().enumerate().map(|(n, it)| (it.drv.clone(), n)).collect();
    connect(&mut derivations, graph, &places);
    let lead = derivations.iter().filter_map(|it| it.start).fold(f64::INFINITY, f64::min);
    let critical = measure(&mut derivations, if lead.is_finite() { lead } else { 0.0 });
    let owners = owners(graph);
    let transfer = |it: &recorder::Transfer| Transfer {
        path: base(&it.path).to_owned(),
        way: way(it.kind),
        place: it.place.clone(),
        start: secs(it.start),
        end: secs(it.end),
        bytes: it.bytes,
        wire: it.wire,
        derivation: owners.get(it.path.as_str()).and_then(|it| places.get(base(it)).copied()),
    };
    let transfers: Vec<Transfer> = recorder.transfers.iter().map(transfer).collect();
    Timings {
        version: FORMAT,
        target: run.target.clone(),
        system: run.system.clone(),
        nix: run.nix.clone(),
        cores: run.cores,
        started: run.started,
        ok: run.ok,
        seconds: secs(run.took),
        time: shares(recorder, run.took),
        counts: counts(&derivations, &transfers),
        bytes: bytes(&transfers),
        critical,
        derivations,
        transfers,
        stretches: stretches(recorder),
        load: recorder.load.iter().map(|it| (secs(it.0), round(it.1))).collect(),
        previous: None,
    }
}

/// Questions to caches come by the thousand: those that overlap are one.
fn stretches(recorder: &Recorder) -> Vec<Stretch> {
    let mut res: Vec<Stretch> = Vec::new();
    let mut asking: Option<usize> = None;
    for it in recorder.stretches.iter().filter(|it| secs(it.end) > secs(it.start)) {
        let (start, end) = (secs(it.start), secs(it.end));
        if it.kind == Kind::Query {
            if let Some(open) = asking.map(|it| &mut res[it]).filter(|it| start <= it.end + 0.005) {
                open.end = open.end.max(end);
                continue;
            }
            asking = Some(res.len());
        }
        res.push(Stretch { work: work(it.kind), text: it.text.clone(), start, end });
    }
    res
}

/// Gives the builds whose ends were told too late the ends that they had.
fn end(recorder: &mut Recorder, graph: &Graph) {
    let mut before: BTreeMap<&str, Duration> = BTreeMap::new();
    for build in &recorder.builds {
        for input in graph.0.get(&build.drv).into_iter().flat_map(|it| &it.inputs) {
            let first = before.entry(input).or_insert(build.start);
            *first = build.start.min(*first);
        }
    }
    let late = recorder.ends.late.iter().map(|it| (*it, &recorder.builds[*it]));
    let candidate = |(build, it): (usize, &recorder::Build)| {
        let before = before.get(it.drv.as_str()).copied();
        let second = Duration::from_secs(1);
        let Some(took) = recorder.reported.get(&it.drv).map(|took| it.start + *took) else {
            return Candidate { build, from: it.heard, before };
        };
        let until = took + second;
        Candidate {
            build,
            from: it.heard.max(took.saturating_sub(second)),
            before: Some(before.map_or(until, |it| it.min(until))),
        }
    };
    let candidates: Vec<Candidate> =
        late.filter(|(_, it)| it.end_kind == End::Built).map(candidate).collect();
    let mut counts = recorder.ends.open.clone();
    counts.sort_unstable();
    for (build, end) in settle(&counts, &candidates) {
        recorder.builds[build].end = end;
    }
}

/// What took part, and what it needed directly and was there.
fn derivations(recorder: &Recorder, graph: &Graph) -> Vec<Derivation> {
    let mut res: BTreeMap<&str, Derivation> = BTreeMap::new();
    for build in &recorder.builds {
        let state = match build.end_kind {
            End::Built => State::Built,
            End::Failed => State::Failed,
            End::Stopped => State::Stopped,
        };
        let mut it = derivation(&build.drv, graph, state);
        it.host.clone_from(&build.host);
        (it.start, it.end) = (Some(secs(build.start)), Some(secs(build.end)));
        it.inner = build.inner.map(|it| (secs(it.0), secs(it.1)));
        it.phases = build.phases.iter().map(|it| (it.0.clone(), secs(it.1))).collect();
        // Two attempts: the one that went well counts.
        if res.get(build.drv.as_str()).is_none_or(|it| it.state != State::Built) {
            res.insert(&build.drv, it);
        }
    }
    let owners = owners(graph);
    for it in recorder.transfers.iter().filter(|it| it.kind == Direction::Download) {
        let Some(drv) = owners.get(it.path.as_str()) else { continue };
        let node = res.entry(drv).or_insert_with(|| derivation(drv, graph, State::Downloaded));
        if node.state == State::Downloaded {
            node.host.clone_from(&it.place);
            node.start = Some(node.start.map_or(secs(it.start), |old| old.min(secs(it.start))));
            node.end = Some(node.end.map_or(secs(it.end), |old| old.max(secs(it.end))));
        }
    }
    for drv in unreached(recorder, graph) {
        res.entry(drv).or_insert_with(|| derivation(drv, graph, State::NotBuilt));
    }
    let needed: BTreeSet<&str> = res
        .iter()
        .filter(|it| it.1.state != State::Downloaded)
        .filter_map(|it| graph.0.get(*it.0))
        .flat_map(|it| it.inputs.iter().map(String::as_str))
        .collect();
    for drv in needed {
        res.entry(drv).or_insert_with(|| derivation(drv, graph, State::Present));
    }
    let good = recorder.builds.iter().all(|it| it.end_kind == End::Built);
    for drv in &recorder.wanted {
        // Of what is not in the graph it is not known what it needs: after a failure, nothing is claimed for it.
        let there = good || graph.0.contains_key(drv);
        let state = if there { State::Present } else { State::NotBuilt };
        res.entry(drv).or_insert_with(|| derivation(drv, graph, state));
    }
    let mut res: Vec<Derivation> = res.into_values().collect();
    let order = |it: &Derivation| (it.start.unwrap_or(f64::INFINITY), it.state);
    res.sort_by(|a, b| {
        let ((a_start, a_state), (b_start, b_state)) = (order(a), order(b));
        a_start.total_cmp(&b_start).then(a_state.cmp(&b_state)).then_with(|| a.name.cmp(&b.name))
    });
    res
}

fn derivation(drv: &str, graph: &Graph, state: State) -> Derivation {
    let node = graph.0.get(drv);
    Derivation {
        name: name_of(drv).to_owned(),
        drv: base(drv).to_owned(),
        system: node.map(|it| it.system.clone()).unwrap_or_default(),
        state,
        host: String::new(),
        start: None,
        end: None,
        inner: None,
        phases: Vec::new(),
        ready: None,
        inputs: Vec::new(),
        slack: 0.0,
        gain: 0.0,
        before: None,
    }
}

/// The derivations on the way from what failed or was stopped to what was asked for.
fn unreached<'a>(recorder: &Recorder, graph: &'a Graph) -> BTreeSet<&'a str> {
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (drv, node) in &graph.0 {
        for input in &node.inputs {
            users.entry(input).or_default().push(drv);
        }
    }
    let failed = recorder.builds.iter().filter(|it| it.end_kind != End::Built);
    let mut open: Vec<&str> = failed.filter_map(|it| users.get(it.drv.as_str())).flatten().copied().collect();
    let mut res = BTreeSet::new();
    while let Some(drv) = open.pop() {
        if res.insert(drv) {
            open.extend(users.get(drv).into_iter().flatten());
        }
    }
    res
}

/// The derivation that a path is an output of.
fn owners(graph: &Graph) -> BTreeMap<&str, &str> {
    graph
        .0
        .iter()
        .flat_map(|(drv, node)| node.outputs.iter().map(move |it| (it.as_str(), drv.as_str())))
        .collect()
}

/// What needs what, and since when each had all that it needs.
fn connect(derivations: &mut [Derivation], graph: &Graph, places: &BTreeMap<String, usize>) {
    let mut inputs: Vec<Vec<usize>> = vec![Vec::new(); derivations.len()];
    for (path, node) in &graph.0 {
        let Some(n) = places.get(base(path)) else { continue };
        // What was there or was downloaded did not need what it was once made from.
        if matches!(derivations[*n].state, State::Present | State::Downloaded) {
            continue;
        }
        inputs[*n] = node.inputs.iter().filter_map(|it| places.get(base(it)).copied()).collect();
    }
    for (n, inputs) in inputs.into_iter().enumerate() {
        let ends = inputs.iter().filter_map(|it| derivations[*it].end);
        let ready = ends.fold(0.0, f64::max);
        if let Some(start) = derivations[n].start.filter(|_| ready > 0.0) {
            derivations[n].ready = Some(ready.min(start));
        }
        derivations[n].inputs = inputs;
    }
}

fn measure(derivations: &mut [Derivation], lead: f64) -> Critical {
    let took = |it: &Derivation| it.start.zip(it.end).map_or(0.0, |(start, end)| end - start);
    let weights: Vec<f64> = derivations.iter().map(took).collect();
    let inputs: Vec<Vec<usize>> = derivations.iter().map(|it| it.inputs.clone()).collect();
    let found = critical(&weights, &inputs);
    for (n, it) in derivations.iter_mut().enumerate() {
        it.slack = round(found.slack.get(n).copied().unwrap_or(0.0));
        it.gain = round(found.gain.get(n).copied().unwrap_or(0.0));
    }
    Critical { lead: round(lead), seconds: round(found.total), steps: found.chain }
}

fn counts(derivations: &[Derivation], transfers: &[Transfer]) -> Counts {
    let state = |state| derivations.iter().filter(|it| it.state == state).count();
    let ways = |ways: &[Way]| transfers.iter().filter(|it| ways.contains(&it.way)).count();
    Counts {
        built: state(State::Built),
        failed: state(State::Failed),
        stopped: state(State::Stopped),
        not_built: state(State::NotBuilt),
        downloaded: ways(&[Way::Download]),
        copied: ways(&[Way::Send, Way::Fetch]),
        uploaded: ways(&[Way::Upload]),
        present: state(State::Present),
    }
}

fn bytes(transfers: &[Transfer]) -> Bytes {
    let sum = |ways: &[Way]| transfers.iter().filter(|it| ways.contains(&it.way)).map(|it| it.bytes).sum();
    Bytes {
        downloaded: sum(&[Way::Download]),
        copied: sum(&[Way::Send, Way::Fetch]),
        uploaded: sum(&[Way::Upload]),
    }
}

fn way(direction: Direction) -> Way {
    match direction {
        Direction::Download => Way::Download,
        Direction::Fetch => Way::Fetch,
        Direction::Send => Way::Send,
        Direction::Upload => Way::Upload,
    }
}

fn work(kind: Kind) -> Work {
    match kind {
        Kind::Evaluation => Work::Evaluating,
        Kind::Query => Work::Asking,
        Kind::Waiting => Work::Waiting,
        Kind::Other => Work::Other,
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Seconds, to the millisecond: more was not measured.
pub(super) fn secs(time: Duration) -> f64 {
    round(time.as_secs_f64())
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
