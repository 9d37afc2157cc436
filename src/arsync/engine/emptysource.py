"""An empty source together with --delete empties the destination: often that was not meant (a disk not mounted)."""

from __future__ import annotations

import os

from arsync.config import CopyConfig
from arsync.engine.branches import Branch
from arsync.engine.listing import Found
from arsync.engine.merge import names_in
from arsync.engine.tree import Node
from arsync.errors import ExitCode, FatalError
from arsync.events import Sink
from arsync.fs.directory import DirectoryFd

Listings = list[tuple[DirectoryFd, Found]]

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def warn_of_empty_sources(config: CopyConfig, sink: Sink, top: Node, listings: Listings, branch: Branch) -> None:
    """Say on stderr where the source is empty and the destination is not; ``--delete-guard`` refuses: FatalError.

    ``listings`` are of the sources of ``top``, in which the arguments name ``branch``.
    """
    if top.dst is None:
        return
    dest = os.fsdecode(config.dest)
    if listings and not names_in(listings, branch) and not _has_nothing(top.dst):
        _tell(config, sink, ", ".join(map(os.fsdecode, config.sources)), dest)
    for name, below in branch.branches.items():
        listed = [chosen.parent for chosen in below.sources if chosen.listed and chosen.parent is not None]
        empty = not (below.files or below.branches) and all(_has_empty(parent, name) for parent in listed)
        if listed and empty and _has_full(top.dst, name):
            _tell(config, sink, os.fsdecode(name), os.path.join(dest, os.fsdecode(name)))


def _tell(config: CopyConfig, sink: Sink, source: str, dest: str) -> None:
    if config.delete_guard:
        raise FatalError(
            f'--delete-guard: "{source}" has nothing to copy, and "{dest}" is not empty: all of it would be deleted; '
            "nothing was changed",
            ExitCode.FILE_SELECT,
        )
    does = "would be" if config.dry_run else "is"
    sink.notice(
        f'arsync: WARNING: "{source}" has nothing to copy: everything in "{dest}" that no filter rule protects {does} '
        "deleted (--delete-guard refuses that)",
        0,
    )


def _is_empty(fd: int) -> bool:
    with os.scandir(fd) as found:
        return next(found, None) is None


def _has_nothing(directory: DirectoryFd) -> bool:
    """Whether an open directory is empty, for all that is known: what cannot be listed is not deleted from either."""
    try:
        with directory.pinned() as fd:
            return _is_empty(fd)
    except OSError:
        return True


def _look(directory: DirectoryFd, name: bytes) -> bool | None:
    """Whether the directory ``name`` is empty; None where there is none to be looked into."""
    try:
        with directory.pinned() as above:
            fd = os.open(name, _OPEN, dir_fd=above)
        try:
            return _is_empty(fd)
        finally:
            os.close(fd)
    except OSError:
        return None


def _has_empty(directory: DirectoryFd, name: bytes) -> bool:
    return _look(directory, name) is True


def _has_full(directory: DirectoryFd, name: bytes) -> bool:
    return _look(directory, name) is False
