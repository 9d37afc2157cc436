"""The arguments: which directories and entries the sources name, and where they go."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from arsync.config import CopyConfig
from arsync.engine.merge import Merged, merge, merge_all
from arsync.engine.tree import Node
from arsync.engine.visit import list_directory
from arsync.engine.wire import OTHER, REGULAR
from arsync.errors import ExitCode, FatalError
from arsync.events import SKIPPED, Failure, Item, Kind
from arsync.fs.directory import DirectoryFd, DirectoryTable
from arsync.fs.protocol import StatResult


class Source(NamedTuple):
    """One source argument that exists."""

    directory: DirectoryFd  # itself where its contents are meant, else the directory that it is in
    name: bytes  # b"" where its contents are meant
    st: StatResult


def split(path: bytes) -> tuple[bytes, bytes]:
    """The directory and the name of an argument; no name where it means a directory's contents (``src/``, ``.``).

    >>> split(b"a/b"), split(b"a/b/"), split(b"b"), split(b"..")
    ((b'a', b'b'), (b'a/b/', b''), (b'.', b'b'), (b'..', b''))
    """
    directory, _, name = path.rpartition(b"/")
    if name in (b"", b".", b".."):
        return path, b""
    return (directory or b"/" if b"/" in path else b"."), name


def open_sources(config: CopyConfig, table: DirectoryTable) -> tuple[list[Source], list[Failure]]:
    """Open what the source arguments name. A symlink is followed only on the way, or with a slash behind it."""
    sources: list[Source] = []
    failures: list[Failure] = []
    for path in config.sources:
        directory, name = split(path)
        try:
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            held = DirectoryFd(table, fd, None, directory)
            st = os.stat(name, dir_fd=fd, follow_symlinks=False) if name else os.fstat(fd)
        except OSError as error:
            failures.append(Failure("find", path, error.errno or 0))
            continue
        sources.append(Source(held, name, st))
    return sources, failures


class Roots:
    """The top of the walk: the destination's node, its own entries, and whether it is a file that is copied."""

    def __init__(self, config: CopyConfig, top: Node, table: DirectoryTable, umask: int) -> None:
        self.config = config
        self.top = top
        self.created = False
        self.rename = b""  # the destination's name where a single file is copied to another name
        self.entries = Merged([], [])
        self.skipped: list[Item] = []
        self.failures: list[Failure] = []
        self._table = table
        self._umask = umask

    def without_directories(self, sources: list[Source]) -> list[Source]:
        """Without -r, directories are passed over: what is left of the sources."""
        if self.config.recursive:
            return sources
        directories = [source for source in sources if stat.S_ISDIR(source.st.st_mode)]
        self.skipped = [Item(source.name or b".", Kind.DIRECTORY, SKIPPED) for source in directories]
        return [source for source in sources if source not in directories]

    def open_destination(self, sources: list[Source]) -> None:
        """Open or make the destination. Raises FatalError where it cannot be."""
        dest = self.config.dest
        # Nothing at all, where every directory was passed over, is treated as a file is.
        single = not sources or (len(sources) == 1 and not stat.S_ISDIR(sources[0].st.st_mode))
        shown = os.fsdecode(dest)
        try:
            st = os.stat(dest)
        except FileNotFoundError:
            if single and not dest.endswith(b"/"):
                self._file_destination(dest)
            else:
                self._make_destination(dest)
            return
        except OSError as error:
            raise FatalError(
                f'cannot use the destination "{shown}": {error.strerror} ({error.errno})', ExitCode.FILE_SELECT
            ) from error
        if stat.S_ISDIR(st.st_mode):
            self._hold(dest)
            self.top.existing = st
        elif single:
            self._file_destination(dest)
        elif len(sources) > 1:
            raise FatalError(
                f'destination "{shown}" must be a directory when copying more than 1 file', ExitCode.FILE_SELECT
            )
        else:
            raise FatalError(f'cannot overwrite non-directory "{shown}" with a directory', ExitCode.FILE_SELECT)

    def _hold(self, path: bytes) -> None:
        try:
            self.top.dst = DirectoryFd(self._table, os.open(path, os.O_RDONLY | os.O_DIRECTORY), None, path)
        except OSError as error:
            raise FatalError(
                f'cannot open the destination directory "{os.fsdecode(path)}": {error.strerror} ({error.errno})',
                ExitCode.FILE_SELECT,
            ) from error

    def _file_destination(self, dest: bytes) -> None:
        directory, name = split(dest)
        self.rename = name
        self._hold(directory)

    def _make_destination(self, dest: bytes) -> None:
        self.created = True
        if self.config.dry_run:
            return
        try:
            os.mkdir(dest, 0o777 & ~self._umask | 0o700)
        except OSError as error:
            raise FatalError(
                f'cannot make the destination directory "{os.fsdecode(dest)}": {error.strerror} ({error.errno})',
                ExitCode.FILE_IO,
            ) from error
        self.top.fresh = True
        self._hold(dest)

    def list_sources(self, sources: list[Source]) -> None:
        """Put the sources' own entries together: contents of ``src/`` arguments, and the entries that others name."""
        listings = []
        for source in sources:
            if not stat.S_ISDIR(source.st.st_mode):
                kind = REGULAR if stat.S_ISREG(source.st.st_mode) else OTHER
                found = Merged([(source.directory, source.name, kind)], [])
            elif source.name:
                found = Merged([], [(source.name, [source.directory])])
            else:
                self.top.st = self.top.st or source.st
                self.top.sources.append(source.directory)
                found = self._contents(source)
            listings.append(found)
        self.entries = listings[0] if len(listings) == 1 else merge_all(listings)

    def _contents(self, source: Source) -> Merged:
        try:
            with source.directory.pinned() as fd:
                return merge([(source.directory, list_directory(fd))])
        except OSError as error:
            self.failures.append(Failure("list directory", b".", error.errno or 0))
            return Merged([], [])

    def check_not_same(self, never_list: set[tuple[int, int]]) -> None:
        """Remember the destination, so that a source that contains it is not copied into itself without end."""
        if self.top.dst is not None and not any(
            (source.device, source.inode) == (self.top.dst.device, self.top.dst.inode) for source in self.top.sources
        ):
            never_list.add((self.top.dst.device, self.top.dst.inode))
