"""Passes over the tree that only find what is to be deleted: before everything else, or after it.

``--delete-before`` must know all of the source before it deletes anything, ``--delete-delay`` deletes at the end what
was found during the copy: both remember names, in a file where there are many. ``--delete-after`` looks again when
all is copied, so that merge files that came with the copy count, and deletes as it goes.
"""

from __future__ import annotations

import marshal
import os
import tempfile
from collections.abc import Callable, Generator
from typing import IO

from arsync.engine.delete import Deleter
from arsync.engine.extraneous import LISTING, Extraneous, enter_guard, extraneous_in, without_namesakes
from arsync.engine.listing import Found, list_directory
from arsync.engine.merge import Merged, merge
from arsync.engine.selection import Selection
from arsync.engine.slices import SliceWork
from arsync.engine.tree import Node
from arsync.events import Failure
from arsync.fs.directory import DirectoryFd, DirectoryTable

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

#: Names that are remembered in memory at the most.
_IN_MEMORY = 10_000


class Plan:
    """What is to be deleted later, by directory, in the order in which it was found. Its nodes are held until then."""

    def __init__(self) -> None:
        self._directories: list[tuple[Node, Extraneous | None]] = []
        self._names = 0
        self._file: IO[bytes] | None = None

    def add(self, node: Node, found: Extraneous) -> None:
        """Remember one directory's entries."""
        node.hold()
        self._names += len(found.names) + len(found.directories)
        if self._names <= _IN_MEMORY:
            self._directories.append((node, found))
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in carry_out
        marshal.dump(tuple(found), self._file)
        self._directories.append((node, None))

    def carry_out(self, deleter: Deleter, stopped: Callable[[], bool]) -> Generator[SliceWork, None, None]:
        """Delete it all, and let go of the nodes."""
        if self._file is not None:
            self._file.seek(0)
        for node, found in self._directories:
            if not stopped():
                if found is None:
                    assert self._file is not None
                    found = Extraneous(*marshal.load(self._file))
                yield from deleter.delete(node, found, node.guard)
            node.release()
        self._directories.clear()
        if self._file is not None:
            self._file.close()


class Swept(Node):
    """A directory that a sweep looks at."""

    __slots__ = ("times",)

    def __init__(self, parent: Node, path: bytes, on_settled: Callable[[Node], None]) -> None:
        super().__init__(parent, path, on_settled)
        self.times: tuple[int, int] | None = None  # to give back to its destination


class Sweep:
    """Walks source and destination side by side and opens only what is there. ``on_found`` gets each directory with
    entries to delete; it yields slices. ``failures``: what could not be listed, on either side."""

    def __init__(
        self,
        table: DirectoryTable,
        selection: Selection | None,
        devices: frozenset[int] | None,
        on_found: Callable[[Node, Extraneous], Generator[SliceWork, None, None]],
        stopped: Callable[[], bool],
        report: Callable[[Failure], None],
    ) -> None:
        self._report = report
        self._table = table
        self._selection = selection
        self._devices = devices
        self._on_found = on_found
        self._stopped = stopped
        self._stack: list[tuple[Swept, bytes, list[DirectoryFd]]] = []
        self.failures: list[Failure] = []

    def walk(self, top: Node, entries: Merged, whole: bool) -> Generator[SliceWork, None, None]:
        """Walk below ``top``, whose own entries are given; ``whole``: they are all that the destination should have."""
        if whole:
            yield from self._look(top, entries)
        self._push(top, entries)
        while self._stack:
            node, name, parents = self._stack.pop()
            if not self._stopped():
                yield from self._visit(node, name, parents)
            node.release()

    def _push(self, node: Node, entries: Merged) -> None:
        for name, parents in reversed(entries.directories):
            self._stack.append((Swept(node, node.path + name + b"/", self._let_go), name, parents))

    def _visit(self, node: Swept, name: bytes, parents: list[DirectoryFd]) -> Generator[SliceWork, None, None]:
        entries = self._source(node, name, parents)
        parent = node.parent
        assert parent is not None
        assert parent.dst is not None
        try:
            with parent.dst.pinned() as fd:
                node.dst = DirectoryFd(self._table, os.open(name, _OPEN, dir_fd=fd), parent.dst, name)
            enter_guard(node)
        except (FileNotFoundError, NotADirectoryError):
            return  # a symlink is no directory either
        except OSError as error:
            self._fail(node, error, LISTING)
            return
        if entries is not None:
            yield from self._look(node, entries)
            self._push(node, entries)

    def _look(self, node: Node, entries: Merged) -> Generator[SliceWork, None, None]:
        wanted = {name for _, name, _ in entries.files} | {name for name, _ in entries.directories}
        found = extraneous_in(node, wanted, self.failures)
        if found and node.dst is not None:
            with node.dst.pinned() as fd:
                found = without_namesakes(fd, found, wanted)
            yield from self._on_found(node, found)

    def _source(self, node: Node, name: bytes, parents: list[DirectoryFd]) -> Merged | None:
        """The entries of all source directories; None where one cannot be listed or is left out."""
        listings: list[tuple[DirectoryFd, Found]] = []
        for parent in parents:
            try:
                with parent.pinned() as fd:
                    source = DirectoryFd(self._table, os.open(name, _OPEN, dir_fd=fd), parent, name)
                node.sources.append(source)
                if self._devices is not None and source.device not in self._devices:
                    continue
                with source.pinned() as fd:
                    found = list_directory(fd)
                    if self._selection is not None:
                        scope = self._selection.enter(node, source, fd)
                        found = self._selection.choose(fd, found, scope, self._selection.spare(node), self._devices)
                listings.append((source, found))
            except FileNotFoundError:
                continue  # it vanished: its own directory still has it, and its contents are not judged
            except OSError as error:
                self._fail(node, error, "list directory")
        return merge(listings) if len(listings) == len(parents) else None

    def _fail(self, node: Node, error: OSError, operation: str) -> None:
        self.failures.append(Failure(operation, node.path[:-1], error.errno or 0))

    def _let_go(self, node: Node) -> None:
        """A node is done with: its times are given back, its directories closed. Not recursive: a tree may be deep."""
        done: Node | None = node
        while isinstance(done, Swept):
            self._close(done)
            parent = done.parent
            assert parent is not None
            if not isinstance(parent, Swept) or parent.pending > 1:
                parent.release()
                return
            done = parent

    def _close(self, node: Swept) -> None:
        if node.times is not None and node.dst is not None:
            try:
                with node.dst.pinned() as fd:
                    os.utime(fd, ns=node.times)
            except OSError as error:
                self._report(Failure("set times of", node.path[:-1], error.errno or 0))
        for directory in (*node.sources, node.dst):
            if directory is not None:
                directory.close()
