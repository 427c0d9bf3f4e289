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
    sandbox
        .run("deploy -n aleph")
        .bad()
        .says("nixosConfigurations are in `.`, `other`: say which by `flake` under `[aleph]`");
    let sandbox = sandbox.file("xtask.toml", "[aleph]\nflake = \"nowhere\"\n");
    sandbox.run("deploy -n aleph").bad().says("there is no flake in `nowhere`, which aleph.flake names");
    let sandbox = sandbox.file("xtask.toml", "[aleph]\nprobes = [{udp = 1}]\n");
    sandbox.run("deploy -n aleph").bad().says("xtask.toml:2:");
}
