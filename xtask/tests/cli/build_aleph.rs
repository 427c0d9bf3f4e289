//! `build-aleph` on the offline example: which output of which configuration, and where it can be built.

use std::fs;
use std::process::{Command, Stdio};

use expect_test::expect;
use unix::sys::signal::{Signal, kill};
use unix::unistd::Pid;

use crate::support::wait::{processes_with, wait_for};
use crate::support::{Sandbox, lacks, missing};

/// Whatever this machine is, its shell runs the example's aarch64 builders: they are scripts.
const HERE: &str = "--option extra-platforms aarch64-linux";

/// The offline example, its image's derivations unlike those of any other test.
pub(crate) fn example() -> Sandbox {
    let sandbox = Sandbox::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/offline/.");
    let copied = Command::new("cp").args(["-r", example, sandbox.root().as_str()]).status().unwrap();
    assert!(copied.success());
    drop(fs::remove_dir_all(sandbox.root().join("target")));
    let log = sandbox.read("nix/lib/log.sh");
    let log = format!("# {}\n{log}", sandbox.nonce());
    let nonce = sandbox.nonce();
    sandbox.file("nix/lib/log.sh", &log).file("aleph/configurations/default/etc/nonce", &nonce)
}

fn is_aarch64() -> bool {
    std::env::consts::ARCH == "aarch64"
}

#[test]
fn a_system_that_any_machine_can_join() {
    let sandbox = example();
    let run = sandbox.run("build-aleph").good();
    expect!["building here: only parts that Nix makes itself are missing"]
        .assert_eq(run.stderr.lines().find(|it| it.starts_with("building")).unwrap_or("nothing to build"));
    let table: Vec<&str> = run.stderr.lines().rev().take(2).collect();
    assert!(table[0].starts_with("toplevel  default        7."), "{}", run.text());
    assert!(table[0].contains(" kB  -       /nix/store/HASH-nixos-system-default-"), "{}", run.text());
    assert!(sandbox.root().join("target/xtask/aleph/toplevel").is_dir());
    sandbox.run("build-aleph").good().says("nothing to build: it is there\n");
    let json = sandbox.run("build-aleph --config bench --json").good().json();
    assert_eq!(json["configuration"], "bench");
    assert_eq!(json["attr"], "nixosConfigurations.bench.config.system.build.toplevel");
    assert_eq!((&json["system"], &json["image"]), (&"aarch64-linux".into(), &serde_json::Value::Null));
}

#[test]
fn an_image_with_its_checksum() {
    let sandbox = example();
    let run = sandbox.run(&format!("build-aleph sdimage --out out --timings --json -- {HERE}")).good();
    let json = run.json();
    assert_eq!((&json["output"], &json["size"]), (&"sdimage".into(), &4_194_304.into()));
    let mut check = Command::new("sha256sum");
    check.args(["-c", "aleph-offline.img.sha256"]).current_dir(sandbox.root().join("out"));
    assert!(check.stdout(Stdio::null()).status().unwrap().success());
    let told: serde_json::Value = serde_json::from_str(&sandbox.read("out/aleph-offline.img.json")).unwrap();
    for key in ["sha256", "size", "revision", "dirty", "configuration", "system"] {
        assert_eq!(told[key], json[key], "{key}");
    }
    let link = sandbox.root().join("target/xtask/aleph/aleph-offline.img");
    assert_eq!(fs::read(&link).unwrap(), fs::read(sandbox.root().join("out/aleph-offline.img")).unwrap());
    let page = |kind| sandbox.read(json["timings"][kind].as_str().unwrap().trim_start_matches("$WORK/"));
    assert!(page("html").contains("aleph-offline-image-1.0.0.tar"));
    let timings: serde_json::Value = serde_json::from_str(&page("json")).unwrap();
    assert_eq!((&timings["target"], &timings["counts"]["built"]), (&"build-aleph sdimage".into(), &4.into()));
    // Again, and of a configuration: the same image, and nothing to build.
    let run = sandbox.run("build-aleph sdimage --config bench --out out").good();
    assert!(run.stdout.ends_with("/out/aleph-offline.img\n"), "{}", run.text());
    run.says("nothing to build: it is there");
    assert_eq!(sandbox.root().join("out").read_dir_utf8().unwrap().count(), 3);
}

#[test]
fn nowhere_names_every_way() {
    if is_aarch64() {
        return;
    }
    let sandbox = example();
    let run = sandbox.run("build-aleph sdimage").bad();
    let run = run.says(
        "error: nothing that this machine knows builds aarch64-linux, and 3 derivations must be built, such as ",
    );
    drop(run.says("builders: there are none").says("build-aleph sdimage --on-device=root@ADDRESS"));
    assert!(!sandbox.root().join("target/xtask/aleph/sdimage").exists());

    let builders = "ssh-ng://nobody@127.0.0.1:1?x=y aarch64-linux";
    let args = ["build-aleph", "sdimage", "--", "--builders", builders];
    let run = sandbox.run_args(&args).bad();
    drop(run.says("builder ssh-ng://nobody@127.0.0.1:1?x=y: does not answer: "));
    let run = sandbox.run("build-aleph sdimage --config bench").bad();
    drop(run.says("  cargo xtask build-aleph sdimage --config bench --on-device=root@ADDRESS\n"));
    let args = ["build-aleph", "sdimage", "--", "--builders", "a x86_64-linux; b aarch64-linux - lots"];
    let run = sandbox.run_args(&args).bad();
    run.says("bad machine, so Nix uses none at all: column 4, the builds at once, is `lots` and no number");
}

