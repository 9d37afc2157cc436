"""Held directories: everything arsync does happens relative to one of these, never along a path.

A tree may have more directories than the process may have descriptors. A held directory is therefore identified by
device and inode; its descriptor may be closed while nobody uses it, and is opened again relative to its parent's,
without following a symlink, and only accepted if it is still the same directory.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import OrderedDict

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

#: Leaving a tree of n levels costs about n squared / 2 of these opens more than n.
_WAYPOINTS = 64


class DirectoryTable:
    """Bounds how many directories are open at once. Safe to use from several threads.

    When there are more, those that nobody uses are closed, the least recently used first. A ``DirectoryFd`` opens its
    directory again when it is needed.

    Examples:
        >>> from arsync.fs import DirectoryFd, DirectoryTable
        >>> table = DirectoryTable(budget=2)
        >>> top = DirectoryFd(table, os.open("project", os.O_RDONLY | os.O_DIRECTORY), None, b"")
        >>> with top.pinned() as fd:
        ...     sorted(os.listdir(fd))
        ['data.bin', 'docs', 'latest', 'notes.txt']
        >>> table.close()
    """

    def __init__(self, budget: int) -> None:
        """``budget``: how many directories may be open."""
        self._budget = budget
        #: how many directories on the way to one that is opened again stay open
        self.waypoints = min(_WAYPOINTS, budget // 16)
        #: those that are open, the least recently used first
        self.held: OrderedDict[DirectoryFd, None] = OrderedDict()
        #: with more than so many, one may have to be closed soon, so that it counts which were used last
        self.plenty = budget // 2
        #: held while descriptors are opened or closed: visits of directories run in threads
        self.lock = threading.RLock()
        self._tops: list[DirectoryFd] = []
        self.pinned = 0  # directories that cannot be closed now

    def touch(self, directory: DirectoryFd) -> None:
        """Note that a directory is open and was just used; closes others where there are too many."""
        self.held[directory] = None
        self.held.move_to_end(directory)
        while len(self.held) > self._budget and self._close_one():
            pass

    def _close_one(self) -> bool:
        """Close the least recently used one that can be closed; False where all are pinned."""
        for _ in range(len(self.held)):
            other = next(iter(self.held))
            if not other.pins:
                other.close_descriptor()
                return True
            self.held.move_to_end(other)  # in use, which is no less than used last; and not looked at again soon
        return False

    def forget(self, directory: DirectoryFd) -> None:
        """A directory was closed."""
        self.held.pop(directory, None)

    def has_room(self) -> bool:
        """Whether more directories may be pinned for long: while half of what may be open is pinned, one that can be
        closed is found soon."""
        return self.pinned < self.plenty

    def add_top(self, directory: DirectoryFd) -> None:
        """A directory without a parent stays open until the table is closed."""
        self._tops.append(directory)

    def close(self) -> None:
        """Close every directory that is still open."""
        for directory in [*self.held, *self._tops]:
            directory.close()
        self._tops.clear()


class DirectoryFd:
    """One directory, held by device and inode. Use its descriptor inside ``with directory.pinned() as fd``.

    While nobody uses it the descriptor may be closed (``DirectoryTable``). It is opened again by its name in its
    parent, without following a symlink, and accepted only if it is still the same directory.

    Examples:
        >>> from arsync.fs import DirectoryFd, DirectoryTable
        >>> flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        >>> table = DirectoryTable(budget=2)
        >>> top = DirectoryFd(table, os.open("project", flags), None, b"")
        >>> with top.pinned() as fd:
        ...     docs = DirectoryFd(table, os.open("docs", flags, dir_fd=fd), top, b"docs")
        >>> with docs.pinned() as fd:
        ...     os.listdir(fd)
        ['guide.txt']
        >>> table.close()
    """

    __slots__ = ("_fd", "_flags", "_table", "device", "inode", "name", "parent", "pins")

    def __init__(
        self,
        table: DirectoryTable,
        fd: int,
        parent: DirectoryFd | None,
        name: bytes,
        *,
        followed: bool = False,
        st: os.stat_result | None = None,
    ) -> None:
        """Take over ``fd``, whatever happens.

        Args:
            table: what bounds how many are open
            fd: the directory, open to be read
            parent: the directory that it is in; without one it stays open until the table is closed
            name: its name there
            followed: the name is a symlink that was followed on purpose, and may be again
            st: what fstat(2) says of ``fd``, where that is known

        Raises:
            OSError: it cannot be looked at
        """
        if st is None:
            try:
                st = os.fstat(fd)
            except OSError:
                os.close(fd)
                raise
        self._table = table
        self._fd = fd
        self.parent = parent
        self._flags = _OPEN & ~os.O_NOFOLLOW if followed else _OPEN
        self.name = name
        self.device = st.st_dev
        self.inode = st.st_ino
        self.pins = 0 if parent is not None else 1
        if parent is not None:
            with table.lock:
                table.touch(self)
        else:
            table.add_top(self)

    def pinned(self) -> DirectoryFd:
        """Give the descriptor as a context, in which it stays open.

        Raises:
            OSError: it has to be opened again and cannot be; ESTALE where another directory now stands there
        """
        return self  # several times for each directory: a generator's frame would be half of what it costs

    def pin(self) -> int:
        """Open the descriptor if need be, and keep it open until ``unpin``."""
        table = self._table
        with table.lock:
            if closed := self._fd == -1:
                self._reopen()
            self.pins += 1
            if self.pins == 1:
                table.pinned += 1
            if (closed or len(table.held) > table.plenty) and self.parent is not None:
                table.touch(self)
            return self._fd

    def unpin(self, *_: object) -> None:
        """Allow the descriptor to be closed again."""
        with self._table.lock:
            self.pins -= 1
            if not self.pins:
                self._table.pinned -= 1

    __enter__, __exit__ = pin, unpin  # themselves: a call less, several times for each directory

    def _reopen(self) -> None:
        """Open it again from the nearest ancestor that is open. Those just above it stay open too: whoever leaves a
        deep tree asks for them next, and would begin at its top each time."""
        chain = [self]
        while (parent := chain[-1].parent) is not None and parent._fd == -1:
            chain.append(parent)
        assert parent is not None
        above = parent._fd
        opened: list[tuple[DirectoryFd, int]] = []
        try:
            for directory in reversed(chain):
                above = directory._open_in(above)
                opened.append((directory, above))
                if len(opened) > self._table.waypoints + 1:
                    os.close(opened.pop(0)[1])
        except OSError:
            for _, fd in opened:
                os.close(fd)
            raise
        for directory, fd in opened:
            directory._fd = fd
        for directory, _ in opened[:-1]:
            self._table.touch(directory)

    def _open_in(self, above: int) -> int:
        """A descriptor of it, by its name in the directory ``above``."""
        fd = os.open(self.name, self._flags, dir_fd=above)
        try:
            st = os.fstat(fd)
            if (st.st_dev, st.st_ino) != (self.device, self.inode):
                raise OSError(errno.ESTALE, "the directory was replaced while arsync was running")
        except OSError:
            os.close(fd)
            raise
        return fd

    def close_descriptor(self) -> None:
        """Close the descriptor; it is opened again when it is needed."""
        fd, self._fd = self._fd, -1
        self._table.forget(self)
        if fd != -1:
            os.close(fd)

    def close(self) -> None:
        """Close for good."""
        with self._table.lock:
            self.close_descriptor()


def bring_names(fd: int) -> None:
    """Bring the names in an open directory to the disk; a file system that has nothing to do for one says EINVAL."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
