//! Fake machines: directories that look like the root of one, with programs that answer as Nix does there.

use std::fs;

use camino::Utf8PathBuf;
use xshell::{Shell, cmd};

use super::Facts;
use super::space::Space;
use crate::changeset::{Change, Changeset};
use crate::host::{Host, Os};
use crate::nix::Version;
use crate::nix::discover::{self, Wanted};
use crate::workspace::{Scope, Workspace};

const CACHE: &str = "https://cache.example";
const KEY: &str = "example-1:AAAA=";
const NOW: i64 = 1_795_387_253;

/// A machine of which nothing is real but its files.
pub(crate) struct Machine {
    _dir: tempfile::TempDir,
    pub(crate) host: Host,
}

impl Machine {
    pub(crate) fn new(os: Os, arch: &str, home: &str) -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        let mut host = Host::current().unwrap();
        let home = root.join(home.trim_start_matches('/'));
        host.env.clear();
        let path = format!("{root}/usr/bin:{root}/tools");
        for (name, value) in [
            ("HOME", home.as_str()),
            ("USER", "u"),
            ("PATH", &path),
            ("XTASK_PRIVATE_NIX", "off"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            // The real one may be busy.
            ("XTASK_DOCTOR_PATIENCE", "60"),
        ] {
            host.env.insert(name.into(), value.into());
        }
        host.os = os;
        arch.clone_into(&mut host.arch);
        host.cwd = root.join("work");
        host.root = root;
        let res = Machine { _dir: dir, host };
        let manifest = format!("[cache]\nsubstituters = [\"{CACHE}\"]\npublic-keys = [\"{KEY}\"]\n");
        res.put("/work/xtask.toml", &manifest).put("/work/flake.nix", "{outputs = _: {};}\n");
        // git and sh are real.
        fs::create_dir_all(res.host.path("/tools")).unwrap();
        let sh = Shell::new().unwrap();
        for tool in ["git", "sh", "grep"] {
            let real = cmd!(sh, "which {tool}").quiet().read().unwrap();
            std::os::unix::fs::symlink(real, res.host.path(&format!("/tools/{tool}"))).unwrap();
        }
        let (git, work) = (res.host.path("/tools/git"), res.host.path("/work"));
        cmd!(sh, "{git} init --quiet {work}").quiet().run().unwrap();
        cmd!(sh, "{git} -C {work} add --all").quiet().run().unwrap();
        res.put("/nix/store/.keep", "");
        let date = "date: Sun, 22 Nov 2026 22:40:53 GMT";
        res.program("curl", &format!("printf 'HTTP/2 200 \\r\\n{date}\\r\\n\\r\\nStoreDir: /nix/store\\n'"));
        res
    }

    /// Upstream Nix with its daemon, by systemd.
    pub(crate) fn linux() -> Machine {
        let res = Machine::new(Os::Linux, "x86_64", "/home/u");
        res.put("/run/systemd/system/.keep", "").put("/nix/var/nix/.keep", "").put("/tmp/.keep", "");
        res.put("/etc/nix/nix.conf", "build-users-group = nixbld\n");
        res.put(
            "/proc/self/mountinfo",
            "22 1 0:20 / / rw - ext4 /dev/vda rw\n30 22 0:25 / /tmp rw - tmpfs tmpfs rw\n",
        );
        res.nix("nix (Nix) 2.26.3", "2.26.3", "0")
    }

    /// Determinate Nix, which writes nix.conf itself.
    pub(crate) fn determinate() -> Machine {
        let res = Machine::new(Os::Linux, "x86_64", "/home/u");
        res.put("/run/systemd/system/.keep", "").put("/usr/local/bin/determinate-nixd", "");
        res.put(
            "/etc/nix/nix.conf",
            "# written by determinate-nixd\nextra-experimental-features = nix-command flakes\n\
             extra-substituters = https://install.determinate.systems\n!include nix.custom.conf\n",
        );
        res.put("/etc/nix/nix.custom.conf", "# Mine\ncores = 4 # not all\n");
        res.put("/proc/self/mountinfo", "22 1 0:20 / / rw - xfs /dev/vda rw\n");
        res.nix("nix (Determinate Nix 3.11.3) 2.31.2", "2.31.2", "false")
    }

    /// NixOS, whose files are links into the store.
    pub(crate) fn nixos() -> Machine {
        let res = Machine::new(Os::Linux, "x86_64", "/home/u");
        res.put("/etc/NIXOS", "").put("/run/systemd/system/.keep", "");
        res.put("/etc/static/nix/nix.conf", "experimental-features = nix-command flakes\nsandbox = true\n");
        fs::create_dir_all(res.host.path("/etc/nix")).unwrap();
        std::os::unix::fs::symlink("../static/nix/nix.conf", res.host.path("/etc/nix/nix.conf")).unwrap();
        res.put("/proc/self/mountinfo", "22 1 0:20 / / rw - btrfs /dev/vda rw\n");
        res.nix("nix (Nix) 2.28.5", "2.28.5", "0")
    }

    /// A Mac with Determinate Nix, and nothing for Linux.
    pub(crate) fn mac_determinate() -> Machine {
        let res = Machine::new(Os::MacOs, "aarch64", "/Users/u");
        res.put("/usr/local/bin/determinate-nixd", "").put("/nix/var/nix/.keep", "");
        res.put(
            "/Library/LaunchDaemons/systems.determinate.nix-daemon.plist",
            "<key>EnvironmentVariables</key><dict>\n<key>NIX_SSL_CERT_FILE</key>\n<string>/etc/company.pem</string>\n</dict>\n",
        );
        res.put(
            "/etc/nix/nix.conf",
            "extra-experimental-features = nix-command flakes\n!include nix.custom.conf\n",
        );
        res.nix("nix (Determinate Nix 3.11.3) 2.31.2", "2.31.2", "false")
    }

