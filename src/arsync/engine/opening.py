"""The source side of a visit: opening the directories that listing found, or that arguments name."""

from __future__ import annotations

import errno
import os
import stat

from arsync.config import CopyConfig
from arsync.engine.branches import Branch
from arsync.engine.linkmodes import LinkModes
from arsync.engine.tree import Node
from arsync.events import Failure
from arsync.fs.directory import DirectoryFd, DirectoryTable
from arsync.fs.protocol import StatResult

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def open_directory(name: bytes, dir_fd: int) -> tuple[int, os.stat_result]:
    """Open a directory that is no symlink, and look at it: two calls, and no moment between a look and the opening in
    which it could become another. Raises OSError, ENOTDIR where something else stands there."""
    opened = os.open(name, _OPEN, dir_fd=dir_fd)
    try:
        return opened, os.fstat(opened)
    except OSError:
        os.close(opened)
        raise


class SourceOpener:
    """Opens a node's sources. Its methods may run in threads: they touch only their node and its branch.

    A directory on another device than the one that it is in is not listed under -x, and left out under -xx; what an
    argument names is not asked.
    """

    def __init__(self, config: CopyConfig, table: DirectoryTable, links: LinkModes) -> None:
        self._links = links
        self._table = table
        self._recursive = config.recursive
        self._within = config.one_file_system
        self._implied_dirs = config.implied_dirs
        self._fake = config.fake_super

    def open_found(
        self, node: Node, name: bytes, parents: list[DirectoryFd], failures: list[Failure]
    ) -> list[DirectoryFd]:
        """Open what listing found; returns those that are to be listed."""
        for parent in parents:
            self._open(node, name, parent, failures, self._within)
        if not self._recursive:
            return []
        if self._within:
            return [source for source in node.sources if source.parent and source.device == source.parent.device]
        return node.sources

    def open_named(self, node: Node, name: bytes, branch: Branch, failures: list[Failure]) -> list[DirectoryFd]:
        """Open what arguments name; returns those that are to be listed."""
        listed = []
        node.plain = not self._implied_dirs and all(chosen.implied for chosen in branch.sources)
        for chosen in branch.sources:
            within = 0 if chosen.root else self._within
            if chosen.directory is None:
                assert chosen.parent is not None
                chosen.directory = self._open(node, name, chosen.parent, failures, within)
            elif self._implied_dirs or not chosen.implied:
                self._take(node, chosen.directory, failures)
            source = chosen.directory
            if source is None or not chosen.listed or source in listed:
                continue
            if not within or (source.parent and source.device == source.parent.device):
                listed.append(source)
        return listed

    def _take(self, node: Node, source: DirectoryFd, failures: list[Failure]) -> None:
        """A source that was opened when the arguments were looked up."""
        try:
            with source.pinned() as fd:
                st = os.fstat(fd)
                node.st = node.st or self._seen(fd, b"", st)
        except OSError as error:
            vanished = isinstance(error, FileNotFoundError)
            failures.append(Failure("open directory", node.path[:-1], error.errno or 0, vanished=vanished))
            return
        node.sources.append(source)

    def _seen(self, fd: int, name: bytes, st: StatResult) -> StatResult:
        """What a directory counts as: ``name`` in the open directory, or that itself."""
        if not self._fake:
            return st
        from arsync.fs.fakesuper import as_stored
        from arsync.fs.views import path_in

        return as_stored(path_in(fd, name) if name else fd, st)

    def _open_at_once(self, node: Node, name: bytes, parent: DirectoryFd) -> DirectoryFd | None:
        """Open what is a directory and no symlink, as nearly all are; None where that has to be looked into."""
        try:
            with parent.pinned() as fd:
                opened, st = open_directory(name, fd)
        except OSError:
            return None
        node.st = node.st or st
        source = DirectoryFd(self._table, opened, parent, name, st=st)
        node.sources.append(source)
        return source

    def _open(
        self, node: Node, name: bytes, parent: DirectoryFd, failures: list[Failure], within: int
    ) -> DirectoryFd | None:
        path = node.path[:-1]
        if within < 2 and not self._fake and (source := self._open_at_once(node, name, parent)) is not None:
            return source
        try:
            with parent.pinned() as fd:
                st = os.stat(name, dir_fd=fd, follow_symlinks=False)
                followed = stat.S_ISLNK(st.st_mode) and self._links.follows_directory(fd, name, node.path)
                if followed:
                    opened = os.open(name, _OPEN & ~os.O_NOFOLLOW, dir_fd=fd)
                    st = os.fstat(opened)
                    node.follows += 1
                elif not stat.S_ISDIR(st.st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                if within > 1 and st.st_dev != parent.device:
                    if followed:
                        os.close(opened)
                    return None  # -xx: a mount point is left out
                node.st = node.st or self._seen(fd, name, st)
                if not followed:
                    opened = os.open(name, _OPEN, dir_fd=fd)
                source = DirectoryFd(self._table, opened, parent, name, followed=followed)
        except OSError as error:
            failures.append(
                Failure("open directory", path, error.errno or 0, vanished=isinstance(error, FileNotFoundError))
            )
            return None
        node.sources.append(source)
        return source
