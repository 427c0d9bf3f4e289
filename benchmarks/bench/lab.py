"""What there is to measure with: programs, and workspaces made for it."""

import hashlib
import json
import pathlib
import subprocess

from .measure import once, pair

FLAKES = ["--extra-experimental-features", "nix-command flakes"]


class Lab:
    def __init__(self, root, work, quick, programs):
        self.root, self.work, self.quick, self.peers = root, work, quick, programs
        self.xtask = str(root / "target/debug/xtask")
        self.example = str(root / "examples/offline")
        # What a dry run prints begins with the program.
        plan = subprocess.run([self.xtask, "-C", self.example, "build", "--dry-run"], capture_output=True, text=True, check=True)
        self.nix = plan.stdout.split()[0]
        self.env = None

    def rounds(self, many):
        return 2 if self.quick else many

    def size(self, full, small):
        return small if self.quick else full

    def dir(self, name):
        res = self.work / name
        res.mkdir(parents=True, exist_ok=True)
        return res

    def command(self, *argv, before=None, may_fail=False):
        words = [str(it) for it in argv]
        return lambda: once(words, before=before, may_fail=may_fail)

    def row(self, what, peer, ours, theirs, rounds=30, of="wall"):
        """One row of the table, measured."""
        return {"what": what, "peer": peer, "of": of, "samples": pair(ours, theirs, self.rounds(rounds))}

    def committed(self, where):
        # Empty where two measurements want the same one.
        git = ["git", "-C", str(where)]
        subprocess.run([*git, "init", "--quiet"], check=True)
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "x"], check=True)
        return where

    def lock(self, nodes):
        """A workspace whose lock has so many nodes, 20 of them its own inputs."""
        where = self.dir(f"lock-{nodes}")
        ours = min(20, nodes)
        locked = {}
        for n in range(nodes):
            source = {"type": "github", "owner": "o", "repo": f"r{n}"}
            hashed = "sha256-" + "A" * 43 + "="
            pinned = {**source, "rev": f"{n + 1000:040}", "lastModified": 1763800000 + n, "narHash": hashed}
            after = {"inputs": {"x": f"n{n + ours}"}} if n + ours < nodes else {}
            locked[f"n{n}"] = {**after, "locked": pinned, "original": source}
        locked["root"] = {"inputs": {f"n{n}": f"n{n}" for n in range(ours)}}
        (where / "flake.lock").write_text(json.dumps({"version": 7, "root": "root", "nodes": locked}))
        urls = " ".join(f'n{n}.url = "github:o/r{n}";' for n in range(ours))
        (where / "flake.nix").write_text(f"{{ inputs = {{ {urls} }}; outputs = _: {{ }}; }}")
        (where / "xtask.toml").touch()
        return self.committed(where)

    def nix_files(self, count):
        """A workspace of so many Nix files: this repository's own, again and again."""
        where = self.dir(f"fmt-{count}")
        (where / "xtask.toml").touch()
        listed = subprocess.run(["git", "ls-files", "*.nix"], cwd=self.root, capture_output=True, text=True, check=True)
        files = listed.stdout.split()
        for n in range(count):
            source = pathlib.Path(files[n % len(files)])
            file = where / str(n // len(files)) / source
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"# {n}\n{(self.root / source).read_text()}")
        return self.committed(where)

    def outputs(self, count):
        """A workspace of four flakes with so many packages in all, each with some work to evaluate."""
        where = self.dir(f"outputs-{count}")
        for flake in range(1, 5):
            (where / str(flake)).mkdir(exist_ok=True)
            (where / str(flake) / "flake.nix").write_text(
                '{ outputs = _: let mk = n: derivation { name = "p${toString n}"; system = "x86_64-linux"; builder = "/bin/sh";\n'
                '  args = [ "-c" "echo > $out" ];\n'
                "  work = builtins.length (builtins.sort (a: b: a < b) (builtins.genList (x: x * 7) 2000)); };\n"
                '  in { packages.x86_64-linux = builtins.listToAttrs (builtins.genList (n: { name = "p${toString n}";'
                f" value = mk (n + {flake}000); }}) {count // 4}); }}; }}\n"
            )
        (where / "xtask.toml").touch()
        return self.committed(where)

    def paths(self, count):
        """A store path that needs so many small others; new ones in each run."""
        salt = hashlib.sha256(str(self.work).encode()).hexdigest()
        expr = (
            f'let paths = builtins.genList (n: builtins.toFile "p-${{toString n}}" "{salt} ${{toString n}}") {count};'
            ' in builtins.toFile "all" (builtins.concatStringsSep "\\n" paths)'
        )
        argv = [self.nix, *FLAKES, "eval", "--raw", "--impure", "--expr", expr]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
