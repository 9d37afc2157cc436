"""Listing a directory: rsync's order, and the same in both ways of doing it."""

from __future__ import annotations

import os

import pytest

from arsync.engine.listing import Found, list_directory
from arsync.engine.wire import OTHER, REGULAR

NAMES = [b"A", b"a", b"a.b", b"a0", b"b\xff", "漢".encode(), b"\x01"]


@pytest.mark.parametrize("large", [False, True])
def test_files_then_directories(here: bytes, large: bool) -> None:
    """A directory's name counts with a slash behind it; names need not be text."""
    for name in NAMES:
        os.close(os.open(os.path.join(here, name), os.O_CREAT | os.O_WRONLY))
        os.mkdir(os.path.join(here, b"d" + name))
    os.symlink(b"A", os.path.join(here, b"link"))
    os.mkfifo(os.path.join(here, b"fifo"))
    fd = os.open(here, os.O_RDONLY | os.O_DIRECTORY)
    found = list_directory(fd, large=large)
    os.close(fd)
    files = sorted([*NAMES, b"fifo", b"link"])
    kinds = bytes(OTHER if name in (b"fifo", b"link") else REGULAR for name in files)
    directories = sorted((b"d" + name for name in NAMES), key=lambda name: name + b"/")
    assert found == Found(files, kinds, directories)
    assert directories != sorted(directories)


def test_a_path_that_leads_nowhere(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc a large directory is listed as it is held."""
    monkeypatch.setattr("arsync.engine.listing.path_of", lambda fd: b"/nowhere/%d" % fd)
    os.mkdir(os.path.join(here, b"d"))
    fd = os.open(here, os.O_RDONLY | os.O_DIRECTORY)
    assert list_directory(fd, large=True) == Found([], b"", [b"d"])
    os.close(fd)


@pytest.mark.parametrize("large", [False, True])
def test_no_directory(here: bytes, large: bool) -> None:
    fd = os.open(os.path.join(here, b"f"), os.O_CREAT | os.O_RDONLY)
    with pytest.raises(NotADirectoryError):
        list_directory(fd, large=large)
    os.close(fd)
