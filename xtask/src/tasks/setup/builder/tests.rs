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
