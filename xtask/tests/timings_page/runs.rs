//! Made-up runs of any size, as the product writes them down.

use serde_json::from_value;
use xtask::timings::critical::critical;
use xtask::timings::data::{
    Bytes, Counts, Critical, Derivation, State, Stretch, Timings, Transfer, Way, Work,
};

/// Numbers that are the same in every run of the tests.
pub(crate) struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn seconds(&mut self, from: f64, to: f64) -> f64 {
        (from + (to - from) * self.below(1000) as f64 / 1000.0).max(0.001)
    }
}

const NAMES: [&str; 12] = [
    "elodin-db",
    "nox-py",
    "gstreamer",
    "opencv",
    "ffmpeg",
    "python3.11-numpy",
    "systemd",
    "linux",
    "elodinsink",
    "cargo-vendor",
    "glibc",
    "mesa",
];
const PHASES: [&str; 5] = ["unpackPhase", "configurePhase", "buildPhase", "checkPhase", "installPhase"];
const HOSTS: [&str; 3] = ["", "", "aleph-builder"];

/// `builds` derivations on four places at a time, a quarter as many downloads, and what was there.
pub(crate) fn run(builds: usize) -> Timings {
    let mut numbers = Numbers(7);
    let mut slots = [3.2_f64, 3.2, 3.4, 3.4];
    let mut derivations: Vec<Derivation> = Vec::new();
    let mut transfers = Vec::new();
    let downloads = builds / 4 + 1;
    let mut at = 2.0;
    for n in 0..downloads {
        let start = at + numbers.seconds(0.0, 0.05);
        let end = start + numbers.seconds(0.02, 0.5);
        at += 0.04;
        let place = ["https://cache.example.org", "s3://team-cache"][n % 2];
        derivations.push(derivation(&mut numbers, n, State::Downloaded, place, start, end, Vec::new()));
        transfers.push(transfer(&mut numbers, n, Way::Download, place, (start, end), Some(n)));
    }
    for n in downloads..downloads + builds {
        let slot = n % slots.len();
        let inputs: Vec<usize> = (0..=numbers.below(3)).map(|_| numbers.below(n)).collect();
        let ready = inputs.iter().filter_map(|it| derivations[*it].end).fold(slots[slot], f64::max);
        let long = if numbers.below(20) == 0 { 9.0 } else { 1.0 };
        let (start, end) = (ready + 0.01, ready + numbers.seconds(0.1, 2.4) * long);
        slots[slot] = end;
        let state = if n == downloads + builds - 2 { State::Failed } else { State::Built };
        let host = HOSTS[n % 3];
        let mut it = derivation(&mut numbers, n, state, host, start, end, inputs);
        it.ready = Some(ready - numbers.seconds(0.0, 0.3).min(ready));
        if !host.is_empty() {
            it.inner = Some((start + (end - start) * 0.1, end - (end - start) * 0.15));
            transfers.push(transfer(
                &mut numbers,
                n,
                Way::Fetch,
                host,
                (end - (end - start) * 0.15, end),
                Some(n),
            ));
        }
        derivations.push(it);
    }
    for n in 0..=builds / 10 {
        let mut it = derivation(&mut numbers, n, State::Present, "", 0.0, 0.0, Vec::new());
        (it.start, it.end) = (None, None);
        derivations.push(it);
    }
    finish(derivations, transfers)
}

