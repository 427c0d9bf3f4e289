//! `deploy` as far as that goes without a device; with one: `tests/deploy.rs`.

use crate::support::Sandbox;

#[test]
fn which_device_and_which_system() {
    let sandbox = Sandbox::new().file("flake.nix", "{outputs = _: {nixosConfigurations = {};};}");
    for (args, code, why) in [
        (
            "deploy",
            11,
            "nothing was changed: which device? name it, or write `target = \"root@fde1:2240:a1ef::1\"`",
        ),
        ("deploy root@-oProxyCommand=x", 11, "`-oProxyCommand=x` cannot be a host"),
        ("deploy aleph --confirm-timeout 1", 11, "s are too short to confirm anything; give it"),
        ("deploy aleph.invalid", 11, "no connection to aleph.invalid: "),
        ("deploy aleph.invalid", 11, "\naleph.invalid runs what it ran before\n"),
        ("deploy default", 11, "\n`default` is a configuration: did you mean `--config default`?\n"),
        ("deploy fe80::1", 11, "`fe80::1` is there on every link; say on which, such as fe80::1%usb0"),
        ("deploy fe80::1%nowhere", 11, "to fe80::1%nowhere: there is no network interface `nowhere` here\n"),
        ("deploy -n aleph --config a\"b", 1, "cannot be the name of a configuration"),
        ("deploy aleph --no-check-sigs --sign-key k", 2, "cannot be used with"),
    ] {
        let run = sandbox.run(args);
        assert_eq!(run.code, Some(code), "{args}: {}", run.text());
        drop(run.says(why));
    }
    let json = sandbox.run("deploy --json").json();
    assert_eq!(
        (&json["ok"], &json["code"], &json["result"]),
        (&false.into(), &11.into(), &"failed before any change".into())
    );
    let sandbox = sandbox.file("other/flake.nix", "{outputs = _: {nixosConfigurations = {};};}");
    sandbox.run("deploy -n aleph").bad().says("no flake of the workspace `$WORK` has NixOS configurations");
    let sandbox = sandbox.file("xtask.toml", "[aleph]\nflake = \"nowhere\"\n");
    sandbox
        .run("deploy -n aleph")
        .bad()
        .says("xtask.toml: [aleph] flake = \"nowhere\" is no flake of this workspace (it has: ., other)");
    let sandbox = sandbox.file("xtask.toml", "[aleph]\nprobes = [{udp = 1}]\n");
    sandbox.run("deploy -n aleph").bad().says("xtask.toml:2:");
}
