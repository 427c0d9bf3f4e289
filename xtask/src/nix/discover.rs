//! Finds the Nix to use: named, on `PATH`, in a profile, or our own.

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::host::{Host, Os, is_executable};
use crate::nix::mirror::INSTALLER;
use crate::nix::{Nix, Origin, Suite, Version, known, private, sandbox};

/// What the user and the workspace ask for.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// `--nix`
    pub explicit: Option<&'a Utf8Path>,
    /// The oldest version that the workspace works with.
    pub minimum: Version,
    /// Whether builds are sandboxed.
    pub sandbox: bool,
    /// Whether our own Nix may be fetched when it is not there yet.
    pub fetch: bool,
}

/// Something to tell the user while a Nix is found or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    Status(String),
    Warning(String),
}

/// `XTASK_PRIVATE_NIX`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Private {
    Default,
    Chosen(Suite),
    Off,
}

impl Private {
    fn read(host: &Host) -> anyhow::Result<Private> {
        Ok(match host.env("XTASK_PRIVATE_NIX") {
            None => Private::Default,
            Some("trixie") => Private::Chosen(Suite::Trixie),
            Some("sid") => Private::Chosen(Suite::Sid),
            Some("off") => Private::Off,
            Some(other) => {
                bail!("XTASK_PRIVATE_NIX is `{other}`: it must be `trixie`, `sid` or `off`")
            }
        })
    }
}

/// Finds a Nix that is new enough, or makes one.
///
/// # Errors
/// When a named Nix is not usable, or there is none and none can be made.
pub fn discover(host: &Host, wanted: &Wanted<'_>, say: &mut dyn FnMut(Notice)) -> anyhow::Result<Nix> {
    let private = Private::read(host)?;
    if let Some(path) = wanted.explicit {
        return named(host, path, Origin::Flag, &wanted.minimum);
    }
    if let Some(path) = host.env("XTASK_NIX") {
        return named(host, Utf8Path::new(path), Origin::Env, &wanted.minimum);
    }
    if let Private::Chosen(suite) = private {
        return own(host, suite, wanted, say);
    }
    let mut refused = Vec::new();
    for (program, origin) in installed(host) {
        match ask(host, &program, origin) {
            Ok(nix) if wanted.minimum <= nix.version => return Ok(nix),
            Ok(nix) => refused.push(too_old(&nix, &wanted.minimum)),
            Err(err) => refused.push(format!("{err:#} ({origin})")),
        }
    }
    if private == Private::Off {
        refused.push("our own Nix is forbidden by XTASK_PRIVATE_NIX=off".to_owned());
        bail!("{}", no_nix(&refused));
    }
    for it in &refused {
        let silence = "set XTASK_PRIVATE_NIX=trixie to choose that without this warning";
        say(Notice::Warning(format!("{it}; using our own Nix ({silence})")));
    }
    own(host, Suite::Trixie, wanted, say).map_err(|err| {
        refused.push(format!("{err:#}"));
        anyhow::anyhow!("{}", no_nix(&refused))
    })
}

/// A Nix that the user named; it is that one or none.
fn named(host: &Host, path: &Utf8Path, origin: Origin, minimum: &Version) -> anyhow::Result<Nix> {
    let by = if origin == Origin::Flag { "--nix" } else { "XTASK_NIX" };
    // As a shell does it: a bare name is looked for on PATH.
    let program = if path.as_str().contains('/') {
        host.cwd.join(path)
    } else {
        host.which(path.as_str()).with_context(|| format!("{by}: no `{path}` on PATH"))?
    };
    if !program.exists() {
        bail!("{by}: `{program}` does not exist");
    }
    if program.is_dir() {
        bail!("{by}: `{program}` is a directory; name the program, for example `{program}/bin/nix`");
    }
    if !is_executable(&program) {
        bail!("{by}: `{program}` is not executable");
    }
    let nix = ask(host, &program, origin).context(by)?;
    if nix.version < *minimum {
        bail!("{}; name a newer one, or leave {by} out", too_old(&nix, minimum));
    }
    Ok(nix)
}

