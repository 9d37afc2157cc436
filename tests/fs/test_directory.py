"""Held directories: what is closed and opened again."""

from __future__ import annotations

import errno
import os

import pytest

from arsync.fs import directory
from arsync.fs.directory import DirectoryFd, DirectoryTable


def test_one_that_cannot_be_looked_at_again_leaves_no_descriptor(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """fstat(2) of a directory that was opened again fails on storage that has gone."""
    os.mkdir(os.path.join(here, b"d"))
    table = DirectoryTable(4)
    top = DirectoryFd(table, os.open(here, os.O_RDONLY), None, here)
    held = DirectoryFd(table, os.open(b"d", os.O_RDONLY, dir_fd=top.pin()), top, b"d")
    held.close_descriptor()
    before = os.listdir("/proc/self/fd")

    class Gone:
        def fstat(self, _: int) -> os.stat_result:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

    monkeypatch.setattr(directory, "os", Gone())
    with pytest.raises(OSError, match="Input/output error"):
        held.pin()
    assert os.listdir("/proc/self/fd") == before
    table.close()


def test_what_is_in_use_is_not_closed(here: bytes) -> None:
    """Beyond the bound the least recently used one is closed that nobody uses; where all are in use, none."""
    for name in (b"a", b"b", b"c", b"d"):
        os.mkdir(os.path.join(here, name))
    table = DirectoryTable(2)
    top = DirectoryFd(table, os.open(here, os.O_RDONLY), None, here)
    above = top.pin()
    a, b, c = (DirectoryFd(table, os.open(name, os.O_RDONLY, dir_fd=above), top, name) for name in (b"a", b"b", b"c"))
    inode = os.stat(os.path.join(here, b"a")).st_ino
    fd = a.pin()  # it had been closed for the third
    assert os.fstat(fd).st_ino == inode
    for held in (b, c):
        held.pin()
    d = DirectoryFd(table, os.open(b"d", os.O_RDONLY, dir_fd=above), top, b"d")
    d.pin()
    assert os.fstat(fd).st_ino == inode
    for held in (a, b, c, d):
        held.unpin()
    with d as fd:
        assert os.fstat(fd).st_ino == os.stat(os.path.join(here, b"d")).st_ino
    table.close()
