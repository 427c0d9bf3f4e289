//! `image push`, by the real skopeo to a real registry.

use std::process::Command;

use unix::sys::signal::{Signal, kill};
use unix::unistd::Pid;

use crate::support::image::{HERE, HERE_OCI, docker, gzip, layer, oci, program, tar};
use crate::support::registry::{AUTH, Registry};
use crate::support::wait::{processes_with, wait_for};
use crate::support::{Run, Sandbox, lacks, missing};

/// Whether these tests must be left out.
fn lacking() -> bool {
    lacks("docker-registry") || lacks("skopeo")
}

fn image(tag: &str) -> Vec<u8> {
    tar(&docker("linux", HERE_OCI, tag, &[layer("bin/tool", &program(HERE))]))
}

fn sandbox(tag: &str) -> Sandbox {
    Sandbox::new().files(&[("image-tool", image(tag))])
}

fn push(sandbox: &Sandbox, registry: &Registry, more: &str) -> Run {
    sandbox.run(&format!("image push tool --registry {}/elodin {more}", registry.address()))
}

/// The workspace that everybody gets, pushed as the tour does it.
#[test]
fn the_example_is_pushed() {
    if lacking() {
        return;
    }
    let registry = Registry::open();
    let sandbox = Sandbox::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/offline/.");
    let copied = Command::new("cp").args(["-r", example, sandbox.root().as_str()]).status().unwrap();
    assert!(copied.success());
    let manifest = format!("[image]\nregistry = \"{}\"\n", registry.address());
    let sandbox = sandbox.file("xtask.toml", &manifest);
    let run = sandbox.run("image push image --json").good();
    let json = run.json();
    assert_eq!(json["reference"], format!("{}/hello-aleph:1.0.0", registry.address()));
    let digest = registry.digest("hello-aleph", "1.0.0").unwrap();
    assert_eq!(json["manifest_digest"], digest);
    let run = sandbox.run("image push image").good();
    let pinned = format!("{0}/hello-aleph:1.0.0\n{0}/hello-aleph@{digest}\n", registry.address());
    assert_eq!(run.stdout, pinned);
    assert!(run.stderr.contains("pushing elodin/hello-aleph:1.0.0 (10 kB) to "), "{}", run.text());
}

#[test]
fn archives_of_all_kinds() {
    if lacking() {
        return;
    }
    let registry = Registry::open();
    let layers = [layer("bin/tool", &program(HERE)), layer("a", b"b")];
    let sandbox = Sandbox::new()
        .files(&[("image-gzip", gzip(&image("x/gzip:1"))), ("image-oci", tar(&oci(HERE_OCI, "2", &layers)))]);
    let address = registry.address();
    sandbox.run(&format!("image push gzip --registry {address}")).good();
    assert!(registry.digest("gzip", "1").is_some());
    let run = sandbox.run(&format!("image push -n gzip --registry {address}")).good();
    assert!(run.stdout.contains("\nsh -c 'gzip -dc $STORE/nix/store/HASH-image-gzip > "), "{}", run.text());
    sandbox
        .run(&format!("image push oci --registry localhost:{}", address.rsplit(':').next().unwrap()))
        .good();
    assert!(registry.digest("oci", "2").is_some());
    sandbox.run(&format!("image push oci --registry {address} --tag other")).good();
    assert_eq!(registry.digest("oci", "other"), registry.digest("oci", "2"));
}

#[test]
fn credentials_are_the_users_and_nobody_sees_them() {
    if lacking() {
        return;
    }
    let registry = Registry::with_password();
    let sandbox = sandbox("elodin/tool:1");
    let hint = format!("run `skopeo login {}`", registry.address());
    push(&sandbox, &registry, "").bad().says(&hint).says("~/.docker/config.json");
    let auth =
        |auth: &str| format!("{{\"auths\": {{\"{}\": {{\"auth\": \"{auth}\"}}}}}}", registry.address());
    let wrong = sandbox.program("wrong.json", &auth("dGVzdGVyOndyb25n"));
    let right = sandbox.program("right.json", &auth(AUTH));
    let sandbox = sandbox.env("REGISTRY_AUTH_FILE", wrong.as_str());
    push(&sandbox, &registry, "").bad().says(&hint).says("$TEMP/wrong.json`, which REGISTRY_AUTH_FILE names");
    assert_eq!(registry.digest("elodin/tool", "1"), None);
    let sandbox = sandbox.env("REGISTRY_AUTH_FILE", right.as_str());
    let run = push(&sandbox, &registry, "-v").good();
    assert!(!run.text().contains(AUTH) && !run.text().contains("correct-horse"), "{}", run.text());
    assert!(registry.digest("elodin/tool", "1").is_some());
    // Where `docker login` writes them.
    let sandbox = sandbox.env("REGISTRY_AUTH_FILE", "");
    sandbox.program("home/.docker/config.json", &auth(AUTH));
    push(&sandbox, &registry, "--tag 2").good();
    assert!(registry.digest("elodin/tool", "2").is_some());
    let secret = "tester:correct-horse@127.0.0.1:5000";
    let run =
        sandbox.run(&format!("image push tool --registry {secret}")).bad().says("written without a user");
    assert!(!run.text().contains("correct-horse"), "{}", run.text());
    let sandbox = sandbox.file("xtask.toml", &format!("[image]\nregistry = \"{secret}\"\n"));
    let run = sandbox.run("image push tool").bad().says("xtask.toml:2:12: a registry is written without");
    assert!(!run.stderr.contains("correct-horse"), "{}", run.text());
}

