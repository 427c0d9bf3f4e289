//! Enters the mount namespace in which a private store is `/nix/store`: what is built there knows no other name.
//!
//! Nix does the same for `nix shell`, `run` and `develop` on such a store, but it takes 60 ms and more to do so.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use unix::errno::Errno;
use unix::mount::{MntFlags, MsFlags, mount, umount2};
use unix::sched::{CloneFlags, unshare};
use unix::unistd::{chdir, getgid, getuid, pivot_root};

/// From here on, this process and its children see the private store at `/nix`. The process must have no other
/// threads; `cwd` is entered again in the new tree.
///
/// # Errors
/// When the kernel does not allow it: without root it takes user namespaces.
pub fn enter(store_root: &Utf8Path, cwd: &Utf8Path) -> anyhow::Result<()> {
    separate().context("the kernel does not allow a mount namespace")?;
    bind(None, Path::new("/"), MsFlags::MS_REC | MsFlags::MS_PRIVATE)
        .context("cannot make mounts private")?;
    let nix = store_root.join("nix");
    if Path::new("/nix").is_dir() {
        bind(Some(nix.as_std_path()), Path::new("/nix"), MsFlags::MS_BIND | MsFlags::MS_REC)
            .with_context(|| format!("cannot mount `{nix}` at /nix"))?;
    } else {
        new_root(store_root, &nix).context("cannot make a root directory that has /nix")?;
    }
    chdir(cwd.as_std_path()).with_context(|| format!("cannot enter `{cwd}`"))
}

/// Root may have a mount namespace as it is; others get one in a user namespace, in which they stay themselves.
fn separate() -> anyhow::Result<()> {
    match unshare(CloneFlags::CLONE_NEWNS) {
        Err(Errno::EPERM) => {}
        other => return Ok(other?),
    }
    let (user, group) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny").context("cannot write /proc/self/setgroups")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1")).context("cannot write /proc/self/uid_map")?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
        .context("cannot write /proc/self/gid_map")?;
    Ok(())
}

/// Where the machine has no `/nix`, and we may not make one: a root of our own, with everything that is in the real
/// one, and `/nix`. It lives in memory and dies with the namespace.
fn new_root(store_root: &Utf8Path, nix: &Utf8Path) -> anyhow::Result<()> {
    // Any directory that is there will do, since it is only covered in this namespace.
    let root = store_root.join("nix/var");
    mount(Some("xtask"), root.as_std_path(), Some("tmpfs"), MsFlags::empty(), Some("mode=0755,size=1m"))
        .context("cannot mount a tmpfs")?;
    for entry in fs::read_dir("/").context("cannot read /")? {
        let entry = entry?;
        let name = entry.file_name();
        let (from, to) = (entry.path(), root.as_std_path().join(&name));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_dir() {
            fs::create_dir(&to)?;
            bind(Some(&from), &to, MsFlags::MS_BIND | MsFlags::MS_REC)
                .with_context(|| format!("cannot mount `{}`", from.display()))?;
        } else if kind.is_file() {
            fs::write(&to, "")?;
            bind(Some(&from), &to, MsFlags::MS_BIND)
                .with_context(|| format!("cannot mount `{}`", from.display()))?;
        }
    }
    let target: Utf8PathBuf = root.join("nix");
    fs::create_dir(&target)?;
    bind(Some(nix.as_std_path()), target.as_std_path(), MsFlags::MS_BIND)?;
    // Not chroot(2): who lives in one may not make user namespaces, which builds need.
    chdir(root.as_std_path()).context("cannot enter the new root")?;
    pivot_root(".", ".").context("cannot change the root directory")?;
    umount2(".", MntFlags::MNT_DETACH).context("cannot leave the old root directory")
}

fn bind(from: Option<&Path>, to: &Path, flags: MsFlags) -> unix::Result<()> {
    mount(from, to, None::<&str>, flags, None::<&str>)
}
