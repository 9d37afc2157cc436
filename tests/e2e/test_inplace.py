"""--inplace: the destination itself is written to; and other copies that meet what somebody does meanwhile."""

from __future__ import annotations

import errno
import mmap
import os
import resource
import stat
from collections.abc import Callable
from typing import Any

import pytest

from arsync.config import CopyMethod
from arsync.errors import ExitCode
from arsync.fs.copy import Copier
from arsync.fs.plain import PlainOps
from support.commands import NOBODY, arsync, arsync_as_nobody, rsync
from support.inprocess import copy
from support.snapshot import assert_same, snapshot
from support.trees import Dir, Entry, Fifo, File, Sparse, Symlink, create

T = 10**18
BLOCK = 4096
OLD = b"OLD!" * 20_000

#: What is written over OLD: zeros in front, between, behind; not at block boundaries; longer and shorter than it.
SOURCES: dict[bytes, Entry] = {
    b"zeros first": File(bytes(16 * BLOCK) + b"new", mtime_ns=T),
    b"zeros between": File(b"a" * 5000 + bytes(5 * BLOCK) + b"b" * 100, mtime_ns=T),
    b"zeros last": File(b"a" * 3 + bytes(9 * BLOCK + 7), mtime_ns=T),
    b"only zeros": File(bytes(30_001), mtime_ns=T),
    b"longer": File(bytes(70_000) + b"c" * 5 + bytes(100_000) + b"d", mtime_ns=T),
    b"no zeros": File(b"e" * 70_000, mtime_ns=T),
    b"empty": File(b"", mtime_ns=T),
    b"holes": Sparse(300_000, ((20_000, b"x" * 5000), (200_000, b"y")), mtime_ns=T),
    b"one hole": Sparse(50_000, (), mtime_ns=T),
}
OVERWRITTEN = Dir({name: File(OLD, mtime_ns=T + 10**10) for name in SOURCES})


def both(here: bytes, src: Dir, dst: Dir) -> tuple[bytes, bytes]:
    """The source, and the same destination for each of the two programs behind ``here``."""
    create(os.path.join(here, b"src"), src)
    for name in (b"dst", b"expected"):
        create(os.path.join(here, name), dst)
    return os.path.join(here, b"dst"), os.path.join(here, b"expected")


def read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def call_before(
    monkeypatch: pytest.MonkeyPatch, method: str, when: Callable[..., bool], act: Callable[[], Any]
) -> None:
    """Do something once, before the first operation of this name for which ``when`` says so."""
    original, done = getattr(PlainOps, method), [False]

    async def planted(self: PlainOps, *arguments: Any) -> Any:
        if not done[0] and when(*arguments):
            done[0] = True
            act()
        return await original(self, *arguments)

    monkeypatch.setattr(PlainOps, method, planted)


@pytest.mark.needs_rsync
@pytest.mark.parametrize("engine", ["plain", pytest.param("uring", marks=pytest.mark.needs_ring)])
@pytest.mark.parametrize("sparse", [["-S"], []])
def test_zeros_replace_what_was_there(here: bytes, engine: str, sparse: list[str]) -> None:
    """With and without -S, the destination holds the source's bytes; with it, it takes no more room than rsync's."""
    mine, expected = both(here, Dir(SOURCES, mtime_ns=T), OVERWRITTEN)
    before = {name: os.stat(os.path.join(mine, name)).st_ino for name in SOURCES}
    src = os.path.join(here, b"src/")
    assert rsync("-a", "--inplace", *sparse, src, expected).code == 0
    result = arsync("-a", "--inplace", *sparse, f"--io-engine={engine}", src, mine)
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(mine))
    assert_same(snapshot(expected), snapshot(mine))
    for name, inode in before.items():
        ours, theirs = os.stat(os.path.join(mine, name)), os.stat(os.path.join(expected, name))
        assert ours.st_ino == inode
        if sparse:
            assert ours.st_blocks <= theirs.st_blocks, name


@pytest.mark.parametrize("refusal", [errno.EOPNOTSUPP, errno.ENOSYS])
def test_zeros_without_holes(here: bytes, monkeypatch: pytest.MonkeyPatch, refusal: int) -> None:
    """Where the file system cannot make holes, zeros are written; it is asked once."""
    mine, _ = both(here, Dir(SOURCES, mtime_ns=T), OVERWRITTEN)
    asked = []

    async def fallocate(self: PlainOps, *arguments: Any) -> None:
        asked.append(arguments)
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(PlainOps, "fallocate", fallocate)
    assert copy(here, inplace=True, sparse=True, buffer_size=8192) == (ExitCode.OK, [])
    assert len(asked) == 1
    assert_same(snapshot(os.path.join(here, b"src")), snapshot(mine))