fn own(host: &Host, suite: Suite, wanted: &Wanted<'_>, say: &mut dyn FnMut(Notice)) -> anyhow::Result<Nix> {
    if host.os == Os::MacOs {
        bail!("our own Nix exists for Linux only");
    }
    let there = private::Place::new(host, suite)?.open();
    let nix = match there {
        Some(nix) => nix,
        None if wanted.fetch => private::ensure(host, suite, say)?,
        None => bail!("our own Nix would have to be fetched from Debian {suite} first; any build does that"),
    };
    sandbox::check(host, &nix, wanted.sandbox)?;
    if wanted.minimum <= nix.version {
        return Ok(nix);
    }
    let newer =
        if suite == Suite::Sid { "install a newer Nix" } else { "XTASK_PRIVATE_NIX=sid gives the newest" };
    bail!("{}; {newer}", too_old(&nix, &wanted.minimum))
}

/// Programs of this machine, in the order in which they are tried.
fn installed(host: &Host) -> Vec<(Utf8PathBuf, Origin)> {
    let mut res: Vec<_> = host.which("nix").map(|it| (it, Origin::Path)).into_iter().collect();
    let mut profiles = vec![host.path("/nix/var/nix/profiles/default/bin/nix")];
    profiles.extend(host.home().map(|it| it.join(".nix-profile/bin/nix")));
    profiles.push(host.path("/run/current-system/sw/bin/nix"));
    for it in profiles {
        if is_executable(&it) && !res.iter().any(|(known, _)| *known == it) {
            res.push((it, Origin::Profile));
        }
    }
    res
}

fn ask(host: &Host, program: &Utf8Path, origin: Origin) -> anyhow::Result<Nix> {
    let (flavour, version) = known::version(host, program)?;
    Ok(Nix { program: program.to_owned(), version, flavour, origin, store_root: None })
}

fn too_old(nix: &Nix, minimum: &Version) -> String {
    format!("{nix} is too old: this workspace needs {minimum} or newer (`nix.minimum` in xtask.toml)")
}

