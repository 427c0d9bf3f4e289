"""How cost grows with work."""

import shutil

from .lab import FLAKES
from .measure import median, pair, spread


def grown(title, unit, xs, names, measured):
    """`measured`: for each x the walls of each line."""
    lines = []
    for n, name in enumerate(names):
        walls = [at[n] for at in measured]
        lines.append({"name": name, "median": [median(it) for it in walls], "spread": [spread(it) for it in walls], "samples": walls})
    return {"title": title, "unit": unit, "xs": xs, "lines": lines}


def walls(samples):
    return [[it["wall"] for it in samples[which]] for which in ("ours", "theirs")]


def grow_fmt(lab):
    """fmt --check by files, cold and warm, against nixfmt"""
    xs = lab.size([100, 300, 1000, 3000], [20, 60])
    measured = []
    for count in xs:
        where = lab.nix_files(count)
        cold = lambda: shutil.rmtree(where / "target", ignore_errors=True)  # noqa: E731
        check = [lab.xtask, "-q", "-C", where, "fmt", "--check"]
        first = lab.command(*check, before=cold, may_fail=True)
        peer = lab.command(lab.peers["nixfmt"], "--check", where, may_fail=True)
        both = pair(first, peer, lab.rounds(3))
        lab.command(*check, may_fail=True)()
        warm = [lab.command(*check, may_fail=True)()["wall"] for _ in range(lab.rounds(5))]
        ours, theirs = walls(both)
        measured.append([ours, warm, theirs])
    return grown("Formatting, by files", "Nix files", xs, ["fmt, cold", "fmt, warm", "nixfmt"], measured)


def grow_lock(lab):
    """lock check by nodes, against nix flake metadata"""
    xs = lab.size([20, 50, 150, 500, 1500], [20, 50])
    measured = []
    for nodes in xs:
        where = lab.lock(nodes)
        ours = lab.command(lab.xtask, "-C", where, "lock", "check", may_fail=True)
        theirs = lab.command(lab.nix, *FLAKES, "flake", "metadata", "--offline", "--no-update-lock-file", where, may_fail=True)
        measured.append(walls(pair(ours, theirs, lab.rounds(9))))
    return grown("Checking a lock, by nodes", "nodes of flake.lock", xs, ["lock check", "nix flake metadata"], measured)


def grow_matrix(lab):
    """ci matrix by derivations, against nix flake check --no-build"""
    xs = lab.size([20, 60, 200, 600], [8, 20])
    measured = []
    for count in xs:
        ours, theirs, forget = matrix(lab, lab.outputs(count))
        both = pair(lab.command(*ours, before=forget), lab.command(*theirs), lab.rounds(3))
        measured.append(walls(both))
    return grown("Choosing what to build, by outputs", "outputs of 4 flakes", xs, ["ci matrix", "nix flake check"], measured)


def matrix(lab, where):
    """What chooses the outputs of four flakes, and what checks one after the other."""
    forget = lambda: shutil.rmtree(where / "target", ignore_errors=True)  # noqa: E731
    ours = [lab.xtask, "-q", "-C", where, "ci", "matrix", "--json"]
    check = f"{lab.nix} flake check --no-build --option eval-cache false --extra-experimental-features 'nix-command flakes'"
    theirs = ["sh", "-c", " && ".join(f"{check} {where}/{n}" for n in range(1, 5))]
    return ours, theirs, forget


def grow_cache(lab):
    """cache push into a directory by paths, first and again, against nix copy with zstd"""
    xs = lab.size([100, 300, 1000, 3000], [20, 60])
    measured = []
    home, key = lab.dir("push"), lab.work / "key"
    (home / "flake.nix").write_text("{ outputs = _: { }; }")
    (home / "xtask.toml").write_text(f'[cache]\nupstream = []\nkey-file = "{key}"\nstaging-dir = "{home}/staging"\n')
    lab.committed(home)
    # Not in a work tree of git: xtask refuses that.
    lab.command(lab.xtask, "-C", home, "cache", "keygen", "bench-1", "--output", key)()
    for count in xs:
        path = lab.paths(count)
        ours, theirs = home / "ours", home / "theirs"
        clear = cleaner(home, ours, theirs)
        push = [lab.xtask, "-q", "-C", home, "cache", "push", "--to", f"file://{ours}", path]
        copy = ["env", f"XDG_CACHE_HOME={home}/nix-cache", lab.nix, *FLAKES, "copy", "--to", f"file://{theirs}?compression=zstd&secret-key={key}", path]
        first = pair(lab.command(*push, before=clear), lab.command(*copy, before=clear), lab.rounds(3), warmup=0)
        # Each has emptied the other's.
        lab.command(*push)(), lab.command(*copy)()
        again = pair(lab.command(*push), lab.command(*copy), lab.rounds(5))
        measured.append([*walls(first), *walls(again)])
    names = ["push, first", "nix copy, first", "push, no-op", "nix copy, no-op"]
    return grown("Filling a cache, by paths", "small store paths", xs, names, measured)


def cleaner(home, *caches):
    """Empties the caches, and makes everybody forget what was in them."""
    dirs = [*caches, home / "staging", home / "nix-cache"]
    return lambda: [shutil.rmtree(it, ignore_errors=True) for it in dirs]


ALL = {"grow-fmt": grow_fmt, "grow-lock": grow_lock, "grow-matrix": grow_matrix, "grow-cache": grow_cache}
