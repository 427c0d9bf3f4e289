//! From events to what the page says: made-up streams whose times are known, and recorded ones of both versions.

use std::time::{Duration, Instant};

use expect_test::{Expect, expect, expect_file};

use super::conclude::{Run, conclude};
use super::data::{State, Timings, Way};
use super::graph::Graph;
use super::recorder::Recorder;
use crate::monitor::Monitor;
use crate::nix::event::parse;

const HASH: &str = "54c9ci5dav84llayb50gz50pwn6fi0gr";

/// Plays lines, each with its time in milliseconds.
fn play(lines: &[(u64, String)]) -> Recorder {
    let began = Instant::now();
    let mut recorder = Recorder::new(began);
    let mut monitor = Monitor::default();
    let mut last = began;
    for (ms, line) in lines {
        last = began + Duration::from_millis(*ms);
        let event = parse(line.as_bytes());
        let change = monitor.event(&event, last);
        recorder.event(&event, change.as_ref(), last);
    }
    for change in monitor.end() {
        recorder.change(&change, recorder.at(last));
    }
    recorder.call_ended(last);
    recorder
}

fn said(recorder: &mut Recorder, graph: &Graph, ms: u64) -> Timings {
    let run = Run {
        target: "build c".to_owned(),
        system: "x86_64-linux".to_owned(),
        nix: "Nix 2.26.3".to_owned(),
        cores: 2,
        started: 1_790_000_000,
        ok: true,
        took: Duration::from_millis(ms),
    };
    conclude(&run, recorder, graph)
}

fn drv(name: &str) -> String {
    format!("/nix/store/{HASH}-{name}.drv")
}

fn start(id: u64, parent: u64, kind: u64, fields: &[&str]) -> String {
    let fields: Vec<String> = fields.iter().map(|it| format!("\"{it}\"")).collect();
    format!(
        r#"@nix {{"action":"start","id":{id},"level":3,"parent":{parent},"text":"","type":{kind},"fields":[{}]}}"#,
        fields.join(",")
    )
}

