//! `build` with a Nix that is a script: what the real one does seldom, or never should.

use std::process::{Command, Stdio};

use expect_test::expect;

use crate::support::Sandbox;
use crate::support::scripted::{DRV, OUT, build_events};

#[test]
fn a_build_as_it_should_be() {
    let sandbox = Sandbox::new().scripted(&format!("{}touch $out", build_events("")));
    expect![[r#"
        exit 0
        --- stdout
        $STORE/nix/store/HASH-default
        --- stderr
        build   default
        done    default in T s
        name     path    size   time   status
        default  result  120 B  T s  built
    "#]]
    .assert_eq(&sandbox.run("build").good().text());
}

#[test]
fn ninety_thousand_lines_of_progress() {
    let flood = r#"awk 'BEGIN {
        print "@nix {\"action\":\"start\",\"fields\":[\"/nix/store/cccccccccccccccccccccccccccccccc-c\",\"\",\"\"],\"id\":9,\"level\":3,\"parent\":0,\"text\":\"\",\"type\":100}";
        for (n = 0; n < 90000; n++) printf "@nix {\"action\":\"result\",\"fields\":[%d,600000000,0,0],\"id\":9,\"type\":105}\n", n * 6666;
        print "@nix {\"action\":\"stop\",\"id\":9}" }' >&2"#;
    let sandbox = Sandbox::new().scripted(&format!("{}touch $out", build_events(flood)));
    // Parsing each of them would take many times as long in the dev profile. What counts is the processor's time, of
    // which each process gets so many seconds: on a busy machine the clock tells nothing.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -t 3; exec \"$0\" build", env!("CARGO_BIN_EXE_xtask")]);
    command.env_clear().envs(sandbox.environment()).current_dir(sandbox.root()).stdin(Stdio::null());
    let run = sandbox.told(command.output().unwrap()).good();
    expect![[r#"
        exit 0
        --- stdout
        $STORE/nix/store/HASH-default
        --- stderr
        build   default
        done    default in T s
        name     path    size   time   status
        default  result  120 B  T s  built
    "#]]
    .assert_eq(&run.text());
}

#[test]
fn events_that_are_not_known_are_passed_over() {
    let odd = [
        r#"say '{"action":"dance","id":7}'"#,
        r#"say '{"action":"start","id":8,"type":4711,"fields":[{"deep":[1]}]}'"#,
        r#"say '{"action":"result","id":8,"type":999,"fields":[null]}'"#,
        r#"say '{"action":"result","id":12345,"type":101,"fields":["a line of nobody"]}'"#,
        r#"say '{"action":"stop","id":4242}'"#,
        r#"say '{"id":18446744073709551615,"action":"stop"}'"#,
        r#"say '{"action":"start","id":-1,"type":105}'"#,
        r#"say '[1,2]'"#,
        r#"say ''"#,
        r#"say '{"action":"#,
        r#"printf '\377\376 not text\n' >&2"#,
        r#"echo 'Warning: Permanently added a host to the list of known hosts.' >&2"#,
    ];
    let odd = odd.map(|it| if it.ends_with(r#""action":"#) { format!("{it}'") } else { it.to_owned() });
    let sandbox = Sandbox::new().scripted(&format!("{}touch $out", build_events(&odd.join("\n"))));
    expect![[r#"
        exit 0
        --- stdout
        $STORE/nix/store/HASH-default
        --- stderr
        build   default
        �� not text
        Warning: Permanently added a host to the list of known hosts.
        done    default in T s
        name     path    size   time   status
        default  result  120 B  T s  built
    "#]]
    .assert_eq(&sandbox.run("build").good().text());
}

#[test]
fn success_without_outputs_is_a_failure() {
    let sandbox = Sandbox::new().scripted(&build_events(""));
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        build   default
        done    default in T s
        error: Nix says that `default` is built, but its files are not there
        name     path  size  time   status
        default  -     -     T s  not built
    "#]]
    .assert_eq(&sandbox.run("build").bad().text());
    let run = sandbox.run("build --json").bad();
    assert_eq!(run.json()["ok"], false);
    assert_eq!(run.json()["results"][0]["status"], "not built");
}

#[test]
fn a_nix_that_is_killed() {
    let sandbox = Sandbox::new().scripted("kill -9 $$");
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        error: nix was killed by SIGKILL
        name     path  size  time  status
        default  -     -     -     not built
    "#]]
    .assert_eq(&sandbox.run("build").bad().text());
}

/// Now and then the collector dies of the lack of memory before Nix can say so.
#[test]
fn a_nix_whose_collector_gives_up() {
    let script = "echo 'GC Warning: Out of Memory! Heap size: 199 MiB. Returning NULL!' >&2
        echo 'Insufficient space for initial table allocation' >&2; kill -ABRT $$";
    let sandbox = Sandbox::new().scripted(script);
    sandbox.run("build").bad().says("error: out of memory\n").says("Insufficient space");
}

#[test]
fn a_nix_that_fails_although_all_is_there() {
    let sandbox = Sandbox::new().scripted("touch $out; exit 7");
    expect![[r#"
        exit 1
        --- stdout
        $STORE/nix/store/HASH-default
        --- stderr
        error: nix ended with exit code 7 and said nothing
        name     path    size   time  status
        default  result  120 B  -     was there
    "#]]
    .assert_eq(&sandbox.run("build").bad().text());
}

#[test]
fn an_error_of_nix_itself() {
    let message = r#"echo '@nix {"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m the store is on fire","raw_msg":"the store is on fire"}' >&2; exit 1"#;
    let sandbox = Sandbox::new().scripted(message);
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        error: the store is on fire
        name     path  size  time  status
        default  -     -     -     not built
    "#]]
    .assert_eq(&sandbox.run("build").bad().text());
}

#[test]
fn answers_that_make_no_sense() {
    for answer in ["", "null", "[]", "{", "{\"default\": 3}", "surprise"] {
        let sandbox =
            Sandbox::new().file("flake.nix", "{outputs = _: {};}").nix_script(&format!("echo '{answer}'"));
        let run = sandbox.run("build").bad();
        assert!(run.stderr.starts_with("error: "), "{answer}: {}", run.text());
        assert!(!run.stderr.contains("panicked"), "{answer}: {}", run.text());
    }
    let sandbox = Sandbox::new().file("flake.nix", "{outputs = _: {};}").nix_script("echo surprise");
    expect![[r#"
        error: cannot evaluate the packages of `.`: unexpected answer to `nix eval $WORK#.packages.$SYSTEM`: expected value at line 1 column 1
    "#]].assert_eq(&sandbox.run("build").bad().stderr);
}

#[test]
fn a_download_is_told_apart_from_a_build() {
    let copy = format!(
        "say() {{ echo \"@nix $1\" >&2; }}\n\
         say '{{\"action\":\"start\",\"fields\":[\"{OUT}\",\"https://cache.example\",\"local\"],\"id\":5,\"level\":3,\"parent\":0,\"text\":\"\",\"type\":100}}'\n\
         say '{{\"action\":\"result\",\"fields\":[50,100,0,0],\"id\":5,\"type\":105}}'\n\
         say '{{\"action\":\"result\",\"fields\":[100,100,0,0],\"id\":5,\"type\":105}}'\n\
         say '{{\"action\":\"stop\",\"id\":5}}'\ntouch $out"
    );
    let sandbox = Sandbox::new().scripted(&copy);
    expect![[r#"
        exit 0
        --- stdout
        $STORE/nix/store/HASH-default
        --- stderr
        name     path    size   time  status
        default  result  120 B  -     downloaded
    "#]]
    .assert_eq(&sandbox.run("build").good().text());
}

#[test]
fn a_build_on_another_machine() {
    let remote = format!(
        "say() {{ echo \"@nix $1\" >&2; }}\n\
         say '{{\"action\":\"start\",\"id\":1,\"level\":0,\"parent\":0,\"text\":\"\",\"type\":104}}'\n\
         say '{{\"action\":\"start\",\"fields\":[\"{DRV}\",\"ssh-ng://builder\",1,1],\"id\":2,\"level\":3,\"parent\":0,\"text\":\"\",\"type\":105}}'\n\
         say '{{\"action\":\"start\",\"fields\":[\"{DRV}\",\"\",1,1],\"id\":3,\"level\":3,\"parent\":2,\"text\":\"\",\"type\":105}}'\n\
         say '{{\"action\":\"result\",\"fields\":[\"over there\"],\"id\":3,\"type\":101}}'\n\
         say '{{\"action\":\"stop\",\"id\":3}}'\n\
         say '{{\"action\":\"result\",\"fields\":[1,1,0,0],\"id\":1,\"type\":105}}'\n\
         say '{{\"action\":\"stop\",\"id\":2}}'\ntouch $out"
    );
    let sandbox = Sandbox::new().scripted(&remote);
    let run = sandbox.run("build -v").good();
    let said: Vec<&str> = run.stderr.lines().filter(|it| !it.starts_with("$ ")).collect();
    expect![[r#"
        build   default on ssh-ng://builder
        default> over there
        done    default in T s
        name     path    size   time   status
        default  result  120 B  T s  built"#]]
    .assert_eq(&said.join("\n"));
}
