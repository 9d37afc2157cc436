"""Alternative trees in the parent (--compare-dest, --copy-dest, --link-dest): opening their directories.

Each tree's top is opened as a path that a person gave; from there on a directory is opened relative to the one above
it, and no symlink is followed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from arsync.config import CopyConfig
from arsync.engine.compare import attribute_changes
from arsync.engine.held import operator_paths
from arsync.engine.tree import Node
from arsync.events import ALT, LOCAL, NEW, Failure
from arsync.fs.directory import DirectoryFd, DirectoryTable
from arsync.fs.metadata import Preserve

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

#: errno values of a tree that does not have the directory.
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def open_tops(config: CopyConfig, top: Node, table: DirectoryTable, warn: Callable[[str], None]) -> None:
    """Open the trees' tops, relative to the destination; ``warn`` is told of those that are not there."""
    found = []
    for path in config.alt_dirs:
        try:
            found.append(DirectoryFd(table, _open_top(config, top, path), None, path))
        except OSError as error:
            shown = os.fsdecode(path if path.startswith(b"/") else os.path.join(config.dest, path))
            why = {errno.ENOENT: "does not exist", errno.ENOTDIR: "is not a dir"}.get(error.errno or 0)
            named = f"--{config.alt_dest.value}-dest arg"
            warn(f"{named} {why}: {shown}" if why else f"{named} cannot be opened: {shown}: {error.strerror}")
    top.alts = tuple(found)


def _open_top(config: CopyConfig, top: Node, path: bytes) -> int:
    paths = operator_paths(config)
    if top.dst is not None:
        with top.dst.pinned() as fd:
            return paths.directory(path, fd)
    # A dry run to a destination that does not exist: the directory that it would be in does.
    here = os.open(b".", _OPEN)
    try:
        parent = os.path.dirname(config.dest.rstrip(b"/")) or b"."
        if path == b".." or path.startswith(b"../"):
            path = os.path.join(parent, path[3:])
        elif not path.startswith(b"/"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return paths.directory(path, here)
    finally:
        os.close(here)


def open_alternatives(node: Node, name: bytes, table: DirectoryTable, failures: list[Failure]) -> None:
    """Open the directory ``name`` of each tree that has it."""
    assert node.parent is not None
    found = []
    for parent in node.parent.alts:
        try:
            with parent.pinned() as fd:
                found.append(DirectoryFd(table, os.open(name, _OPEN, dir_fd=fd), parent, name))
        except OSError as error:
            if error.errno not in _NOT_THERE:
                failures.append(Failure("open alternative of", node.path[:-1], error.errno or 0, warning=True))
    node.alts = tuple(found)


def new_directory_changes(preserve: Preserve, node: Node) -> int:
    """The itemized flags of a directory that is new at the destination: compared with the first tree that has the
    same, else with the first that has it."""
    best = LOCAL | NEW
    assert node.st is not None
    for alt in node.alts:
        try:
            with alt.pinned() as fd:
                changes = attribute_changes(preserve, node.st, os.fstat(fd))
        except OSError:
            continue  # it is as if it had none
        if not changes:
            return LOCAL | ALT
        if best & NEW:
            best = LOCAL | changes
    return best