    /// The same with everything as it should be: OrbStack, the cache, the tools.
    pub(crate) fn mac_orbstack() -> Machine {
        let res = Machine::mac_determinate();
        res.put("/etc/company.pem", "").put("/Library/Developer/CommandLineTools/usr/bin/git", "");
        res.put("/Library/Apple/usr/share/rosetta/rosetta", "");
        res.put("/Users/u/.orbstack/ssh/id_ed25519", "")
            .put("/etc/ssh/ssh_config", "Include /etc/ssh/ssh_config.d/*\n");
        let custom = format!("trusted-substituters = {CACHE}\nextra-trusted-public-keys = {KEY}\n");
        res.put("/etc/nix/nix.custom.conf", &custom);
        res.program("orbctl", "echo 'nixos  running  nixos  unstable  arm64'");
        res.nix("nix (Determinate Nix 3.11.3) 2.31.2", "2.31.2", "false")
    }

    /// Writes a file of the machine.
    pub(crate) fn put(&self, path: &str, text: &str) -> &Machine {
        let file = self.host.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self
    }

    /// Writes a program.
    pub(crate) fn program(&self, name: &str, script: &str) -> &Machine {
        let file = self.host.path(&format!("/usr/bin/{name}"));
        let draft = format!("{file}.draft");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        // By another process: a child of another test would inherit the open file, which then cannot be run.
        fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
        let sh = Shell::new().unwrap();
        cmd!(sh, "install -m 755 {draft} {file}").quiet().run().unwrap();
        fs::remove_file(draft).unwrap();
        self
    }

    /// A Nix that answers as this version does; its daemon reads the files of the machine.
    fn nix(self, banner: &str, version: &str, trusted: &str) -> Machine {
        let conf = self.host.path("/etc/nix");
        let settings = r#"{"sandbox":{"value":true},"cores":{"value":0},"experimental-features":{"value":[]},
            "extra-platforms":{"value":["i686-linux"]},"build-users-group":{"value":""},"substituters":{"value":[]},
            "trusted-substituters":{"value":[]},"trusted-public-keys":{"value":[]},"ssl-cert-file":{"value":""},
            "trusted-users":{"value":["root"]},"build-dir":{"value":""},"builders":{"value":""}}"#;
        let script = format!(
            "case \"$*\" in *--store*) exec \"${{0%/*}}/over-ssh\" \"$@\";; esac\n\
             case \"$1 $2\" in\n--version*) echo '{banner}';;\n'config show') echo '{settings}';;\n'store info')\n\
             grep -qs '{CACHE}' {conf}/*.conf || echo \"warning: ignoring untrusted substituter '{CACHE}', you are not a \
             trusted user.\" >&2\n\
             grep -qs trusted-public-keys \"$HOME/.config/nix/nix.conf\" && echo \"warning: ignoring the \
             client-specified setting 'trusted-public-keys', because it is a restricted setting and you are not a \
             trusted user\" >&2\necho '{{\"trusted\":{trusted},\"url\":\"daemon\",\"version\":\"{version}\"}}';;\nesac"
        );
        self.program("nix", &script);
        self
    }

    /// What is found there; how much room there is, is made up.
    pub(crate) fn facts(&self) -> Facts {
        let wanted = Wanted { explicit: None, minimum: Version::new(2, 26, 0), sandbox: true, fetch: false };
        let nix = discover::discover(&self.host, &wanted, &mut |_| ()).map_err(|it| format!("{it:#}"));
        let workspace = Workspace::discover(&self.host.path("/work"), Scope::All).unwrap();
        let mut res = Facts::of(self.host.clone(), workspace, nix, false, NOW);
        for it in [&mut res.build_space, &mut res.store_space].into_iter().flatten() {
            let total = if it.is_memory() { 8_000_000_000 } else { 500_000_000_000 };
            *it = Space { total, free: total / 2, inodes: 1000, free_inodes: 900, ..it.clone() };
        }
        res
    }

    /// The page, without what differs from run to run.
    pub(crate) fn page(&self) -> String {
        let report = super::report(&super::checks(&self.facts()), &|_, text| text.to_owned());
        format!("{}\nexit {}\n", self.plain(&report.notes.join("\n")), u8::from(!report.ok))
    }

    pub(crate) fn plain(&self, text: &str) -> String {
        let mut res = text.replace(self.host.root.as_str(), "");
        while let Some(at) = res.find("answers in ").filter(|it| !res[it + 11..].starts_with('T')) {
            let end = res[at..].find(" s").map_or(res.len(), |it| at + it);
            res.replace_range(at + 11..end, "T");
        }
        res
    }

    /// Does what a changeset says, without its commands.
    pub(crate) fn apply(&self, set: &Changeset) {
        let texts = self.host.path("/texts");
        set.stage(&texts).unwrap();
        let files = set.changes.iter().filter(|it| matches!(it, Change::File { .. })).cloned().collect();
        let only = Changeset { changes: files, ..set.clone() };
        let script = only.script(&self.host, &texts);
        let sh = Shell::new().unwrap();
        cmd!(sh, "sh -c {script}").quiet().run().unwrap();
        only.verify(&self.host).unwrap();
    }
}
