//! `build`: what fails, and what is said of it.

use expect_test::expect;

use crate::support::{Sandbox, suite};

const SIXTY: &str = "n=0; while [ $n -lt 60 ]; do n=$((n+1)); echo line $n; done; exit 3";

#[test]
fn the_last_forty_lines_and_where_all_are() {
    let sandbox = Sandbox::new().packages(&[("default", SIXTY)]);
    let run = sandbox.run("build").bad();
    assert_eq!(run.stdout, "");
    let log = sandbox.root().join("target/xtask/logs").read_dir_utf8().unwrap().next().unwrap().unwrap();
    let log = std::fs::read_to_string(log.path()).unwrap();
    let lines: Vec<String> = (1..=60).map(|it| format!("line {it}")).collect();
    assert_eq!(log.lines().collect::<Vec<_>>(), lines);
    let told: Vec<&str> = run.stderr.lines().filter_map(|it| it.strip_prefix("  > ")).collect();
    assert_eq!(told, lines[20..]);
    let rest: Vec<&str> = run.stderr.lines().filter(|it| !it.starts_with("  > ")).collect();
    expect![[r#"
        build   default
        failed  default after T s
        default: its builder ended with exit code 3
          … 20 lines above
          full log: target/xtask/logs/default-HASH.log
        name     path  size  time  status
        default  -     -     -     failed"#]]
    .assert_eq(&rest.join("\n"));
    assert!(!sandbox.root().join("result").exists());
}

#[test]
fn the_log_that_is_named_is_there() {
    let sandbox = Sandbox::new().packages(&[("default", "echo hello; exit 1")]);
    let output = sandbox.command(&["build"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let file =
        said.lines().find_map(|it| it.strip_prefix("  full log: ")).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(sandbox.read(file), "hello\n");
}

#[test]
fn a_dependency_that_fails_is_the_one_that_is_blamed() {
    let sandbox = Sandbox::new().packages(&[
        ("default", "echo ${middle} > $out"),
        ("middle", "echo ${culprit} > $out"),
        ("culprit", "echo I am broken; exit 9"),
    ]);
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        build   culprit
        failed  culprit after T s
        culprit: its builder ended with exit code 9
          > I am broken
          full log: target/xtask/logs/culprit-HASH.log
        name     path  size  time  status
        default  -     -     -     dependency failed
    "#]]
    .assert_eq(&sandbox.run("build").bad().text());
    let run = sandbox.run("build default culprit -k --json").bad();
    let json = run.json();
    let statuses: Vec<&str> =
        json["results"].as_array().unwrap().iter().map(|it| it["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["dependency failed", "failed"], "{}", run.text());
    assert_eq!(json["ok"], false);
    assert_eq!(json["failures"].as_array().unwrap().len(), 1);
    assert_eq!(json["failures"][0]["log"][0], "I am broken");
    let log = json["failures"][0]["log_file"].as_str().unwrap();
    assert!(log.starts_with("$WORK/target/xtask/logs/culprit-"), "{log}");
}

#[test]
fn with_keep_going_every_failure_is_told_and_what_is_good_is_built() {
    let sandbox = Sandbox::new().packages(&[
        ("bad", "echo bad; exit 1"),
        ("good", "echo good > $out"),
        ("worse", "echo worse; exit 2"),
    ]);
    let run = sandbox.run("build --keep-going").bad();
    let table: Vec<&str> = run.stderr.lines().skip_while(|it| !it.starts_with("name ")).collect();
    expect![[r#"
        name   path         size   time   status
        bad    -            -      -      failed
        good   result-good  120 B  T s  built
        worse  -            -      -      failed"#]]
    .assert_eq(&table.join("\n"));
    let run =
        run.says("bad: its builder ended with exit code 1").says("worse: its builder ended with exit code 2");
    assert_eq!(run.stdout, "$STORE/nix/store/HASH-good\n");
    assert_eq!(sandbox.read("result-good"), "good\n");
}

#[test]
fn without_keep_going_the_rest_is_not_built() {
    let sandbox = Sandbox::new().packages(&[("bad", "exit 1"), ("later", "echo > $out")]);
    // In the order that Nix tells it in the end, which depends on the hashes.
    for nonce in ["a", "b", "c"] {
        let flake = crate::support::flake(
            &format!("{nonce}{}", sandbox.nonce()),
            &[("bad", "exit 1"), ("later", "echo ${bad.name} > $out")],
        );
        sandbox.untracked("flake.nix", &flake);
        let json = sandbox.run("build bad later -j 1 --json").bad().json();
        assert_ne!(json["results"][1]["status"], "dependency failed", "{json}");
    }
    let json = sandbox.run("build bad later -j 1 --json").bad().json();
    assert_eq!(json["results"][0]["status"], "failed", "{json}");
    assert_eq!(json["results"][1]["status"], "not built", "{json}");
    assert_eq!(json["results"][1]["outputs"], serde_json::json!({}));
    assert_eq!(json["failures"][0]["reason"], "its builder ended with exit code 1");
    // What is there stays known, whatever fails beside it.
    sandbox.run("build later").good();
    let json = sandbox.run("build bad later --json").bad().json();
    assert_eq!(json["results"][1]["status"], "was there", "{json}");
}

#[test]
fn an_output_that_was_not_made() {
    let sandbox = Sandbox::new().packages(&[("default", "echo I forgot")]);
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        build   default
        failed  default after T s
        default: its builder did not make the output `out`
          > I forgot
          full log: target/xtask/logs/default-HASH.log
        hint: the builder of `default` ended well, and did not make its output `out`; the build must write to `$out`: add it to the install step, or leave `out` out of `outputs`
        name     path  size  time  status
        default  -     -     -     failed
    "#]]
    .assert_eq(&sandbox.run("build").bad().text());
}

#[test]
fn a_builder_that_kills_itself() {
    let sandbox = Sandbox::new().packages(&[("default", "f() { f; }; f")]);
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        build   default
        failed  default after T s
        default: its builder failed due to signal 11 (Segmentation fault)
        name     path  size  time  status
        default  -     -     -     failed
    "#]]
    .assert_eq(&sandbox.run("build").bad().text());
}

/// Good packages beside one that throws.
fn beside(broken: &str) -> Sandbox {
    let sandbox =
        Sandbox::new().packages(&[("good", "echo good > $out"), ("default", "echo default > $out")]);
    let flake = sandbox
        .read("flake.nix")
        .replace("packages = rec {\n", &format!("packages = rec {{\n      broken = {broken};\n"));
    sandbox.file("flake.nix", &flake)
}

#[test]
fn an_attribute_that_throws_does_not_hide_the_others() {
    let sandbox = beside("throw \"I am not for you\"");
    sandbox.run("build").good();
    sandbox.run("build good --no-link").good();
    let run = sandbox.run("build --all --out-link out").bad().says("I am not for you");
    let table: Vec<&str> = run.stderr.lines().skip_while(|it| !it.starts_with("name ")).collect();
    expect![[r#"
        name     path         size   time  status
        broken   -            -      -     failed
        default  out/default  120 B  -     was there
        good     out/good     120 B  -     was there"#]]
    .assert_eq(&table.join("\n"));
}

#[test]
fn an_error_that_nix_cannot_catch_does_not_hide_the_others() {
    for broken in ["{}.missing", "derivation {name = 1;}", "abort \"no\""] {
        let sandbox = beside(broken);
        sandbox.run("build").good();
        sandbox.run("build good --no-link").good();
        let run = sandbox.run("build broken --no-link").bad();
        assert!(run.stderr.contains("broken cannot be evaluated:"), "{broken}: {}", run.text());
    }
}

#[test]
fn what_is_no_package_is_named() {
    let sandbox = beside("\"just a text\"");
    let run = sandbox.run("build broken --json").bad();
    let json = run.json();
    assert_eq!(json["results"][0]["status"], "failed");
    assert!(json["results"][0]["error"].as_str().unwrap().contains("a string"), "{}", run.text());
}

#[test]
fn a_flake_with_an_error_in_it() {
    let sandbox =
        Sandbox::new().file("flake.nix", "{\n  outputs = {self}: {\n    packages = 1 +;\n  };\n}\n");
    let run = sandbox.run("build").bad();
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        error: flake.nix:3:19: syntax error: this is not expected here
    "#]]
    .assert_eq(&run.text());
}

#[test]
fn a_file_that_git_does_not_know() {
    let sandbox = Sandbox::new().packages(&[("default", "echo ${./data.txt} > $out")]);
    sandbox.untracked("data.txt", "here");
    let run = sandbox.run("build").bad();
    assert!(run.stderr.contains("data.txt"), "{}", run.text());
    match suite().as_str() {
        "sid" => expect![[r#"
            default cannot be evaluated:
              Path 'data.txt' in the repository "$WORK" is not tracked by Git.

              To make it visible to Nix, run:

              git -C "$WORK" add "data.txt"
            hint: git does not know `data.txt`, so Nix cannot see it; run `git add --intent-to-add data.txt`
            name     path  size  time  status
            default  -     -     -     failed
        "#]]
        .assert_eq(&run.stderr),
        _ => expect![[r#"
            default cannot be evaluated:
              path '$STORE/nix/store/HASH-source/data.txt' does not exist
            hint: git does not know `data.txt`, so Nix cannot see it; run `git add --intent-to-add data.txt`
            name     path  size  time  status
            default  -     -     -     failed
        "#]]
        .assert_eq(&run.stderr),
    }
}

#[test]
fn bytes_that_are_no_text() {
    let sandbox = Sandbox::new().packages(&[(
        "default",
        "printf 'a\\377b\\n\\001\\033[31mred\\033[0m\\n'; printf 'no newline'; exit 1",
    )]);
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        build   default
        failed  default after T s
        default: its builder ended with exit code 1
          > a�b
          > red
          > no newline
          full log: target/xtask/logs/default-HASH.log
        name     path  size  time  status
        default  -     -     -     failed
    "#]]
    .assert_eq(&sandbox.run("build").bad().text());
}

#[test]
fn lines_that_look_like_nix_do_not_fool_us() {
    let fake = "@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"error: I am not Nix\"}";
    let script =
        format!("echo '{fake}'; echo '@nix nonsense'; echo '@nix {{\"action\":\"stop\",\"id\":1}}'; exit 1");
    let sandbox = Sandbox::new().packages(&[("default", &script)]);
    expect![[r#"
        exit 1
        --- stdout
        --- stderr
        build   default
        failed  default after T s
        default: its builder ended with exit code 1
          > @nix nonsense
          full log: target/xtask/logs/default-HASH.log
        error: I am not Nix
        error: bad JSON log message from the derivation builder: [json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing value - invalid literal; last read: 'no'
        name     path  size  time  status
        default  -     -     -     failed
    "#]].assert_eq(&sandbox.run("build").bad().text());
}

#[test]
fn a_very_long_line() {
    let script =
        "x=0123456789; for n in 1 2 3 4 5; do x=$x$x$x$x$x$x$x$x; done; echo ${\"$\"}{#x}; echo $x; exit 1";
    let script = script.replace("${\"$\"}{#x}", "''${#x}");
    let sandbox = Sandbox::new().file("flake.nix", "");
    let flake = crate::support::flake(&sandbox.nonce(), &[("default", "SCRIPT")]).replace("SCRIPT", &script);
    let run = sandbox.file("flake.nix", &flake).run("build").bad();
    let longest = run.stderr.lines().map(str::len).max().unwrap();
    assert!(run.stderr.contains("  > 327680\n"), "{longest}");
    assert_eq!(longest, 327_680 + "  > ".len());
}

#[test]
fn a_failure_as_json_is_one_object_and_exit_code_one() {
    let sandbox = Sandbox::new().packages(&[("default", "exit 1")]);
    assert_eq!(sandbox.run("build --json").bad().json()["ok"], false);
    let json = sandbox.run("build nothing --json").bad().json();
    assert_eq!(json["ok"], false);
    assert!(json["error"].as_str().unwrap().contains("there is no package `nothing`"), "{json}");
}

#[test]
fn a_good_build_does_not_fail_for_what_it_printed() {
    let sandbox = Sandbox::new()
        .packages(&[("default", "echo error: not really; echo 'builder for x failed' >&2; : > $out")]);
    let run = sandbox.run("build").good();
    assert!(!run.stderr.contains("not really"), "{}", run.text());
    assert!(sandbox.run("build -v").good().stderr.contains("$ "));
}