#[test]
fn wrong_names() {
    let sandbox = example();
    sandbox.run("build-aleph sdimag").wrong_usage().says("there are `toplevel`, `sdimage` and `flash-uefi`");
    sandbox
        .run("build-aleph --config benc")
        .bad()
        .says("`flake.nix` has no configuration `benc`; it has: bench, default; did you mean `bench`?");
    sandbox.run("build-aleph --out x").bad().says("`--out` is for images; `build-aleph toplevel` makes none");
    sandbox.run("build-aleph flash-uefi").bad().says("flash-uefi");
    sandbox.run("build-aleph flash-uefi --config bench").bad().says("one program for all of them");
    sandbox.run("build-aleph --on-device").bad().says("which device? say `--on-device=root@ADDRESS`");
    let bare = Sandbox::new().packages(&[("default", ": > $out")]);
    bare.run("build-aleph").bad().says("`flake.nix` has no NixOS configurations");
    let sandbox = sandbox.file("xtask.toml", "[aleph]\nflake = \"alef\"\n");
    sandbox
        .run("build-aleph")
        .bad()
        .says("xtask.toml: [aleph] flake = \"alef\" is no flake of this workspace");
    let sandbox = sandbox.file("xtask.toml", "[aleph]\nconfig = \"bunch\"\n");
    sandbox
        .run("build-aleph")
        .bad()
        .says("`bunch`, which `[aleph] config` of xtask.toml means; it has: bench");
}

#[test]
fn a_configuration_that_makes_no_image() {
    let sandbox = example();
    let flake = sandbox.read("flake.nix").replace(
        "nixosConfigurations = import ./aleph {inherit world;};",
        "nixosConfigurations = import ./aleph {inherit world;} // {plain.config.system.build.toplevel = world.aarch64-linux.mkToplevel \"bench\";};",
    );
    let sandbox = sandbox.file("flake.nix", &flake);
    let run = sandbox.run("build-aleph sdimage --config plain").bad();
    run.says("the configuration `plain` makes no image").says("these do: bench, default");
}

#[test]
fn a_dry_run_starts_nothing() {
    let sandbox = example();
    let run = sandbox.run("build-aleph -n sdimage --config bench --on-device=root@fde1::1").good();
    expect![[r#"
        $NIX build --json --no-link $WORK#.nixosConfigurations.bench.config.system.build.sdImage --builders 'ssh-ng://root@[fde1::1] aarch64-linux - 2 1 -' --no-update-lock-file --extra-experimental-features 'nix-command flakes' --option connect-timeout 5
    "#]]
    .assert_eq(&run.stdout);
    assert!(!sandbox.root().join("target/xtask/aleph").exists());
}

#[test]
fn a_device_that_does_not_answer() {
    if lacks("ssh") {
        return;
    }
    let sandbox = example().env("NIX_SSHOPTS", "-p 1");
    let run = sandbox.run("build-aleph sdimage --on-device=root@127.0.0.1").bad();
    run.says(
        "error: root@127.0.0.1 does not answer: ssh: connect to host 127.0.0.1 port 1: Connection refused",
    );
    sandbox.run("build-aleph --on-device=-oProxyCommand=x").bad().says("is no device; write it like");
}

/// Its own mounts: a disk of one megabyte, and one that is read-only.
#[test]
fn a_disk_without_room_and_one_that_is_read_only() {
    let sandbox = example();
    sandbox.run(&format!("build-aleph sdimage -- {HERE}")).good();
    let mounted = |options: &str| {
        let script = format!("mkdir -p out && mount -t tmpfs -o {options} t out && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.args([env!("CARGO_BIN_EXE_xtask"), "build-aleph", "sdimage", "--out", "out"]);
        command.env_clear().envs(sandbox.environment()).current_dir(sandbox.root()).stdin(Stdio::null());
        sandbox.told(command.output().unwrap())
    };
    let run = mounted("size=1m");
    if run.stderr.contains("unshare") {
        return missing("user namespaces");
    }
    let run = run.bad().says("not enough room: the image needs 4.1 MB, and 1.0 MB are free at `$WORK/out`");
    drop(run.says("choose another directory for `--out`"));
    mounted("ro").bad().says("cannot write `$WORK/out/aleph-offline.img.");
}

#[test]
fn control_c_leaves_nothing_behind() {
    let sandbox = example();
    let marker = format!("marker-{}", sandbox.temp().file_name().unwrap());
    let slow = format!("# {marker}\n          exec 3<> <(:); read -t 300 -u 3 x\n          ${{slowly}}");
    let builder = sandbox.read("nix/mk-derivation.nix").replace("${slowly}", &slow);
    let sandbox = sandbox.file("nix/mk-derivation.nix", &builder);
    let args: Vec<String> =
        format!("build-aleph sdimage --out out -- {HERE}").split(' ').map(str::to_owned).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let child = sandbox.start(&args);
    wait_for("the builder", || (!processes_with(&marker).is_empty()).then_some(()));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let run = sandbox.told(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(1), "{}", run.text());
    drop(run.says("interrupted"));
    // It would wait for longer than we do.
    wait_for("the end of the builder", || processes_with(&marker).is_empty().then_some(()));
    assert!(!sandbox.root().join("out").exists());
}
