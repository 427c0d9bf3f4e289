//! The real Nix 2.8 that Debian 12 has: too old, and not to be used by accident.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Sandbox, missing};

/// What its `nix` needs beside what every Debian has.
const PACKAGES: [&str; 8] = [
    "nix-bin",
    "libgc1",
    "libboost-context1.74.0",
    "libcpuid16",
    "libsodium23",
    "libseccomp2",
    "libarchive13",
    "liblowdown1",
];

/// A directory with its files, fetched once; `None` where apt offers another version.
fn unpacked() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nix-2.8");
    if dir.join("done").exists() {
        return Some(dir);
    }
    let offered = Command::new("apt-cache").args(["policy", "nix-bin"]).output().ok()?;
    if !String::from_utf8_lossy(&offered.stdout).contains("Candidate: 2.8.") {
        return None;
    }
    std::fs::create_dir_all(&dir).unwrap();
    let downloaded =
        Command::new("apt-get").arg("download").args(PACKAGES).current_dir(&dir).output().unwrap();
    assert!(downloaded.status.success(), "{}", String::from_utf8_lossy(&downloaded.stderr));
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "deb") {
            assert!(Command::new("dpkg-deb").arg("-x").arg(&path).arg(&dir).status().unwrap().success());
        }
    }
    std::fs::write(dir.join("done"), "").unwrap();
    Some(dir)
}

#[test]
fn it_is_named_and_our_own_is_used() {
    let Some(dir) = unpacked() else { return missing("nix-bin 2.8 from Debian 12's apt") };
    let lib = dir.join("usr/lib");
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH={0}/{1}-linux-gnu:{0}/nix exec {2}/usr/bin/nix \"$@\"\n",
        lib.display(),
        std::env::consts::ARCH,
        dir.display()
    );
    let sandbox = Sandbox::new().packages(&[("default", "echo > $out")]);
    sandbox.program("bin/nix", &script);
    let path = format!("{}:{}", sandbox.temp().join("bin"), std::env::var("PATH").unwrap());
    let sandbox = sandbox.env("PATH", &path).env("XTASK_PRIVATE_NIX", "");
    let run = sandbox.run("build").good();
    assert!(run.stderr.contains("Nix 2.8.0 at $TEMP/bin/nix (found on PATH) is too old"), "{}", run.text());
    let run = sandbox.env("XTASK_PRIVATE_NIX", "off").run("build").bad();
    assert!(run.stderr.contains("is too old: this workspace needs 2.26.0 or newer"), "{}", run.text());
}
