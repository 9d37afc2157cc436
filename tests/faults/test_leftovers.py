"""Temporary files of killed runs: the next run removes them, and nobody else's."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support.commands import ARSYNC, NOBODY, arsync, arsync_as_nobody, rsync
from support.faults import settle_timing
from support.inprocess import copy
from support.mounts import delayfs, delayfs_server
from support.trees import Dir, File, create

T = 10**18
MARK = b"user.arsync.unfinished."
OURS = re.compile(rb"\.large\.\+[A-Za-z0-9]{5}")
SIZE = 3 << 20


def _source(here: bytes) -> bytes:
    src = os.path.join(here, b"src")
    entries = {b"large": File(b"new" * (SIZE // 3), mtime_ns=T), b"small": File(b"new", mtime_ns=T)}
    create(src, Dir({b"d": Dir(entries, mtime_ns=T), b"large": entries[b"large"]}, mtime_ns=T))
    return src + b"/"


def _destination(here: bytes) -> bytes:
    dst = os.path.join(here, b"dst")
    create(dst, Dir({b"d": Dir({b"large": File(b"old"), b"small": File(b"old")}, mtime_ns=T), b"large": File(b"old")}))
    return dst


def _found(top: bytes, pattern: re.Pattern[bytes] = OURS) -> list[bytes]:
    """The temporary files below a directory."""
    return sorted(
        os.path.join(directory, name) for directory, _, names in os.walk(top) for name in names if pattern.match(name)
    )


def _marks(top: bytes) -> list[bytes]:
    return [os.fsencode(name) for name in os.listxattr(top) if os.fsencode(name).startswith(MARK)]


@contextmanager
def _slow(*arguments: bytes | str, found_in: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """A run that takes long, while it writes to its first temporary file."""
    before = set(_found(found_in))
    command = [*ARSYNC, "-aX", "--bwlimit=3m", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while not set(_found(found_in)) - before:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()  # until all have ended that have its pipes


def _kill_one(*arguments: bytes | str, found_in: bytes) -> None:
    """Run, and kill everybody while a temporary file is written."""
    with _slow(*arguments, found_in=found_in):
        pass


@pytest.mark.needs_rsync
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("options", [[], ["--inplace"], ["--io-engine=plain", "-b"], ["--delete"]], ids=" ".join)
def test_next_run_removes_them(here: bytes, workers: str, options: list[str]) -> None:
    """Also when it was killed itself before; a dry run removes nothing; foreign files that look alike stay."""
    src, dst = _source(here), _destination(here)
    for _ in range(2):
        _kill_one(f"--workers={workers}", src, dst, found_in=dst)
    left = _found(dst)
    assert left
    assert _marks(dst)
    alike = [b".large.abcdef", b"d/.large.+ab!de", b"d/.large.+abcde", b"d/large.+abcde"]
    for name in () if "--delete" in options else alike:
        create(os.path.join(dst, name), File(b"somebody's"))
    arsync("-an", src, dst)
    assert _found(dst, OURS) == sorted({*left, *(_found(dst, re.compile(rb"\.large\.\+abcde")))})

    again = arsync("-aXv", f"--workers={workers}", *options, src, dst)
    assert (again.code, again.err) == (0, b"")
    told = {line.rpartition(b": ")[2] for line in again.lines if b"temporary file of a killed run" in line}
    assert told == {os.path.relpath(path, dst) for path in left}
    assert not set(_found(dst)) & set(left)
    assert _marks(dst) == []
    for name in () if "--delete" in options else alike:
        os.unlink(os.path.join(dst, name))
    nothing = rsync("-aniHAXcO", src, dst)
    if "-b" not in options:
        assert (nothing.code, nothing.out, nothing.err) == (0, b"", b"")


def test_times_stay(here: bytes) -> None:
    """Removing does not change the time of a directory whose times are not copied."""
    src, dst = _source(here), _destination(here)
    _kill_one(src, dst, found_in=dst)
    for top in (dst, dst + b"/d"):
        os.utime(top, ns=(T, T))
    arsync("-r", "--size-only", "--existing", "--max-size=1", src, dst)
    assert not _found(dst)
    assert [os.stat(top).st_mtime_ns for top in (dst, dst + b"/d")] == [T, T]


@pytest.mark.parametrize("workers", ["0", "1"])
def test_who_is_at_work_is_left_alone(here: bytes, workers: str) -> None:
    """Two runs into one destination, beside what a killed one left."""
    src, dst = _source(here), _destination(here)
    _kill_one(src, dst, found_in=dst)
    stale = _found(dst)
    with _slow(f"--workers={workers}", src, dst, found_in=dst) as process:
        assert not set(stale) & set(_found(dst))
        living = _found(dst)
        own = _marks(dst)
        assert len(own) == 2
        other = arsync("-a", "--existing", "--size-only", "--max-size=10", src, dst)
        assert (other.code, other.err) == (0, b"")
        assert _found(dst) == living
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b""), out
    assert not _found(dst)
    assert not _marks(dst)


def test_workers_that_outlive_their_parent_are_at_work(here: bytes) -> None:
    src, dst = _source(here), _destination(here)
    with _slow("--workers=1", src, dst, found_in=dst) as process:
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            worker = int(file.read().split()[0])
        os.kill(worker, signal.SIGSTOP)
        process.kill()
        process.wait()
        living = _found(dst)
        arsync("-a", "--existing", "--size-only", "--max-size=10", src, dst)
        assert _found(dst) == living
        os.kill(worker, signal.SIGKILL)
    arsync("-a", src, dst)
    assert not _found(dst)
    assert not _marks(dst)


@pytest.mark.parametrize(
    ("change", "removed"),
    [
        (lambda boot, machine: (boot, machine), True),
        (lambda boot, machine: (b"another-start", machine), True),
        (lambda boot, machine: (boot, b"another-machine"), True),
        (lambda boot, machine: (b"another-start", b"another-machine"), False),
    ],
)
def test_other_machines(here: bytes, change: Callable[[bytes, bytes], tuple[bytes, bytes]], removed: bool) -> None:
    """A run on another machine may be at work still; one before this machine was started cannot."""
    src, dst = _source(here), _destination(here)
    _kill_one(src, dst, found_in=dst)
    (mark,) = _marks(dst)
    boot, machine, what = os.getxattr(dst, mark).split(b" ")
    os.setxattr(dst, mark, b" ".join((*change(boot, machine), what)))
    assert arsync("-a", src, dst).code == 0
    assert bool(_found(dst)) is not removed
    assert bool(_marks(dst)) is not removed


@pytest.mark.parametrize("value", [b"", b"nonsense", b"a b c d", b"\xff\0\xff"])
def test_marks_that_make_no_sense(here: bytes, value: bytes) -> None:
    src, dst = _source(here), _destination(here)
    for name in (MARK + b"abc", MARK, MARK + b".*|"):
        os.setxattr(dst, name, value)
    create(dst + b"/.large.+abcde", File(b""))
    done = arsync("-aX", src, dst)
    assert (done.code, done.err) == (0, b"")
    assert _found(dst)


def test_another_run_removes_what_it_meets(here: bytes) -> None:
    """And leaves the mark: it does not come by everywhere."""
    src, dst = _source(here), _destination(here)
    _kill_one(src + b"d", src + b"large", dst, found_in=dst)
    create(dst + b"/d/.small.+" + _marks(dst)[0].removeprefix(MARK) + b"ab", File(b""))
    assert arsync("-a", src + b"large", dst).code == 0
    assert os.listdir(dst + b"/d").count(b"small") == 1
    assert _found(dst + b"/d", re.compile(rb"\.small"))
    assert _marks(dst)
    assert arsync("-a", src + b"d", src + b"large", dst).code == 0
    assert not _found(dst, re.compile(rb"\."))
    assert not _marks(dst)


def test_temp_dir(here: bytes) -> None:
    src, dst = _source(here), _destination(here)
    os.mkdir(here + b"/temp")
    _kill_one("--temp-dir=" + os.fsdecode(here) + "/temp", src, dst, found_in=here + b"/temp")
    assert arsync("-a", b"--temp-dir=" + here + b"/temp", src, dst).code == 0
    assert os.listdir(here + b"/temp") == []
    assert not _marks(dst)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(here: bytes, number: int) -> None:
    """An orderly end leaves nothing."""
    src, dst = _source(here), _destination(here)
    with _slow(src, dst, found_in=dst) as process:
        assert _marks(dst)
        process.send_signal(number)
        process.communicate(timeout=30)
        assert process.returncode == 20
    assert not _found(dst)
    assert not _marks(dst)


def test_killed_worker(here: bytes) -> None:
    """The parent removes what it left, when nobody else can be at work there."""
    src, dst = _source(here), _destination(here)
    with _slow("--workers=1", src, dst, found_in=dst) as process:
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            os.kill(int(file.read().split()[0]), signal.SIGKILL)
        process.communicate(timeout=30)
        assert process.returncode == 12
    assert not _found(dst)
    assert not _marks(dst)


@pytest.mark.needs_root
def test_others_files_stay(here: bytes) -> None:
    """What looks like it and belongs to somebody else is not removed by an ordinary user."""
    src, dst = _source(here), _destination(here)
    for directory, _, names in os.walk(here):
        for path in (directory, *(os.path.join(directory, name) for name in names)):
            os.chown(path, NOBODY, NOBODY)
    _kill_one(src, dst, found_in=dst)
    run = _marks(dst)[0].removeprefix(MARK)
    create(dst + b"/.theirs.+" + run + b"ab", File(b""))
    for path in _found(dst):
        os.chown(path, NOBODY, NOBODY)
    done = arsync_as_nobody("-a", src, dst)
    assert (done.code, done.err) == (0, b"")
    assert not _found(dst)
    assert _found(dst, re.compile(rb"\.theirs"))


@pytest.mark.needs_rsync
def test_marks_are_no_part_of_a_tree(here: bytes) -> None:
    """-X neither copies nor removes nor shows them."""
    src, dst = _source(here), _destination(here)
    os.setxattr(src, MARK + b"abc", b"x")
    os.setxattr(dst, MARK + b"def", b"y")
    arsync("-aX", src, dst)
    assert _marks(dst) == [MARK + b"def"]
    assert arsync("-aXi", src, dst).out == b""


def test_without_attributes(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """No mark is made, and nothing else is different."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    settle_timing(monkeypatch)
    _source(here)
    dst = _destination(here)
    for name in ("setxattr", "listxattr", "removexattr"):
        monkeypatch.setattr(os, name, refuse)
    assert copy(here) == (0, [])
    assert not _found(dst)
    with open(dst + b"/large", "rb") as file:
        assert file.read(3) == b"new"


def test_nothing_is_marked_where_nothing_is_replaced(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    _source(here)
    marked: list[object] = []
    monkeypatch.setattr(os, "setxattr", lambda *arguments: marked.append(arguments))
    assert copy(here) == (0, [])
    assert copy(here) == (0, [])
    assert not marked


def test_storage_without_unnamed_files(here: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """New files have temporary names there too."""
    server = delayfs_server(str(tmp_path_factory.mktemp("delayfs")))
    src = _source(here)
    with delayfs(server, here + b"/back", here + b"/mnt", "-d", "100") as mount:
        dst = mount + b"/dst"
        _kill_one(src, dst, found_in=mount)
        assert _marks(dst)
        assert arsync("-a", src, dst).code == 0
        assert not _found(dst)
        assert not _marks(dst)
