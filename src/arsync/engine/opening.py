"""The source side of a visit: opening the directories that listing found, or that arguments name."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from arsync.config import CopyConfig
from arsync.engine.branches import Branch
from arsync.engine.linkmodes import LinkModes
from arsync.engine.tree import Node
from arsync.events import Failure
from arsync.fs.directory import DirectoryFd, DirectoryTable
from arsync.fs.protocol import StatResult
from arsync.fs.xattr import Target, path_of

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
                node.st = node.st or self._seen(fd, st)
        except OSError as error:
            vanished = isinstance(error, FileNotFoundError)
            failures.append(Failure("open directory", node.path[:-1], error.errno or 0, vanished=vanished))
            return
        node.sources.append(source)

    def _seen(self, fd: Target, st: StatResult) -> StatResult:
        """What an open directory counts as, or one that is held."""
        if not self._fake:
            return st
        from arsync.fs.fakesuper import as_stored

        return as_stored(fd, st)

    def _look(self, node: Node, name: bytes, parent: DirectoryFd) -> None:
        """A directory that may not be read is copied without what is in it."""
        with suppress(OSError), parent.pinned() as above:
            held = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
            try:
                node.st = self._seen(path_of(held), os.fstat(held))
            finally:
                os.close(held)

    def _follows(self, node: Node, fd: int, name: bytes) -> bool:
        """Whether the entry is a symlink that is followed. One that turns out to be none, or no directory, by then is
        not opened."""
        if not self._links.follow:
            return False
        st = os.stat(name, dir_fd=fd, follow_symlinks=False)
        return stat.S_ISLNK(st.st_mode) and self._links.follows_directory(fd, name, node.path)

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
        if within < 2 and not self._fake and (source := self._open_at_once(node, name, parent)) is not None:
            return source
        try:
            with parent.pinned() as fd:
                followed = self._follows(node, fd, name)
                if within > 1 and os.stat(name, dir_fd=fd, follow_symlinks=followed).st_dev != parent.device:
                    return None  # -xx: a mount point is left out, and one that mounts itself stays as it is
                opened = os.open(name, _OPEN & ~os.O_NOFOLLOW if followed else _OPEN, dir_fd=fd)
                source = DirectoryFd(self._table, opened, parent, name, followed=followed)
            node.follows += followed
            # What is held is asked, not what had the name: the copy of a directory's entries gets that one's mode.
            with source.pinned() as fd:
                node.st = node.st or self._seen(fd, os.fstat(fd))
        except OSError as error:
            if isinstance(error, PermissionError) and node.st is None:
                self._look(node, name, parent)
            vanished = isinstance(error, FileNotFoundError)
            failures.append(Failure("open directory", node.path[:-1], error.errno or 0, vanished=vanished))
            return None
        node.sources.append(source)
        return source
