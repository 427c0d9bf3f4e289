"""The machine that measures, and whether it has other things to do."""

import datetime
import os
import pathlib
import subprocess
import sys

BUSY = 0.5


def told(*argv, cwd=None):
    done = subprocess.run(argv, capture_output=True, text=True, cwd=cwd, check=False)
    return done.stdout.strip()


class Machine:
    def __init__(self, root):
        self.root = root
        self.start = os.getloadavg()[0]

    def warn(self, when):
        load = os.getloadavg()[0]
        # Our own last measurement counts, too: at the end as many as there are processors are no other's.
        if load > BUSY + (0 if when == "at the start" else os.cpu_count()):
            print(f"warning: load {load:.1f} {when}: the machine is not quiet, so the numbers are not good", file=sys.stderr)

    def now(self):
        info = pathlib.Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
        cpu = [it.split(":", 1)[1].strip() for it in info.splitlines() if it.startswith("model name")]
        release = pathlib.Path("/etc/os-release").read_text() if os.path.exists("/etc/os-release") else ""
        name = [it.split("=", 1)[1].strip('"') for it in release.splitlines() if it.startswith("PRETTY_NAME=")]
        changed = "" if not told("git", "status", "--porcelain", cwd=self.root) else " and changes"
        return {
            "cpu": cpu[0] if cpu else os.uname().machine,
            "cores": os.cpu_count(),
            "kernel": " ".join(os.uname()[::2][:2]),
            "system": name[0] if name else os.uname().sysname,
            "load": [round(self.start, 2), round(os.getloadavg()[0], 2)],
            "rustc": told("rustc", "--version", cwd=self.root),
            "commit": told("git", "rev-parse", "--short=10", "HEAD", cwd=self.root) + changed,
            "date": datetime.date.today().isoformat(),
        }
