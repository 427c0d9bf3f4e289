//! A whole machine, played by QEMU: Debian's kernel, real USB storage that can be plugged in and pulled out, a slot for
//! SD cards, a fixed disk, and a disk that it runs from. Its processor is played, too, so that it needs no rights.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use xshell::{Shell, cmd};

use crate::debian::{all, cached, find, unpack};
use crate::support::wait::wait_for;
use crate::support::{Run, Sandbox, lacks, missing};

/// To be raised when what is made here changes.
const VERSION: &str = "2";
/// All that its hardware needs, each before those that need it. Some are built into some kernels.
const MODULES: &str = "virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk \
    crc16 crc32c_generic libcrc32c crc32c-cryptoapi mbcache jbd2 ext4 scsi_common scsi_mod libata libahci ahci sd_mod \
    usb-common usbcore xhci-hcd xhci-pci usb-storage mmc_core cqhci sdhci sdhci-uhs2 sdhci-pci mmc_block";
/// A hung guest ends in a failed test, a slow one does not.
const PATIENCE: Duration = Duration::from_mins(4);
/// Between the parts of an answer, and behind it.
const PART: char = '\u{1e}';
const END: u8 = 4;

pub(crate) struct Guest {
    sandbox: Sandbox,
    _qemu: Qemu,
    shell: UnixStream,
    control: BufReader<UnixStream>,
    /// What QEMU has said, and nobody wanted yet.
    heard: Vec<Value>,
    terminal: UnixStream,
    seen: String,
}

/// Whether this machine can play one; says so.
pub(crate) fn no_guest() -> bool {
    if std::env::consts::ARCH != "x86_64" {
        missing("an x86_64 machine, whose programs the guest runs");
        return true;
    }
    ["qemu-system-x86_64", "mke2fs", "sfdisk", "zstd", "apt-get", "ldd"].iter().any(|it| lacks(it))
}

/// The kernel, its first file system, and busybox.
fn parts() -> Utf8PathBuf {
    static MADE: OnceLock<Utf8PathBuf> = OnceLock::new();
    MADE.get_or_init(|| cached(&format!("usb-guest-{VERSION}"), make)).clone()
}

fn make(draft: &Utf8Path) {
    let sh = Shell::new().unwrap();
    let packages = Utf8PathBuf::from(format!("{draft}.packages"));
    let wanted = |it: &str| it == "busybox-static" || it.starts_with("linux-image-");
    unpack("x86_64", &["busybox-static", "linux-image-amd64"], &wanted, &packages);
    let initrd = draft.join("initrd");
    for dir in ["bin", "modules"] {
        fs::create_dir_all(initrd.join(dir)).unwrap();
    }
    fs::copy(find(&packages, "vmlinuz-"), draft.join("vmlinuz")).unwrap();
    fs::copy(find(&packages, "busybox"), draft.join("busybox")).unwrap();
    fs::copy(draft.join("busybox"), initrd.join("bin/busybox")).unwrap();
    fs::copy(fixture("initrd.sh"), initrd.join("init")).unwrap();
    cmd!(sh, "chmod 755 {initrd}/init").quiet().run().unwrap();
    let busybox = draft.join("busybox");
    for (n, name) in MODULES.split_whitespace().enumerate() {
        let Some(file) = all(&packages, &format!("{name}.ko")).into_iter().next() else { continue };
        let content = match file.extension() {
            Some("xz") => cmd!(sh, "{busybox} xz -dc {file}").quiet().output().unwrap().stdout,
            _ => fs::read(&file).unwrap(),
        };
        fs::write(initrd.join(format!("modules/{n:02}-{name}.ko")), content).unwrap();
    }
    let pack = format!("cd {initrd} && find . | {busybox} cpio -o -H newc > ../initrd.cpio");
    cmd!(sh, "sh -ec {pack}").quiet().ignore_stderr().run().unwrap();
    fs::remove_dir_all(&packages).unwrap();
}

fn fixture(name: &str) -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/usb-guest").join(name)
}

/// The program that writes, which is compiled when it is first used.
pub(crate) fn companion() -> String {
    let sh = Shell::new().unwrap();
    let cargo = std::env::var("CARGO").unwrap_or("cargo".to_owned());
    let _here = sh.push_dir(env!("CARGO_MANIFEST_DIR"));
    let build = cmd!(sh, "{cargo} build --quiet --locked --package xtask-disk --message-format=json");
    let told = build.quiet().read().unwrap();
    let mut lines = told.lines().map(|it| serde_json::from_str::<Value>(it).unwrap());
    lines.find_map(|it| Some(it["executable"].as_str()?.to_owned())).unwrap()
}

