"""The way in for other programs: open_fileops, whole files, names."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

import arsync.fs
from arsync.fs import AT_FDCWD, CopyMethod, FileOps, Files, copy_data, open_fileops, replace_file
from fs.backends import open_descriptors, ring_or_skip

Engine = Literal["uring", "plain"]


@pytest.fixture(params=["uring", "uring-warm", "plain", "plain-warm"])
def files(request: pytest.FixtureRequest) -> Iterator[Files]:
    name, _, warm = request.param.partition("-")
    if name == "uring":
        ring_or_skip().close()
    before = open_descriptors()
    with open_fileops(name, in_flight=4, waiting=not warm) as files:
        assert files.engine == name
        yield files
    assert open_descriptors() == before


async def _size(ops: FileOps, name: bytes) -> int:
    return (await ops.lstat(AT_FDCWD, name)).st_size


def test_many_in_their_order(files: Files, tmp_path: Path) -> None:
    names = []
    for number in range(200):
        (tmp_path / str(number)).write_bytes(b"x" * number)
        names.append(os.fsencode(tmp_path / str(number)))
    assert files.map(_size, iter(names)) == list(range(200))
    assert files.map(_size, []) == []
    assert files.run(_size, names[7]) == 7


def test_no_more_than_allowed_are_in_flight(files: Files, tmp_path: Path) -> None:
    lock, now, most = threading.Lock(), 0, 0

    async def counted(ops: FileOps, name: bytes) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        await ops.lstat(AT_FDCWD, name)
        with lock:
            now -= 1

    files.map(counted, [os.fsencode(tmp_path)] * 50)
    assert (now, 1 <= most <= 4) == (0, True)


def test_an_exception_ends_it(files: Files, tmp_path: Path) -> None:
    """It is raised when those in flight have ended, and the runner can be used again."""
    begun = []

    async def failing(ops: FileOps, number: int) -> None:
        begun.append(number)
        await ops.lstat(AT_FDCWD, os.fsencode(tmp_path))
        if number == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        files.map(failing, range(1000))
    assert len(begun) < 100
    with pytest.raises(FileNotFoundError):
        files.run(_size, b"no such file")
    assert files.run(_size, os.fsencode(tmp_path)) > 0


def test_access_times_are_there(files: Files, tmp_path: Path) -> None:
    os.utime(tmp_path, ns=(123, 456))

    async def atime(ops: FileOps) -> int:
        return (await ops.lstat(AT_FDCWD, os.fsencode(tmp_path))).st_atime_ns

    assert files.run(atime) == 123


def test_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_fileops("plain") as files:
        assert (files.engine, files.refused) == ("plain", "not asked for")
    monkeypatch.setattr(arsync.fs, "open_ring", lambda _depth: (None, "a reason"))
    with open_fileops() as files:
        assert (files.engine, files.refused) == ("plain", "a reason")
    with pytest.raises(OSError, match="a reason") as raised:
        open_fileops("uring")
    assert raised.value.errno == errno.EOPNOTSUPP
    for wrong in ({"engine": "fast"}, {"in_flight": 0}):
        with pytest.raises(ValueError):
            open_fileops(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", CopyMethod)
@pytest.mark.parametrize("size", [0, 1, 200_000, 20_000_000])
@pytest.mark.parametrize("sparse", [False, True])
def test_copying_data(files: Files, tmp_path: Path, method: CopyMethod, size: int, sparse: bool) -> None:
    """Whatever was in the destination, shorter or longer, is gone."""
    content = os.urandom(min(size, 100_000)) + bytes(max(0, size - 100_000))
    (tmp_path / "src").write_bytes(content)
    (tmp_path / "dst").write_bytes(b"old" * 100_000)

    async def copied(ops: FileOps) -> int:
        src, dst = os.open(tmp_path / "src", os.O_RDONLY), os.open(tmp_path / "dst", os.O_RDWR)
        try:
            return await copy_data(ops, src, dst, method=method, sparse=sparse, buffer_size=1 << 16)
        finally:
            os.close(src)
            os.close(dst)

    assert files.run(copied) == size
    assert (tmp_path / "dst").read_bytes() == content


def test_replacing_a_file(files: Files, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    inode = os.stat(tmp_path / "file").st_ino

    async def replaced(ops: FileOps, name: bytes, *, fail: bool = False, fsync: bool = False) -> None:
        top = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)

        async def fill(fd: int) -> None:
            await ops.write(fd, bytearray(b"half"), 0)
            assert (tmp_path / "file").read_bytes() == b"old"
            assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o640
            if fail:
                raise ZeroDivisionError
            await ops.write(fd, bytearray(b" whole"), 4)

        try:
            await replace_file(ops, top, name, fill, mode=0o640, fsync=fsync)
        finally:
            os.close(top)

    with pytest.raises(ZeroDivisionError):
        files.run(replaced, b"file", fail=True)
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"
    (tmp_path / "dir").mkdir()
    with pytest.raises(IsADirectoryError):
        files.run(replaced, b"dir")
    assert sorted(os.listdir(tmp_path)) == ["dir", "file"]
    files.run(replaced, b"new", fsync=True)
    files.run(replaced, b"file", fsync=True)
    assert (tmp_path / "file").read_bytes() == (tmp_path / "new").read_bytes() == b"half whole"
    assert os.stat(tmp_path / "file").st_ino != inode
    assert sorted(os.listdir(tmp_path)) == ["dir", "file", "new"]


def test_replacing_a_file_of_the_current_directory(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AT_FDCWD is no descriptor that fsync(2) could be called for."""
    monkeypatch.chdir(tmp_path)

    async def replaced(ops: FileOps) -> None:
        async def fill(fd: int) -> None:
            await ops.write(fd, bytearray(b"whole"), 0)

        await replace_file(ops, AT_FDCWD, b"file", fill, fsync=True)

    files.run(replaced)
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_names(files: Files, place: tuple[str, bytes]) -> None:
    """On every file system, also those that were made after the directory was opened."""
    kind, top = place
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    with open(top + b"/x\xc3\xa4", "wb"):
        pass
    try:
        assert files.run(arsync.fs.list_names, fd) == [b"x\xc3\xa4"]
        if kind == "vfat":
            return
        os.symlink(b"\xff", top + b"/link")
        assert files.run(arsync.fs.readlinkat, fd, b"link") == b"\xff"
        with pytest.raises(OSError) as raised:
            files.run(arsync.fs.readlinkat, fd, b"x\xc3\xa4")
        assert raised.value.errno == errno.EINVAL
        files.run(arsync.fs.mknodat, fd, b"fifo", stat.S_IFIFO | 0o600)
        assert stat.S_ISFIFO(os.stat(top + b"/fifo").st_mode)
    finally:
        os.close(fd)
