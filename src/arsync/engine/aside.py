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
        os.rmdir(aside, dir_fd=dir_fd)
        if error.errno not in _CANNOT_EXCHANGE:
            raise
        _one_after_the_other(dir_fd, name, mode, name_to_keep(name))
        return
    try:
        os.unlink(aside, dir_fd=dir_fd)
    except OSError:
        exchange(dir_fd, aside, name)
        os.rmdir(aside, dir_fd=dir_fd)
        raise


def _one_after_the_other(dir_fd: int, name: bytes, mode: int, aside: bytes) -> None:
    """What stands there waits under a temporary name until the directory is made, and gets its own name back where it
    cannot be."""
    os.rename(name, aside, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    made = False
    try:
        os.mkdir(name, mode, dir_fd=dir_fd)
        made = True
        os.unlink(aside, dir_fd=dir_fd)
    except OSError:
        if made:
            os.rmdir(name, dir_fd=dir_fd)
        os.rename(aside, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        raise
