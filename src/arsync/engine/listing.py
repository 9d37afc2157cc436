"""The entries of one source directory, in rsync's order."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from arsync.engine.wire import OTHER, REGULAR

_ENCODING = sys.getfilesystemencoding()


class Found(NamedTuple):
    """The entries of one source directory: names in rsync's order, and what they are."""

    files: list[bytes]  # everything but directories
    kinds: bytes  # REGULAR or OTHER for each
    directories: list[bytes]


def list_directory(fd: int) -> Found:
    """List an open directory. Files come first, then directories, each by the bytes of their names; a directory
    counts as its name and a slash, which is rsync's order."""
    files: list[bytes] = []
    others: set[bytes] = set()
    directories: list[bytes] = []
    with os.scandir(fd) as entries:
        for entry in entries:
            name = entry.name.encode(_ENCODING, "surrogateescape")
            if entry.is_dir(follow_symlinks=False):
                directories.append(name)
            else:
                files.append(name)
                if not entry.is_file(follow_symlinks=False):
                    others.add(name)
    files.sort()
    directories.sort(key=_slashed)
    kinds = bytes([OTHER if name in others else REGULAR for name in files]) if others else bytes(len(files))
    return Found(files, kinds, directories)


def _slashed(name: bytes) -> bytes:
    return name + b"/"
