//! Plans for builders on fake machines.

use expect_test::expect;

use super::*;
use crate::doctor::machines::Machine;

fn planned(machine: &Machine, builder: &Registration) -> anyhow::Result<Changeset> {
    plan(&machine.host, &Installation::find(&machine.host, None), builder)
}

#[test]
fn orbstack_on_a_mac() {
    let machine = Machine::mac_orbstack();
    let mut builder = orb(&machine.host, None).unwrap();
    builder.host_key = Some("ssh-ed25519 AAAA".to_owned());
    machine.put("/etc/nix/machines", "# by hand\nssh://other x86_64-linux\n");
    let set = planned(&machine, &builder).unwrap();
    expect![[r#"
        --- a/etc/ssh/ssh_config.d/100-xtask-orb.conf
        +++ b/etc/ssh/ssh_config.d/100-xtask-orb.conf
        @@ -0,0 +1,5 @@
        +# Written by `cargo xtask setup builder`; `cargo xtask setup undo` takes it back.
        +Match originalhost orb localuser root
        +  HostName 127.0.0.1
        +  Port 32222
        +  HostKeyAlias orb
        --- a/etc/nix/machines
        +++ b/etc/nix/machines
        @@ -1,2 +1,3 @@
         # by hand
         ssh://other x86_64-linux
        +ssh://u@orb x86_64-linux,aarch64-linux /Users/u/.orbstack/ssh/id_ed25519 20 20 nixos-test,benchmark,big-parallel,kvm - c3NoLWVkMjU1MTkgQUFBQQ==
    "#]].assert_eq(&machine.plain(&(set.diffs().join("\n") + "\n")));
    machine.apply(&set);
    assert!(planned(&machine, &builder).unwrap().is_empty(), "a second time there is nothing to do");
}

#[test]
fn what_is_missing_for_orbstack_is_said() {
    let check = |machine: &Machine, what: &str| {
        let error = format!("{:#}", orb(&machine.host, None).unwrap_err());
        assert!(error.starts_with(what), "{error}");
    };
    check(&Machine::linux(), "OrbStack is for macOS");
    check(&Machine::mac_determinate(), "OrbStack is not installed");
    let machine = Machine::mac_orbstack();
    std::fs::remove_file(machine.host.path("/Users/u/.orbstack/ssh/id_ed25519")).unwrap();
    check(&machine, "there is no `");
}

#[test]
fn an_ssh_configuration_without_the_directory_gets_it() {
    let machine = Machine::linux();
    machine.put("/etc/ssh/ssh_config", "Host *\n  SendEnv LANG\n");
    let builder = Registration::parse("ssh://u@h:2222").unwrap();
    machine.apply(&planned(&machine, &builder).unwrap());
    let text = std::fs::read_to_string(machine.host.path("/etc/ssh/ssh_config")).unwrap();
    assert_eq!(text, "Include /etc/ssh/ssh_config.d/*\n\nHost *\n  SendEnv LANG\n");
}

/// A Mac with OrbStack whose programs are scripts that write down how they were called.
fn mac_with_scripts() -> Machine {
    let machine = Machine::mac_orbstack();
    let root = machine.host.root.clone();
    let sh = xshell::Shell::new().unwrap();
    for tool in ["cmp", "cp", "cat", "install", "mv", "mkdir", "rm"] {
        let real = xshell::cmd!(sh, "which {tool}").quiet().read().unwrap();
        std::os::unix::fs::symlink(real, machine.host.path(&format!("/tools/{tool}"))).unwrap();
    }
    machine.put("/work/nix/hosts/orbstack.nix", "{}").put("/Users/u/.keep", "");
    // The home of a fake machine has its root in its name already.
    machine.put(&format!("{root}/Users/u/.orbstack/ssh/id_ed25519"), "");
    let orbctl = format!(
        "echo \"orbctl $*\" >> {root}/log\ncase \"$1\" in list) [ -e {root}/made ] && echo 'nixos  running';; \
         create) : > {root}/made;; esac\ntrue"
    );
    machine.program("orbctl", &orbctl);
    machine.program("ssh-keyscan", "echo '[127.0.0.1]:32222 ssh-ed25519 AAAAKEY'");
    machine.program("ssh-keygen", "echo '256 SHA256:abc orb (ED25519)'");
    machine.program("ssh", &format!("echo \"ssh $*\" >> {root}/log\necho system=aarch64-linux"));
    machine.program("over-ssh", "echo '{\"url\":\"ssh://u@orb\"}'");
    // The answers that `builder test` reads: it was built there, and the output is valid.
    let path = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-xtask-builder-test";
    let start = |id: u32, parent: u32, machine: &str| {
        format!(
            "@nix {{\"action\":\"start\",\"id\":{id},\"level\":3,\"parent\":{parent},\"text\":\"\",\"type\":105,\"fields\":[\"{path}.drv\",\"{machine}\",1,1]}}"
        )
    };
    let build = format!(
        "echo '{}' >&2; echo '{}' >&2; echo '@nix {{\"action\":\"stop\",\"id\":3}}' >&2; \
         echo '@nix {{\"action\":\"stop\",\"id\":2}}' >&2; \
         echo '[{{\"drvPath\":\"{path}.drv\",\"outputs\":{{\"out\":\"{path}\"}}}}]'",
        start(2, 0, "ssh://u@orb"),
        start(3, 2, "")
    );
    let nix = format!(
        "case \"$*\" in *--store*) exec \"${{0%/*}}/over-ssh\" \"$@\";; esac\ncase \"$1\" in\n\
         --version) echo 'nix (Determinate Nix 3.11.3) 2.31.2';;\nconfig) echo '{{}}';;\n\
         store) echo '{{\"url\":\"daemon\",\"version\":\"2.31.2\",\"trusted\":true}}';;\n\
         build) echo \"nix $*\" >> {root}/log; {build};;\npath-info) echo '{{\"{path}\":{{\"narHash\":\"x\"}}}}';;\nesac"
    );
    machine.program("nix", &nix);
    machine
}

fn run(machine: &Machine) -> Report {
    use crate::context::Globals;
    use crate::ui::{Style, Ui};
    use crate::workspace::Scope;
    let ui = Ui::new(Style { quiet: true, ..Style::default() });
    let globals = Globals { yes: true, ..Globals::default() };
    let dir = machine.host.path("/work");
    let mut cx = Context::new(machine.host.clone(), dir, globals, ui, Scope::All).unwrap();
    let what = "orbstack".to_owned();
    let verb = Builder { what, user: None, system: Vec::new(), jobs: None, features: Vec::new(), key: None };
    verb.run(&mut cx).unwrap()
}

#[test]
fn orbstack_from_nothing_to_a_build_there() {
    let machine = mac_with_scripts();
    let report = run(&machine);
    assert!(report.ok, "{:?}", report.notes);
    let note = report.notes.concat();
    assert!(note.starts_with("ssh://u@orb has built for aarch64-linux in "), "{note}");
    let read = |path: &str| std::fs::read_to_string(machine.host.path(path)).unwrap();
    let log = read("/log");
    // The look at this machine asks for the list as well.
    let log: Vec<&str> = log.lines().filter(|it| *it != "orbctl list").collect();
    let rebuild = "orbctl run -m nixos -u root nixos-rebuild switch ";
    let told: Vec<&str> = log.iter().map(|it| if it.starts_with(rebuild) { rebuild } else { *it }).collect();
    assert_eq!(told[..2], ["orbctl create nixos nixos", rebuild]);
    assert!(told[2].starts_with("ssh -i ") && told[2].ends_with(" u@orb sh"), "{told:?}");
    assert!(told[3].contains(" 0 --builders ssh://u@orb aarch64-linux "), "{told:?}");
    assert!(read("/etc/nix/machines").starts_with("ssh://u@orb x86_64-linux,aarch64-linux "));
    assert!(
        read("/etc/ssh/ssh_config.d/100-xtask-orb.conf").contains("Match originalhost orb localuser root")
    );
    // A second time: the machine is there, the files are right; it is configured and proven anew.
    let machines = read("/etc/nix/machines");
    assert!(run(&machine).ok);
    assert_eq!(read("/etc/nix/machines"), machines);
    assert_eq!(read("/log").matches("orbctl create").count(), 1);
    assert_eq!(read("/log").matches(" 0 --builders ").count(), 2);
    // What does not work is written down, and no success.
    machine.program("ssh", "echo 'u@orb: Permission denied (publickey).' >&2; exit 255");
    machine.program("over-ssh", "exit 1");
    let report = run(&machine);
    assert!(!report.ok);
    let note = report.notes.concat();
    assert!(
        note.contains("does not work: ssh: refuses the key: u@orb: Permission denied (publickey)."),
        "{note}"
    );
    assert!(note.contains("take it back: cargo xtask setup undo"), "{note}");
}
