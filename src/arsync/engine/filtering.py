"""Filter rules applied to a listing, and the merge files that are read for them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from arsync.engine.listing import Found
from arsync.errors import UsageError
from arsync.filters import Scope
from arsync.fs.operator_path import HERE, OperatorPaths

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW

#: Errors that tell neither whether there is such a file, nor what is in it.
_UNKNOWN = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE})

#: Bytes of a merge file at the most: it is held in memory, and others may make one of any size.
_MOST_BYTES = 16 << 20

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


def reader(fd: int, paths: OperatorPaths) -> Read:
    """Reads merge files in an open directory."""

    def read(name: bytes) -> bytes | None:
        try:
            # Most often there is none, which one call tells.
            opened = os.open(name, _READ, dir_fd=fd) if paths.confine_root is None else -1
        except FileNotFoundError:
            return None
        except OSError:
            opened = -1
        return _content(name, fd, paths) if opened == -1 else _rest(opened, name)

    return read


def read_nothing(_name: bytes) -> bytes | None:
    """Reads no merge file at all."""
    return None


def outside(paths: OperatorPaths) -> Read:
    """Reads the merge file at an absolute path."""
    return lambda path: _content(path, HERE, paths)


def _content(name: bytes, dir_fd: int, paths: OperatorPaths) -> bytes | None:
    """The content of a merge file; None where there is none, or none that may be read, as rsync has it. Raises OSError
    where nobody knows what it says: what its rules protect must not be deleted for that."""
    try:
        return _rest(paths.file(name, _READ & ~os.O_NOFOLLOW, base_fd=dir_fd), name)
    except OSError as error:
        if error.errno in _UNKNOWN:
            raise
        return None


def _rest(fd: int, name: bytes) -> bytes | None:
    """Read and close a merge file. Raises UsageError where it is so large that it cannot be meant as one."""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        with open(fd, "rb", closefd=False) as file:
            data = file.read(_MOST_BYTES + 1)
    finally:
        os.close(fd)
    if len(data) > _MOST_BYTES:
        raise UsageError(f"a merge file is larger than {_MOST_BYTES >> 20} MiB: {os.fsdecode(name)}")
    return data
