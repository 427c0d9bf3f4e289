"""Commands measured in alternating rounds: what disturbs the machine disturbs both."""

import os
import statistics
import subprocess
import time

NULL = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]


def once(argv, before=None, may_fail=False):
    """Seconds of wall time, and of processor."""
    if before:
        before()
    start = time.perf_counter()
    child = os.posix_spawnp(argv[0], argv, os.environ, file_actions=NULL)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code and not may_fail:
        raise subprocess.CalledProcessError(code, argv)
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime}


def largest(argv, before, work):
    """Megabytes of the largest process. Not ours to ask the kernel for: a child's peak begins with that of its parent, and we
    are larger than what we measure."""
    before()
    file = work / "largest"
    subprocess.run(["time", "-f", "%M", "-o", file, *map(str, argv)], check=True, capture_output=True)
    return {"mb": int(file.read_text()) / 1000}


def pair(ours, theirs, rounds, warmup=1):
    """Both, `rounds` times, each first in every second round. Each is a function that measures once."""
    for _ in range(warmup):
        ours(), theirs()
    res = {"ours": [], "theirs": []}
    for n in range(rounds):
        for which, it in [("ours", ours), ("theirs", theirs)][:: 1 if n % 2 == 0 else -1]:
            res[which].append(it())
    return res


def ratios(samples, of="wall"):
    """Theirs by ours, round by round."""
    return [b[of] / a[of] for a, b in zip(samples["ours"], samples["theirs"]) if a[of] > 0]


def median(values):
    return statistics.median(values)


def spread(values):
    """The quartiles; of few values the least and the most."""
    if len(values) < 8:
        return min(values), max(values)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
