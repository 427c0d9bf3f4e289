//! `builder`: real sshd, real Nix on both ends, and Nix's own choice beside the replayed one.

use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;

use crate::support::builder::Builder;
use crate::support::flakes::system;
use crate::support::{Run, Sandbox, lacks};

/// Files of machines and of ssh in a sandbox that knows these builders.
fn with(builders: &[(&Builder, &str)]) -> Sandbox {
    let sandbox = Sandbox::new().packages(&[("default", "echo > $out")]);
    let dir = sandbox.temp().to_owned();
    machines(&dir, builders);
    let config = format!(
        "{}\nHost *\n  StrictHostKeyChecking yes\n",
        builders.iter().map(|it| it.0.entry()).collect::<String>()
    );
    std::fs::write(dir.join("ssh_config"), config).unwrap();
    sandbox
        .env("NIX_CONFIG", &format!("builders = @{dir}/machines"))
        .env("NIX_SSHOPTS", &format!("-F {dir}/ssh_config"))
}

fn machines(dir: &Utf8Path, builders: &[(&Builder, &str)]) {
    let lines: Vec<String> = builders.iter().map(|(it, rest)| it.line(rest)).collect();
    std::fs::write(dir.join("machines"), lines.join("\n") + "\n").unwrap();
}

/// Which of two builders Nix itself takes for a new derivation; `None` when none.
fn really(
    sandbox: &Sandbox,
    nonce: &str,
    system: &str,
    features: &str,
    builders: &[&Builder],
) -> Option<String> {
    let wanted: String = features.split_whitespace().map(|it| format!("\"{it}\" ")).collect();
    let text = format!(
        "{{ outputs = _: {{ packages.{}.default = derivation {{ name = \"real-{nonce}\"; system = \"{system}\"; \
         builder = \"/bin/sh\"; args = [\"-c\" \"echo > $out\"]; requiredSystemFeatures = [ {wanted}]; }}; }}; }}",
        self::system()
    );
    sandbox.untracked("flake.nix", &text);
    let run = sandbox.run_args(&["build", "--no-link", "-j", "0"]);
    let has = |it: &&&Builder| {
        let entries = it.store().read_dir_utf8().into_iter().flatten().flatten();
        entries.into_iter().any(|it| it.file_name().ends_with(&format!("-real-{nonce}")))
    };
    let found = builders.iter().find(has).map(|it| it.name.clone());
    assert_eq!(found.is_some(), run.code == Some(0), "{}", run.text());
    found
}

fn goes(run: &Run) -> String {
    let goes = run.json()["goes"].as_str().unwrap().to_owned();
    goes.split("://").last().unwrap().split('?').next().unwrap().to_owned()
}

#[test]
fn the_choice_is_that_of_nix() {
    if lacks("ssh") || lacks("sshd") {
        return;
    }
    let (one, two) = (Builder::start("one", "kvm gpu"), Builder::start("two", "kvm gpu"));
    let here = system();
    let sandbox = with(&[]);
    let sandbox = {
        drop(sandbox);
        with(&[(&one, &format!("{here} 1 1 - -")), (&two, &format!("{here} 1 1 - -"))])
    };
    let cases = [
        // Lines of the two: jobs, speed, features, mandatory; what is wanted.
        ("1 1 - -", "1 1 - -", "", Some("one")),
        ("1 1 - -", "1 2 - -", "", Some("two")),
        ("1 1 - -", "1 2 kvm -", "kvm", Some("two")),
        ("1 1 - gpu", "1 1 - -", "", Some("two")),
        ("1 1 - gpu", "1 1 - -", "gpu", Some("one")),
        ("1 9 - -", "1 1 kvm -", "kvm", Some("two")),
        ("1 1 - gpu", "1 1 - gpu", "", None),
    ];
    for (n, (first, second, features, want)) in cases.into_iter().enumerate() {
        machines(sandbox.temp(), &[(&one, &format!("{here} {first}")), (&two, &format!("{here} {second}"))]);
        let feature = if features.is_empty() { String::new() } else { format!(" --features {features}") };
        let told = goes(&sandbox.run(&format!("builder explain --no-probe --json{feature}")));
        let nonce = format!("{n}-{}", std::process::id());
        let real = really(&sandbox, &nonce, &here, features, &[&one, &two]);
        assert_eq!(real.as_deref(), want, "case {n}");
        // Nix was told to build nothing here; else it would do what no builder takes.
        assert_eq!(told, want.unwrap_or("here"), "case {n}");
    }
    let run = sandbox.run("builder explain --system riscv64-linux --no-probe").bad();
    run.says("a build for riscv64-linux can be done nowhere").says("($TEMP/machines:1) is for");
}

#[test]
fn a_good_builder_is_tried_and_tested() {
    if lacks("ssh") || lacks("sshd") {
        return;
    }
    let one = Builder::start("good", "kvm");
    let sandbox = with(&[(&one, &format!("{} 2 1 kvm -", system()))]);
    let run = sandbox.run("builder explain --features kvm");
    let run = run.good().says("goes to ssh-ng://good").says("pass  key").says("pass  ssh: good lets us in");
    let run = run
        .says("answers, in")
        .says("pass  trust")
        .says("pass  systems")
        .says("pass  features: kvm")
        .says("pass  clock");
    assert!(!run.stderr.contains("fail"), "{}", run.text());
    let page = sandbox.run("doctor").good().stderr;
    assert!(
        page.contains("ok    machine") && page.contains("`cargo xtask builder test ssh-ng://good"),
        "{page}"
    );
    let list = sandbox.run("builder list --json").good().json();
    assert_eq!(list["builders"][0]["jobs"], 2, "{list}");
    let json = sandbox.run("builder test --json").good().json();
    assert_eq!(json["builders"][0]["result"], "built there", "{json}");
    assert!(json["builders"][0]["seconds"]["build"].as_f64().unwrap() >= 0.0, "{json}");
    let built = one.store().read_dir_utf8().unwrap().flatten();
    assert_eq!(built.filter(|it| it.file_name().ends_with("-xtask-builder-test")).count(), 1);
    sandbox.run("builder test --dry-run").good();
    sandbox.run("builder test other").bad().says("there is no builder `other`; there are: ssh-ng://good");
}

