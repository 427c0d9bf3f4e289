//! A device to deploy to: Debian with systemd as its first process (or with sshd alone), in a network of its own.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use camino::Utf8PathBuf;
use unix::sys::signal::{Signal, kill, killpg};
use unix::unistd::Pid;

use crate::support::wait::wait_for;
use crate::support::{Run, Sandbox, lacks, missing};
use crate::{kept, owner};

/// All devices have it: each is in a network namespace of its own.
pub(crate) const ADDRESS: &str = "root@fde1:2240:a1ef::1";
pub(crate) const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/offline");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/device");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Systemd,
    /// Nothing runs but sshd.
    Bare,
}

/// The device and the workspace of somebody who deploys to it. Stops with this value.
pub(crate) struct Device {
    pub(crate) sandbox: Sandbox,
    kind: Kind,
    /// Our end of the cable, and the device's.
    pub(crate) ours: String,
    pub(crate) theirs: String,
    pub(crate) dir: Utf8PathBuf,
    pub(crate) child: Option<Child>,
    /// The system that it comes with.
    pub(crate) factory: String,
}

/// Whether these tests must be left out.
pub(crate) fn lacking() -> bool {
    if Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout != b"0\n") {
        missing("root, for network namespaces");
        return true;
    }
    ["mmdebstrap", "systemd-nspawn", "ip", "nft", "ssh", "tc"].iter().any(|it| lacks(it))
}

impl Device {
    pub(crate) fn start(kind: Kind) -> Device {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let sandbox = owner::example();
        // The files of an overlay cannot be on another overlay or on a tmpfs of a container.
        let dir = Utf8PathBuf::from(format!("{}/device-{name}", env!("CARGO_TARGET_TMPDIR")));
        let (ours, theirs) = (format!("xc{name}"), format!("xt{name}"));
        let mut res = Device { sandbox, kind, ours, theirs, dir, child: None, factory: String::new() };
        res.install();
        res.cable();
        res.power_on();
        res
    }