fn stop(id: u64) -> String {
    format!(r#"@nix {{"action":"stop","id":{id}}}"#)
}

fn result(id: u64, kind: u64, fields: &str) -> String {
    format!(r#"@nix {{"action":"result","fields":[{fields}],"id":{id},"type":{kind}}}"#)
}

/// `c` needs `b` and `a`; `a` comes from a cache.
fn graph() -> Graph {
    let node = |name: &str, inputs: &[&str]| {
        let inputs: Vec<String> = inputs.iter().map(|it| format!("\"{HASH}-{it}.drv\":{{}}")).collect();
        format!(
            r#""{HASH}-{name}.drv":{{"name":"{name}","system":"x86_64-linux","inputs":{{"drvs":{{{}}}}},"outputs":{{"out":{{"path":"{HASH}-{name}"}}}}}}"#,
            inputs.join(",")
        )
    };
    let nodes = [
        node("a", &["source"]),
        node("b", &["tool"]),
        node("c", &["a", "b"]),
        node("tool", &[]),
        node("source", &[]),
    ];
    let mut graph = Graph::default();
    graph.add(&format!(r#"{{"derivations":{{{}}},"version":4}}"#, nodes.join(","))).unwrap();
    graph
}

/// Evaluation until 1000; a downloaded from 1100 to 1400; b built on another machine from 1200 to 3200, by its builder
/// from 1500 to 3000; c here from 3300 to 4300, in two phases. By hand: the chain is b, c with 2 + 1 s.
fn lines() -> Vec<(u64, String)> {
    let machine = "ssh-ng://root@box?ssh-key=/secret";
    let eval = r#"@nix {"action":"start","id":1,"level":4,"parent":0,"text":"evaluating derivation 'path:/w#c'","type":0}"#;
    vec![
        (0, eval.to_owned()),
        (1000, stop(1)),
        (1000, start(2, 0, 104, &[])),
        (1000, start(3, 0, 109, &["/nix/store/x", "https://cache"])),
        (1100, stop(3)),
        (1100, start(4, 0, 108, &[&format!("/nix/store/{HASH}-a"), "https://u:pw@cache/x"])),
        (1100, start(5, 4, 100, &[&format!("/nix/store/{HASH}-a"), "https://u:pw@cache/x", "local"])),
        (1110, start(6, 5, 101, &["https://cache/x/nar/1.nar"])),
        (1200, start(7, 0, 105, &[&drv("b"), machine])),
        (1300, result(6, 105, "300,300,0,0")),
        (1400, result(5, 105, "900,900,0,0")),
        (1400, stop(6)),
        (1400, stop(5)),
        (1400, stop(4)),
        (1500, start(8, 99, 105, &[&drv("b"), ""])),
        (1600, result(8, 101, "\"working\"")),
        (3000, stop(8)),
        (3000, start(9, 99, 100, &[&format!("/nix/store/{HASH}-b"), "ssh-ng://root@box", "local"])),
        (3100, result(9, 105, "50,50,0,0")),
        (3190, stop(9)),
        (3200, result(2, 105, "1,2,0,0")),
        (3200, stop(7)),
        (3300, start(10, 0, 105, &[&drv("c"), ""])),
        (3310, result(10, 104, "\"buildPhase\"")),
        (4000, result(10, 104, "\"installPhase\"")),
        (4300, result(2, 105, "2,2,0,0")),
        (4300, stop(10)),
    ]
}

#[test]
fn a_run_with_everything() {
    let mut recorder = play(&lines());
    recorder.wanted.insert(drv("c"));
    let timings = said(&mut recorder, &graph(), 4500);
    let json = serde_json::to_string_pretty(&timings).unwrap();
    assert!(!json.contains("secret") && !json.contains("u:pw"), "{json}");
    let row = |it: &super::data::Derivation| {
        format!(
            "{} {:?} {:?} {:?}-{:?} ready {:?} needs {:?} slack {} gain {}",
            it.name, it.state, it.host, it.start, it.end, it.ready, it.inputs, it.slack, it.gain
        )
    };
    let rows: Vec<String> = timings.derivations.iter().map(row).collect();
    expect![[r#"
        a Downloaded "https://cache/x" Some(1.1)-Some(1.4) ready None needs [] slack 1.7 gain 0
        b Built "box" Some(1.2)-Some(3.2) ready None needs [3] slack 0 gain 1.7
        c Built "" Some(3.3)-Some(4.3) ready Some(3.2) needs [0, 1] slack 0 gain 1
        tool Present "" None-None ready None needs [] slack 0 gain 0
    "#]]
    .assert_eq(&(rows.join("\n") + "\n"));
    assert_eq!(timings.derivations[1].inner, Some((1.5, 3.0)));
    assert_eq!(
        timings.derivations[2].phases,
        [("buildPhase".to_owned(), 3.31), ("installPhase".to_owned(), 4.0)]
    );
    assert_eq!(
        (timings.critical.lead, timings.critical.seconds, timings.critical.steps),
        (1.1, 3.0, vec![1, 2])
    );
    let time = &timings.time;
    // By hand: 2.0 + 1.0 built, 0.1 only downloaded, 1.0 evaluated, 0.1 asked, 0.1 between b and c and 0.2 at the end.
    assert_eq!((time.building, time.transferring, time.evaluating, time.asking), (3.0, 0.1, 1.0, 0.1));
    assert_eq!((time.waiting, time.other), (0.0, 0.3));
    let ways: Vec<_> = timings
        .transfers
        .iter()
        .map(|it| (it.way, it.place.as_str(), it.bytes, it.wire, it.derivation))
        .collect();
    assert_eq!(
        ways,
        [(Way::Download, "https://cache/x", 900, Some(300), Some(0)), (Way::Fetch, "box", 50, None, Some(1))]
    );
}

/// The build that fails, the one that is stopped for it, and what they would have been for.
#[test]
fn a_failure() {
    let failed = format!(
        r#"@nix {{"action":"msg","level":0,"msg":"error: builder for '{0}' failed with exit code 1","raw_msg":"builder for '{0}' failed with exit code 1"}}"#,
        drv("a")
    );
    let mut recorder = play(&[
        (0, start(2, 0, 104, &[])),
        (100, start(3, 0, 105, &[&drv("a"), ""])),
        (100, start(4, 0, 105, &[&drv("b"), ""])),
        (600, result(2, 105, "0,3,1,1")),
        (610, failed),
        (620, stop(3)),
        (700, stop(4)),
    ]);
    let timings = said(&mut recorder, &graph(), 800);
    let states: Vec<_> = timings.derivations.iter().map(|it| (it.name.as_str(), it.state, it.end)).collect();
    assert_eq!(
        states,
        [
            ("a", State::Failed, Some(0.62)),
            ("b", State::Stopped, Some(0.7)),
            ("c", State::NotBuilt, None),
            ("source", State::Present, None),
            ("tool", State::Present, None),
        ]
    );
}

/// Without a graph there is no critical path but of single steps, and all the rest is there.
#[test]
fn without_a_graph() {
    let timings = said(&mut play(&lines()), &Graph::default(), 4500);
    assert_eq!((timings.counts.built, timings.counts.downloaded, timings.counts.copied), (2, 1, 1));
    assert_eq!(timings.critical.steps.len(), 1);
}

#[test]
fn the_load_is_thinned_out_but_not_lost() {
    let began = Instant::now();
    let mut recorder = Recorder::new(began);
    for n in 0..20_000_u64 {
        recorder.load(n, 2 * n, 4, began + Duration::from_millis(n * 250));
    }
    assert!(recorder.load.len() < 1300, "{}", recorder.load.len());
    assert!(recorder.load[1..].iter().all(|it| (it.1 - 2.0).abs() < 1e-9));
    assert!(recorder.load.last().unwrap().0 > Duration::from_mins(75));
}

fn recorded(name: &str) -> String {
    let path = format!("{}/tests/fixtures/logs/{name}.err", env!("CARGO_MANIFEST_DIR"));
    let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
    let lines: Vec<(u64, String)> = text.lines().zip(0..).map(|(line, n)| (n, line.to_owned())).collect();
    let timings = said(&mut play(&lines), &Graph::default(), lines.len() as u64);
    let mut hosts: Vec<String> =
        timings.derivations.iter().map(|it| format!("{:?} {:?}", it.state, it.host)).collect();
    hosts.extend(timings.transfers.iter().map(|it| format!("{:?} {}", it.way, it.place)));
    hosts.sort();
    let mut res = String::new();
    for group in hosts.chunk_by(|a, b| a == b) {
        res.push_str(&format!("{} {}\n", group.len(), group[0]));
    }
    let inner = timings.derivations.iter().filter(|it| it.inner.is_some()).count();
    let phases = timings.derivations.iter().map(|it| it.phases.len()).sum::<usize>();
    res + &format!("{inner} with a builder elsewhere, {phases} phases, {} stretches", timings.stretches.len())
}

#[expect(clippy::needless_pass_by_value, reason = "the snapshot is written at the call")]
fn check(name: &str, expect: Expect) {
    expect.assert_eq(&recorded(name));
}

/// The lanes of remote builds and caches, from what Nix really said.
#[test]
fn recorded_streams() {
    check(
        "remote-build-trixie",
        expect![[r#"
            4 Built "127.0.0.1"
            4 Fetch 127.0.0.1
            4 with a builder elsewhere, 2 phases, 24 stretches"#]],
    );
    check(
        "remote-build-sid",
        expect![[r#"
        4 Built "127.0.0.1"
        4 Fetch 127.0.0.1
        4 with a builder elsewhere, 2 phases, 24 stretches"#]],
    );
    check(
        "substitute-http-trixie",
        expect![[r#"
            10 Download http://127.0.0.1:18080/cache-trixie
            0 with a builder elsewhere, 0 phases, 4 stretches"#]],
    );
    check(
        "substitute-http-sid",
        expect![[r#"
            10 Download http://127.0.0.1:18080/cache-sid
            0 with a builder elsewhere, 0 phases, 4 stretches"#]],
    );
    check("buildwaiting-sid", expect!["0 with a builder elsewhere, 0 phases, 4 stretches"]);
    check(
        "phases-sid",
        expect![[r#"
        1 Built ""
        0 with a builder elsewhere, 2 phases, 3 stretches"#]],
    );
}

/// The schema is made from the types that write the file. `UPDATE_EXPECT=1` rewrites it.
#[test]
fn the_schema_is_up_to_date() {
    let mut schema = serde_json::to_string_pretty(&schemars::schema_for!(Timings)).unwrap();
    schema.push('\n');
    expect_file!["../../../docs/timings.schema.json"].assert_eq(&schema);
}

/// An interrupted run whose graph cannot be had claims nothing of what was asked for.
#[test]
fn an_interrupt_without_a_graph() {
    let mut recorder =
        play(&[(0, start(2, 0, 104, &[])), (100, start(3, 0, 105, &[&drv("a"), ""])), (900, stop(3))]);
    recorder.wanted.insert(drv("c"));
    let timings = said(&mut recorder, &Graph::default(), 1000);
    let states: Vec<_> = timings.derivations.iter().map(|it| (it.name.as_str(), it.state)).collect();
    assert_eq!(states, [("a", State::Stopped), ("c", State::NotBuilt)]);
}
