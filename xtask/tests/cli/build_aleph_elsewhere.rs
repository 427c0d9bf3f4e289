//! `build-aleph` on another machine: a real sshd, behind it a real Nix with a store of its own that says it is an
//! aarch64 machine. The example's builders are scripts, so its shell runs them whatever it is.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::support::port::free_port;
use crate::support::wait::wait_for;
use crate::support::{Sandbox, cache, missing, suite};

const SSHD: &str = "/usr/sbin/sshd";

/// Stops its sshd when it goes away.
struct Device {
    sshd: Child,
    port: u16,
}

impl Drop for Device {
    fn drop(&mut self) {
        drop(self.sshd.kill());
        drop(self.sshd.wait());
    }
}

fn keygen(file: &str) {
    let status = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", file]).status();
    assert!(status.unwrap().success());
}

impl Device {
    /// A device whose Nix has these lines more in its configuration.
    fn start(sandbox: &Sandbox, more: &str) -> Device {
        let dir = sandbox.temp().join("device");
        let private = format!("{}/elodin-xtask/nix/{}", cache(), suite());
        fs::create_dir_all(dir.join("conf")).unwrap();
        let conf = fs::read_to_string(format!("{private}/conf/nix.conf")).unwrap();
        let conf = conf.replace(&format!("store = {private}-store"), &format!("store = {dir}/store"));
        fs::write(dir.join("conf/nix.conf"), format!("{conf}\nsystem = aarch64-linux\n{more}")).unwrap();
        for name in ["nix", "nix-daemon"] {
            let script = format!(
                "#!/bin/bash\nexport NIX_CONF_DIR={dir}/conf NIX_USER_CONF_FILES= HOME={dir}\nexec -a {name} {private}/root/usr/bin/nix \"$@\"\n"
            );
            sandbox.program(&format!("device/bin/{name}"), &script);
        }
        keygen(&format!("{dir}/host"));
        keygen(&format!("{dir}/user"));
        let port = free_port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/user.pub\nStrictModes no\n\
             UsePAM no\nPidFile none\nPermitRootLogin yes\nSetEnv PATH={dir}/bin:/usr/bin:/bin\n"
        );
        fs::write(dir.join("sshd_config"), config).unwrap();
        let known = fs::read_to_string(dir.join("host.pub")).unwrap();
        fs::write(dir.join("known"), format!("[127.0.0.1]:{port} {known}")).unwrap();
        // Where it keeps its unprivileged half, which Debian's service would make.
        drop(fs::create_dir_all("/run/sshd"));
        let log = fs::File::create(dir.join("log")).unwrap();
        let sshd =
            Command::new(SSHD).args(["-D", "-e", "-f"]).arg(dir.join("sshd_config")).stderr(log).spawn();
        let res = Device { sshd: sshd.unwrap(), port };
        wait_for("sshd", || TcpStream::connect(("127.0.0.1", port)).ok());
        res
    }

    fn ssh_options(&self, sandbox: &Sandbox) -> String {
        let dir = sandbox.temp().join("device");
        format!("-F /dev/null -p {} -i {dir}/user -o UserKnownHostsFile={dir}/known", self.port)
    }
}

/// The example, with what the device needs and what the client is told of it.
fn example(more: &str) -> Option<(Sandbox, Device, String)> {
    if !fs::exists(SSHD).unwrap() {
        missing("openssh-server");
        return None;
    }
    let sandbox = super::build_aleph::example();
    let device = Device::start(&sandbox, more);
    let options = device.ssh_options(&sandbox);
    let name = Command::new("id").arg("-un").stderr(Stdio::null()).output().unwrap();
    let name = format!("{}@127.0.0.1", String::from_utf8(name.stdout).unwrap().trim());
    Some((sandbox.env("NIX_SSHOPTS", &options), device, name))
}

#[test]
fn on_the_device() {
    let Some((sandbox, _device, name)) = example("") else { return };
    let run = sandbox.run(&format!("build-aleph sdimage --out out --on-device={name}")).good();
    let run = run.says(&format!("building on {name}: the device itself, as you asked\n"));
    // Made there, and brought here without a signature.
    drop(run.says(&format!(" on ssh-ng://{name}")));
    assert!(sandbox.root().join("out/aleph-offline.img").exists());
    let there = fs::read_dir(sandbox.temp().join("device/store/nix/store")).unwrap();
    let mut names = there.map(|it| it.unwrap().file_name().into_string().unwrap());
    assert!(names.any(|it| it.ends_with("-aleph-offline-image-1.0.0.tar")));
}

#[test]
fn on_a_builder_that_answers() {
    let Some((sandbox, _device, name)) = example("") else { return };
    let line = format!("ssh-ng://nobody@127.0.0.1:1?a=b aarch64-linux; ssh-ng://{name} aarch64-linux");
    let run = sandbox.run_args(&["build-aleph", "sdimage", "--", "--builders", &line]).good();
    let run = run.says(&format!("building on ssh-ng://{name}: it answers and builds aarch64-linux\n"));
    run.says("warning: the builder ssh-ng://nobody@127.0.0.1:1?a=b does not answer: ");
}

#[test]
fn a_device_that_is_not_what_it_should_be() {
    let Some((sandbox, device, name)) = example("extra-platforms =\n") else { return };
    let conf = sandbox.temp().join("device/conf/nix.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("system = aarch64-linux", "system = riscv64-linux")).unwrap();
    let run = sandbox.run(&format!("build-aleph sdimage --on-device={name}")).bad();
    drop(run.says(&format!("{name} builds for riscv64-linux; ")).says(" is for aarch64-linux"));
    if std::env::consts::ARCH != "aarch64" {
        let line = format!("ssh-ng://{name} aarch64-linux");
        let run = sandbox.run_args(&["build-aleph", "sdimage", "--", "--builders", &line]).bad();
        run.says("is not fit: its line says aarch64-linux, and it builds for riscv64-linux only");
    }

    fs::remove_file(sandbox.temp().join("device/bin/nix")).unwrap();
    let run = sandbox.run(&format!("build-aleph sdimage --on-device={name}")).bad();
    run.says("hint: there is no `nix` for commands over ssh");

    let sandbox = sandbox.env("NIX_SSHOPTS", &format!("-F /dev/null -p {} -i /none", device.port));
    let run = sandbox.run(&format!("build-aleph sdimage --on-device={name}")).bad();
    run.says(&format!("error: {name} does not answer: "));
}