    /// The files of the device: keys, the factory's system, what the team trusts.
    fn install(&mut self) {
        let (dir, home) = (self.dir.clone(), self.sandbox.temp().join("home/.ssh"));
        for part in ["root", "work", "upper/root/.ssh", "upper/etc/nix", "upper/boot"] {
            fs::create_dir_all(dir.join(part)).unwrap();
        }
        fs::create_dir_all(&home).unwrap();
        let key = home.join("id");
        sh(&format!("ssh-keygen -q -t ed25519 -N '' -C test -f {key}"));
        fs::write(home.join("config"), format!("Host *\n  IdentityFile {key}\n  IdentitiesOnly yes\n"))
            .unwrap();
        let upper = dir.join("upper");
        for (who, home) in [("0", "root"), ("pilot", "home/pilot"), ("engineer", "home/engineer")] {
            let ssh = upper.join(home).join(".ssh");
            fs::create_dir_all(&ssh).unwrap();
            fs::copy(format!("{key}.pub"), ssh.join("authorized_keys")).unwrap();
            let at = rootfs();
            let owner = format!("chroot {at} id -u {who} 2>/dev/null || echo 0");
            let uid = sh(&owner).trim().to_owned();
            sh(&format!("chmod 700 {ssh} {ssh}/..; chown -R {uid}:{uid} {ssh} {ssh}/.."));
        }
        owner::keys(&self.sandbox, &self.ours);
        let public = fs::read_to_string(self.sandbox.temp().join("team.pub")).unwrap();
        let conf =
            format!("sandbox = true\nbuild-users-group = nixbld\ntrusted-public-keys = {}\n", public.trim());
        fs::write(upper.join("etc/nix/nix.conf"), conf).unwrap();
        sh(&format!(
            "mkdir -p {upper}/etc/ssh/sshd_config.d; printf 'StrictModes no\\nUseDNS no\\nClientAliveInterval 5\\nClientAliveCountMax 2\\nMaxStartups 100\\n' > {upper}/etc/ssh/sshd_config.d/device.conf"
        ));
        // The manager of root's services would stop ten seconds after the last login; in a container its end is noticed
        // two minutes late, and who logs in meanwhile waits for that.
        fs::create_dir_all(upper.join("var/lib/systemd/linger")).unwrap();
        fs::write(upper.join("var/lib/systemd/linger/root"), "").unwrap();
        // The factory's system gets into the store by the device's own Nix, before it is switched on.
        let script = format!(
            "set -e; mount -t overlay -o lowerdir={rootfs},upperdir={dir}/upper,workdir={dir}/work overlay {dir}/root; cd {dir}/root; mount --bind /proc proc
             mkdir tmp/nixos-system-factory-1; cp -r {EXAMPLE}/aleph/system/. tmp/nixos-system-factory-1/
             echo factory-1 > tmp/nixos-system-factory-1/nixos-version
             path=$(chroot . /usr/bin/nix-store --add /tmp/nixos-system-factory-1)
             ln -s system-1-link nix/var/nix/profiles/system; ln -s $path nix/var/nix/profiles/system-1-link
             echo $path > boot/default; echo $path",
            rootfs = rootfs()
        );
        let output = Command::new("unshare")
            .args(["-m", "--propagation", "private", "sh", "-c", &script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().clone_into(&mut self.factory);
    }

    fn cable(&self) {
        let (ours, theirs) = (&self.ours, &self.theirs);
        sh(&format!(
            "set -e; ip netns add {ours}; ip netns add {theirs}
             ip link add v0 netns {ours} type veth peer name v1 netns {theirs}
             for ns in {ours} {theirs}; do ip -n $ns link set lo up; done
             for i in all v1; do ip netns exec {theirs} sh -c \"echo 1 > /proc/sys/net/ipv6/conf/$i/keep_addr_on_down\"; done
             ip -n {theirs} addr add fde1:2240:a1ef::1/64 dev v1 nodad
             ip -n {ours} addr add fde1:2240:a1ef::2/64 dev v0 nodad
             ip -n {ours} addr add fe80::2/64 dev v0 nodad; ip -n {theirs} addr add fe80::1/64 dev v1 nodad
             ip -n {ours} link set v0 up; ip -n {theirs} link set v1 up"
        ));
    }

    fn power_on(&mut self) {
        let kind = if self.kind == Kind::Systemd { "systemd" } else { "bare" };
        let log = fs::File::create(self.dir.join("console")).unwrap();
        let mut command = Command::new("bash");
        command.arg(format!("{FIXTURES}/up.sh")).args([
            kind,
            &self.theirs,
            self.dir.as_str(),
            rootfs().as_str(),
        ]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        self.child = Some(command.spawn().unwrap());
        wait_for("the device to answer", || self.try_sh("true").status.success().then_some(()));
    }

    /// As if the power failed.
    pub(crate) fn power_off(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        killpg(group, Signal::SIGKILL).ok();
        drop(child.wait());
        // Whoever is in the device's network is the device.
        wait_for("the device to be off", || {
            let pids = pids_at(&self.theirs);
            for pid in pids.lines().filter_map(|it| it.trim().parse().ok()) {
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
            pids.trim().is_empty().then_some(())
        });
    }

    pub(crate) fn power_cycle(&mut self) {
        self.power_off();
        self.power_on();
    }

    /// A script on the device, as root, over ssh.
    pub(crate) fn try_sh(&self, script: &str) -> Output {
        let key = self.sandbox.temp().join("home/.ssh/id");
        let options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=2",
            "BatchMode=yes",
        ];
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.ours, "ssh", "-F", "/dev/null", "-i", key.as_str()]);
        for option in options {
            command.args(["-o", option]);
        }
        command.args([ADDRESS, script]).stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What the activation of a system that is called so does. `$1` is the action, `$2` the system.
    pub(crate) fn on_activation(&self, system: &str, script: &str) {
        let hook = format!("#!/bin/sh\\ncase $2 in *{system}*) {script};; esac\\n").replace('\'', "'\\''");
        self.sh(&format!("mkdir -p /etc/aleph; printf '{hook}' > /etc/aleph/activation-hook; chmod 755 /etc/aleph/activation-hook"));
    }

    /// A command in the device's network, at the device's end of the cable.
    pub(crate) fn at_the_device(&self, script: &str) {
        sh(&format!("ip netns exec {} sh -c '{script}'", self.theirs));
    }

    /// Nothing gets through any more, and nobody is told.
    pub(crate) fn cut(&self) {
        self.at_the_device("nft add table inet cut && nft \"add chain inet cut in { type filter hook input priority 0; policy drop; }\"");
    }

    pub(crate) fn mend(&self) {
        self.at_the_device("nft flush ruleset");
    }

    /// So that a copy lasts long enough to be cut.
    pub(crate) fn slow(&self, rate: &str) {
        self.queue(&format!("add dev v0 root tbf rate {rate} burst 64k latency 50ms"));
    }

    /// As before it was slow.
    pub(crate) fn quick(&self) {
        self.queue("del dev v0 root");
    }

    fn queue(&self, words: &str) {
        sh(&format!("ip netns exec {} tc qdisc {words}", self.ours));
    }

    /// The binary at our end of the cable.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let inner = self.sandbox.command(args);
        let mut res = Command::new("ip");
        res.args(["netns", "exec", &self.ours]).arg(inner.get_program()).args(inner.get_args());
        res.env_clear().envs(self.sandbox.environment()).env("TERM", "dumb");
        res.current_dir(self.sandbox.root()).stdin(Stdio::null());
        res
    }

    pub(crate) fn run(&self, args: &str) -> Run {
        let output = self.command(&args.split_whitespace().collect::<Vec<_>>()).output().unwrap();
        self.sandbox.told(output)
    }

    /// In a process group of its own, as a shell with a terminal starts it.
    pub(crate) fn begin(&self, args: &str) -> Child {
        let mut command = self.command(&args.split_whitespace().collect::<Vec<_>>());
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Trusts the key that the device has, as its owner would after a look at the console.
    pub(crate) fn known(self) -> Device {
        let key = self.fingerprint();
        self.run(&format!("rollback --list --host-key {key}")).good();
        self
    }

    pub(crate) fn fingerprint(&self) -> String {
        let line = self.sh("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
        line.split(' ').nth(1).unwrap().to_owned()
    }

    /// What runs there.
    pub(crate) fn runs(&self) -> String {
        self.sh("readlink -f /run/current-system")
    }

    /// What boots there.
    pub(crate) fn boots(&self) -> String {
        let profile = self.sh("readlink -f /nix/var/nix/profiles/system");
        assert_eq!(self.sh("cat /boot/default"), profile, "the profile and the boot loader differ");
        profile
    }

    /// No process and no socket of ours is left at our end of the cable.
    #[track_caller]
    pub(crate) fn nobody_is_left_here(&self) {
        wait_for("our end to be left alone", || pids_at(&self.ours).trim().is_empty().then_some(()));
        let left: Vec<_> = owner::runtime_dir(&self.sandbox).read_dir_utf8().unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// The factory's system runs and boots, and nothing of the deployment is left behind.
    #[track_caller]
    pub(crate) fn is_as_before(&self) {
        assert_eq!((self.runs(), self.boots()), (self.factory.clone(), self.factory.clone()));
        self.is_tidy();
    }

    /// No lock, no root of the collector, no timer is left.
    #[track_caller]
    pub(crate) fn is_tidy(&self) {
        let left = "ls /nix/var/nix/gcroots | grep elodin; ls /run/elodin-deploy/lock /run/elodin-deploy/*/armed 2>/dev/null; \
                    systemctl list-timers --all 2>/dev/null | grep elodin; :";
        assert_eq!(self.sh(left), "");
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if kept::wanted() {
            return self.leave();
        }
        if std::thread::panicking() {
            let console = fs::read_to_string(self.dir.join("console")).unwrap_or_default();
            let tail: Vec<&str> = console.lines().rev().take(15).collect();
            eprintln!("console of the device, the last line first:\n{}", tail.join("\n"));
        }
        self.power_off();
        for ns in [&self.ours, &self.theirs] {
            drop(Command::new("ip").args(["netns", "del", ns]).output());
        }
        // The mounts went with the last process.
        for _ in 0..20 {
            if fs::remove_dir_all(&self.dir).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

/// Who is in a network namespace.
fn pids_at(end: &str) -> String {
    let pids = Command::new("ip").args(["netns", "pids", end]).output().unwrap().stdout;
    String::from_utf8(pids).unwrap()
}

/// A command of the machine that must succeed.
pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("bash").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Made once, and kept while the scripts that make it stay as they are.
fn rootfs() -> Utf8PathBuf {
    static DIR: OnceLock<Utf8PathBuf> = OnceLock::new();
    let make = || {
        let name =
            sh(&format!("cat {FIXTURES}/rootfs.sh {FIXTURES}/aleph-boot.service | sha256sum | cut -c1-12"));
        let dir = Utf8PathBuf::from(format!("{}/rootfs-{}", env!("CARGO_TARGET_TMPDIR"), name.trim()));
        sh(&format!("bash {FIXTURES}/rootfs.sh {dir} 2>&1"));
        dir
    };
    DIR.get_or_init(make).clone()
}
