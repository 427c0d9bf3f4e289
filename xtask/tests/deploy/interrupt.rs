//! Ctrl-C, and worse, at each step. Afterwards the device runs the old system or the new one, xtask has said which, and
//! nothing is left at either end.

use unix::sys::signal::{Signal, kill, killpg};
use unix::unistd::Pid;

use crate::copy::with_ballast;
use crate::device::{Device, Kind, lacking};
use crate::support::Run;
use crate::support::terminal::Terminal;
use crate::support::wait::{processes_with, wait_for};

/// Something to wait for on the device: a deployment that is armed and has this file.
const ARMED: &str = "armed";
const ACTIVATED: &str = "status";

fn is_armed_and_has(file: &str) -> String {
    format!(
        "for it in /run/elodin-deploy/*/; do if [ -e $it/armed ] && [ -e $it/{file} ]; then exit 0; fi; done; exit 1"
    )
}

/// A command line that goes on at a step until it is stopped.
struct Begun<'a> {
    device: &'a Device,
    child: std::process::Child,
}

impl<'a> Begun<'a> {
    fn with(device: &'a Device, args: &str) -> Begun<'a> {
        Begun { device, child: device.begin(args) }
    }

    /// Waits for the success of a script on the device.
    fn until(self, script: &str) -> Begun<'a> {
        wait_for(script, || self.device.try_sh(script).status.success().then_some(()));
        self
    }

    fn pid(&self) -> Pid {
        // `ip netns exec` has become the binary.
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// To all in the foreground, as a terminal sends it.
    fn all_get(self, signal: Signal) -> Begun<'a> {
        killpg(self.pid(), signal).unwrap();
        self
    }

    /// To nobody else, as `kill` sends it.
    fn gets(self, signal: Signal) -> Begun<'a> {
        kill(self.pid(), signal).unwrap();
        self
    }

    /// What it said, with this exit code; nobody is left at our end.
    #[track_caller]
    fn ends_with(self, code: i32, why: &str) -> Run {
        let run = self.device.sandbox.told(self.child.wait_with_output().unwrap());
        assert_eq!(run.code, Some(code), "{}", run.text());
        self.device.nobody_is_left_here();
        run.says(why)
    }
}

#[test]
fn before_anything_is_armed() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Bare).known();
    let sandbox = &device.sandbox;
    let deploy = "deploy --config bench --yes";
    let unchanged = "nothing was changed: interrupted\n";

    // While the device tells what it is like.
    device.sh("printf '#!/bin/sh\\n: > /tmp/asked; exec sleep 60\\n' > /usr/local/bin/df; chmod 755 /usr/local/bin/df");
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        device.sh("rm -f /tmp/asked");
        let begun = Begun::with(&device, deploy).until("test -e /tmp/asked");
        let begun = if signal == Signal::SIGINT { begun.all_get(signal) } else { begun.gets(signal) };
        begun.ends_with(11, unchanged).says("root@fde1:2240:a1ef::1 runs what it ran before");
    }
    device.sh("rm /usr/local/bin/df");

    // While it is built.
    let toplevel = sandbox.read("aleph/toplevel.nix");
    let marker = format!("marker-{}", sandbox.temp().file_name().unwrap());
    let slow = format!(
        "(derivation {{name = \"slow\"; system = \"{}\"; builder = \"/bin/sh\"; args = [\"-c\" \"# {marker}\\nexec 3<> <(:); read -t 300 -u 3 x\"];}})",
        crate::support::system()
    );
    sandbox.untracked("aleph/toplevel.nix", &toplevel.replace("paths = [", &format!("paths = [ {slow}")));
    let begun = Begun::with(&device, deploy);
    wait_for("the builder", || (!processes_with(&marker).is_empty()).then_some(()));
    begun.all_get(Signal::SIGINT).ends_with(11, "nothing was changed: ").says("interrupted");
    wait_for("the end of the builder", || processes_with(&marker).is_empty().then_some(()));
    sandbox.untracked("aleph/toplevel.nix", &toplevel);

    // At the question.
    let inner = device.command(&["deploy", "--config", "bench"]);
    let words = std::iter::once(inner.get_program()).chain(inner.get_args());
    let terminal = Terminal::start_in(sandbox, &words.map(|it| it.to_str().unwrap()).collect::<Vec<_>>());
    terminal.shows("Deploy bench to root@fde1:2240:a1ef::1? [y/N]");
    terminal.key("C-c");
    let (code, screen) = terminal.end();
    assert!(code == "11" && screen.contains("nothing was changed: interrupted"), "{code}: {screen}");
    device.nobody_is_left_here();
    device.is_as_before();

    // While it is copied.
    with_ballast(&device, 20);
    device.slow("5mbit");
    let copying = "test -e /run/elodin-deploy/lock && pgrep -f '[n]ix-daemon --stdio'";
    Begun::with(&device, deploy).until(copying).all_get(Signal::SIGINT).ends_with(11, unchanged);
    wait_for("its end on the device", || (!device.try_sh(copying).status.success()).then_some(()));
    device.is_as_before();
    assert!(sandbox.read("target/xtask/deploys.jsonl").contains("\"result\":\"failed before any change\""));
}

