//! Whether this machine runs programs for the Aleph by emulation: what the kernel's binfmt_misc is told.

use std::fs;

use camino::Utf8Path;

use crate::host::{Host, Os};

const DIRECTORY: &str = "/proc/sys/fs/binfmt_misc";
/// Where an ELF header says which processor it is for, and the two bytes that say aarch64.
const MACHINE_AT: usize = 18;
const AARCH64: &str = "b700";

/// What runs aarch64 programs that the processor cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Emulation {
    /// It cannot be seen from here: binfmt_misc is not mounted, or this is no Linux.
    Unknown,
    Absent,
    Registered {
        /// As the kernel calls the entry: `qemu-aarch64`.
        name: String,
        /// The kernel holds the emulator open (flag F): it is there in a sandbox too.
        held: bool,
    },
}

impl Emulation {
    #[must_use]
    pub fn of(host: &Host) -> Emulation {
        let dir = host.path(DIRECTORY);
        if host.os != Os::Linux || !dir.join("status").exists() {
            return Emulation::Unknown;
        }
        let on = |file: &str| fs::read_to_string(dir.join(file)).is_ok_and(|it| it.starts_with("enabled"));
        let Ok(entries) = dir.read_dir_utf8() else { return Emulation::Unknown };
        let mut names: Vec<String> = entries.flatten().map(|it| it.file_name().to_owned()).collect();
        names.sort_unstable();
        let mut found = names.iter().filter_map(|it| entry(&dir, it)).collect::<Vec<_>>();
        // Of several the kernel takes the last; one that a sandbox sees is as good.
        found.sort_by_key(|(_, held)| !held);
        match found.into_iter().next() {
            Some((name, held)) if on("status") => Emulation::Registered { name, held },
            _ => Emulation::Absent,
        }
    }
}

/// An entry for aarch64 that is switched on, and whether it has the flag F.
fn entry(dir: &Utf8Path, name: &str) -> Option<(String, bool)> {
    let text = fs::read_to_string(dir.join(name)).ok()?;
    let value = |key: &str| text.lines().find_map(|it| it.strip_prefix(key)).map(str::trim);
    let magic = value("magic ")?;
    let aarch64 = value("offset ") == Some("0") && magic.get(2 * MACHINE_AT..)?.starts_with(AARCH64);
    let enabled = text.lines().next() == Some("enabled");
    (enabled && aarch64).then(|| (name.to_owned(), value("flags:").is_some_and(|it| it.contains('F'))))
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    const MAGIC: &str =
        "magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    fn emulation(entries: &[(&str, String)]) -> Emulation {
        let root = tempfile::tempdir().unwrap();
        let mut host = Host::current().unwrap();
        host.os = Os::Linux;
        host.root = Utf8PathBuf::from(root.path().to_str().unwrap());
        let dir = host.path(DIRECTORY);
        fs::create_dir_all(&dir).unwrap();
        for (name, text) in entries {
            fs::write(dir.join(name), text).unwrap();
        }
        Emulation::of(&host)
    }

    #[test]
    fn what_the_kernel_says() {
        let status = ("status", "enabled\n".to_owned());
        let qemu = |state: &str, flags: &str| {
            format!("{state}\ninterpreter /usr/bin/qemu\nflags: {flags}\noffset 0\n{MAGIC}")
        };
        let arm = qemu("enabled", "").replace("b700", "2800");
        let other = |held| Emulation::Registered { name: "qemu-aarch64".to_owned(), held };
        for (entries, want) in [
            (vec![], Emulation::Unknown),
            (vec![status.clone()], Emulation::Absent),
            (vec![status.clone(), ("qemu-aarch64", qemu("enabled", "POCF"))], other(true)),
            (vec![status.clone(), ("qemu-aarch64", qemu("enabled", "PO"))], other(false)),
            (vec![status.clone(), ("qemu-aarch64", qemu("disabled", "F"))], Emulation::Absent),
            (vec![status.clone(), ("qemu-arm", arm.clone())], Emulation::Absent),
            (vec![("status", "disabled\n".to_owned()), ("q", qemu("enabled", "F"))], Emulation::Absent),
            (
                vec![status.clone(), ("a", qemu("enabled", "")), ("b", qemu("enabled", "F"))],
                Emulation::Registered { name: "b".to_owned(), held: true },
            ),
            (
                vec![
                    status,
                    ("python3.11", "enabled\ninterpreter x\nflags: \noffset 0\nmagic a70d0d0a\n".to_owned()),
                ],
                Emulation::Absent,
            ),
        ] {
            assert_eq!(emulation(&entries), want, "{entries:?}");
        }
    }

    #[test]
    fn nothing_is_known_elsewhere() {
        let mut host = Host::current().unwrap();
        host.os = Os::MacOs;
        assert_eq!(Emulation::of(&host), Emulation::Unknown);
    }
}
