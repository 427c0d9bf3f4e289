//! `--timings` and the history of builds: what users see, and what is written down.

use serde_json::Value;

use crate::support::Sandbox;

const THREE: [(&str, &str); 3] =
    [("default", "echo ${two} > $out"), ("two", "echo ${one} > $out"), ("one", "echo 1 > $out")];

/// The newest timings file of a workspace.
fn written(sandbox: &Sandbox) -> Value {
    let path = files(sandbox).into_iter().rev().find(|it| it.ends_with(".json")).unwrap();
    serde_json::from_str(&sandbox.read(&format!("target/xtask/timings/{path}"))).unwrap()
}

fn files(sandbox: &Sandbox) -> Vec<String> {
    let entries = sandbox.root().join("target/xtask/timings").read_dir_utf8().into_iter().flatten();
    let mut res: Vec<String> = entries.map(|it| it.unwrap().file_name().to_owned()).collect();
    res.sort();
    res
}

fn names(timings: &Value, places: &Value) -> Vec<String> {
    let name =
        |it: &Value| timings["derivations"][usize::try_from(it.as_u64().unwrap()).unwrap()]["name"].clone();
    places.as_array().unwrap().iter().map(|it| name(it).as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_build_is_written_down() {
    let sandbox = Sandbox::new().packages(&THREE);
    let run = sandbox.run("build --timings --json").good().says("timings ");
    let told = run.json()["timings"].clone();
    let timings = written(&sandbox);
    assert_eq!(
        (&timings["version"], &timings["target"], &timings["ok"]),
        (&1.into(), &"build".into(), &true.into())
    );
    assert_eq!(timings["counts"]["built"], 3);
    // Each needs the one before: the chain is all of them.
    assert_eq!(names(&timings, &timings["critical"]["steps"]), ["one", "two", "default"]);
    assert!(timings["time"]["evaluating"].as_f64().unwrap() > 0.0);
    assert!(timings["nix"].as_str().unwrap().starts_with("Nix 2."));
    assert_eq!(timings["previous"], Value::Null);
    let [html, json] = files(&sandbox).try_into().unwrap();
    assert!(
        told["html"].as_str().unwrap().ends_with(&html) && told["json"].as_str().unwrap().ends_with(&json)
    );
    assert!(sandbox.read(&format!("target/xtask/timings/{html}")).contains("<canvas"));
    // What was asked for is there; the run before is found although its file is not the newest one of all.
    sandbox.run("build one --timings").good();
    sandbox.run("build --timings").good();
    let again = written(&sandbox);
    assert_eq!((&again["counts"]["built"], &again["counts"]["present"]), (&0.into(), &1.into()));
    assert_eq!(again["previous"]["counts"]["built"], 3);
    assert_eq!(names(&again, &again["critical"]["steps"]), [] as [&str; 0]);
}

#[test]
fn a_failure_is_written_down_too() {
    let sandbox = Sandbox::new().packages(&[("default", "echo ${broken} > $out"), ("broken", "exit 3")]);
    sandbox.run("build --timings").bad().says("timings ");
    let timings = written(&sandbox);
    assert_eq!(timings["ok"], false);
    let states: Vec<_> =
        timings["derivations"].as_array().unwrap().iter().map(|it| (&it["name"], &it["state"])).collect();
    assert_eq!(states, [(&"broken".into(), &"failed".into()), (&"default".into(), &"not-built".into())]);
}

#[test]
fn without_the_flag_or_in_a_dry_run_nothing_is_written() {
    let sandbox = Sandbox::new().packages(&THREE);
    sandbox.run("build --timings --dry-run").good();
    sandbox.run("build").good();
    assert_eq!(files(&sandbox), [] as [&str; 0]);
}

/// The build went well: that its timings cannot be kept is a warning.
#[test]
fn timings_that_cannot_be_written() {
    let sandbox = Sandbox::new().packages(&THREE);
    sandbox.untracked("target/xtask/timings", "a file");
    sandbox.run("build --timings").good().says("warning: cannot write the timings: ");
}

/// A damaged file of a run before is as if it were not there.
#[test]
fn a_damaged_run_before() {
    let sandbox = Sandbox::new().packages(&THREE);
    sandbox.untracked("target/xtask/timings/2020-01-01-000000-build.json", "{\"version\": 1, \"target\"");
    sandbox.run("build --timings").good();
    assert_eq!(written(&sandbox)["previous"], Value::Null);
}

/// Twice nothing is said, the third time what to expect; never for what is there already.
#[test]
fn what_took_long_before_is_estimated() {
    let mut sandbox = Sandbox::new();
    let slow = "exec 3<> <(:); read -t 6 -u 3 x; : > $out";
    for n in 0..3 {
        sandbox = sandbox.packages(&[("default", slow), ("quick", ": > $out")]);
        let run = sandbox.run("build --all").good();
        // On a busy machine `quick` may take long, too.
        let line = run.stderr.lines().find(|it| it.starts_with("build   default")).unwrap();
        assert_eq!(line.contains("last time"), n == 2, "run {n}: {}", run.text());
        if n == 2 {
            assert!(line.starts_with("build   default (") && line.ends_with(')'), "{line}");
        }
    }
    let again = sandbox.run("build").good();
    assert!(!again.stderr.contains("last time"), "{}", again.text());
    let history = sandbox.read("target/xtask/history.jsonl");
    let lines: Vec<Value> = history.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let lines: Vec<&Value> = lines.iter().filter(|it| it["name"] != "quick").collect();
    assert_eq!(lines.len(), 3, "{history}");
    let line = lines[0];
    assert_eq!((&line["name"], &line["host"], &line["version"]), (&"default".into(), &"".into(), &1.into()));
    assert_eq!(line["system"], crate::support::system());
}
