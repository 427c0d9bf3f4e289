"""The rows of the table: one function for each name, whose docstring says what it measures."""

import os
import shutil
import signal
import subprocess

from . import flash
from .growth import matrix
from .lab import FLAKES
from .measure import largest


def table(*rows):
    return {"rows": list(rows)}


def build(lab):
    """a build that has nothing to do, against nix build"""
    lab.command(lab.xtask, "-C", lab.example, "build")()
    ours = lab.command(lab.xtask, "-q", "-C", lab.example, "build")
    return table(lab.row("no-op `build`", "`nix build`", ours, lab.command(lab.nix, *FLAKES, "build", "--no-link", lab.example)))


def shell(lab):
    """a command in the dev shell, against nix develop"""
    ours = lab.command(lab.xtask, "-C", lab.example, "shell", "--", "true")
    ours()
    theirs = lab.command(lab.nix, *FLAKES, "develop", lab.example, "-c", "true")
    return table(lab.row("`shell -- true`", "`nix develop -c true`", ours, theirs))


def start(lab):
    """what xtask and cargo need before anything is done, against nix, just and make"""
    rows = [lab.row("`--help`", "`nix --help` (its man page)", lab.command(lab.xtask, "--help"), lab.command(lab.nix, "--help"))]
    where = lab.dir("runners")
    (where / "justfile").write_text(f"list:\n\t@{lab.xtask} -C {lab.example} ci list\n")
    (where / "Makefile").write_text(f"list:\n\t@{lab.xtask} -C {lab.example} ci list\n")
    ours = lab.command(lab.xtask, "-C", lab.example, "ci", "list")
    cargo = lab.command("env", "-C", lab.root, "cargo", "xtask", "-C", lab.example, "ci", "list")
    rows.append(lab.row("`xtask ci list`, the program itself", "by `cargo xtask`", ours, cargo))
    for name, argv in [("just", ["--justfile", where / "justfile", "list"]), ("make", ["-s", "-C", where, "list"])]:
        if name in lab.peers:
            rows.append(lab.row("`cargo xtask ci list`", f"the same by `{name}`", cargo, lab.command(lab.peers[name], *argv)))
    return table(*rows)


def doctor(lab):
    """doctor --offline, against the three checks of nix config check"""
    ours = lab.command(lab.xtask, "-q", "-C", lab.example, "--offline", "doctor", may_fail=True)
    theirs = lab.command(lab.nix, *FLAKES, "config", "check", may_fail=True)
    return table(lab.row("`doctor --offline`", "`nix config check`, three checks", ours, theirs, rounds=10))


def lock(lab):
    """lock check of 500 nodes, against nix flake metadata"""
    nodes = lab.size(500, 50)
    where = lab.lock(nodes)
    ours = lab.command(lab.xtask, "-C", where, "lock", "check", may_fail=True)
    # Nix is asked for as much as it can say offline.
    theirs = lab.command(lab.nix, *FLAKES, "flake", "metadata", "--offline", "--no-update-lock-file", where, may_fail=True)
    return table(lab.row(f"`lock check`, {nodes} nodes", "`nix flake metadata`", ours, theirs))


def complete(lab):
    """Tab behind `build`, against the completion of nix build"""
    lab.command(lab.xtask, "-C", lab.example, "build", "--all", "--no-link")()
    ours = lab.command("env", "-C", lab.example, lab.xtask, "complete", "--", "build", "")
    words = ["env", "-C", lab.example, "NIX_GET_COMPLETIONS=2", lab.nix, "build", ".#"]
    return table(lab.row("Tab behind `build`", "Tab behind `nix build .#`", ours, lab.command(*words)))


def events(lab):
    """the events of a copy of 600 MB read, against thrown away"""
    large, cache, megabytes = lab.work / "large", lab.work / "events-cache", lab.size(600, 20)
    with large.open("wb") as out:
        for _ in range(megabytes):
            out.write(os.urandom(1_000_000))
    add = [lab.nix, *FLAKES, "store", "add", "--mode", "flat", str(large)]
    path = subprocess.run(add, capture_output=True, text=True, check=True).stdout.strip()
    large.unlink()
    copy = [lab.nix, *FLAKES, "copy", "--log-format", "internal-json", path, "--to", f"file://{cache}?compression=none"]
    forget = lambda: shutil.rmtree(cache, ignore_errors=True)  # noqa: E731
    # As many lines are read as Nix writes, or it would wait.
    ours = lab.command(lab.root / "target/debug/examples/events", *copy, before=forget)
    res = table(lab.row(f"{megabytes} MB `nix copy`, events read", "events thrown away", ours, lab.command(*copy, before=forget), rounds=5))
    subprocess.run([lab.nix, *FLAKES, "store", "delete", path], capture_output=True, check=False)
    return res


