"""Every engine gives the same tree; where io_uring is refused, nothing is lost but the ring."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator

import pytest

from support.commands import arsync, arsync_as_nobody
from support.snapshot import assert_same, snapshot
from support.trees import Dir, File, Symlink, create

T = 10**18
TREE = Dir(
    {
        b"d%d" % d: Dir({b"f%d" % n: File(os.urandom(n * 50), mtime_ns=T + n) for n in range(300)}, mtime_ns=T)
        for d in range(4)
    }
    | {b"link": Symlink(b"d1", T), b"large": File(os.urandom(20 << 20), mtime_ns=T)},
    mtime_ns=T,
)


@pytest.mark.parametrize("workers", ["1", "2", "3", "0"])
@pytest.mark.parametrize("engine", ["auto", pytest.param("uring", marks=pytest.mark.needs_ring), "plain"])
def test_same_tree(here: bytes, engine: str, workers: str) -> None:
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, TREE)
    result = arsync("-a", f"--io-engine={engine}", f"--workers={workers}", src + b"/", dst)
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))
    again = arsync("-ai", f"--io-engine={engine}", f"--workers={workers}", src + b"/", dst)
    assert (again.code, again.out) == (0, b"")


def test_every_option_of_the_engine(here: bytes) -> None:
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, TREE)
    assert arsync("-a", "--queue-depth=3", "--buffer-size=8K", "--workers=5", src + b"/", dst).code == 0
    assert_same(snapshot(src), snapshot(dst))


@pytest.fixture
def ring_refused() -> Iterator[None]:
    """io_uring switched off for everybody. Another run of these tests waits until it is as it was."""
    setting = "kernel.io_uring_disabled"
    with open("/proc/sys/kernel/ostype") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = subprocess.run(["sysctl", "-n", setting], capture_output=True, text=True, check=False)
        if before.returncode or subprocess.run(["sysctl", "-q", f"{setting}=2"], check=False).returncode:
            pytest.skip("this kernel's io_uring cannot be switched off")
        yield
        subprocess.run(["sysctl", "-q", f"{setting}={before.stdout.strip()}"], check=True)


@pytest.mark.needs_root
@pytest.mark.usefixtures("ring_refused")
def test_without_io_uring(here: bytes) -> None:
    """auto works quietly and says so under --stats; uring is a clear error."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, TREE)
    result = arsync("-aHAX", "--stats", src + b"/", dst)
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))
    refused = arsync("-a", "--io-engine=uring", src + b"/", dst)
    assert refused.code == 4
    assert b"io_uring cannot be used here" in refused.err


@pytest.mark.needs_root
def test_as_nobody(here: bytes) -> None:
    """An ordinary user's copy belongs to that user; what only root can set is passed over silently, as rsync does."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, TREE)
    os.makedirs(dst)
    os.chmod(dst, 0o777)
    result = arsync_as_nobody("-a", src + b"/", dst + b"/copy")
    assert (result.code, result.err) == (0, b"")
    copy = snapshot(dst + b"/copy")
    assert {entry["owner"] for entry in copy.values()} == {(65534, 65534)}
    original = snapshot(src)
    for tree in (copy, original):
        for entry in tree.values():
            del entry["owner"]
    assert_same(original, copy)
