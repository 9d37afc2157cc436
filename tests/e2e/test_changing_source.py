"""Files that change while they are copied."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from arsync.errors import ExitCode
from arsync.fs.plain import PlainOps
from support.inprocess import copy
from support.trees import Dir, File, create


@pytest.fixture
def large(here: bytes) -> bytes:
    """A file that is copied in several steps."""
    create(os.path.join(here, b"src"), Dir({b"f": File(b"x" * 300_000, mtime_ns=10**18)}))
    return os.path.join(here, b"src", b"f")


def after_reads(monkeypatch: pytest.MonkeyPatch, times: int, act: Any) -> None:
    """Do something to the source behind the first reads."""
    done = [0]
    original = PlainOps.call

    async def call(self: PlainOps, function: Any, *arguments: Any) -> Any:
        result = await original(self, function, *arguments)
        if function is os.copy_file_range and done[0] < times:
            done[0] += 1
            act()
        return result

    monkeypatch.setattr(PlainOps, "call", call)


def append(path: bytes) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


def test_written_to_once(here: bytes, large: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is copied again, and the copy is the new file."""
    after_reads(monkeypatch, 1, lambda: append(large))
    assert copy(here) == (ExitCode.OK, [])
    with open(large, "rb") as a, open(os.path.join(here, b"dst/f"), "rb") as b:
        assert a.read() == b.read()


def test_written_to_all_the_time(here: bytes, large: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported, and the next run sees that the copy is not the last word."""
    after_reads(monkeypatch, 99, lambda: append(large))
    code, failures = copy(here)
    assert code is ExitCode.OK
    assert [failure.warning for failure in failures] == [True]
    assert os.stat(large).st_mtime_ns != os.stat(os.path.join(here, b"dst/f")).st_mtime_ns


def test_shrinks_all_the_time(here: bytes, large: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that lost what it promised is an error, and nothing stands under its name."""
    sizes = iter(range(290_000, 0, -20_000))
    original = os.copy_file_range

    def shrinking(src: int, dst: int, count: int, src_at: int, dst_at: int) -> int:
        os.truncate(large, next(sizes))
        return original(src, dst, count, src_at, dst_at)

    monkeypatch.setattr(os, "copy_file_range", shrinking)
    code, failures = copy(here)
    assert code is ExitCode.PARTIAL
    assert "shrank" in failures[0].detail
    assert os.listdir(os.path.join(here, b"dst")) == []


def test_vanishes(here: bytes, large: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and the exit code is 24."""
    original = PlainOps.openat

    async def openat(self: PlainOps, dir_fd: int, name: bytes, flags: int, mode: int = 0) -> int:
        if name == b"f" and os.path.exists(large):
            os.unlink(large)
        return await original(self, dir_fd, name, flags, mode)

    monkeypatch.setattr(PlainOps, "openat", openat)
    code, failures = copy(here)
    assert code is ExitCode.VANISHED
    assert [failure.vanished for failure in failures] == [True]


def test_one_bad_file(here: bytes, large: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read is one error; the others arrive, and nothing is left of it."""
    create(os.path.join(here, b"src"), Dir({b"g": File(b"y" * 200_000), b"h": File(b"z")}))
    original = os.copy_file_range
    count = [0]

    def failing(*arguments: Any) -> int:
        count[0] += 1
        if count[0] == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return original(*arguments)

    monkeypatch.setattr(os, "copy_file_range", failing)
    code, failures = copy(here)
    assert code is ExitCode.PARTIAL
    assert [(failure.operation, failure.path, failure.errno) for failure in failures] == [("read", b"f", errno.EIO)]
    assert sorted(os.listdir(os.path.join(here, b"dst"))) == [b"g", b"h"]


@pytest.mark.parametrize("workers", [0, 2])
def test_no_descriptor_leaks(here: bytes, large: bytes, workers: int) -> None:
    """A run in this process leaves it as it was: descriptors, umask."""
    copy(here, workers=workers)  # what is imported and opened once
    before, umask = sorted(os.listdir("/proc/self/fd")), os.umask(0o022)
    os.umask(umask)
    for _ in range(3):
        assert copy(here, workers=workers, ignore_times=True)[0] is ExitCode.OK
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert os.umask(umask) == umask
