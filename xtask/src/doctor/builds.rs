//! Whether builds are isolated and have room.

use super::check::Check;
use super::facts::Facts;
use super::nix::place;
use crate::host::Os;
use crate::nix::sandbox;
use crate::report::bytes;

const GROUP: &str = "Builds";
/// With less than this in memory, large C++ builds (Qt) end with `No space left on device`.
const LARGE: u64 = 16_000_000_000;
/// A build's temporary files are so many times its output.
const BULK: u64 = 3;
const LITTLE: u64 = 5_000_000_000;

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    if facts.nix.is_err() {
        return Vec::new();
    }
    let mut res = vec![sandbox(facts), directory(facts)];
    res.extend(emulation(facts));
    res
}

fn sandbox(facts: &Facts) -> Check {
    if facts.is_private()
        && let Ok(nix) = &facts.nix
        && let Err(error) = sandbox::check(&facts.host, nix, true)
    {
        let text = format!("{error:#}");
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        return Check::fail(GROUP, "sandbox", first).cure(rest);
    }
    match (facts.setting("sandbox").as_deref(), facts.host.os) {
        (None, _) => Check::skipped(GROUP, "sandbox", "Nix does not say"),
        (Some("true"), _) => Check::pass(GROUP, "sandbox", "on"),
        (Some("false"), Os::MacOs) => Check::pass(GROUP, "sandbox", "off, as usual on macOS"),
        (Some(other), _) => Check::warn(GROUP, "sandbox", if other == "false" { "off" } else { other })
            .because("builds see this machine's files and network, and then work here only")
            .cure(match facts.machine.last("sandbox") {
                Some(it) => format!("delete {}: `sandbox = {other}`", it.place),
                None => "`sandbox = true` among the machine's settings".to_owned(),
            }),
    }
}

fn directory(facts: &Facts) -> Check {
    let dir = &facts.build_dir;
    let name = "directory";
    let Some(space) = &facts.build_space else {
        return Check::skipped(GROUP, name, format!("{} ({}) cannot be looked at", dir.path, dir.because));
    };
    let found = format!(
        "{} ({}): {} free of {}, {}",
        dir.path,
        dir.because,
        bytes(space.free),
        bytes(space.total),
        place(space)
    );
    let need = facts.largest.map_or(LARGE, |it| it.saturating_mul(BULK).max(LARGE));
    let own = facts.nix.as_ref().ok().and_then(|it| it.store_root.as_ref());
    let cure = if let Some(root) = own {
        let beside = dir.path.starts_with(root);
        if beside { "set XDG_CACHE_HOME to a directory on disk" } else { "set TMPDIR to a directory on disk" }
    } else if facts.is_mac() || facts.installation.settings_file().is_some() {
        "cargo xtask setup builder disk"
    } else {
        "`nix.settings.build-dir = \"/var/cache/nix-build\";` and a tmpfiles rule that makes it, as in nix/hosts/orbstack.nix"
    };
    match space {
        it if it.inodes_below(1) => Check::fail(GROUP, name, format!("{found}, but no inodes"))
            .because("`No space left on device` also means that there can be no more files")
            .cure(cure),
        it if it.is_memory() && it.total < need => Check::warn(GROUP, name, found)
            .because(format!(
                "it is in memory; large builds need {} and end with `No space left on device`",
                bytes(need)
            ))
            .cure(cure),
        it if it.free < LITTLE => Check::fail(GROUP, name, found)
            .because("builds will end with `No space left on device`")
            .cure(facts.collect_garbage()),
        _ => Check::pass(GROUP, name, found),
    }
}

/// The flight computer is aarch64-linux: who builds for it is of interest where a flake has it.
fn emulation(facts: &Facts) -> Option<Check> {
    let wanted = "aarch64-linux";
    let name = "aarch64";
    if !facts.workspace.flakes.iter().any(|it| it.name.contains("aleph")) {
        return None;
    }
    let cure = "cargo xtask setup builder ssh://USER@HOST";
    if facts.host.system().to_string() == wanted {
        return Some(Check::pass(GROUP, name, "native"));
    }
    if let Some(it) = facts.builders.machines.iter().find(|it| it.systems.contains(wanted)) {
        return Some(Check::pass(GROUP, name, format!("by the builder {}", it.name)));
    }
    let platforms = facts.setting("extra-platforms").unwrap_or_default();
    if !platforms.split(' ').any(|it| it == wanted) {
        return Some(
            Check::warn(GROUP, name, "no builder and no emulation")
                .because("images of the flight computer can only be downloaded, or built on a device")
                .cure(cure),
        );
    }
    let file = facts.host.path("/proc/sys/fs/binfmt_misc/qemu-aarch64");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let flags = text.lines().find_map(|it| it.strip_prefix("flags:")).unwrap_or_default();
    Some(match () {
        () if !text.starts_with("enabled") => Check::fail(
            GROUP,
            name,
            "extra-platforms has it, the kernel has no emulator",
        )
        .because("builds for aarch64 start, and end with `Exec format error`")
        .cure(
            "register qemu-aarch64 (Debian: apt install qemu-user-static), or take it out of extra-platforms",
        ),
        () if !flags.contains('F') => {
            Check::warn(GROUP, name, "emulated, but the emulator is not in the sandbox")
                .because("it was registered without the flag F, so it is looked for inside the sandbox")
                .cure("register it with the flag F (Debian: apt install qemu-user-static)")
        }
        () => Check::pass(GROUP, name, "emulated, about ten times slower than a builder"),
    })
}
