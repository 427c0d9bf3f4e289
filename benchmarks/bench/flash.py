"""`flash` on a loop device past the page cache, against dd: what it takes to write, without checking before and reading back."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from .measure import once, pair

SCRIPT = 'mount --bind "$0" "$1" && shift && exec "$@"'


def rows(lab):
    lacking = [it for it in ("zstd", "sfdisk", "losetup", "unshare") if not shutil.which(it)]
    if os.geteuid() != 0 or lacking:
        print(f"warning: no rows for flash: it takes root{', and ' + ', '.join(lacking) if lacking else ''}", file=sys.stderr)
        return []
    image, disk = make(lab)
    done = subprocess.run(["losetup", "--direct-io=on", "--show", "--find", disk], capture_output=True, text=True, check=True)
    device = done.stdout.strip()
    try:
        sysfs = pretend(lab, device)
        megabytes = lab.size(700, 40)
        dd = f"of={device} bs=4M oflag=direct conv=fsync"
        res = []
        for kind, file, script, peer in [
            ("raw", image, f"dd if={image} {dd}", "`dd bs=4M oflag=direct`"),
            ("zst", f"{image}.zst", f"zstd -dc {image}.zst | dd iflag=fullblock {dd}", "`zstd -dc \\| dd oflag=direct`"),
        ]:
            ours = lambda file=file: write(lab, sysfs, device, file)  # noqa: E731
            theirs = lambda script=script: once(["sh", "-c", script])  # noqa: E731
            samples = pair(ours, theirs, lab.rounds(5), warmup=0)
            res.append({"what": f"`flash` writes {megabytes} MB, {kind}", "peer": peer, "of": "wall", "samples": samples})
        return res
    finally:
        subprocess.run(["losetup", "--detach", device], check=False)


def make(lab):
    """An image, half of it noise, and the file behind a larger disk."""
    image, disk = lab.work / "bench.img", lab.work / "disk"
    size = lab.size(700, 40)
    with image.open("wb") as out:
        out.truncate(size << 20)
        out.seek(1 << 20)
        for _ in range(size // 2):
            out.write(os.urandom(1 << 20))
    table = "label: dos\nstart=2048, type=83, bootable\n"
    subprocess.run(["sfdisk", "--quiet", str(image)], input=table, text=True, check=True)
    subprocess.run(["zstd", "--quiet", "-3", "-T0", str(image), "-o", f"{image}.zst"], check=True)
    with disk.open("wb") as out:
        out.truncate((size + 100) << 20)
    return image, str(disk)


def pretend(lab, device):
    """As tests/support/disk.rs does it: a loop device that is removable and has a serial number, for one command only."""
    real, sysfs = pathlib.Path("/sys/block") / pathlib.Path(device).name, lab.dir("sysfs")
    (sysfs / "queue").mkdir(exist_ok=True)
    for file in ["size", "dev", "ro", "diskseq", "queue/logical_block_size"]:
        (sysfs / file).write_text((real / file).read_text())
    (sysfs / "removable").write_text("1\n")
    (sysfs / "serial").write_text("BENCH\n")
    return sysfs


def write(lab, sysfs, device, file):
    """The seconds of writing, as flash tells them."""
    place = f"/sys/devices/virtual/block/{pathlib.Path(device).name}"
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, str(sysfs), place]
    argv += [lab.xtask, "-C", lab.example, "flash", str(file), "--yes", "--device", device, "--serial", "BENCH", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return {"wall": json.loads(done.stdout)["seconds"]["write"]}