#[test]
fn once_it_is_armed() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Systemd).known();
    let deploy = "deploy --config bench --yes --confirm-timeout 60";
    let runs_bench = "readlink /run/current-system | grep bench";
    device.on_activation("bench", "sleep 900");
    for when in [&is_armed_and_has(ARMED), runs_bench] {
        let begun = Begun::with(&device, deploy).until(when).all_get(Signal::SIGINT);
        begun.ends_with(10, "rolled back: interrupted\n");
        device.is_as_before();
    }
    // While it is looked at, which takes long because it is not well.
    device.on_activation("bench", ":");
    let manifest = device.sandbox.read("xtask.toml");
    device.sandbox.untracked("xtask.toml", &format!("{manifest}probes = [{{command = \"exit 3\"}}]\n"));
    let begun = Begun::with(&device, deploy).until(&is_armed_and_has(ACTIVATED)).gets(Signal::SIGTERM);
    begun.ends_with(10, "rolled back: interrupted\n");
    device.is_as_before();
    device.sandbox.untracked("xtask.toml", &manifest);
    // Too late: it is kept already.
    device.sh("printf '#!/bin/sh\\nwhile [ ! -e /tmp/told ]; do sleep 0.1; done; sleep 3; exec /usr/bin/nix-env \"$@\"\\n' > /usr/local/bin/nix-env; chmod 755 /usr/local/bin/nix-env");
    let begun =
        Begun::with(&device, deploy).until("ls /run/elodin-deploy/*/confirmed").all_get(Signal::SIGINT);
    device.sh("touch /tmp/told");
    begun.ends_with(0, "warning: it is too late to stop that; looking how it ends\n");
    assert!(device.runs().contains("bench") && device.boots() == device.runs());
    device.is_tidy();
    // It is the same on the way back.
    device.on_activation("factory", "sleep 900");
    let begun = Begun::with(&device, "rollback --yes --confirm-timeout 60")
        .until("readlink /run/current-system | grep factory");
    begun.all_get(Signal::SIGINT).ends_with(10, "rolled back: interrupted\n");
    assert!(device.boots().contains("bench"));
    device.is_tidy();
}

/// It is not even waited for. The device comes to its end all the same.
#[test]
fn nobody_waits_for_the_end() {
    if lacking() {
        return;
    }
    let device = Device::start(Kind::Systemd).known();
    let runs_bench = "readlink /run/current-system | grep bench";
    device.on_activation("bench", "sleep 900");
    device.sh("printf 'case $2 in *factory*) while [ ! -e /tmp/go ]; do sleep 0.1; done;; esac\\n' >> /etc/aleph/activation-hook");

    // A second Ctrl-C.
    let begun = Begun::with(&device, "deploy --config bench --yes --confirm-timeout 60").until(runs_bench);
    let begun =
        begun.all_get(Signal::SIGINT).until("ls /run/elodin-deploy/*/reverting").all_get(Signal::SIGINT);
    let run = begun.ends_with(12, "unknown: interrupted; you did not wait for it\n");
    drop(run.says("check: ssh root@fde1:2240:a1ef::1 readlink -f /run/current-system"));
    device.sh("touch /tmp/go");
    has_gone_back(&device, 1);

    // A closed lid: nothing runs here for longer than the device waits.
    let begun = Begun::with(&device, "deploy --config bench --yes --confirm-timeout 12").until(runs_bench);
    let begun = begun.all_get(Signal::SIGSTOP);
    has_gone_back(&device, 2);
    // Who wakes may see first that the time is over, or that the device has gone back.
    begun.all_get(Signal::SIGCONT).ends_with(10, "rolled back: ").says(" within T s\n");

    // A lost terminal: there is nobody to be told, and it is put in order all the same.
    let inner = device.command(&["deploy", "--config", "bench", "--yes", "--confirm-timeout", "60"]);
    let words = std::iter::once(inner.get_program()).chain(inner.get_args());
    let words: Vec<&str> = words.map(|it| it.to_str().unwrap()).collect();
    let terminal = Terminal::start_in(&device.sandbox, &words);
    wait_for("the new system", || device.try_sh(runs_bench).status.success().then_some(()));
    drop(terminal);
    has_gone_back(&device, 3);
    device.nobody_is_left_here();
    let ours = device.sandbox.read("target/xtask/deploys.jsonl");
    let last = ours.lines().last().unwrap();
    assert!(last.contains("\"result\":\"rolled back\"") && last.contains("interrupted"), "{ours}");
}

/// So many deployments have been undone.
#[track_caller]
fn has_gone_back(device: &Device, times: usize) {
    let ends = "ls /run/elodin-deploy/*/done 2>/dev/null | wc -l";
    wait_for("the end", || (device.sh(ends) == times.to_string()).then_some(()));
    let records = device.sh("cat /var/log/elodin-deploys.jsonl");
    assert_eq!(records.matches("\"result\":\"rolled back\"").count(), times, "{records}");
    device.is_as_before();
}

/// Nobody is there any more to confirm it, or to undo it.
#[test]
fn the_operators_machine_dies() {
    if lacking() {
        return;
    }
    for kind in [Kind::Systemd, Kind::Bare] {
        let device = Device::start(kind).known();
        device.on_activation("bench", "sleep 900");
        let begun = Begun::with(&device, "deploy --config bench --yes --confirm-timeout 12");
        let begun = begun.until("readlink /run/current-system | grep bench").gets(Signal::SIGKILL);
        assert_eq!(device.sandbox.told(begun.child.wait_with_output().unwrap()).code, None);
        wait_for("the old system", || (device.runs() == device.factory).then_some(()));
        wait_for("the end", || {
            device.try_sh("test -e /run/elodin-deploy/*/done").status.success().then_some(())
        });
        device.is_as_before();
        assert!(device.sh("cat /var/log/elodin-deploys.jsonl").contains("\"result\":\"rolled back\""));
        device.run("deploy --config default --yes").good();
    }
}
