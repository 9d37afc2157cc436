"""Interrupts and deaths: the exit code says so, nothing torn stands under a name, nothing is left behind."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.commands import ARSYNC, arsync
from support.snapshot import assert_same, snapshot
from support.trees import Dir, File, create

T = 10**18
FILES = 3000


def start(here: bytes, *options: str, **how: Any) -> tuple[subprocess.Popen[bytes], bytes, bytes]:
    """Begin a copy that replaces files, and come back when it is under way; ``how``: as for Popen."""
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
        [*ARSYNC, "-a", *options, src + b"/", dst],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how},
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


@contextmanager
def a_terminal() -> Iterator[tuple[int, int]]:
    """A new terminal: the side that people type at, and the other."""
    typing, terminal = pty.openpty()
    try:
        yield typing, terminal
    finally:
        os.close(typing)
        os.close(terminal)


def test_interrupt_at_a_terminal(here: bytes) -> None:
    """^C reaches the parent and its workers at once: the parent ends the run in order all the same."""
    with a_terminal() as (typing, terminal):
        process, src, dst = start(
            here,
            "--workers=2",
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0),
            pass_fds=[terminal],
            stdin=terminal,
            stdout=terminal,
        )
        found = children(process.pid)
        os.write(typing, b"\3")
        _, err = process.communicate(timeout=30)
    assert process.returncode == 20, err
    assert b"received SIGINT" in err
    assert b"Traceback" not in err
    assert found
    assert not any(map(_running, found))
    assert_whole(dst)
    assert arsync("-a", src + b"/", dst).code == 0
    assert_same(snapshot(src), snapshot(dst))


def test_the_second_interrupt_ends_it_at_once(here: bytes) -> None:
    """Workers that do not answer are not waited for."""
    process, _, dst = start(here, "--workers=2")
    found = children(process.pid)
    for worker in found:
        os.kill(worker, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # what comes sooner counts as the same
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 20
    deadline = time.monotonic() + 20
    while any(map(_running, found)):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.01)
    for directory, _, names in os.walk(dst):
        assert {os.path.getsize(os.path.join(directory, name)) for name in names if name[0] != b"."[0]} <= {3, 90_000}


@pytest.mark.parametrize("options", [["--workers=2"], ["--workers=2", "--timeout=1"], ["--workers=1", "--bwlimit=99m"]])
def test_stopped_for_a_while(here: bytes, options: list[str]) -> None:
    """^Z and fg: the run goes on where it was, and the time does not count (--timeout)."""
    process, src, dst = start(here, *options, preexec_fn=lambda: os.setpgid(0, 0))
    os.killpg(process.pid, signal.SIGTSTP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    time.sleep(1.7)
    os.killpg(process.pid, signal.SIGCONT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))


def test_nohup(here: bytes) -> None:
    """What was started so that a hangup is ignored ignores it."""
    process, src, dst = start(here, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))


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
