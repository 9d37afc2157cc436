"""Making a directory where something else stands, which must not be lost if that fails."""

from __future__ import annotations

import errno
import os

from arsync.fs.syscalls import exchange
from arsync.fs.temporary import name_to_keep, temporary_name

#: What a file system or a kernel without RENAME_EXCHANGE answers.
_CANNOT_EXCHANGE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


def replace_by_directory(dir_fd: int, name: bytes, mode: int) -> None:
    """Make the directory ``name`` in the place of what stands there, which is no directory.

    It is made under a temporary name and exchanged with what stands there: one of the two always has the name.
    Raises OSError, and the old entry stands where it stood.
    """
    aside = temporary_name(name)
    os.mkdir(aside, mode, dir_fd=dir_fd)
    try:
        exchange(dir_fd, aside, name)
    except OSError as error:
        if error.errno in _CANNOT_EXCHANGE:
            _one_after_the_other(dir_fd, name, aside)
            return
        os.rmdir(aside, dir_fd=dir_fd)
        raise
    try:
        os.unlink(aside, dir_fd=dir_fd)
    except OSError:
        exchange(dir_fd, aside, name)
        os.rmdir(aside, dir_fd=dir_fd)
        raise


def _one_after_the_other(dir_fd: int, name: bytes, made: bytes) -> None:
    """What stands there waits under another name until the new directory has its own, and gets it back where that
    fails."""
    kept = name_to_keep(name)
    try:
        os.rename(name, kept, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except OSError:
        os.rmdir(made, dir_fd=dir_fd)
        raise
    where = made
    try:
        os.rename(made, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        where = name
        os.unlink(kept, dir_fd=dir_fd)
    except OSError:
        os.rmdir(where, dir_fd=dir_fd)
        os.rename(kept, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        raise
