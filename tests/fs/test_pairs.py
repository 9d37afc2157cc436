"""Comparing the status of many entries of two directories at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from arsync.fs.pairs import MOST_PAIRS, Pairs


@contextmanager
def sides(here: bytes, count: int) -> Iterator[tuple[int, int, tuple[bytes, ...]]]:
    """Two directories with the same files, each of another size."""
    names = tuple(b"%03d\xff" % number for number in range(count))
    fds = []
    for side in (b"src", b"dst"):
        os.mkdir(os.path.join(here, side))
        fds.append(os.open(os.path.join(here, side), os.O_RDONLY | os.O_DIRECTORY))
        for number, name in enumerate(names):
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fds[-1]))
            os.truncate(os.path.join(here, side, name), number)
            os.utime(name, ns=(0, 1_700_000_000_000_000_000 + number), dir_fd=fds[-1])
    yield fds[0], fds[1], names
    for fd in fds:
        os.close(fd)


def test_all_the_same(here: bytes) -> None:
    """Nanoseconds do not count, as in rsync's quick check; names are bytes."""
    with sides(here, MOST_PAIRS) as (src, dst, names):
        for name in names:
            os.utime(name, ns=(0, 1_700_000_000_999_999_999), dir_fd=dst)
        found = Pairs().compare(src, dst, names, names)
    assert found.same == b"\1" * MOST_PAIRS
    assert found.sizes == list(range(MOST_PAIRS))


def _as_directory(path: bytes) -> None:
    os.unlink(path)
    os.mkdir(path, 0o644)


def _as_link(path: bytes) -> None:
    os.unlink(path)
    os.symlink(b"000\xff", path)


CHANGES = {
    "size": lambda path: os.truncate(path, 1 << 33),
    "time": lambda path: os.utime(path, ns=(0, 1_700_000_001_000_000_000)),
    "time before 1970": lambda path: os.utime(path, ns=(0, -1_000_000_000)),
    "mode": lambda path: os.chmod(path, 0o600),
    "set-user-ID": lambda path: os.chmod(path, 0o4644),
    "kind": _as_directory,
    "symlink": _as_link,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("side", [b"src", b"dst"])
def test_one_is_different(here: bytes, change: str, side: bytes) -> None:
    """Every field that the quick way passes over files by is looked at, on both sides."""
    with sides(here, 20) as (src, dst, names):
        CHANGES[change](os.path.join(here, side, names[7]))
        found = Pairs().compare(src, dst, names, names)
    assert [place for place, same in enumerate(found.same) if not same] == [7]


@pytest.mark.needs_root
@pytest.mark.parametrize("ids", [(1, -1), (-1, 70_000)])
def test_owner(here: bytes, ids: tuple[int, int]) -> None:
    """Owner and group count."""
    with sides(here, 20) as (src, dst, names):
        os.chown(names[19], *ids, dir_fd=dst)
        found = Pairs().compare(src, dst, names, names)
    assert found.same == b"\1" * 19 + b"\0"


def test_not_there(here: bytes) -> None:
    """What cannot be looked at is for the general way to explain; what comes before it need not be looked at again."""
    with sides(here, 20) as (src, dst, names):
        os.unlink(names[3], dir_fd=dst)
        pairs = Pairs()
        assert pairs.compare(src, dst, names, names) == (b"\1" * 3, [0, 1, 2])
        assert pairs.compare(src, dst, names[3:], names[3:]) == (b"", [])


def test_not_regular_on_both_sides(here: bytes) -> None:
    """Two fifos are the same in every field, and still no files to pass over."""
    with sides(here, 20) as (src, dst, names):
        for fd in (src, dst):
            os.unlink(names[0], dir_fd=fd)
            os.mkfifo(names[0], 0o644, dir_fd=fd)
            os.utime(names[0], ns=(0, 0), dir_fd=fd)
            assert stat.S_ISFIFO(os.stat(names[0], dir_fd=fd).st_mode)
        found = Pairs().compare(src, dst, names, names)
    assert found.same == b"\0" + b"\1" * 19
