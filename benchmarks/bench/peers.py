"""Peers, from the registries, compiled once into target/benchmarks/peers."""

import shutil
import subprocess
import sys

# Name, version, the program. Those that compile in three minutes; what could not be had stands in docs/benchmarks.md.
CRATES = [("just", "1.59.0", "just"), ("nixfmt_rs", "0.5.3", "nixfmt")]
# Compiling takes one of these at most.
PATIENCE = 1200


def installed(root):
    """Where each program is that can be had."""
    place = root / "target/benchmarks/peers"
    res = {}
    for crate, version, program in CRATES:
        file = place / "bin" / program
        stamp = place / f"{crate}-{version}"
        if not (file.exists() and stamp.exists()):
            print(f"installing {crate} {version}", file=sys.stderr, flush=True)
            argv = ["cargo", "install", "--quiet", "--locked", "--force", "--root", str(place), "--version", version, crate]
            try:
                # Our toolchain, and not the flags of this workspace.
                subprocess.run(argv, cwd=root, check=True, timeout=PATIENCE)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                print(f"warning: {crate} cannot be had, so its rows are left out: {error}", file=sys.stderr)
                continue
            stamp.touch()
        res[program] = str(file)
    for program in ["make", "time", "zstd"]:
        if found := shutil.which(program):
            res[program] = found
        else:
            print(f"warning: there is no {program}, so its rows are left out: `apt-get install {program}`", file=sys.stderr)
    return res
