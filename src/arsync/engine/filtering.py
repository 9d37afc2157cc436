"""Filter rules applied to a listing, and the merge files that are read for them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from arsync.engine.listing import Found
from arsync.filters import Scope

#: Returns the content of a merge file.
Read = Callable[[bytes], bytes | None]


def chosen(found: Found, scope: Scope | None) -> Found:
    """What the rules of a directory leave of its entries."""
    if scope is None:
        return found
    files, kinds = found.files, found.kinds
    matcher = scope.matcher(False)
    if matcher is not None and len(kept := matcher.kept(files)) < len(files):
        if any(kinds):
            kind_of = dict(zip(files, kinds))
            kinds = bytes([kind_of[name] for name in kept])
        else:
            kinds = bytes(len(kept))
        files = kept
    return Found(files, kinds, scope.kept(found.directories, True))


def reader(fd: int) -> Read:
    """Reads merge files in an open directory."""

    def read(name: bytes) -> bytes | None:
        return _content(name, fd)

    return read


def read_nothing(_name: bytes) -> bytes | None:
    """Reads no merge file at all."""
    return None


def read_outside(path: bytes) -> bytes | None:
    """Reads the merge file at an absolute path."""
    return _content(path, None)


def _content(name: bytes, dir_fd: int | None) -> bytes | None:
    """The content of a merge file; None where there is none, or none that can be read, as rsync has it."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=dir_fd)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    with open(fd, "rb") as file:
        return file.read()
