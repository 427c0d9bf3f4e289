//! What `nix --version` said, kept, because asking costs 10 ms and the answer seldom changes.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use xshell::{Shell, cmd};

use crate::host::Host;
use crate::nix::{Flavour, Version};

const FORMAT: u32 = 1;

/// `nix-versions.json` in the cache directory.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    version: u32,
    programs: BTreeMap<Utf8PathBuf, Answer>,
}

/// What a program said when the file looked like this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    mtime_ns: i128,
    size: u64,
    nix: Version,
    flavour: Flavour,
}

/// The flavour and version of a Nix program; starts it only when it is new to us.
///
/// # Errors
/// When the program cannot be started or does not answer like Nix.
pub fn version(host: &Host, program: &Utf8Path) -> anyhow::Result<(Flavour, Version)> {
    let file = program.canonicalize_utf8().with_context(|| format!("cannot find `{program}`"))?;
    let stat = file.metadata().with_context(|| format!("cannot read `{file}`"))?;
    let mtime_ns = i128::from(stat.mtime()) * 1_000_000_000 + i128::from(stat.mtime_nsec());
    let cache = host.cache_dir().ok().map(|it| it.join("nix-versions.json"));
    let mut known = cache
        .as_deref()
        .and_then(read)
        .unwrap_or_else(|| Known { version: FORMAT, programs: BTreeMap::new() });
    if let Some(it) = known.programs.get(&file).filter(|it| it.mtime_ns == mtime_ns && it.size == stat.len())
    {
        return Ok((it.flavour, it.nix.clone()));
    }
    let (flavour, nix) = ask(host, program)?;
    if let Some(cache) = cache {
        known.programs.retain(|path, _| path.exists());
        known.programs.insert(file, Answer { mtime_ns, size: stat.len(), nix: nix.clone(), flavour });
        // Not keeping an answer costs 10 ms next time; it is no reason to fail.
        let _ = write(&cache, &known);
    }
    Ok((flavour, nix))
}

fn read(cache: &Utf8Path) -> Option<Known> {
    let known: Known = serde_json::from_slice(&std::fs::read(cache).ok()?).ok()?;
    (known.version == FORMAT).then_some(known)
}

fn write(cache: &Utf8Path, known: &Known) -> anyhow::Result<()> {
    if let Some(dir) = cache.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let new = Utf8PathBuf::from(format!("{cache}.new-{}", std::process::id()));
    std::fs::write(&new, serde_json::to_vec_pretty(known)?)?;
    std::fs::rename(&new, cache)?;
    Ok(())
}

fn ask(host: &Host, program: &Utf8Path) -> anyhow::Result<(Flavour, Version)> {
    let sh = Shell::new()?;
    let output = cmd!(sh, "{program} --version").env_clear().envs(&host.env).quiet().ignore_status().output();
    let output = output.with_context(|| format!("cannot run `{program} --version`"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if let Some(answer) = Version::from_banner(&said).filter(|_| output.status.success()) {
        return Ok(answer);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().chain(stderr.lines()).find(|it| !it.trim().is_empty()).unwrap_or("nothing");
    bail!("`{program} --version` does not answer like Nix: {} and it says: {first}", output.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake {
        dir: tempfile::TempDir,
        host: Host,
    }

    impl Fake {
        fn new(script: &str) -> Fake {
            let dir = tempfile::tempdir().unwrap();
            let mut host = Host::current().unwrap();
            host.env.insert("XDG_CACHE_HOME".into(), dir.path().join("cache").into());
            let it = Fake { dir, host };
            it.script(script);
            it
        }

        fn program(&self) -> Utf8PathBuf {
            Utf8PathBuf::from_path_buf(self.dir.path().join("nix")).unwrap()
        }

        fn script(&self, script: &str) {
            // By another process: a child of another test would inherit the open file, which then cannot be run.
            let sh = Shell::new().unwrap();
            let (file, draft) = (self.program(), self.dir.path().join("draft"));
            std::fs::write(&draft, format!("#!/bin/sh\necho asked >> \"$0.log\"\n{script}\n")).unwrap();
            cmd!(sh, "install -m 755 {draft} {file}").quiet().run().unwrap();
        }

        fn version(&self) -> anyhow::Result<String> {
            version(&self.host, &self.program()).map(|(flavour, version)| format!("{flavour} {version}"))
        }

        fn asked(&self) -> usize {
            std::fs::read_to_string(format!("{}.log", self.program())).unwrap_or_default().lines().count()
        }
    }

    #[test]
    fn a_program_is_asked_once_until_it_changes() {
        let fake = Fake::new("echo 'nix (Nix) 2.26.3'");
        assert_eq!(fake.version().unwrap(), "Nix 2.26.3");
        assert_eq!(fake.version().unwrap(), "Nix 2.26.3");
        assert_eq!(fake.asked(), 1);
        fake.script("echo 'nix (Determinate Nix 3.8.6) 2.30.2'");
        assert_eq!(fake.version().unwrap(), "Determinate Nix 2.30.2");
        assert_eq!(fake.asked(), 2);
    }

    #[test]
    fn a_damaged_cache_is_ignored_and_replaced() {
        let fake = Fake::new("echo 'nix (Nix) 2.26.3'");
        let cache = fake.host.cache_dir().unwrap().join("nix-versions.json");
        std::fs::create_dir_all(cache.parent().unwrap()).unwrap();
        for damaged in ["", "{", r#"{"version":99,"programs":{}}"#, "[]"] {
            std::fs::write(&cache, damaged).unwrap();
            let before = fake.asked();
            assert_eq!(fake.version().unwrap(), "Nix 2.26.3");
            assert_eq!(fake.version().unwrap(), "Nix 2.26.3");
            assert_eq!(fake.asked(), before + 1, "{damaged}");
        }
    }

    #[test]
    fn a_program_that_is_not_nix_says_what_it_said() {
        let fake = Fake::new("echo oh no >&2; exit 3");
        let err = format!("{:#}", fake.version().unwrap_err());
        assert!(err.ends_with("does not answer like Nix: exit status: 3 and it says: oh no"), "{err}");
    }
}