/// The disk that it runs from: our programs, the libraries that they need, and a workspace.
fn root(dir: &Utf8Path, work: &Utf8Path, disk: &Utf8Path) {
    let sh = Shell::new().unwrap();
    let (xtask, companion) = (env!("CARGO_BIN_EXE_xtask"), companion());
    for it in ["bin", "dev", "media", "proc", "root", "run", "sys", "tmp"] {
        fs::create_dir_all(dir.join(it)).unwrap();
    }
    fs::copy(parts().join("busybox"), dir.join("bin/busybox")).unwrap();
    fs::copy(fixture("root.sh"), dir.join("init")).unwrap();
    cmd!(sh, "chmod 755 {dir}/init").quiet().run().unwrap();
    cmd!(sh, "cp -r {work} {dir}/work").quiet().run().unwrap();
    cmd!(sh, "cp {xtask} {companion} {dir}/bin").quiet().run().unwrap();
    for line in cmd!(sh, "ldd {xtask} {companion}").quiet().read().unwrap().lines() {
        let Some(library) = line.split_whitespace().find(|it| it.starts_with('/') && !it.ends_with(':'))
        else {
            continue;
        };
        let place = Utf8PathBuf::from(format!("{dir}{library}"));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(library, place).unwrap();
    }
    cmd!(sh, "mke2fs -q -t ext4 -O ^has_journal -d {dir} {disk} 320M").quiet().ignore_stdout().run().unwrap();
}

impl Guest {
    /// Boots it with the files of the sandbox's workspace.
    pub(crate) fn start(sandbox: Sandbox, more: &[&str]) -> Guest {
        let dir = sandbox.temp().to_owned();
        root(&dir.join("root"), &sandbox.root(), &dir.join("root.img"));
        fs::File::create(dir.join("fixed.img")).unwrap().set_len(64 << 20).unwrap();
        let parts = parts();
        let line = format!(
            "-machine q35 -accel tcg -cpu max -m 512 -display none -no-reboot -nic none -kernel {parts}/vmlinuz \
             -initrd {parts}/initrd.cpio -serial file:{dir}/console.log \
             -serial unix:{dir}/shell,server=on,wait=off -serial unix:{dir}/terminal,server=on,wait=off \
             -qmp unix:{dir}/control,server=on,wait=off -device qemu-xhci,id=usb \
             -drive if=none,id=root,format=raw,file={dir}/root.img -device virtio-blk-pci,drive=root,serial=ROOT \
             -drive if=none,id=fixed,format=raw,file={dir}/fixed.img \
             -device ide-hd,drive=fixed,model=Fixed,serial=FIXED"
        );
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(line.split_whitespace())
            .args(more)
            .args(["-append", "console=ttyS0 panic=-1 quiet mitigations=off"]);
        let qemu = Qemu(command.stdin(Stdio::null()).spawn().unwrap());
        let connect = |name: &str| {
            let stream = wait_for(name, || UnixStream::connect(dir.join(name)).ok());
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
        };
        let (shell, terminal, control) = (connect("shell"), connect("terminal"), connect("control"));
        terminal.set_nonblocking(true).unwrap();
        let control = BufReader::new(control);
        let mut guest =
            Guest { sandbox, _qemu: qemu, shell, control, heard: Vec::new(), terminal, seen: String::new() };
        guest.tell("qmp_capabilities", &json!({}));
        assert_eq!(guest.end().stdout, "ready");
        guest
    }

    /// Runs a command line in it.
    pub(crate) fn run(&mut self, command: &str) -> Run {
        self.begin(command);
        self.end()
    }

    /// Starts a command line; one at a time.
    pub(crate) fn begin(&mut self, command: &str) {
        writeln!(self.shell, "{command}").unwrap();
    }

    /// What the command left behind.
    pub(crate) fn end(&mut self) -> Run {
        let mut answer = Vec::new();
        let mut byte = [0];
        while byte[0] != END {
            let read = self.shell.read(&mut byte);
            let console = || fs::read_to_string(self.sandbox.temp().join("console.log"));
            assert!(matches!(read, Ok(1)), "the guest does not answer ({read:?}): {:?}", console());
            answer.push(byte[0]);
        }
        answer.pop();
        let answer = String::from_utf8(answer).unwrap();
        let mut parts = answer.split(PART).map(|it| self.sandbox.plain(it));
        let (stdout, stderr) = (parts.next().unwrap(), parts.next().unwrap());
        Run { code: parts.next().unwrap().parse().ok(), stdout, stderr }
    }

    /// Asks QEMU itself.
    pub(crate) fn tell(&mut self, command: &str, arguments: &Value) -> Value {
        let line = json!({"execute": command, "arguments": arguments});
        writeln!(self.control.get_mut(), "{line}").unwrap();
        let answer = self.hear(&|it| !(it["error"].is_null() && it["return"].is_null()));
        assert!(answer["error"].is_null(), "{command} {arguments}: {answer}");
        answer["return"].clone()
    }

