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

from arsync.engine.branches import Branch
from arsync.engine.delete import Deleter
from arsync.engine.extraneous import LISTING, Extraneous, enter_guard, without_namesakes
from arsync.engine.listing import Found
from arsync.engine.merge import Directory, merge, names_in
from arsync.engine.selection import Selection
from arsync.engine.slices import SliceWork
from arsync.engine.tree import Node
from arsync.engine.visit import Visitor
from arsync.events import Failure
from arsync.fs.directory import DirectoryFd, DirectoryTable

#: What was found in the source directories of a node.
Listings = list[tuple[DirectoryFd, Found]]

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

#: Names that are remembered in memory at the most.
_IN_MEMORY = 10_000


class Plan:
    """What is to be deleted later, by directory, in the order in which it was found. Its nodes are held until then."""

    def __init__(self) -> None:
        self._steps: list[tuple[Node, Extraneous | None] | bytes] = []
        self._names = 0
        self._file: IO[bytes] | None = None

    def add(self, node: Node, found: Extraneous) -> None:
        """Remember one directory's entries."""
        node.hold()
        self._names += len(found.names) + len(found.directories)
        if self._names <= _IN_MEMORY:
            self._steps.append((node, found))
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in carry_out
        marshal.dump(tuple(found), self._file)
        self._steps.append((node, None))

    def add_named(self, path: bytes) -> None:
        """Remember to say that a directory is looked through."""
        self._steps.append(path)

    def carry_out(
        self, deleter: Deleter, stopped: Callable[[], bool], say: Callable[[bytes], None]
    ) -> Generator[SliceWork, None, None]:
        """Delete it all, and let go of the nodes."""
        if self._file is not None:
            self._file.seek(0)
        for step in self._steps:
            if isinstance(step, bytes):
                say(step)
                continue
            node, found = step
            if not stopped():
                if found is None:
                    assert self._file is not None
                    found = Extraneous(*marshal.load(self._file))
                yield from deleter.delete(node, found, node.guard)
            node.release()
        self._steps.clear()
        if self._file is not None:
            self._file.close()


class Swept(Node):
    """A directory that a sweep looks at."""

    __slots__ = ("times",)

    def __init__(self, parent: Node, path: bytes, on_settled: Callable[[Node], None]) -> None:
        super().__init__(parent, path, on_settled)
        self.times: tuple[int, int] | None = None  # to give back to its destination


class Standing:
    """Opens the destinations that stand there, without making or changing any."""

    def __init__(self, table: DirectoryTable, selection: Selection | None) -> None:
        self._table = table
        self._selection = selection

    def open(self, node: Node, name: bytes, failures: list[Failure]) -> int | None:
        """Open the destination; None where there is no such directory."""
        parent = node.parent
        if parent is None or parent.dst is None:
            return None
        try:
            with parent.dst.pinned() as fd:
                node.dst = DirectoryFd(self._table, os.open(name, _OPEN, dir_fd=fd), parent.dst, name)
            if self._selection is not None:
                enter_guard(node, self._selection.paths)
        except (FileNotFoundError, NotADirectoryError):
            return None  # a symlink is no directory either
        except OSError as error:
            failures.append(Failure(LISTING, node.path[:-1], error.errno or 0))
            return None
        return 0


class Sweep:
    """Walks source and destination side by side. ``on_found`` gets each directory with entries to delete; it yields
    slices. ``on_named`` is told the path of each directory that an argument names with all that is in it, before that.
    ``failures``: what could not be listed, on either side."""

    def __init__(
        self,
        looker: Visitor,
        recursive: bool,
        on_found: Callable[[Node, Extraneous], Generator[SliceWork, None, None]],
        on_named: Callable[[bytes], None],
        stopped: Callable[[], bool],
        report: Callable[[Failure], None],
    ) -> None:
        self._looker = looker
        self._recursive = recursive
        self._on_found = on_found
        self._on_named = on_named
        self._stopped = stopped
        self._report = report
        self._stack: list[tuple[Swept, Directory]] = []
        self.failures: list[Failure] = []

    def walk(
        self, top: Node, listings: Listings, branch: Branch, found: Extraneous | None
    ) -> Generator[SliceWork, None, None]:
        """Walk below ``top``, where arguments name ``branch`` and ``found`` is to be deleted."""
        if top.dst is None:
            return  # a dry run, and nothing is there
        if listings:
            self._on_named(b".")
        if found:
            yield from self._found(top, found, names_in(listings, branch))
        self._push(top, listings, branch)
        while self._stack:
            node, directory = self._stack.pop()
            if not self._stopped():
                yield from self._visit(node, *directory)
            node.release()

    def _push(self, node: Node, listings: Listings, branch: Branch | None) -> None:
        for directory in reversed(merge(listings, branch, self._recursive).directories):
            self._stack.append((Swept(node, node.path + directory[0] + b"/", self._let_go), directory))

    def _visit(
        self, node: Swept, name: bytes, parents: list[DirectoryFd], branch: Branch | None
    ) -> Generator[SliceWork, None, None]:
        if branch is not None and branch.is_listed():
            self._on_named(node.path[:-1])
        visited = self._looker.visit(node, name, parents, branch)
        self.failures.extend(visited.failures)
        if visited.skipped:
            for path in branch.listed_below(node.path) if branch is not None else ():
                self._on_named(path)
            return
        if visited.extraneous:
            yield from self._found(node, visited.extraneous, names_in(visited.listings, branch))
        self._push(node, visited.listings, branch)

    def _found(self, node: Node, found: Extraneous, wanted: set[bytes]) -> Generator[SliceWork, None, None]:
        assert node.dst is not None
        if found := without_namesakes(found, wanted):
            yield from self._on_found(node, found)

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
