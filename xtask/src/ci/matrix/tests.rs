//! Choices and what the services are told of them.

use expect_test::{Expect, expect};

use super::*;
use crate::ci::output::Derivation;

fn store_path(letter: &str, name: &str) -> StorePath {
    format!("/nix/store/{}-{name}", letter.repeat(32)).parse().unwrap()
}

/// `packages.x86_64-linux.a=1`: the letter stands for the derivation, `!` for none.
fn outputs(text: &str) -> Outputs {
    let one = |it: &str| {
        let (path, letter) = it.split_once('=').unwrap();
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let system =
            if path[0] == "nixosConfigurations" { "aarch64-linux".to_owned() } else { path[1].clone() };
        let state = match letter {
            "!" => State::Broken("no".to_owned()),
            letter => State::Derivation(Derivation {
                drv: store_path(letter, "x.drv"),
                system,
                outs: BTreeMap::from([("out".to_owned(), store_path(letter, "x"))]),
            }),
        };
        (Output { flake: "f".into(), path }, state)
    };
    text.split(' ').map(one).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "the snapshot is written at the call")]
fn check(now: &str, before: Option<&str>, cached: &str, expect: Expect) {
    let before = before.map(outputs);
    let cached =
        cached.chars().map(|it| (store_path(&it.to_string(), "x"), "file:///c".to_owned())).collect();
    let machines = || CiMachines { runner: Some("arm".to_owned()), queue: Some("q".to_owned()) };
    let systems = ["x86_64-linux", "aarch64-linux"].map(|it| (it.to_owned(), machines())).into();
    let choosing = Choosing {
        now: &outputs(now),
        before: before.as_ref().map(|it| (it, "main")),
        cached: &cached,
        systems: &systems,
        flakes: &BTreeMap::from([("f".into(), ".".to_owned())]),
    };
    let shown = |it: Choice| format!("{} {}: {}\n", if it.built { "+" } else { "-" }, it.name, it.why);
    expect.assert_eq(&choosing.choices().into_iter().map(shown).collect::<String>());
}

#[test]
fn reasons() {
    check(
        "packages.x86_64-linux.a=1 packages.x86_64-linux.default=1 checks.x86_64-linux.t=1 packages.aarch64-darwin.a=2 \
         packages.aarch64-linux.bad=! nixosConfigurations.d.config.system.build.toplevel=3",
        None,
        "",
        expect![[r#"
            - a: [ci.systems] has no machine for aarch64-darwin
            + bad: it cannot be evaluated
            + a: asked for
            - default: the same derivation as `a`
            - .#checks.x86_64-linux.t: the same derivation as `a`
            + .#nixosConfigurations.d.config.system.build.toplevel: asked for
        "#]],
    );
    check(
        "packages.x86_64-linux.same=1 packages.x86_64-linux.changed=2 packages.x86_64-linux.new=3 packages.x86_64-linux.bad=! \
         packages.x86_64-linux.still=! packages.x86_64-linux.mended=4 packages.x86_64-linux.had=5",
        Some(
            "packages.x86_64-linux.same=1 packages.x86_64-linux.changed=9 packages.x86_64-linux.gone=8 packages.x86_64-linux.bad=7 \
             packages.x86_64-linux.still=! packages.x86_64-linux.mended=! packages.x86_64-linux.had=6",
        ),
        "5",
        expect![[r#"
            + bad: it cannot be evaluated any more
            + changed: changed since main
            - had: file:///c has it
            + mended: could not be evaluated at main
            + new: new since main
            - same: the same derivation as at main
            - still: it could not be evaluated at main either
        "#]],
    );
}

#[test]
fn too_many_jobs_share() {
    let choice = |n: usize| Choice {
        output: Output { flake: ".".into(), path: Vec::new() },
        name: format!("p{n}"),
        system: if n.is_multiple_of(2) { "x86_64-linux" } else { "aarch64-linux" }.to_owned(),
        drv: None,
        built: n != 7,
        why: String::new(),
        broken: None,
    };
    let choices: Vec<Choice> = (0..600).map(choice).collect();
    let matrix = github(&choices, &BTreeMap::new());
    let jobs = matrix["include"].as_array().unwrap();
    assert!(jobs.len() <= MOST, "{}", jobs.len());
    let names: Vec<&str> = jobs.iter().flat_map(|it| it["name"].as_str().unwrap().split(' ')).collect();
    assert_eq!((names.len(), names.contains(&"p7")), (599, false));
}

#[test]
fn what_the_services_are_told() {
    let choice = Choice {
        output: Output { flake: ".".into(), path: Vec::new() },
        name: "a#checks.x86_64-linux.\"b c$d\"".to_owned(),
        system: "x86_64-linux".to_owned(),
        drv: None,
        built: true,
        why: String::new(),
        broken: None,
    };
    let machines = CiMachines { runner: Some("ubuntu".to_owned()), queue: Some("x86".to_owned()) };
    let systems = BTreeMap::from([("x86_64-linux".to_owned(), machines)]);
    expect![[r#"{"include":[{"build":"'a#checks.x86_64-linux.\"b c$d\"' --system x86_64-linux","name":"a#checks.x86_64-linux.\"b c$d\"","runner":"ubuntu","system":"x86_64-linux"}]}"#]].assert_eq(&github(std::slice::from_ref(&choice), &systems).to_string());
    expect![[r#"{"steps":[{"group":"x86_64-linux","steps":[{"agents":{"queue":"x86"},"command":"cargo xtask build --no-link --keep-going 'a#checks.x86_64-linux.\"b c$$d\"' --system x86_64-linux","label":"a#checks.x86_64-linux.\"b c$d\""}]}]}"#]].assert_eq(&buildkite(&[choice], &systems).to_string());
    expect![[r#"{"include":[]}"#]].assert_eq(&github(&[], &systems).to_string());
}
