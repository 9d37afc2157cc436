"""Packages as people get them: made by their commands, and what is asked of whatever they install."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import arsync
from support.snapshot import assert_same, snapshot
from support.trees import Dir, File, Hardlink, Symlink, create

TOP = Path(__file__).resolve().parents[2]

#: More entries than one process takes alone, so that there are workers; all that -aHX carries.
TREE = Dir(
    {
        b"many": Dir({b"f%03d" % n: File(b"%d" % n, mtime_ns=10**18 + n) for n in range(200)}),
        b"large": File(os.urandom(1 << 20) * 3, 0o640, 10**18),
        b"noted": File(b"noted", 0o600, 10**18, xattrs={b"user.\xff": b"a\0b"}),
        b"again": Hardlink(b"noted"),
        b"n\xe4me": Symlink(b"no such \xff", 10**18),
    }
)


def make(script: str, output: Path) -> Path:
    """One of the scripts that make packages, to a file."""
    command = [sys.executable, str(TOP / ".ci/packages" / script), "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


def exercise(command: Sequence[str | Path], top: Path, outside: Path | None = None, **how: object) -> None:
    """Run a command as people do: which version, a copy by workers, again, verified, told by objects, and a mistake.

    All that no package has beside the modules (xattr, xxhash) would be used on the way.

    ``outside`` is where ``top`` is seen from here, where the command has another root.
    """
    outside = outside or top
    src, dst = os.fsencode(outside / "src"), os.fsencode(outside / "dst")
    create(src, TREE)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [*command, *arguments], capture_output=True, text=True, errors="replace", check=False, **how
        )

    told = run("--version")
    assert told.stdout.split("\n")[0].split()[:3] == ["arsync", "version", arsync.__version__], told.stderr
    first = run("-aHX", "--workers=2", f"{top}/src/", f"{top}/dst")
    assert (first.returncode, first.stderr) == (0, "")
    assert_same(snapshot(src), snapshot(dst))
    again = run("-aHXi", f"{top}/src/", f"{top}/dst")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    verified = run("-aHX", "--verify", "--json", f"{top}/src/", f"{top}/verified")
    assert (verified.returncode, verified.stderr) == (0, "")
    assert json.loads(verified.stdout.splitlines()[-1])["exit_code"] == 0
    assert_same(snapshot(src), snapshot(os.fsencode(outside / "verified")))
    examined = run("--doctor", "--json", f"{top}/dst")
    assert json.loads(examined.stdout)["arsync"] == arsync.__version__, examined.stderr
    wrong = run("--archvie", f"{top}/src/", f"{top}/dst")
    assert wrong.returncode == 1
    assert "--archive" in wrong.stderr
