//! The workspace of somebody who deploys, and the keys of their team.

use camino::Utf8PathBuf;

use crate::device::{ADDRESS, EXAMPLE, sh};
use crate::support::{Sandbox, cache, suite};

/// The offline example as a workspace, with the device in its manifest.
pub(crate) fn example() -> Sandbox {
    let sandbox = Sandbox::new();
    sh(&format!("cp -r {EXAMPLE}/. {}", sandbox.root()));
    let manifest =
        format!("[aleph]\ntarget = \"{ADDRESS}\"\nsign-key = \"../team.key\"\nconfirm-timeout = 12\n");
    let dir = runtime_dir(&sandbox);
    std::fs::create_dir_all(&dir).unwrap();
    let sandbox = sandbox.file("xtask.toml", &manifest).env("XDG_RUNTIME_DIR", dir.as_str());
    sandbox.git("-c user.name=a -c user.email=a@b commit --quiet -m x");
    sandbox
}

/// Where sockets live as long as a deployment.
pub(crate) fn runtime_dir(sandbox: &Sandbox) -> Utf8PathBuf {
    sandbox.temp().join("run")
}

/// A key pair of the team: `team.key` beside the workspace. All tests share a store, and signatures stay in it.
pub(crate) fn keys(sandbox: &Sandbox, end: &str) {
    let age = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let name = format!("team-{end}-{age}");
    let nix = format!("{}/elodin-xtask/nix/{}/bin/nix", cache(), suite());
    let temp = sandbox.temp();
    sh(&format!(
        "{nix} key generate-secret --key-name {name} > {temp}/team.key; {nix} key convert-secret-to-public < {temp}/team.key > {temp}/team.pub"
    ));
}