fn no_nix(reasons: &[String]) -> String {
    let mut res = "no Nix to use: there is none that is good on PATH or in the usual profiles".to_owned();
    for it in reasons {
        res += "\n- ";
        res += it;
    }
    // Some reasons name it themselves.
    if !res.contains(INSTALLER) {
        res += "\ninstall Nix: ";
        res += INSTALLER;
    }
    res
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// A machine with no Nix but those that a test puts there.
    struct Machine {
        dir: tempfile::TempDir,
        host: Host,
    }

    impl Machine {
        fn new() -> Machine {
            let dir = tempfile::tempdir().unwrap();
            let mut host = Host::current().unwrap();
            let root = Utf8Path::from_path(dir.path()).unwrap().to_owned();
            for name in ["XTASK_NIX", "APT_CONFIG"] {
                host.env.remove(std::ffi::OsStr::new(name));
            }
            host.env.insert("HOME".into(), root.join("home").into());
            host.env.insert("XDG_CACHE_HOME".into(), root.join("cache").into());
            host.env.insert("PATH".into(), format!("{root}/usr/bin").into());
            host.env.insert("XTASK_PRIVATE_NIX".into(), "off".into());
            host.root.clone_from(&root);
            host.cwd = root;
            Machine { dir, host }
        }

        fn put(&self, path: &str, banner: &str) -> &Machine {
            let file = self.host.path(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            // By another process: a child of another test would inherit the open file, which then cannot be run.
            let sh = xshell::Shell::new().unwrap();
            let draft = format!("{file}.draft");
            std::fs::write(&draft, format!("#!/bin/sh\necho '{banner}'\n")).unwrap();
            xshell::cmd!(sh, "install -m 755 {draft} {file}").quiet().run().unwrap();
            self
        }

        fn env(&mut self, name: &str, value: &str) -> &Machine {
            self.host.env.insert(name.into(), value.into());
            self
        }

        fn check(&self, explicit: Option<&str>, expect: &Expect) {
            let wanted = Wanted {
                explicit: explicit.map(Utf8Path::new),
                minimum: Version::new(2, 26, 0),
                sandbox: true,
                fetch: true,
            };
            let mut said = Vec::new();
            let res = discover(&self.host, &wanted, &mut |it| said.push(format!("{it:?}\n")));
            said.push(match res {
                Ok(nix) => format!("{nix}\n"),
                Err(err) => format!("error: {err:#}\n"),
            });
            let said = said.concat();
            expect.assert_eq(&said.replace(self.dir.path().to_str().unwrap(), "ROOT"));
        }
    }

    const NEW: &str = "nix (Nix) 2.30.1";
    const OLD: &str = "nix (Nix) 2.8.0";

    #[test]
    fn path_comes_before_profiles_and_profiles_have_an_order() {
        let machine = Machine::new();
        machine.put("/run/current-system/sw/bin/nix", "nix (Nix) 2.28.0");
        machine.check(
            None,
            &expect![["Nix 2.28.0 at ROOT/run/current-system/sw/bin/nix (found in a Nix profile)\n"]],
        );
        machine.put("/home/.nix-profile/bin/nix", "nix (Lix, like Nix) 2.91.1");
        machine.check(
            None,
            &expect![["Lix 2.91.1 at ROOT/home/.nix-profile/bin/nix (found in a Nix profile)\n"]],
        );
        machine.put("/nix/var/nix/profiles/default/bin/nix", "nix (Determinate Nix 3.8.6) 2.30.2");
        machine.check(
            None,
            &expect![["Determinate Nix 2.30.2 at ROOT/nix/var/nix/profiles/default/bin/nix (found in a Nix profile)\n"]],
        );
        machine.put("/usr/bin/nix", NEW);
        machine.check(None, &expect![["Nix 2.30.1 at ROOT/usr/bin/nix (found on PATH)\n"]]);
    }

    #[test]
    fn a_named_nix_wins_and_the_flag_wins_over_the_variable() {
        let mut machine = Machine::new();
        machine.put("/usr/bin/nix", NEW).put("/a/nix", "nix (Nix) 2.27.0").put("/b/nix", "nix (Nix) 2.28.0");
        let b = machine.host.path("/b/nix");
        machine.env("XTASK_NIX", b.as_str());
        machine.check(None, &expect![["Nix 2.28.0 at ROOT/b/nix (named by XTASK_NIX)\n"]]);
        machine.check(Some("a/nix"), &expect![["Nix 2.27.0 at ROOT/a/nix (named by --nix)\n"]]);
        machine.check(Some("nix"), &expect![["Nix 2.30.1 at ROOT/usr/bin/nix (named by --nix)\n"]]);
    }

    #[test]
    fn a_named_nix_that_is_unusable_is_an_error() {
        let mut machine = Machine::new();
        machine.put("/usr/bin/nix", NEW).put("/old/nix", OLD);
        std::fs::write(machine.host.path("/plain"), "").unwrap();
        machine.check(Some("gone/nix"), &expect![["error: --nix: `ROOT/gone/nix` does not exist\n"]]);
        machine.check(Some("nix9"), &expect![["error: --nix: no `nix9` on PATH\n"]]);
        machine.check(Some("./plain"), &expect![["error: --nix: `ROOT/./plain` is not executable\n"]]);
        machine.check(
            Some("/usr"),
            &expect![["error: --nix: `/usr` is a directory; name the program, for example `/usr/bin/nix`\n"]],
        );
        machine.env("XTASK_NIX", "old/nix");
        machine.check(None, &expect![[r"
            error: Nix 2.8.0 at ROOT/old/nix (named by XTASK_NIX) is too old: this workspace needs 2.26.0 or newer (`nix.minimum` in xtask.toml); name a newer one, or leave XTASK_NIX out
        "]]);
    }

    #[test]
    fn a_nix_that_is_too_old_is_passed_over_for_a_newer_one() {
        let machine = Machine::new();
        machine.put("/usr/bin/nix", OLD).put("/home/.nix-profile/bin/nix", NEW);
        machine.check(
            None,
            &expect![["Nix 2.30.1 at ROOT/home/.nix-profile/bin/nix (found in a Nix profile)\n"]],
        );
    }

    #[test]
    fn no_good_nix_and_none_of_our_own_says_everything_at_once() {
        let machine = Machine::new();
        machine.check(
            None,
            &expect![[r#"
            error: no Nix to use: there is none that is good on PATH or in the usual profiles
            - our own Nix is forbidden by XTASK_PRIVATE_NIX=off
            install Nix: cargo xtask setup nix
        "#]],
        );
        machine.put("/usr/bin/nix", OLD).put("/home/.nix-profile/bin/nix", "hello");
        machine.check(None, &expect![[r#"
            error: no Nix to use: there is none that is good on PATH or in the usual profiles
            - Nix 2.8.0 at ROOT/usr/bin/nix (found on PATH) is too old: this workspace needs 2.26.0 or newer (`nix.minimum` in xtask.toml)
            - `ROOT/home/.nix-profile/bin/nix --version` does not answer like Nix: exit status: 0 and it says: hello (found in a Nix profile)
            - our own Nix is forbidden by XTASK_PRIVATE_NIX=off
            install Nix: cargo xtask setup nix
        "#]]);
    }

    #[test]
    fn machines_that_debian_has_no_nix_for_name_the_installer() {
        let mut machine = Machine::new();
        machine.env("XTASK_PRIVATE_NIX", "");
        machine.check(None, &expect![[r#"
            error: no Nix to use: there is none that is good on PATH or in the usual profiles
            - cannot get our own Nix from Debian trixie: our own Nix comes from Debian's packages, and this machine has no `apt-get`
            install Nix: cargo xtask setup nix
        "#]]);
        machine.host.os = Os::MacOs;
        machine.check(
            None,
            &expect![[r#"
            error: no Nix to use: there is none that is good on PATH or in the usual profiles
            - our own Nix exists for Linux only
            install Nix: cargo xtask setup nix
        "#]],
        );
    }

    #[test]
    fn a_derivative_of_debian_has_no_debian_mirror() {
        let mut machine = Machine::new();
        for tool in ["apt-get", "apt-config", "apt-cache", "dpkg-deb"] {
            machine.put(
                &format!("/usr/bin/{tool}"),
                "http://archive.example/ubuntu/dists/noble/main/binary-amd64/Packages.xz",
            );
        }
        machine.put("/etc/os-release", "x");
        std::fs::write(machine.host.path("/etc/os-release"), "PRETTY_NAME=\"Ubuntu 24.04 LTS\"\nID=ubuntu\n")
            .unwrap();
        machine.env("XTASK_PRIVATE_NIX", "").check(None, &expect![[r#"
            error: no Nix to use: there is none that is good on PATH or in the usual profiles
            - cannot get our own Nix from Debian trixie: our own Nix comes from a Debian mirror, and this machine's apt has none (the machine is Ubuntu 24.04 LTS)
            install Nix: cargo xtask setup nix
        "#]]);
    }

    #[test]
    fn a_misspelt_suite_names_the_valid_ones() {
        let mut machine = Machine::new();
        machine.env("XTASK_PRIVATE_NIX", "buster").check(
            None,
            &expect![["error: XTASK_PRIVATE_NIX is `buster`: it must be `trixie`, `sid` or `off`\n"]],
        );
    }
}
