//! `setup builder` with a real daemon, a real sshd and a real Nix behind it, up to the build that proves it.

use std::fs;
use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::doctor::{lacks_users, line};
use crate::support::daemon::Daemon;
use crate::support::flakes::system;
use crate::support::port::free_port;
use crate::support::wait::wait_for;
use crate::support::{Sandbox, cache, lacks, missing, suite};

/// An sshd for root alone, on a port of its own; it is stopped when this goes away.
struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// In a directory with its keys. What is in `bin` there is found first by who logs in.
fn sshd(dir: &Utf8Path, port: u16) -> Sshd {
    fs::create_dir_all(dir).unwrap();
    for name in ["host", "user"].into_iter().filter(|it| !dir.join(it).exists()) {
        let args = ["-q", "-t", "ed25519", "-N", "", "-f", name];
        assert!(Command::new("ssh-keygen").args(args).current_dir(dir).status().unwrap().success());
    }
    fs::copy(dir.join("user.pub"), dir.join("authorized")).unwrap();
    let options = [
        format!("ListenAddress=127.0.0.1:{port}"),
        format!("HostKey={dir}/host"),
        format!("AuthorizedKeysFile={dir}/authorized"),
        "UsePAM=no".to_owned(),
        "StrictModes=no".to_owned(),
        "PidFile=none".to_owned(),
        "PermitRootLogin=yes".to_owned(),
        format!("SetEnv=PATH={dir}/bin:/usr/bin:/bin"),
    ];
    let options = options.iter().flat_map(|it| ["-o", it]);
    fs::create_dir_all("/run/sshd").unwrap();
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f", "/dev/null"]).args(options).stdin(Stdio::null());
    let log = fs::File::create(dir.join("log")).unwrap();
    let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    wait_for("sshd", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    Sshd(child)
}

/// The programs of a Nix with a store of its own.
fn install_nix(sandbox: &Sandbox, nix: &str) -> Utf8PathBuf {
    let dir = sandbox.temp().join("sshd");
    let conf = format!("{}/elodin-xtask/nix/{}/conf", cache(), suite());
    for name in ["nix", "nix-store", "nix-daemon"] {
        let real = nix.replace("/bin/nix", &format!("/bin/{name}"));
        let text = format!(
            "#!/bin/sh\nexport NIX_CONF_DIR='{conf}' NIX_CONFIG='store = {dir}/store'\nunset NIX_REMOTE\nexec '{real}' \"$@\"\n"
        );
        sandbox.program(&format!("sshd/bin/{name}"), &text);
    }
    dir.join("store/nix/store")
}

/// A daemon, and the command that gives it and its clients an ssh configuration of their own: that of the machine is
/// not touched.
fn daemon() -> (Daemon, String) {
    let sandbox = Sandbox::new().packages(&[("default", ": > $out")]);
    let temp = sandbox.temp().to_owned();
    fs::create_dir_all(temp.join("ssh")).unwrap();
    fs::write(temp.join("ssh/ssh_config"), "Host *\n").unwrap();
    let mount = format!("mount --bind {temp}/ssh /etc/ssh");
    let settings = "experimental-features = nix-command flakes\n";
    (Daemon::start_mounted(sandbox, settings, &mount), mount)
}

/// The page; on a busy machine an answer takes longer than the doctor waits otherwise.
fn doctor(daemon: &Daemon, mount: &str) -> String {
    daemon.mounted(mount, "doctor --deep").stderr
}

fn built(store: &Utf8Path) -> usize {
    let entries = store.read_dir_utf8().into_iter().flatten().flatten();
    entries.filter(|it| it.file_name().ends_with("-xtask-builder-test")).count()
}

#[test]
fn a_builder_is_written_down_and_proven_by_a_build() {
    if lacks_users() || lacks("ssh-keyscan") {
        return;
    }
    if !Utf8Path::new("/usr/sbin/sshd").exists() {
        return missing("sshd");
    }
    let (daemon, mount) = daemon();
    let temp = daemon.sandbox.temp().to_owned();
    let port = free_port();
    let running = sshd(&temp.join("sshd"), port);
    fs::write(temp.join("conf/machines"), "# by hand\nssh://other riscv64-linux").unwrap();
    let args = format!(
        "--yes setup builder ssh://root@127.0.0.1:{port} --system {} -j 3 --key {temp}/sshd/user",
        system()
    );
    // Its Nix is broken: it is written down, and does not work.
    daemon.sandbox.program("sshd/bin/nix-store", "#!/bin/sh\necho broken >&2; exit 1\n");
    let run = daemon.mounted(&mount, &args).bad();
    assert!(run.stderr.contains("is written down, and does not work: Nix: "), "{}", run.text());
    assert!(run.stderr.contains("take it back: cargo xtask setup undo"), "{}", run.text());
    let store = install_nix(&daemon.sandbox, &daemon.nix);
    let run = daemon.mounted(&mount, &args).good().says("host key of 127.0.0.1: 256 SHA256:");
    let proof = format!("ssh://root@builder-127.0.0.1-{port} has built for $SYSTEM in ");
    assert!(run.stderr.contains(&proof), "{}", run.text());
    assert_eq!(built(&store), 1, "{}", run.text());
    let machines = fs::read_to_string(temp.join("conf/machines")).unwrap();
    let want = format!(
        "# by hand\nssh://other riscv64-linux\nssh://root@builder-127.0.0.1-{port} {} {temp}/sshd/user 3 1 - - ",
        system()
    );
    assert!(machines.starts_with(&want), "{machines}");
    let ssh = fs::read_to_string(temp.join("ssh/ssh_config")).unwrap();
    assert_eq!(ssh, "Include /etc/ssh/ssh_config.d/*\n\nHost *\n");
    // A second time nothing changes, and it is proven anew; the doctor tries the way to it.
    daemon.mounted(&mount, &args).good();
    assert_eq!(fs::read_to_string(temp.join("conf/machines")).unwrap(), machines);
    assert_eq!(built(&store), 2);
    let page = doctor(&daemon, &mount);
    let name = format!("ssh://root@builder-127.0.0.1-{port} for $SYSTEM: ");
    let told = page.lines().find(|it| it.contains(&name)).unwrap_or(&page);
    assert!(told.contains("ok    machine") && told.contains("answers, in"), "{page}");
    assert!(line(&page, "machine").contains("ssh://other"), "{page}");
    // The machine goes away: nothing is written for one that shows no key.
    drop(running);
    daemon.mounted(&mount, &args).bad().says("shows no ed25519 host key");
    // Its key is another one when it is back.
    fs::remove_file(temp.join("sshd/host")).unwrap();
    let _running = sshd(&temp.join("sshd"), port);
    let page = doctor(&daemon, &mount);
    assert!(page.contains("its host key has changed"), "{page}");
    // Two times there was something to write down.
    daemon.mounted(&mount, "--yes setup undo").good();
    let machines = fs::read_to_string(temp.join("conf/machines")).unwrap();
    assert_eq!(machines, "# by hand\nssh://other riscv64-linux");
}

#[test]
fn a_nix_without_a_daemon_has_no_use_for_it() {
    let sandbox = Sandbox::new().file("flake.nix", "{outputs = _: {};}");
    sandbox
        .run("setup builder ssh://u@h")
        .bad()
        .says("our own Nix has no daemon")
        .says("NIX_CONFIG='builders = ssh://u@h");
}
