"""Storage that makes its callers wait: a FUSE file system that answers each operation a millisecond late."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from support.commands import arsync
from support.mounts import delayfs_server
from support.snapshot import assert_same, snapshot
from support.trees import Dir, File, create

T = 1_600_000_000 * 10**9
TREE = Dir(
    {b"d%d" % d: Dir({b"f%02d" % n: File(b"%d" % n * 500, mtime_ns=T + n) for n in range(30)}, mtime_ns=T)
     for d in range(6)},
    mtime_ns=T,
)  # fmt: skip


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> str:
    return delayfs_server(str(tmp_path_factory.mktemp("delayfs")))


@pytest.fixture
def slow(server: str, here: bytes) -> Iterator[bytes]:
    """A mount point of the slow file system, behind which is ``here``/back."""
    back, mount = os.path.join(here, b"back"), os.path.join(here, b"slow")
    os.mkdir(back)
    os.mkdir(mount)
    process = subprocess.Popen([server, "-d", "1000", back, mount], stderr=subprocess.DEVNULL)
    for _ in range(500):
        if os.path.ismount(mount):
            break
        time.sleep(0.01)
    else:
        process.kill()
        pytest.skip("FUSE file systems cannot be mounted here")
    yield mount
    subprocess.run(["umount", mount], check=True)
    process.wait(timeout=30)


def _entries(out: bytes) -> tuple[int, int]:
    """How many entries --stats says were done one after another, and with many in flight."""
    text = out.decode()
    found = re.findall(r"(\d+) entries by plain calls one after another, (\d+) with many in flight", text)
    assert found, text
    return sum(int(plain) for plain, _ in found), sum(int(many) for _, many in found)


@pytest.mark.parametrize("engine", ["auto", pytest.param("uring", marks=pytest.mark.needs_ring), "plain"])
@pytest.mark.parametrize("direction", ["from", "to"])
def test_many_are_in_flight(here: bytes, slow: bytes, engine: str, direction: str) -> None:
    """Each engine finds out that it waits, keeps many files in flight, says so, and copies the same tree."""
    fast = os.path.join(here, b"fast")
    create(os.path.join(here, b"back/src") if direction == "from" else fast, TREE)
    src, dst = (os.path.join(slow, b"src"), fast) if direction == "from" else (fast, os.path.join(slow, b"dst"))
    result = arsync("-a", "--stats", f"--io-engine={engine}", src + b"/", dst)
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))
    plain, many = _entries(result.out)
    assert (plain + many, many >= 150) == (180, True), result.out.decode()
    if engine != "uring":  # which does not choose
        assert b"storage waits, many files in flight" in result.out
    if engine != "plain":
        assert b"io_uring: used" in result.out or not os.environ.get("CI")
    again = arsync("-ai", f"--io-engine={engine}", src + b"/", dst)
    assert (again.code, again.out, again.err) == (0, b"", b"")


def test_few_are_where_nothing_waits(here: bytes) -> None:
    src = os.path.join(here, b"src")
    create(src, TREE)
    result = arsync("-a", "--stats", src + b"/", os.path.join(here, b"dst"))
    assert _entries(result.out) == (180, 0)


def test_an_interrupt_while_storage_waits(here: bytes, slow: bytes) -> None:
    """Files in flight end or are removed; nothing half-written stands anywhere, and the code is rsync's."""
    fast = os.path.join(here, b"fast")
    create(fast, Dir({b"d%d" % d: Dir({b"%d" % n: File(b"x" * 9000) for n in range(100)}) for d in range(20)}))
    dst = os.path.join(slow, b"dst")
    result = arsync("-a", fast + b"/", dst)
    assert result.code == 0
    shutil.rmtree(os.path.join(here, b"back/dst"))
    time.sleep(1.1)  # the mount's cached names expire
    command = ["timeout", "--signal=INT", "0.6", sys.executable, "-m", "arsync", "-a", fast + b"/", dst]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (20, 124)
    for directory, _, names in os.walk(os.path.join(here, b"back/dst")):
        for name in names:
            assert not name.startswith(b"."), (directory, name)
            assert os.path.getsize(os.path.join(directory, name)) == 9000
