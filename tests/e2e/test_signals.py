"""Interrupts and deaths: the exit code says so, nothing torn stands under a name, nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from support.commands import ARSYNC, arsync
from support.snapshot import assert_same, snapshot
from support.trees import Dir, File, create

T = 10**18
FILES = 3000


def start(here: bytes, *options: str) -> tuple[subprocess.Popen[bytes], bytes, bytes]:
    """Begin a copy that replaces files, and come back when it is under way."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    content = b"new" * 30_000
    names = [b"%04d" % n for n in range(FILES)]
    create(
        src,
        Dir(
            {b"d%d" % d: Dir({n: File(content, mtime_ns=T) for n in names[d::10]}, mtime_ns=T) for d in range(10)},
            mtime_ns=T,
        ),
    )
    create(dst, Dir({b"d%d" % d: Dir({n: File(b"old") for n in names[d::10][:150]}) for d in range(10)}))
    process = subprocess.Popen(
        [*ARSYNC, "-a", *options, src + b"/", dst], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    first = os.path.join(dst, b"d0", b"0000")
    while time.monotonic() < deadline and process.poll() is None:
        if os.path.getsize(first) > 3:
            break
        time.sleep(0.001)
    return process, src, dst


def assert_whole(dst: bytes) -> None:
    """Every name holds the old or the new file, and there is no other name."""
    for directory, _, names in os.walk(dst):
        for name in names:
            assert not name.startswith(b"."), f"{name!r} was left behind"
            assert os.path.getsize(os.path.join(directory, name)) in (3, 90_000)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("options", [[], ["--io-engine=plain"], ["--workers=1"]])
def test_interrupt(here: bytes, number: signal.Signals, options: list[str]) -> None:
    """Exit code 20, and the next run finishes the job."""
    process, src, dst = start(here, *options)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 20, err
    assert b"Traceback" not in err
    assert_whole(dst)
    assert arsync("-a", src + b"/", dst).code == 0
    assert_same(snapshot(src), snapshot(dst))


def test_one_interrupt_sent_twice(here: bytes) -> None:
    """timeout(1) sends a signal to its child and then to the group; only a later one ends the run at once."""
    process, _, dst = start(here, "--workers=2")
    process.send_signal(signal.SIGINT)
    time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 20, err
    assert b"received SIGINT" in err
    assert_whole(dst)


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def test_a_worker_dies(here: bytes) -> None:
    """A named error, exit code 12, no hang; what it had is not lost."""
    process, src, dst = start(here, "--workers=2")
    found = children(process.pid)
    if not found:
        pytest.skip("it was over before a worker could be killed")
    os.kill(found[0], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 12, err
    assert b"was killed by signal 9" in err
    assert arsync("-a", src + b"/", dst).code == 0


def test_all_workers_die(here: bytes) -> None:
    """Nobody is left to work: the run ends all the same."""
    process, *_ = start(here, "--workers=2")
    for child in children(process.pid):
        os.kill(child, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (12, 0), err


def test_the_parent_dies(here: bytes) -> None:
    """The workers end by themselves, and leave nothing torn."""
    process, _, dst = start(here, "--workers=2")
    found = children(process.pid)
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") and _running(pid) for pid in found):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.01)
    assert_whole(dst)


def _running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_closed_output(here: bytes) -> None:
    """Nobody reads what it prints: no traceback."""
    create(os.path.join(here, b"src"), Dir({b"%05d" % n: File() for n in range(20_000)}))
    command = b" ".join(os.fsencode(word) for word in ARSYNC) + b" -av " + here + b"/src/ " + here + b"/dst | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False)
    assert done.stdout == b"sending incremental file list\n"
    assert b"Traceback" not in done.stderr
