"""Looking at one directory: its source is opened and listed, its destination opened or made.

Everything here is plain calls in one go. getdents has no opcode, so a thread has to wait for a slow directory anyhow;
opening, stat and mkdir beside it in the same thread cost no extra trip, as ring operations would.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import sys
import time
from typing import NamedTuple

from arsync.config import CopyConfig
from arsync.engine.aside import replace_by_directory
from arsync.engine.compare import attribute_changes
from arsync.engine.context import acl_and_xattr
from arsync.engine.tree import Node
from arsync.engine.wire import DEST_WAITS, OTHER, REGULAR, SOURCE_WAITS
from arsync.events import ACL, LOCAL, NEW, XATTR, Failure
from arsync.fs.directory import DirectoryFd, DirectoryTable
from arsync.fs.metadata import AttributeSet, Preserve
from arsync.fs.plain import PlainOps, drive
from arsync.fs.protocol import StatResult
from arsync.fs.xattr import Wanted, read_attributes

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_ENCODING = sys.getfilesystemencoding()

#: What root makes a directory with until its own metadata is set, after its entries: nobody else is let in.
_PRIVATE = 0o700


class Found(NamedTuple):
    """The entries of one source directory: names in rsync's order, and what they are."""

    files: list[bytes]  # everything but directories
    kinds: bytes  # REGULAR or OTHER for each
    directories: list[bytes]


class Visited(NamedTuple):
    """What a visit found and did."""

    failures: list[Failure]
    listings: list[tuple[DirectoryFd, Found]]  # one per source directory that could be listed
    changes: int  # the directory's own itemized flags
    skipped: bool  # it does not exist in the destination and is not to be made (--existing)
    waited: int  # which side made the visit wait: SOURCE_WAITS, DEST_WAITS


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