def test_a_hole_that_fails_is_an_error(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for "cannot"."""
    both(here, Dir({b"f": File(bytes(9000), mtime_ns=T)}), Dir({b"f": File(OLD)}))

    async def fallocate(self: PlainOps, *_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(PlainOps, "fallocate", fallocate)
    code, failures = copy(here, inplace=True, sparse=True)
    assert code is ExitCode.PARTIAL
    assert [(failure.operation, failure.errno) for failure in failures] == [("write", errno.EIO)]


def append(path: bytes) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("sparse", [False, True])
def test_written_to_all_the_time(here: bytes, monkeypatch: pytest.MonkeyPatch, sparse: bool) -> None:
    """Nothing of the old file stays behind the copy, although that is not the last word."""
    mine, _ = both(here, Dir({b"f": File(b"x" * 300_000, mtime_ns=T)}), Dir({b"f": File(b"O" * 400_000)}))
    source, original = os.path.join(here, b"src/f"), Copier.copy

    async def copied(self: Copier, *arguments: Any) -> int:
        done = await original(self, *arguments)
        append(source)
        return done

    monkeypatch.setattr(Copier, "copy", copied)
    code, failures = copy(here, inplace=True, sparse=sparse)
    assert code is ExitCode.OK
    assert [failure.warning for failure in failures] == [True]
    assert read(os.path.join(mine, b"f")) == b"x" * 300_000 + b"more"
    assert os.stat(source).st_mtime_ns != os.stat(os.path.join(mine, b"f")).st_mtime_ns


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("left", [0, 5000, 200_000])
def test_mapped_source_shrinks(here: bytes, monkeypatch: pytest.MonkeyPatch, left: int, inplace: bool) -> None:
    """--copy-method=mmap: what was promised by the first look is no longer there to be mapped; it is copied again."""
    mine, _ = both(here, Dir({b"f": File(b"x" * 300_000, mtime_ns=T)}), Dir({b"f": File(b"O" * 400_000)}))
    source, original = os.path.join(here, b"src/f"), Copier.copy

    async def copied(self: Copier, *arguments: Any) -> int:
        if os.stat(source).st_size > left:
            os.truncate(source, left)
        return await original(self, *arguments)

    monkeypatch.setattr(Copier, "copy", copied)
    assert copy(here, inplace=inplace, copy_method=CopyMethod.MMAP) == (ExitCode.OK, [])
    assert read(os.path.join(mine, b"f")) == b"x" * left


def test_mapped_source_shrinks_under_the_writing(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same when it is mapped already: the kernel meets pages that are gone."""
    mine, _ = both(here, Dir({b"f": File(b"x" * 300_000, mtime_ns=T)}), Dir())
    source = os.path.join(here, b"src/f")
    call_before(monkeypatch, "write", lambda *_: True, lambda: os.truncate(source, 100_000))
    assert copy(here, inplace=True, copy_method=CopyMethod.MMAP) == (ExitCode.OK, [])
    assert read(os.path.join(mine, b"f")) == b"x" * 100_000


@pytest.mark.parametrize("refusal", [errno.ENODEV, errno.EACCES, errno.ENOMEM])
def test_source_that_cannot_be_mapped(here: bytes, monkeypatch: pytest.MonkeyPatch, refusal: int) -> None:
    """The next method does the work."""
    mine, _ = both(here, Dir({b"f": File(b"x" * 300_000, mtime_ns=T)}), Dir())

    original = mmap.mmap

    def refused(fd: int, *arguments: Any, **options: Any) -> mmap.mmap:
        if fd != -1:
            raise OSError(refusal, os.strerror(refusal))
        return original(fd, *arguments, **options)

    monkeypatch.setattr(mmap, "mmap", refused)
    assert copy(here, inplace=True, copy_method=CopyMethod.MMAP) == (ExitCode.OK, [])
    assert read(os.path.join(mine, b"f")) == b"x" * 300_000


def test_mapped_copy_does_not_fit(here: bytes) -> None:
    """A write that fails half-way is that file's error; the others are copied."""
    mine, _ = both(here, Dir({b"f": File(b"x" * 300_000), b"g": File(b"y" * 150_000)}), Dir())

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    result = arsync("-a", "--copy-method=mmap", "--workers=1", os.path.join(here, b"src/"), mine, before=limit)
    assert result.code == ExitCode.PARTIAL
    assert b"File too large" in result.err
    assert b"Traceback" not in result.err
    assert os.listdir(mine) == [b"g"]


@pytest.mark.needs_root
@pytest.mark.needs_rsync
@pytest.mark.parametrize("options", [["-a"], ["-rlt"]])
@pytest.mark.parametrize("mode", [0o4755, 0o6755, 0o2775, 0o644])
def test_set_id_bits_that_writing_takes_away(here: bytes, mode: int, options: list[str]) -> None:
    """An ordinary user's write clears them: they are set again, as rsync does."""
    owner = (NOBODY, NOBODY)
    mine, expected = both(
        here,
        Dir({b"f": File(b"new", mode, T, owner)}, owner=owner),
        Dir({b"f": File(b"old", mode, owner=owner)}, owner=owner),
    )
    src = os.path.join(here, b"src/")
    assert rsync(*options, "--inplace", src, expected, nobody=True).code == 0
    result = arsync_as_nobody(*options, "--inplace", src, mine)
    assert (result.code, result.err) == (0, b"")
    assert stat.S_IMODE(os.stat(os.path.join(mine, b"f")).st_mode) == mode
    assert_same(snapshot(os.path.join(expected, b"f")), snapshot(os.path.join(mine, b"f")))


def opens_output(dir_fd: int, name: bytes, flags: int, mode: int = 0) -> bool:
    """Whether this openat is that of the destination, to be overwritten."""
    return name == b"f" and flags & os.O_ACCMODE == os.O_WRONLY


@pytest.mark.parametrize("read_from", [False, True])
def test_fifo_swapped_in(here: bytes, monkeypatch: pytest.MonkeyPatch, read_from: bool) -> None:
    """It neither blocks the copy nor gets the data."""
    mine, _ = both(here, Dir({b"f": File(b"new", mtime_ns=T), b"g": File(b"g")}), Dir({b"f": File(b"old")}))
    target, readers = os.path.join(mine, b"f"), []

    def swap() -> None:
        os.unlink(target)
        os.mkfifo(target)
        if read_from:
            readers.append(os.open(target, os.O_RDONLY | os.O_NONBLOCK))

    call_before(monkeypatch, "openat", opens_output, swap)
    code, failures = copy(here, inplace=True)
    assert code is ExitCode.PARTIAL
    assert [failure.path for failure in failures] == [b"f"]
    assert stat.S_ISFIFO(os.lstat(target).st_mode)
    assert read(os.path.join(mine, b"g")) == b"g"
    for fd in readers:
        assert os.read(fd, 10) == b""
        os.close(fd)


@pytest.mark.parametrize("kind", ["link to the source", "other file", "symlink"])
def test_other_file_swapped_in(here: bytes, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """What was not looked at is not written to."""
    mine, _ = both(here, Dir({b"f": File(b"new" * 100, mtime_ns=T)}), Dir({b"f": File(b"old")}))
    target, source, other = os.path.join(mine, b"f"), os.path.join(here, b"src/f"), os.path.join(here, b"other")
    create(other, File(b"precious", mtime_ns=T))

    def swap() -> None:
        os.unlink(target)
        if kind == "symlink":
            os.symlink(other, target)
        else:
            os.link(source if kind == "link to the source" else other, target)

    call_before(monkeypatch, "openat", opens_output, swap)
    code, failures = copy(here, inplace=True)
    assert code is ExitCode.PARTIAL
    assert [failure.path for failure in failures] == [b"f"]
    assert read(source) == b"new" * 100
    assert read(other) == b"precious"
    assert os.stat(other).st_mtime_ns == T


@pytest.mark.needs_root
@pytest.mark.parametrize("replacing", [False, True])
@pytest.mark.parametrize("made", [Fifo(0o666, T), Symlink(b"somewhere", T)])
@pytest.mark.parametrize("planted", ["another link", "another kind"])
def test_entry_swapped_while_it_is_made(
    here: bytes, monkeypatch: pytest.MonkeyPatch, replacing: bool, made: Entry, planted: str
) -> None:
    """In a directory that others can write to, nothing but what was made is given away."""
    old = {b"e": File(b"old") if isinstance(made, Fifo) else Symlink(b"elsewhere")} if replacing else {}
    mine, _ = both(here, Dir({b"e": made}), Dir(old))
    victim = os.path.join(here, b"victim")
    os.chown(os.path.join(here, b"src/e"), NOBODY, NOBODY, follow_symlinks=False)
    create(victim, File(b"secret", 0o600) if planted == "another kind" else made)
    before, names = snapshot(victim, links=False), []
    untouched = snapshot(os.path.join(mine, b"e")) if replacing else {}

    def swap() -> None:
        [name] = [name for name in os.listdir(mine) if not replacing or name != b"e"]
        names.append(os.path.join(mine, name))
        os.unlink(names[0])
        (os.rename if planted == "another kind" else os.link)(victim, names[0])

    call_before(monkeypatch, "openat", lambda _, name, flags, *__: flags & os.O_PATH and b"e" in name, swap)
    code, failures = copy(here, inplace=False, owner=True, group=True, links=True, specials=True)
    assert code is ExitCode.PARTIAL
    assert [(failure.operation, failure.path) for failure in failures] == [("set metadata of", b"e")]
    assert snapshot(names[0], links=False) == before
    if replacing:
        assert snapshot(os.path.join(mine, b"e")) == untouched