fn derivation(
    numbers: &mut Numbers,
    n: usize,
    state: State,
    host: &str,
    start: f64,
    end: f64,
    inputs: Vec<usize>,
) -> Derivation {
    let name =
        format!("{}-{}.{}.{n}", NAMES[numbers.below(NAMES.len())], numbers.below(9), numbers.below(30));
    let phase = |at: usize| start + (end - start) * [0.0, 0.05, 0.2, 0.75, 0.93][at];
    let built = state == State::Built && n.is_multiple_of(2);
    Derivation {
        drv: format!("{n:032}-{name}.drv"),
        name,
        system: "x86_64-linux".to_owned(),
        state,
        host: host.to_owned(),
        start: Some(start),
        end: Some(end),
        inner: None,
        phases: if built {
            (0..5).map(|it| (PHASES[it].to_owned(), phase(it))).collect()
        } else {
            Vec::new()
        },
        ready: None,
        inputs,
        slack: 0.0,
        gain: 0.0,
        before: (state == State::Built && n.is_multiple_of(3))
            .then(|| (end - start) * numbers.seconds(0.7, 1.5)),
    }
}

fn transfer(
    numbers: &mut Numbers,
    n: usize,
    way: Way,
    place: &str,
    span: (f64, f64),
    owner: Option<usize>,
) -> Transfer {
    Transfer {
        path: format!("{n:032}-{}-{n}", NAMES[n % NAMES.len()]),
        way,
        place: place.to_owned(),
        start: span.0,
        end: span.1,
        bytes: 1000 * u64::try_from(numbers.below(90_000)).unwrap(),
        wire: (way == Way::Download).then_some(40_000),
        derivation: owner,
    }
}

fn finish(mut derivations: Vec<Derivation>, transfers: Vec<Transfer>) -> Timings {
    let weights: Vec<f64> =
        derivations.iter().map(|it| it.start.zip(it.end).map_or(0.0, |it| it.1 - it.0)).collect();
    let inputs: Vec<Vec<usize>> = derivations.iter().map(|it| it.inputs.clone()).collect();
    let found = critical(&weights, &inputs);
    for (n, it) in derivations.iter_mut().enumerate() {
        (it.slack, it.gain) = (found.slack[n], found.gain[n]);
    }
    let seconds = derivations.iter().filter_map(|it| it.end).fold(0.0, f64::max) + 0.8;
    let state = |state| derivations.iter().filter(|it| it.state == state).count();
    let time = serde_json::json!({"building": seconds - 4.4, "transferring": 1.1, "evaluating": 1.8, "waiting": 0.3,
        "asking": 0.4, "other": 0.8});
    let stretch = |work, text: &str, start, end| Stretch { work, text: text.to_owned(), start, end };
    Timings {
        version: 1,
        target: "build aleph#toplevel".to_owned(),
        system: "x86_64-linux".to_owned(),
        nix: "Nix 2.34.8".to_owned(),
        cores: 8,
        started: 1_795_389_068,
        ok: false,
        seconds,
        time: from_value(time.clone()).unwrap(),
        counts: Counts { built: state(State::Built), failed: 1, downloaded: state(State::Downloaded), present: state(State::Present),
            copied: transfers.iter().filter(|it| it.way == Way::Fetch).count(), ..Counts::default() },
        bytes: Bytes { downloaded: transfers.iter().map(|it| it.bytes).sum(), copied: 81_000_000, uploaded: 0 },
        critical: Critical { lead: 2.0, seconds: found.total, steps: found.chain },
        transfers,
        stretches: vec![
            stretch(Work::Evaluating, "evaluating derivation 'path:.#toplevel'", 0.1, 1.9),
            stretch(Work::Asking, "asking the caches", 1.9, 2.3),
            stretch(Work::Waiting, "waiting for the upload lock to 'aleph-builder'", 2.6, 2.9),
        ],
        load: (0..100).map(|n| (f64::from(n) * seconds / 100.0, 2.0 + 1.6 * f64::from(n % 4))).collect(),
        previous: Some(from_value(serde_json::json!({"started": 1_795_300_000, "ok": true, "seconds": seconds * 1.1, "time": time,
            "counts": {"built": 30, "failed": 0, "stopped": 0, "not_built": 0, "downloaded": 3, "copied": 0, "uploaded": 0, "present": 2},
            "gone": [["bazel-7.1.0", 300.5]]})).unwrap()),
        derivations,
    }
}