def fmt(lab):
    """fmt --check of 1000 files cold and warm, on one core, against nixfmt"""
    count = lab.size(1000, 40)
    where = lab.nix_files(count)
    forget = lambda: shutil.rmtree(where / "target", ignore_errors=True)  # noqa: E731
    check = [lab.xtask, "-q", "-C", where, "fmt", "--check"]
    cold = lab.command(*check, before=forget, may_fail=True)
    one = lab.command("taskset", "-c", "0", *check, before=forget, may_fail=True)
    what = f"`fmt --check`, {count} files, "
    rows = [lab.row(f"{what}cold", "on one core", cold, one, rounds=4)]
    if "nixfmt" in lab.peers:
        peer = lab.command(lab.peers["nixfmt"], "--check", where, may_fail=True)
        rows.append(lab.row(f"{what}cold", "`nixfmt`, another style", cold, peer, rounds=4))
        cold()
        rows.append(lab.row(f"{what}warm", "`nixfmt`, which has no memory", lab.command(*check, may_fail=True), peer, rounds=10))
    return table(*rows)


def flashing(lab):
    """700 MB written to a loop device, raw and zst, against dd"""
    return table(*flash.rows(lab))


def choosing(lab):
    """ci matrix of 200 outputs over 4 flakes, against nix flake check: time and memory"""
    count = lab.size(200, 20)
    where = lab.outputs(count)
    ours, theirs, forget = matrix(lab, where)
    what, run = f"`ci matrix`, {count} outputs of 4 flakes", lab.command(*ours, before=forget)
    res = [lab.row(what, "`nix flake check --no-build`, 4 times", run, lab.command(*theirs), rounds=5)]
    if shutil.which("time"):
        memory = [lambda it=it: largest(it, forget, lab.work) for it in (ours, theirs)]
        res.append(lab.row("the same, largest process", "the same", *memory, rounds=3, of="mb"))
    # No registry of crates has it: whoever has it says where it is.
    if jobs := os.environ.get("NIX_EVAL_JOBS"):
        script = " && ".join(f"{jobs} --workers 2 --flake {where}/{n}#packages" for n in range(1, 5))
        res.append(lab.row(what, "`nix-eval-jobs --workers 2`, 4 times", run, lab.command("sh", "-c", script), rounds=5))
    return table(*res)


def cache(lab):
    """cache push to S3, first and again, against nix copy; by benchmarks/cache"""
    argv = [str(lab.root / "benchmarks/cache"), str(lab.size(5000, 50))]
    # On a busy machine Nix 2.34 was seen to copy for ever: nobody shall wait for that, and no server stays behind.
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            out, err = child.communicate(timeout=900)
        except BaseException as error:
            os.killpg(child.pid, signal.SIGTERM)
            if isinstance(error, subprocess.TimeoutExpired):
                raise OSError("benchmarks/cache took more than 15 minutes") from error
            raise
    if child.returncode:
        raise OSError(f"benchmarks/cache: {err.strip()[-500:]}")
    return {"table": [it for it in out.splitlines() if it.startswith("|")]}


def compile_cold(lab):
    """the cold compile of xtask"""
    where = lab.work / "compile"
    ours = lab.command(
        "env", f"CARGO_TARGET_DIR={where}", "cargo", "build", "--quiet", "--manifest-path", lab.root / "Cargo.toml", "--package", "xtask",
        before=lambda: shutil.rmtree(where, ignore_errors=True),
    )  # fmt: skip
    samples = [ours() for _ in range(1 if lab.quick else 2)]
    shutil.rmtree(where, ignore_errors=True)
    return table({"what": "cold compile of xtask", "peer": "", "of": "wall", "samples": {"ours": samples}})


ALL = {
    "build": build,
    "shell": shell,
    "start": start,
    "doctor": doctor,
    "lock": lock,
    "complete": complete,
    "events": events,
    "fmt": fmt,
    "flash": flashing,
    "matrix": choosing,
    "cache": cache,
    "compile": compile_cold,
}
