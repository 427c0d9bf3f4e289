//! Whether a private Nix can build here: its chroot store needs the kernel's user namespaces.
//!
//! Nix always sandboxes the builds of a chroot store, whatever its `sandbox` setting says, so there is no way around.

use anyhow::{Context as _, bail};
use xshell::{Shell, cmd};

use crate::host::Host;
use crate::nix::Nix;
use crate::nix::mirror::INSTALLER;

/// Kernel settings that forbid user namespaces: file, forbidding value, `sysctl` that allows them. The first holds for
/// root as well.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns=0",
    ),
];

/// Checks that builds can work. Costs three small reads where nothing is forbidden; else one tiny build decides.
///
/// # Errors
/// When a private Nix cannot build here; names the kernel setting and the command to change it.
pub fn check(host: &Host, nix: &Nix, sandbox: bool) -> anyhow::Result<()> {
    if nix.store_root.is_none() || forbidden(host, is_root()).is_none() {
        return Ok(());
    }
    let res = prove(host, nix);
    if sandbox {
        return res;
    }
    res.context(
        "`nix.sandbox = false` does not help our own Nix: Nix always sandboxes the builds of a chroot store",
    )
}

/// Builds something tiny in a private Nix, and explains it when that fails.
///
/// # Errors
/// When a private Nix cannot build here.
pub fn prove(host: &Host, nix: &Nix) -> anyhow::Result<()> {
    if nix.store_root.is_none() {
        return Ok(());
    }
    let program = &nix.program;
    let system = host.system();
    // What was built before would prove nothing: the name is new each time.
    let id = std::process::id();
    let expr = format!(
        "derivation {{ name = \"xtask-sandbox-probe-${{toString builtins.currentTime}}-{id}\"; system = \"{system}\"; \
         builder = \"/bin/sh\"; args = [ \"-c\" \": > $out\" ]; allowSubstitutes = false; preferLocalBuild = true; }}"
    );
    let sh = Shell::new()?;
    let cmd = cmd!(sh, "{program} build --impure --no-link --expr {expr} --option builders ''");
    let output = cmd.env_clear().envs(&host.env).quiet().ignore_status().output();
    let output = output.with_context(|| format!("cannot run `{program}`"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = stderr.lines().map(str::trim).rfind(|it| !it.is_empty()).unwrap_or("nothing").to_owned();
    bail!("{}", explain(host, &said))
}

/// The first kernel setting that forbids user namespaces, as `sysctl` writes what allows them.
fn forbidden(host: &Host, root: bool) -> Option<(&'static str, &'static str)> {
    let reads = |file: &str| std::fs::read_to_string(host.path(file)).unwrap_or_default().trim().to_owned();
    let settings = if root { &SETTINGS[..1] } else { &SETTINGS };
    let found = settings.iter().find(|(file, value, _)| reads(file) == *value);
    found.map(|&(file, _, allow)| (file, allow))
}

fn is_root() -> bool {
    unix::unistd::geteuid().is_root()
}

fn explain(host: &Host, said: &str) -> String {
    let cure = match forbidden(host, is_root()) {
        Some((file, allow)) => format!("`{file}` forbids them; allow them: sudo sysctl -w {allow}"),
        None => "no kernel setting forbids them; in a container, allow them there (docker run --privileged)"
            .to_owned(),
    };
    format!(
        "our own Nix cannot build here: it needs user namespaces for its sandbox\n{cure}\n\
         or install Nix with its daemon, which does not need them: {INSTALLER}\nNix says: {said}"
    )
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use expect_test::{Expect, expect};

    use super::*;

    fn check(files: &[(&str, &str)], expect: &Expect) {
        let dir = tempfile::tempdir().unwrap();
        let mut host = Host::current().unwrap();
        host.root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        for (file, text) in files {
            let file = host.path(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        expect.assert_eq(&format!("{:?}\n", forbidden(&host, false)));
    }

    #[test]
    fn each_setting_that_forbids_user_namespaces_is_named() {
        check(&[], &expect![["None\n"]]);
        check(&[("/proc/sys/user/max_user_namespaces", "96365\n")], &expect![["None\n"]]);
        check(
            &[("/proc/sys/user/max_user_namespaces", "0\n")],
            &expect![[r#"
                Some(("/proc/sys/user/max_user_namespaces", "user.max_user_namespaces=15000"))
            "#]],
        );
        check(
            &[("/proc/sys/kernel/unprivileged_userns_clone", "0\n")],
            &expect![[r#"
                Some(("/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone=1"))
            "#]],
        );
        check(
            &[("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")],
            &expect![[r#"
                Some(("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "kernel.apparmor_restrict_unprivileged_userns=0"))
            "#]],
        );
    }
}