/// What the doctor says of the only builder.
fn doctor(sandbox: &Sandbox, what: &str) {
    let page = sandbox.run("doctor").stderr;
    let line = page.lines().find(|it| it.contains("  machine ")).unwrap_or(&page);
    assert!(line.contains(what), "{what}:\n{page}");
}

#[test]
fn a_machine_without_builders() {
    let sandbox = Sandbox::new().packages(&[("default", ": > $out")]);
    let run = sandbox.run("builder list").good().says("Nix has no builders besides this machine");
    assert!(!run.stderr.contains("does not exist"), "the default file need not be there: {}", run.text());
    let run = sandbox.run("builder explain --system riscv64-linux").bad().says("can be done nowhere");
    assert!(!run.stderr.contains("cannot be read"), "{}", run.text());
    // A file that somebody names must be there.
    let sandbox = sandbox.env("NIX_CONFIG", "builders = @/no/such/file");
    sandbox.run("builder list").bad().says("`/no/such/file` does not exist");
}

#[test]
fn keys_that_do_not_fit() {
    if lacks("ssh") || lacks("sshd") {
        return;
    }
    let (one, two) = (Builder::start("keys", "kvm"), Builder::start("other", "kvm"));
    let sandbox = with(&[(&one, &format!("{} 1 1 kvm -", system()))]);
    let file = sandbox.temp().join("machines");
    let line = std::fs::read_to_string(&file).unwrap();
    let with_line = |line: String| std::fs::write(&file, line).unwrap();
    // Another host key than the pinned one.
    with_line(line.replace(&one.host_key(), &two.host_key()));
    sandbox
        .run("builder explain --features kvm")
        .bad()
        .says("its host key has changed: Host key verification failed")
        .says("compare the key");
    doctor(&sandbox, "ssh: its host key has changed");
    with_line(line.replace(&one.host_key(), "-"));
    sandbox.run("builder explain --features kvm").bad().says("its host key is not known");
    doctor(&sandbox, "ssh: its host key is not known");
    with_line(line.replace(one.key().as_str(), two.key().as_str()));
    sandbox.run("builder explain --features kvm").bad().says("Permission denied").says("authorized_keys");
    doctor(&sandbox, "ssh: refuses the key: root@127.0.0.1: Permission denied");
    let open = sandbox.temp().join("open");
    std::fs::copy(one.key(), &open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    with_line(line.replace(one.key().as_str(), open.as_str()));
    sandbox.run("builder explain --features kvm").bad().says("ssh does not use the key").says("chmod 600");
    // A Nix there that does not trust who logs in.
    one.program("nix-doubtful", "daemon --force-untrusted");
    with_line(line.replace("/bin/nix-daemon", "/bin/nix-doubtful"));
    sandbox.run("builder explain --features kvm").bad().says("fail  trust").says("trusted-users");
    doctor(&sandbox, "trust: its Nix does not trust the user that we log in as");
}

#[test]
fn what_can_be_wrong_with_a_builder() {
    if lacks("ssh") || lacks("sshd") {
        return;
    }
    let mut one = Builder::start("wrong", "kvm");
    let good = format!("{} 1 1 kvm -", system());
    let sandbox = with(&[(&one, &good)]);
    let file = sandbox.temp().join("machines");
    let line = std::fs::read_to_string(&file).unwrap();
    let with_line = |line: String| std::fs::write(&file, line).unwrap();
    with_line(line.replace(one.key().as_str(), "/no/such/key"));
    sandbox.run("builder explain --features kvm").bad().says("/no/such/key is not there");
    with_line(line.replace("/bin/nix-daemon", "/bin/nix-daemonx"));
    sandbox.run("builder explain --features kvm").bad().says("fail  Nix").says("remote-program");
    doctor(&sandbox, "Nix: ");
    with_line(line.replace(" kvm ", " kvm,gpu "));
    sandbox.run("builder explain --features gpu").bad().says("its line says gpu, and it has kvm only");
    doctor(&sandbox, "features: its line says gpu, and it has kvm only");
    with_line(line.replace(&system(), "aarch64-linux"));
    sandbox
        .run("builder explain --system aarch64-linux")
        .bad()
        .says("its line says aarch64-linux, and it builds for");
    with_line("ssh-ng://x x86_64-linux - lots\n".to_owned());
    sandbox.run("builder list").bad().says("column 4, the builds at once, is `lots` and no number");
    with_line(line.clone());
    one.stop();
    doctor(&sandbox, "ssh: cannot be reached: ssh: connect to host 127.0.0.1 port ");
    sandbox
        .run("builder explain --features kvm")
        .bad()
        .says("Connection refused")
        .says("start the machine or its sshd");
    sandbox.run("builder test").bad().says("Connection refused");
    with_line(String::new());
    sandbox.run("builder list").good().says("Nix has no builders");
    sandbox.run("builder test").bad().says("this machine has no builders");
    sandbox.run("builder nonsense").wrong_usage();
}