class Visitor:
    """Visits directories with one run's options. Its methods may run in threads: they touch only their node."""

    def __init__(self, config: CopyConfig, preserve: Preserve, wanted: Wanted | None, table: DirectoryTable) -> None:
        self._config = config
        self._preserve = preserve
        self._wanted = wanted
        self._table = table
        self._default_perms = 0o777 & ~preserve.who.umask
        self._ops = PlainOps()
        #: identities of the destination's top, into which a source must not be copied endlessly
        self.never_list: set[tuple[int, int]] = set()

    def visit(self, node: Node, name: bytes, parents: list[DirectoryFd], devices: frozenset[int] | None) -> Visited:
        """Visit the directory ``name`` of ``parents`` (source directories) as ``node``.

        ``devices``: with -x, the only devices whose directories are listed.
        """
        stopwatch = _Stopwatch()
        failures: list[Failure] = []
        for parent in parents:
            self._open_source(node, name, parent, failures)
        if node.st is None:
            return Visited(failures, [], 0, True, 0)
        waited = stopwatch.waited(SOURCE_WAITS)
        changes = self._open_destination(node, name, failures)
        waited |= stopwatch.waited(DEST_WAITS)
        listings = [] if changes is None else self._list(node, devices, failures)
        waited |= stopwatch.waited(SOURCE_WAITS)
        return Visited(failures, listings, changes or 0, changes is None, waited)

    def _open_source(self, node: Node, name: bytes, parent: DirectoryFd, failures: list[Failure]) -> None:
        path = node.path[:-1]
        try:
            with parent.pinned() as fd:
                st = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if not stat.S_ISDIR(st.st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                node.st = node.st or st
                source = DirectoryFd(self._table, os.open(name, _OPEN, dir_fd=fd), parent, name)
        except OSError as error:
            failures.append(
                Failure("open directory", path, error.errno or 0, vanished=isinstance(error, FileNotFoundError))
            )
            return
        node.sources.append(source)

    def _open_destination(self, node: Node, name: bytes, failures: list[Failure]) -> int | None:
        """Open or make the destination; returns the itemized flags, None where there is to be none."""
        config, parent = self._config, node.parent
        assert parent is not None
        assert node.st is not None
        if parent.dst is None:
            return None if config.existing else LOCAL | NEW
        path = node.path[:-1]
        try:
            with parent.dst.pinned() as fd:
                node.existing = None if parent.fresh else _lstat(fd, name)
                stood = node.existing is not None
                if node.existing is not None and not stat.S_ISDIR(node.existing.st_mode):
                    if config.ignore_existing:
                        if _is_empty(node):
                            return None
                        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
                    node.existing = None
                if node.existing is None:
                    if config.existing and not stood:
                        return None
                    if config.dry_run:
                        return LOCAL | NEW
                    make = replace_by_directory if stood else _mkdir
                    make(fd, name, self._mode(node.st))
                    node.fresh = True
                node.dst = DirectoryFd(self._table, self._open_existing(node, fd, name), parent.dst, name)
            self.set_group_bit(node)
        except OSError as error:
            failures.append(Failure("make directory", path, error.errno or 0))
            return None
        if node.fresh:
            return LOCAL | NEW
        return self.changes_of(node, failures)

    def set_group_bit(self, node: Node) -> None:
        """Give a directory the set-group-ID bit that it will have, or take away the one it inherited, before anything
        is made in it: what is made inherits the group by it. With -g each entry's group is set in any case."""
        if not self._preserve.perms or self._preserve.group or self._config.dry_run:
            return
        assert node.st is not None
        assert node.dst is not None
        with node.dst.pinned() as fd:
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            if (mode ^ node.st.st_mode) & stat.S_ISGID:
                os.fchmod(fd, mode ^ stat.S_ISGID)

    def changes_of(self, node: Node, failures: list[Failure]) -> int:
        """The itemized flags of a directory that exists on both sides."""
        assert node.st is not None
        assert node.existing is not None
        changes = attribute_changes(self._config, self._preserve, node.st, node.existing)
        if self._wanted is not None and node.sources and node.dst is not None:
            try:
                changes |= acl_and_xattr(self.attributes(node), ACL, XATTR)
            except OSError as error:
                failures.append(Failure("read attributes of", node.path[:-1] or b".", error.errno or 0))
        return changes

    def attributes(self, node: Node) -> AttributeSet:
        """The attributes of the node's source and destination."""
        assert self._wanted is not None
        assert node.dst is not None
        with node.sources[0].pinned() as src, node.dst.pinned() as dst:
            return AttributeSet(
                drive(read_attributes(self._ops, src, self._wanted)),
                drive(read_attributes(self._ops, dst, self._wanted)),
            )

    def _mode(self, st: StatResult) -> int:
        """The mode to make a directory with: nobody's but ours where its owner is set later."""
        return _PRIVATE if self._preserve.perms else st.st_mode & self._default_perms | 0o700

    def _open_existing(self, node: Node, parent: int, name: bytes) -> int:
        """Open the destination directory; an ordinary user's own may have to be made accessible first."""
        root = self._preserve.who.uid == 0
        if node.existing is not None and not root and not self._config.dry_run:
            mode = stat.S_IMODE(node.existing.st_mode)
            if mode & 0o700 != 0o700 and node.existing.st_uid == self._preserve.who.uid:
                held = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=parent)
                try:
                    os.chmod(b"/proc/self/fd/%d" % held, mode | 0o700)  # set right again when all is done
                finally:
                    os.close(held)
        return os.open(name, _OPEN, dir_fd=parent)

    def _list(
        self, node: Node, devices: frozenset[int] | None, failures: list[Failure]
    ) -> list[tuple[DirectoryFd, Found]]:
        listings = []
        for source in node.sources:
            if devices is not None and source.device not in devices:
                continue
            if (source.device, source.inode) in self.never_list:
                failures.append(Failure("list", node.path[:-1], 0, "it is the destination of this copy", warning=True))
                continue
            try:
                with source.pinned() as fd:
                    listings.append((source, list_directory(fd)))
            except OSError as error:
                failures.append(Failure("list directory", node.path[:-1] or b".", error.errno or 0))
        return listings


#: Seconds that a step during which its thread slept must have taken to count as one that waited for storage.
_WAITED = 0.0005


class _Stopwatch:
    """Tells whether the steps of a visit waited for storage: time passed and the thread gave up the CPU by itself
    (being preempted does not count)."""

    def __init__(self) -> None:
        self._mark = self._now()

    def waited(self, side: int) -> int:
        """``side`` if the time since the last call was spent waiting, else 0."""
        (then, slept), self._mark = self._mark, self._now()
        now, sleeps = self._mark
        return side if sleeps > slept and now - then > _WAITED else 0

    def _now(self) -> tuple[float, int]:
        return time.perf_counter(), resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def _is_empty(node: Node) -> bool:
    """Whether there is nothing in the node's source directories."""
    for source in node.sources:
        with source.pinned() as fd, os.scandir(fd) as entries:
            if next(entries, None) is not None:
                return False
    return True


def _mkdir(dir_fd: int, name: bytes, mode: int) -> None:
    os.mkdir(name, mode, dir_fd=dir_fd)


def _lstat(dir_fd: int, name: bytes) -> StatResult | None:
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