    /// The next that QEMU says of a kind, also if it was said before.
    fn hear(&mut self, wanted: &dyn Fn(&Value) -> bool) -> Value {
        loop {
            if let Some(place) = self.heard.iter().position(wanted) {
                return self.heard.remove(place);
            }
            let mut line = String::new();
            self.control.read_line(&mut line).unwrap();
            self.heard.push(serde_json::from_str(&line).unwrap());
        }
    }

    /// Plugs in a stick, over a layer of QEMU's that troubles it, if any.
    pub(crate) fn plug(&mut self, stick: &Stick, trouble: &Trouble) {
        let serial = stick.serial;
        let file = json!({"driver": "file", "filename": stick.file});
        let below = match trouble {
            Trouble::None | Trouble::WriteProtected => file,
            Trouble::Slow { read, write } => {
                let group = format!("slow-{serial}");
                let limits = json!({"bps-read": read, "bps-write": write});
                self.tell(
                    "object-add",
                    &json!({"qom-type": "throttle-group", "id": group, "limits": limits}),
                );
                json!({"driver": "throttle", "throttle-group": group, "file": file})
            }
            Trouble::BadSector { io, sector } => {
                let event = format!("{io}_aio");
                let error =
                    json!({"event": event, "iotype": io, "errno": 5, "sector": sector, "once": false});
                json!({"driver": "blkdebug", "image": file, "inject-error": [error]})
            }
        };
        let read_only = matches!(trouble, Trouble::WriteProtected);
        let node = json!({"driver": "raw", "node-name": serial, "read-only": read_only, "file": below});
        self.tell("blockdev-add", &node);
        self.plug_again(stick);
    }

    /// Plugs in what was pulled out, or ejected.
    pub(crate) fn plug_again(&mut self, stick: &Stick) {
        let device = json!({
            "driver": "usb-storage", "id": stick.id(), "bus": "usb.0", "drive": stick.serial, "serial": stick.serial,
            "removable": true, "werror": "report", "rerror": "report",
        });
        self.tell("device_add", &device);
    }

    /// Pulls it out, whatever happens there.
    pub(crate) fn pull(&mut self, stick: &Stick) {
        self.tell("device_del", &json!({"id": stick.id()}));
        self.hear(&|it| it["event"] == "DEVICE_DELETED" && it["data"]["device"] == stick.id());
    }

    /// Bytes that were read from a stick.
    pub(crate) fn bytes_read(&mut self, stick: &Stick) -> u64 {
        let all = self.tell("query-blockstats", &json!({}));
        let is_it = |it: &&Value| it["qdev"].as_str().is_some_and(|it| it.contains(&stick.id()));
        all.as_array().unwrap().iter().find(is_it).unwrap()["stats"]["rd_bytes"].as_u64().unwrap()
    }

    /// Waits until a disk of that name is there, with so many partitions.
    pub(crate) fn has(&mut self, name: &str, partitions: usize) {
        let count = format!("[ -b /dev/{name} ] && ls /sys/class/block/{name} | grep -c '^{name}'");
        wait_for(name, || (self.run(&count).stdout.trim() == partitions.to_string()).then_some(()));
    }

    /// Types at the terminal.
    pub(crate) fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    /// What the terminal has shown, once it shows a text.
    #[track_caller]
    pub(crate) fn shows(&mut self, text: &str) -> String {
        let since = Instant::now();
        while !self.seen.contains(text) {
            let mut new = [0; 4096];
            match self.terminal.read(&mut new) {
                Ok(count) => self.seen.push_str(&String::from_utf8_lossy(&new[..count])),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
            assert!(since.elapsed() < PATIENCE, "it never shows `{text}`, but:\n{}", self.seen);
        }
        std::mem::take(&mut self.seen)
    }
}

/// Its process; ended when it goes away.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What is the matter with a stick.
pub(crate) enum Trouble {
    None,
    WriteProtected,
    /// Bytes in a second.
    Slow {
        read: u64,
        write: u64,
    },
    /// It cannot be `read`, or not `write`.
    BadSector {
        io: &'static str,
        sector: u64,
    },
}

/// A USB stick over a file of this machine.
pub(crate) struct Stick {
    pub(crate) serial: &'static str,
    pub(crate) file: Utf8PathBuf,
}

impl Stick {
    pub(crate) fn new(sandbox: &Sandbox, serial: &'static str, mib: u64) -> Stick {
        let file = sandbox.temp().join(serial);
        fs::File::create(&file).unwrap().set_len(mib << 20).unwrap();
        Stick { serial, file }
    }

    fn id(&self) -> String {
        format!("stick-{}", self.serial)
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        fs::read(&self.file).unwrap()
    }

    /// Waits until writing to it has begun.
    pub(crate) fn is_written_to(&self) {
        wait_for("the first write", || self.content().starts_with(b"This disk was not w").then_some(()));
    }
}
