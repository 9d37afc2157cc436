"""The traversal: walks the source depth first, in rsync's order, and hands out slices of directories to be copied.

It is a generator, which the parent's event loop drives: it is asked for the next slice when there is room for it.
Where storage answers at once, directories are visited one after another as they are needed, which is faster than any
hand-over. Where a visit waits, the directories that come next are visited ahead in threads, several at once, and
still handed out in order; the generator then yields the visit that has to be waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from arsync.engine.branches import Branch
from arsync.engine.destination import Destinations
from arsync.engine.helpers import Helpers
from arsync.engine.listing import Found
from arsync.engine.merge import Directory, Merged, merge
from arsync.engine.order import Order
from arsync.engine.slices import Barrier, SliceWork
from arsync.engine.tree import Node
from arsync.engine.visit import Visited, Visitor
from arsync.engine.wire import FRESH, SLICE_NAMES
from arsync.events import BACKED_UP, NEW, Item, Kind
from arsync.fs.directory import DirectoryFd

#: Directories visited ahead while storage waits: more find little to do, since a directory's own directories are
#: only known when it was visited.
VISITS_AHEAD = 32

#: Visits judged together: most of them must have waited, so that one cold directory changes nothing.
_JUDGED_VISITS = 3

#: Files of a directory that is large: listing it another way costs as much as so many, and saves a fifth of each.
_LARGE = 30

if TYPE_CHECKING:
    # Imported when the first visit waits: most runs never need threads.
    from concurrent.futures import Future

    from arsync.engine.deletion import Deletion
    from arsync.engine.measure import Measure
    from arsync.engine.missing import MissingDeleter

    #: What the traversal yields: work, or a visit to wait for before it is asked again.
    Step = SliceWork | Barrier | Future[Visited]


class _Pending:
    """A directory that was seen and not yet visited."""

    __slots__ = ("branch", "future", "name", "node", "parents", "share")

    def __init__(
        self, node: Node, name: bytes, parents: list[DirectoryFd], branch: Branch | None, share: float
    ) -> None:
        self.node = node
        self.name = name
        self.parents = parents
        self.branch = branch  # what arguments name of it
        self.share = share  # of the whole tree, as far as that can be known
        self.future: Future[Visited] | None = None


class Traversal:
    """One walk over all sources."""

    def __init__(
        self,
        visitor: Visitor,
        destinations: Destinations,
        order: Order,
        on_settled: Callable[[Node], None],
        *,
        recursive: bool,
        stopped: Callable[[], bool],
        missing: MissingDeleter | None = None,
        detailed: bool = False,
        measure: Measure | None = None,
        deletion: Deletion | None = None,
    ) -> None:
        """``detailed``: directories are shown with all that is known of them; ``measure`` sees what is found."""
        self._visitor = visitor
        self._destinations = destinations
        self._order = order
        self._on_settled = on_settled
        self._recursive = recursive
        self._stopped = stopped
        self._helpers = Helpers(VISITS_AHEAD, "visit")
        self._detailed = detailed
        self.measure = measure
        self.listed = 1  # entries found so far
        #: how much of the tree that was, an estimate: each directory has a part of that of the one that it is in
        self.share = 0.0
        self._listings = 0
        self._opened = 1  # entries that have a place in the order
        self._missing = missing
        self._deletion = deletion
        self._waited: list[int] = []
        self._large = False  # whether the last directory was, as its neighbours often are
        self._stack: list[_Pending] = []
        self.waiting = 0  # SOURCE_WAITS, DEST_WAITS
        self.directories = 0
        self.created_directories = 0

    def walk(
        self, top: Node, listings: list[tuple[DirectoryFd, Found]], branch: Branch, rename: bytes = b""
    ) -> Generator[Step, None, None]:
        """Walk everything below ``top``, whose own entries are given; a single file may go to another name."""
        try:
            yield from self._contents(top, listings, branch, 1.0, rename)
            while self._stack and not self._stopped():
                pending = self._stack.pop()
                visited = yield from self._visit(pending)
                yield from self._arrive(pending, visited)
                pending.node.release()
            for pending in self._stack:
                if pending.future is not None and not pending.future.done():
                    yield pending.future
                pending.node.release()
        finally:
            self._helpers.close()

    def _visit(self, pending: _Pending) -> Generator[Step, None, Visited]:
        if self.waiting:
            self._look_ahead()
            self._start(pending)
        if pending.future is None:
            visited = self._visitor.visit(
                pending.node, pending.name, pending.parents, pending.branch, large=self._large
            )
        else:
            if not pending.future.done():
                yield pending.future
            visited = pending.future.result()
        self._judge(visited.waited)
        return visited

    def _look_ahead(self) -> None:
        for pending in self._stack[-VISITS_AHEAD:]:
            self._start(pending)

    def _start(self, pending: _Pending) -> None:
        if pending.future is not None:
            return
        pending.future = self._helpers.submit(
            self._visitor.visit, pending.node, pending.name, pending.parents, pending.branch
        )

    def _judge(self, waited: int) -> None:
        """Visit ahead while most visits wait. Which side waits is taken from a visit that was made alone: a thread
        among others also waits for the interpreter."""
        self._waited.append(waited)
        if len(self._waited) >= _JUDGED_VISITS or (waited and not self.waiting):
            if sum(map(bool, self._waited)) * 2 <= len(self._waited):
                self.waiting = 0
            elif not self.waiting:
                self.waiting = waited
            self._waited.clear()

    def _arrive(self, pending: _Pending, visited: Visited) -> Generator[Step, None, None]:
        """Put a visited directory in the order, and hand on what it contains."""
        node = pending.node
        if self._deletion is not None:
            yield from self._deletion.at_visit(node, visited)
        items = visited.notes or []
        if node.replaced and self._destinations.backups is not None:
            path = node.path[:-1]
            items.append(Item(path, Kind.FILE, BACKED_UP, self._destinations.backups.shown(b"", path)))
        if not visited.skipped and not node.plain:
            self.directories += 1
            self.created_directories += bool(visited.changes & NEW)
            if visited.changes or self._order.unchanged:
                items.append(self._item(node, visited.changes))
        elif visited.changes and node.existing is None:
            items.append(Item(node.path[:-1], Kind.DIRECTORY, visited.changes))
        self._opened += 1
        if items or visited.failures:
            self._order.add(self._order.open(), items, visited.failures)
        if visited.skipped:
            self.share += pending.share
        else:
            yield from self._contents(node, visited.listings, pending.branch, pending.share)

    def _contents(
        self,
        node: Node,
        listings: list[tuple[DirectoryFd, Found]],
        branch: Branch | None,
        share: float,
        rename: bytes = b"",
    ) -> Generator[Step, None, None]:
        """What was found in a directory that is this share of the tree, and what arguments name in it."""
        if branch is not None and branch.missing and self._missing is not None and node.dst is not None:
            names = [rename] if rename else branch.missing
            self._missing.delete(node, names)
        named = branch is not None and (branch.files or branch.branches)
        if named or len(listings) > 1:
            yield from self._hand_on(node, merge(listings, branch, self._recursive), share, rename)
        elif listings:
            source, found = listings[0]
            self._large = len(found.files) > _LARGE
            part = self._divide(share, len(found.files), len(found.directories))
            yield from self._slices(node, source, found.files, found.kinds)
            self._push(node, [(name, [source], None) for name in found.directories], part)
        else:
            self.share += share

    def _item(self, node: Node, changes: int) -> Item:
        """A directory's own line."""
        if not self._detailed:
            return Item(node.path[:-1], Kind.DIRECTORY, changes)
        from arsync.engine.detail import directory_item

        return directory_item(node, node.path[:-1], changes, self._opened, self._destinations.preserve)

    def _hand_on(self, node: Node, entries: Merged, share: float, rename: bytes) -> Generator[Step, None, None]:
        """Slices of what comes from several source directories: each slice has one source."""
        begin = 0
        files = entries.files
        part = self._divide(share, len(files), len(entries.directories))
        for end in range(1, len(files) + 1):
            if end == len(files) or files[end][0] is not files[begin][0]:
                run = files[begin:end]
                yield from self._slices(
                    node, run[0][0], [name for _, name, _ in run], bytes(kind for _, _, kind in run), rename
                )
                begin = end
        self._push(node, entries.directories, part)

    def _slices(
        self, node: Node, source: DirectoryFd, files: list[bytes], kinds: bytes, rename: bytes = b""
    ) -> Generator[Step, None, None]:
        flags = FRESH if node.fresh or node.dst is None else 0
        self.listed += len(files)
        if self.measure is not None:
            self.measure.add(source, files)
        for begin in range(0, len(files), SLICE_NAMES):
            if self._stopped():
                return
            names = tuple(files[begin : begin + SLICE_NAMES])
            node.hold()
            number = self._order.open()
            work = SliceWork(node, number, source, names, kinds[begin : begin + len(names)], flags)
            work.ordinal = self._opened
            self._opened += len(names)
            if rename:
                work.dst_names = (rename,)
            yield work

    def _divide(self, share: float, files: int, directories: int) -> float:
        """So many files and directories were found in a directory that is this share of the tree: the files have their
        part of it from now on; returns that of each directory."""
        self._listings += 1
        if not directories:
            self.share += share
            return 0.0
        # A directory is thought to have as much in it as those have on average that were seen.
        average = (self.listed + files + directories) / self._listings
        part = share / (directories + files / average)
        self.share += share - part * directories
        return part

    def _push(self, node: Node, directories: list[Directory], part: float) -> None:
        """Directories are to be visited, each of them this part of the tree."""
        self.listed += len(directories)
        for name, parents, branch in reversed(directories):
            prefix = node.path if branch is None else node.path or branch.prefix
            child = Node(node, prefix + name + b"/", self._on_settled)
            self._stack.append(_Pending(child, name, parents, branch, part))
