//! Who looks after the Nix of this machine: where its settings may be written, and how its daemon is restarted.

use camino::Utf8Path;

use crate::host::{Host, Os};
use crate::nix::Flavour;
use crate::nix_conf::SYSTEM;

/// Determinate writes `nix.conf` itself, anew at each start, and leaves this beside it to the user.
const CUSTOM: &str = "nix.custom.conf";
/// The daemons of macOS: the file that describes it, and the name that launchd knows it by.
const LAUNCHD: [(&str, &str); 2] = [
    ("/Library/LaunchDaemons/systems.determinate.nix-daemon.plist", "system/systems.determinate.nix-daemon"),
    ("/Library/LaunchDaemons/org.nixos.nix-daemon.plist", "system/org.nixos.nix-daemon"),
];

/// Who writes the machine's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// The user, in `nix.conf`.
    User,
    /// Determinate's daemon, and the user in a file beside it.
    Determinate,
    /// A NixOS configuration.
    NixOs,
    /// A configuration of nix-darwin.
    NixDarwin,
}

/// The Nix of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    pub manager: Manager,
    /// The directory of the settings.
    dir: String,
    /// The settings of nix.custom.conf are read.
    custom: bool,
    os: Os,
    systemd: bool,
    /// launchd's name of the daemon.
    label: Option<&'static str>,
}

impl Installation {
    /// Concluded from the files that each kind of installation leaves.
    #[must_use]
    pub fn find(host: &Host, flavour: Option<Flavour>) -> Installation {
        let there = |path: &str| host.path(path).symlink_metadata().is_ok();
        let dir = host.env("NIX_CONF_DIR").unwrap_or("/etc/nix").to_owned();
        let main = std::fs::read_to_string(host.path(&format!("{dir}/nix.conf"))).unwrap_or_default();
        let custom = main.lines().any(|it| it.contains("include") && it.contains("nix.custom.conf"));
        let linked = host.path(SYSTEM).is_symlink();
        let determinate = flavour == Some(Flavour::Determinate)
            || ["/usr/local/bin/determinate-nixd", "/nix/var/determinate"].iter().any(|it| there(it));
        let manager = match host.os {
            Os::Linux if there("/etc/NIXOS") => Manager::NixOs,
            Os::MacOs if linked && there("/run/current-system/darwin-version") => Manager::NixDarwin,
            _ if determinate => Manager::Determinate,
            _ => Manager::User,
        };
        let label = LAUNCHD.iter().find(|it| there(it.0)).map(|it| it.1);
        Installation { manager, dir, custom, os: host.os, systemd: there("/run/systemd/system"), label }
    }

    /// The file in which the user's settings of this machine belong; `None` where a configuration writes it.
    #[must_use]
    pub fn settings_file(&self) -> Option<String> {
        let name = match self.manager {
            Manager::NixOs | Manager::NixDarwin => return None,
            Manager::Determinate => CUSTOM,
            Manager::User if self.custom => CUSTOM,
            Manager::User => "nix.conf",
        };
        Some(format!("{}/{name}", self.dir))
    }

    /// The file of the builders, which Nix reads where nobody says anything else.
    #[must_use]
    pub fn machines_file(&self) -> String {
        format!("{}/machines", self.dir)
    }

    /// The command, to be run as root, that makes the daemon read its settings; `None` where nobody looks after it.
    #[must_use]
    pub fn restart(&self) -> Option<Vec<String>> {
        let words: &[&str] = match (self.os, self.systemd) {
            (Os::MacOs, _) => &["launchctl", "kickstart", "-k", self.label?],
            (Os::Linux, true) => &["systemctl", "restart", "nix-daemon.service"],
            (Os::Linux, false) => return None,
        };
        Some(words.iter().map(|it| (*it).to_owned()).collect())
    }

    /// What a user types for it.
    #[must_use]
    pub fn restart_text(&self) -> String {
        match self.restart() {
            Some(words) => format!("sudo {}", words.join(" ")),
            None => "stop and start nix-daemon, as it was started on this machine".to_owned(),
        }
    }

    /// Settings as the text of a module, where a configuration writes the file. A value is a list.
    #[must_use]
    pub fn module(&self, settings: &[(&str, Vec<String>)]) -> String {
        let mut res = String::from("nix.settings = {\n");
        for (name, words) in settings {
            let words: Vec<String> = words.iter().map(|it| format!("\"{it}\"")).collect();
            res += &format!("  {name} = [{}];\n", words.join(" "));
        }
        res + "};\n"
    }

    /// How a configuration is made to hold.
    #[must_use]
    pub fn rebuild(&self) -> &'static str {
        match self.manager {
            Manager::NixDarwin => "sudo darwin-rebuild switch",
            _ => "sudo nixos-rebuild switch",
        }
    }
}

/// The environment that the daemon is started with, as far as files of the machine say.
#[must_use]
pub fn daemon_environment(host: &Host, name: &str) -> Option<String> {
    match host.os {
        Os::MacOs => LAUNCHD.iter().find_map(|(file, _)| {
            let text = std::fs::read_to_string(host.path(file)).ok()?;
            let after = text.split_once(&format!("<key>{name}</key>"))?.1;
            Some(after.split_once("<string>")?.1.split_once("</string>")?.0.to_owned())
        }),
        Os::Linux => {
            let units = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
            let unit = units.iter().map(|it| host.path(&format!("{it}/nix-daemon.service")));
            let mut files: Vec<_> = unit.filter(|it| it.exists()).take(1).collect();
            let drop_ins = host.path("/etc/systemd/system/nix-daemon.service.d");
            let entries = drop_ins.read_dir_utf8().ok().into_iter().flatten().flatten();
            let mut more: Vec<_> = entries.map(|it| it.path().to_owned()).collect();
            more.retain(|it| it.extension() == Some("conf"));
            more.sort();
            files.extend(more);
            files.iter().rev().find_map(|it| environment_of_unit(it, name))
        }
    }
}

fn environment_of_unit(file: &Utf8Path, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let values = text.lines().filter_map(|it| it.trim().strip_prefix("Environment="));
    let words: Vec<&str> = values.flat_map(str::split_whitespace).map(|it| it.trim_matches('"')).collect();
    words.iter().rev().find_map(|it| it.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}
