"""Directories on the way to what -R names, under ``--no-implied-dirs``: they are used as they stand.

A symlink that stands there is followed as long as it leads to a directory below the destination. It is followed by
hand, each step relative to a held directory: nothing that changes meanwhile can lead out.
"""

from __future__ import annotations

import errno
import os

from arsync.config import CopyConfig
from arsync.engine.tree import Node
from arsync.events import Failure
from arsync.fs.acl import default_perms
from arsync.fs.directory import DirectoryFd, DirectoryTable, bring_names

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

#: Symlinks that are followed at the most, as the kernel has it.
_SYMLINKS = 40


def open_plain(
    config: CopyConfig, table: DirectoryTable, mode: int, node: Node, name: bytes, failures: list[Failure]
) -> int | None:
    """Open a node's destination as it stands, or make it with ``mode``. Returns the itemized flags, of which there are
    none; None where there is to be no such directory."""
    parent = node.parent
    assert parent is not None
    if parent.dst is None:
        return None if config.existing else 0
    try:
        try:
            node.dst = open_beneath(table, parent.dst, name)
        except FileNotFoundError:
            if config.existing:
                return None
            if config.dry_run:
                return 0
            node.fresh = _make(parent.dst, name, mode, config.fsync)
            node.dst = open_beneath(table, parent.dst, name)
    except OSError as error:
        failures.append(Failure("use directory", node.path[:-1], error.errno or 0))
        return None
    return 0


def open_beneath(table: DirectoryTable, start: DirectoryFd, name: bytes) -> DirectoryFd:
    """Open the directory ``name`` in ``start``, or the one below the top that it is a symlink to.

    Raises OSError: ELOOP where it leads out of the top, or is absolute.
    """
    current, parts, symlinks = start, [name], 0
    while parts:
        part = parts.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            if current.parent is None:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            current = current.parent
            continue
        with current.pinned() as fd:
            target = _target(fd, part)
            if target is None:
                current = DirectoryFd(table, os.open(part, _OPEN, dir_fd=fd), current, part)
                continue
        symlinks += 1
        if target.startswith(b"/") or symlinks > _SYMLINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        parts.extend(reversed(target.split(b"/")))
    return current


def _target(dir_fd: int, name: bytes) -> bytes | None:
    """What a symlink says; None of anything else."""
    try:
        return os.readlink(name, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise


def _make(parent: DirectoryFd, name: bytes, mode: int, fsync: bool) -> bool:
    """Make a directory with default attributes; False where something stands there."""
    with parent.pinned() as fd:
        try:
            os.mkdir(name, default_perms(fd, mode), dir_fd=fd)
        except FileExistsError:
            return False
        if fsync:
            bring_names(fd)
    return True
