"""Killed at any moment: no name ever holds a part of a file, whoever is left ends, and the next run finishes the job.

By default a few moments are tried, always the same; ARSYNC_FAULTS=all tries many.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from support.commands import ARSYNC, arsync, rsync
from support.trees import Dir, Entry, File, Hardlink, Symlink, create

T = 10**18
MOMENTS = 40 if os.environ.get("ARSYNC_FAULTS") else 2
TEMPORARY = re.compile(rb"\.(.+)\.\+[A-Za-z0-9]{5}")
SIZES = (0, 10, 3_000, 150_000, 9_000_000)
OLD = b"old"


def _content(number: int) -> bytes:
    size = SIZES[4] if number == 77 else SIZES[number % 97 % 4] if number % 9 == 0 else SIZES[number % 3]
    return (b"%d," % number * (size // 2 + 1))[:size]


def _tree() -> Dir:
    directories: dict[bytes, Entry] = {}
    for d in range(8):
        entries: dict[bytes, Entry] = {
            b"%03d" % n: File(_content(n), mtime_ns=T, xattrs={b"user.n": b"%d" % n} if n % 7 == 0 else {})
            for n in range(100)
        }
        entries |= {b"link": Symlink(b"new", T), b"hard": Hardlink(b"d%d/001" % d)}
        directories[b"d%d" % d] = Dir(entries, mtime_ns=T)
    return Dir(directories, mtime_ns=T)


def _old_tree() -> Dir:
    entries: dict[bytes, Entry] = {b"%03d" % n: File(OLD) for n in range(0, 100, 2)} | {b"link": Symlink(b"old")}
    return Dir({b"d%d" % d: Dir(entries) for d in range(8)})


def check(dst: bytes, *, temporaries: bool) -> None:
    """Every name holds the whole old or the whole new entry."""
    for directory, _, names in os.walk(dst):
        for name in names:
            path = os.path.join(directory, name)
            if made := TEMPORARY.fullmatch(name):
                assert temporaries, f"{path!r} was left behind"
                assert re.fullmatch(rb"[0-9]{3}|link|hard", made[1]), path
            elif os.path.islink(path):
                assert os.readlink(path) in (b"old", b"new"), path
            else:
                number = 1 if name == b"hard" else int(name)
                with open(path, "rb") as file:
                    assert file.read() in (OLD, _content(number)), f"{path!r} is torn"


def children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []


def running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _kill_parent(process: subprocess.Popen[bytes], _workers: list[int]) -> None:
    process.kill()


def _kill_worker(_process: subprocess.Popen[bytes], workers: list[int]) -> None:
    if workers:
        os.kill(workers[0], signal.SIGKILL)


def _kill_all(process: subprocess.Popen[bytes], _workers: list[int]) -> None:
    os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.needs_rsync
@pytest.mark.parametrize("old", [False, True], ids=["fresh", "old"])
@pytest.mark.parametrize(
    ("kill", "codes", "temporaries"),
    [(_kill_parent, {-9, 0}, False), (_kill_worker, {12, 0}, False), (_kill_all, {-9, 0}, True)],
    ids=["parent", "worker", "all"],
)
def test_killed(here: bytes, kill: Callable[..., None], codes: set[int], temporaries: bool, old: bool) -> None:
    src, seed = os.path.join(here, b"src"), random.Random(f"{kill.__name__} {old}")
    create(src, _tree())
    began = time.monotonic()
    assert arsync("-aHAX", src + b"/", os.path.join(here, b"first")).code == 0
    duration = time.monotonic() - began
    for moment in range(MOMENTS):
        dst = os.path.join(here, b"%d" % moment)
        if old:
            create(dst, _old_tree())
        _kill_once(src, dst, kill, seed.uniform(0.3, 1) * duration, codes, temporaries)
        again = arsync("-aHAX", src + b"/", dst)
        assert (again.code, again.err) == (0, b"")
        check(dst, temporaries=False)
        assert os.listxattr(dst) == []
        left = rsync("-aniHAXc", src + b"/", dst)
        assert (left.code, left.out, left.err) == (0, b"", b"")


def _kill_once(
    src: bytes, dst: bytes, kill: Callable[..., None], delay: float, codes: set[int], temporaries: bool
) -> None:
    """Run, kill after ``delay`` seconds, and look at what stands there when everybody has ended."""
    process = subprocess.Popen(
        [*ARSYNC, "-aHAX", "--workers=2", src + b"/", dst],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    time.sleep(delay)
    workers = children(process.pid)
    if process.poll() is None:
        kill(process, workers)
    _, err = process.communicate(timeout=60)
    assert process.returncode in codes, err
    assert b"Traceback" not in err
    deadline = time.monotonic() + 10
    while any(map(running, workers)):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.01)
    if os.path.exists(dst):
        check(dst, temporaries=temporaries)
