"""The traversal: walks the source depth first, in rsync's order, and hands slices of directories to be copied.

Where storage answers at once, directories are visited one after another in the event loop's own thread, which is
faster than any hand-over. Where a visit waits, the directories that come next are visited ahead in threads, several
at once, and still handed on in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from arsync.engine.merge import Merged, merge
from arsync.engine.order import HELD_ITEMS, Order
from arsync.engine.slices import SliceWork
from arsync.engine.tree import Node
from arsync.engine.visit import Visited, Visitor
from arsync.engine.wire import FRESH, SLICE_NAMES
from arsync.events import Item, Kind
from arsync.fs.directory import DirectoryFd

#: Directories visited ahead while storage waits: more find little to do, since a directory's own directories are
#: only known when it was visited.
VISITS_AHEAD = 32

#: Visits judged together: most of them must have waited, so that one cold directory changes nothing.
_JUDGED_VISITS = 3

Submit = Callable[[SliceWork], Awaitable[None]]


class _Pending:
    """A directory that was seen and not yet visited."""

    __slots__ = ("future", "name", "node", "parents")

    def __init__(self, node: Node, name: bytes, parents: list[DirectoryFd]) -> None:
        self.node = node
        self.name = name
        self.parents = parents
        self.future: asyncio.Future[Visited] | None = None


class Traversal:
    """One walk over all sources."""

    def __init__(
        self,
        visitor: Visitor,
        order: Order,
        submit: Submit,
        on_settled: Callable[[Node], None],
        *,
        threads_allowed: bool,
        devices: frozenset[int] | None,
        stopped: Callable[[], bool],
    ) -> None:
        self._visitor = visitor
        self._order = order
        self._submit = submit
        self._on_settled = on_settled
        self._threads_allowed = threads_allowed
        self._devices = devices
        self._stopped = stopped
        self._executor: ThreadPoolExecutor | None = None
        self._waited: list[bool] = []
        self._stack: list[_Pending] = []
        self.waiting = False
        self.directories = 0
        self.created_directories = 0

    async def walk(self, top: Node, entries: Merged, rename: bytes = b"") -> None:
        """Walk everything below ``top``, whose own entries are given; a single file may go to another name."""
        try:
            await self._hand_on(top, entries, rename)
            while self._stack and not self._stopped():
                pending = self._stack.pop()
                visited = await self._visit(pending)
                await self._arrive(pending.node, visited)
                pending.node.release()
            for pending in self._stack:
                if pending.future is not None:
                    await asyncio.wait([pending.future])
                pending.node.release()
        finally:
            if self._executor is not None:
                self._executor.shutdown()

    async def _visit(self, pending: _Pending) -> Visited:
        if self.waiting:
            self._look_ahead()
        if pending.future is not None:
            visited = await pending.future
        elif self.waiting:
            visited = await self._start(pending)
        else:
            visited = self._visitor.visit(pending.node, pending.name, pending.parents, self._devices)
        self._judge(visited.waited)
        return visited

    def _look_ahead(self) -> None:
        for pending in self._stack[-VISITS_AHEAD:]:
            if pending.future is None:
                self._start(pending)

    def _start(self, pending: _Pending) -> asyncio.Future[Visited]:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(VISITS_AHEAD, "visit")
        pending.future = asyncio.get_running_loop().run_in_executor(
            self._executor, self._visitor.visit, pending.node, pending.name, pending.parents, self._devices
        )
        return pending.future

    def _judge(self, waited: bool) -> None:
        """Visit ahead while visits wait; a visit in a thread that did not wait turns it off again."""
        self._waited.append(waited)
        if len(self._waited) >= _JUDGED_VISITS or (waited and not self.waiting and self._threads_allowed):
            self.waiting = self._threads_allowed and sum(self._waited) * 2 > len(self._waited)
            self._waited.clear()

    async def _arrive(self, node: Node, visited: Visited) -> None:
        """Put a visited directory in the order, and hand on what it contains."""
        number = self._order.open()
        items = []
        if not visited.skipped:
            self.directories += 1
            self.created_directories += node.existing is None
            items.append(Item(node.path[:-1], Kind.DIRECTORY, visited.changes))
        self._order.add(number, items, visited.failures)
        if visited.skipped:
            return
        if len(visited.listings) == 1:
            source, found = visited.listings[0]
            await self._slices(node, source, found.files, found.kinds)
            self._push(node, [(name, [source]) for name in found.directories])
        elif visited.listings:
            await self._hand_on(node, merge(visited.listings))

    async def _hand_on(self, node: Node, entries: Merged, rename: bytes = b"") -> None:
        """Slices of what comes from several source directories: each slice has one source."""
        begin = 0
        files = entries.files
        for end in range(1, len(files) + 1):
            if end == len(files) or files[end][0] is not files[begin][0]:
                run = files[begin:end]
                await self._slices(
                    node, run[0][0], [name for _, name, _ in run], bytes(kind for _, _, kind in run), rename
                )
                begin = end
        self._push(node, entries.directories)

    async def _slices(
        self, node: Node, source: DirectoryFd, files: list[bytes], kinds: bytes, rename: bytes = b""
    ) -> None:
        flags = FRESH if node.fresh or node.dst is None else 0
        for begin in range(0, len(files), SLICE_NAMES):
            if self._stopped():
                return
            while self._order.held > HELD_ITEMS and not self._stopped():
                await asyncio.sleep(0.01)
            names = tuple(files[begin : begin + SLICE_NAMES])
            node.hold()
            number = self._order.open()
            work = SliceWork(node, number, source, names, kinds[begin : begin + len(names)], flags)
            if rename:
                work.dst_names = (rename,)
            await self._submit(work)

    def _push(self, node: Node, directories: list[tuple[bytes, list[DirectoryFd]]]) -> None:
        for name, parents in reversed(directories):
            child = Node(node, node.path + name + b"/", self._on_settled)
            self._stack.append(_Pending(child, name, parents))