#[test]
fn the_tag_is_the_images_own_or_the_revision() {
    if lacking() {
        return;
    }
    let registry = Registry::open();
    let sandbox = sandbox("elodin/tool:latest");
    push(&sandbox, &registry, "").bad().says("names no version, and there is no git commit: say `--tag T`");
    sandbox.git("-c user.name=a -c user.email=a@b commit --quiet -m x");
    let output =
        Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).current_dir(sandbox.root()).output();
    let commit = String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned();
    push(&sandbox, &registry, "").good();
    assert!(registry.digest("elodin/tool", &commit).is_some());
    let sandbox = sandbox.file("more", "");
    push(&sandbox, &registry, "").bad().says(&format!("{commit}-dirty is none either: commit your changes"));
    push(&sandbox, &registry, "--tag 7").good();
    assert!(registry.digest("elodin/tool", "7").is_some());
    push(&sandbox, &registry, "--tag a/b").wrong_usage();
}

#[test]
fn a_dry_run_pushes_nothing() {
    if lacking() {
        return;
    }
    let registry = Registry::open();
    let sandbox = sandbox("elodin/tool:1");
    let run = push(&sandbox, &registry, "-n").good();
    let lines: Vec<&str> = run.stdout.lines().collect();
    let [build, copy, inspect] = lines.as_slice() else { panic!("{}", run.text()) };
    assert!(build.starts_with("$NIX build --json --no-link $WORK#.packages.$SYSTEM.image-tool "));
    assert!(
        copy.starts_with(
            "skopeo copy --retry-times 3 --dest-tls-verify=false --digestfile $WORK/target/xtask/"
        )
    );
    assert!(copy.ends_with("/elodin/tool:<tag of the image>'"), "{copy}");
    assert!(inspect.starts_with("skopeo inspect --raw --retry-times 3 --tls-verify=false "));
    push(&sandbox, &registry, "").good();
    let run = sandbox.run("image push tool -n --registry registry.example/a").good();
    assert!(run.stdout.ends_with(" docker://registry.example/a/tool:1\n"), "{}", run.text());
    // Only this very machine is trusted without TLS.
    assert!(!run.stdout.contains("tls-verify"), "{}", run.text());
    sandbox
        .run("image push tool")
        .bad()
        .says("say `--registry R`, or write `registry = \"R\"` under `[image]`");
}

/// Where there is no skopeo, the flake's is used, out of the store that only Nix finds.
#[test]
fn skopeo_comes_from_path_or_from_the_flake() {
    if lacking() {
        return;
    }
    let registry = Registry::open();
    let sandbox = sandbox("elodin/tool:1").only_programs(&["git"]);
    push(&sandbox, &registry, "")
        .bad()
        .says("there is no skopeo: neither on PATH, nor as a package `skopeo`");
    push(&sandbox, &registry, "-n").bad().says("there is no skopeo");
    let script = "#!/bin/sh\necho called >> \"$HOME/calls\"\nexec /usr/bin/skopeo \"$@\"\n";
    std::fs::write(sandbox.root().join("skopeo.tar"), {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(script.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, "bin/skopeo", script.as_bytes()).unwrap();
        archive.into_inner().unwrap()
    })
    .unwrap();
    let skopeo = "derivation {inherit system nonce; name = \"skopeo\"; builder = \"builtin:unpack-channel\"; \
                  src = ./skopeo.tar; channelName = \"bin\"; preferLocalBuild = true;}";
    let flake = sandbox.read("flake.nix").replace("rec {\n", &format!("rec {{\n skopeo = {skopeo};\n"));
    let flake =
        flake.replace("inherit system nonce;", &format!("inherit system; nonce = \"{}\";", sandbox.nonce()));
    let sandbox = sandbox.file("flake.nix", &flake);
    let run = push(&sandbox, &registry, "-n").good();
    assert!(run.stdout.contains("$NIX shell /nix/store/HASH-skopeo "), "{}", run.text());
    push(&sandbox, &registry, "").good();
    assert!(registry.digest("elodin/tool", "1").is_some());
    assert_eq!(sandbox.read("../home/calls"), "called\ncalled\n");
}

