//! `rollback` as far as that goes without a device; with one: `tests/deploy.rs`.

use expect_test::expect;

use crate::support::Sandbox;

#[test]
fn a_dry_run_needs_no_device() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("rollback -n root@aleph --to 3 --confirm-timeout 60").good();
    expect![[r#"
        ssh root@aleph '/bin/sh -s  # facts'
        ssh root@aleph '/bin/sh -s  # generations'
        ssh root@aleph '/bin/sh -s  # lock'
        ssh root@aleph '/bin/sh -s  # arm: go back after T s; then its bin/switch-to-configuration test'
        ssh root@aleph '/bin/sh -s  # over a new connection: units, probes'
        ssh root@aleph '/bin/sh -s  # nix-env -p /nix/var/nix/profiles/system --switch-generation 3, switch-to-configuration boot'
        ssh root@aleph '/bin/sh -s  # read back'
    "#]].assert_eq(&run.stdout);
    sandbox.run("rollback aleph --to 3 --list").wrong_usage();
    let run = sandbox.run("rollback");
    assert_eq!(run.code, Some(11), "{}", run.text());
}