/// As where skopeo comes from Nix: without a policy it copies nothing.
#[test]
fn a_machine_without_a_policy_for_images() {
    if lacking() || lacks("unshare") {
        return;
    }
    if Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout != b"0\n") {
        return missing("root, to hide /etc/containers");
    }
    let registry = Registry::open();
    let sandbox = sandbox("elodin/tool:1");
    let push = format!("image push tool --registry {}", registry.address());
    let script =
        format!("mount -t tmpfs none /etc/containers && exec {} {push}", env!("CARGO_BIN_EXE_xtask"));
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]).env_clear().envs(sandbox.environment());
    sandbox.told(command.current_dir(sandbox.root()).output().unwrap()).good();
    assert!(registry.digest("tool", "1").is_some());
    assert!(sandbox.read("target/xtask/policy.json").starts_with(r#"{"default":[{"type":"reject"}]"#));
}

/// A skopeo that says what no real one should.
#[test]
fn what_the_registry_does_not_confirm_is_not_pushed() {
    let sandbox = sandbox("elodin/tool:1").only_programs(&["git"]);
    let script = |copy: &str, inspect: &str| {
        let digest = "while [ \"$1\" != --digestfile ]; do shift; done; echo sha256:abc > \"$2\"";
        format!("#!/bin/sh\ncase $1 in copy) {copy}; {digest};; *) {inspect};; esac\n")
    };
    let run = |copy: &str, inspect: &str| {
        sandbox.program("bin/skopeo", &script(copy, inspect));
        let run = sandbox.run("image push tool --registry registry.example").bad();
        let left = std::fs::read_dir(sandbox.root().join("target/xtask")).unwrap().flatten();
        let left: Vec<_> =
            left.map(|it| it.file_name()).filter(|it| it.display().to_string().starts_with("push")).collect();
        assert!(left.is_empty(), "{left:?}");
        run
    };
    run(":", "echo '{}'")
        .says("the registry answers for `registry.example/tool:1` with sha256:ca3d163bab055381");
    run(":", "echo 'level=fatal gone' >&2; exit 1")
        .says("was pushed (sha256:abc), but cannot be read back: level");
    let forbidden =
        r#"echo 'time="x" level=fatal msg="requested access to the resource is denied"' >&2; exit 1"#;
    run(forbidden, ":")
        .says("requested access to the resource is denied\nhint: the registry wants credentials");
    let retried = "echo 'Failed, retrying in 1s ... (1/3). Error: x' >&2; echo 'blob sha256:401403 no such host' >&2; exit 1";
    let failed =
        run(retried, ":").says("\nFailed, retrying in 1s ... (1/3). Error: x\nerror: cannot push to ");
    assert!(
        failed.stderr.ends_with("`registry.example/tool:1`: blob sha256:401403 no such host\n"),
        "{}",
        failed.text()
    );
    run("exit 4", ":").says("it ended with exit code 4 and said nothing");
}

#[test]
fn a_signal_stops_skopeo_too() {
    let sandbox = sandbox("elodin/tool:1").only_programs(&["git", "sleep"]);
    let marker = format!("1000{}", std::process::id());
    sandbox.program("bin/skopeo", &format!("#!/bin/sh\nexec sleep {marker}\n"));
    let child = sandbox.start(&["image", "push", "tool", "--registry", "registry.example"]);
    let wanted = format!("sleep {marker}");
    wait_for("skopeo", || (!processes_with(&wanted).is_empty()).then_some(()));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let run = sandbox.told(child.wait_with_output().unwrap()).bad();
    drop(run.says("interrupted; `registry.example/tool:1` is what it was before"));
    // It would sleep for longer than we wait.
    wait_for("the end of skopeo", || processes_with(&wanted).is_empty().then_some(()));
}
