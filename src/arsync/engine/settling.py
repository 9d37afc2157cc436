"""Directories that become complete: their final metadata is set, and the one that each is in is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from arsync.engine.finish import Finisher
from arsync.engine.helpers import Helpers
from arsync.engine.order import Order
from arsync.engine.tree import Node
from arsync.events import Failure

if TYPE_CHECKING:
    import asyncio

#: Directories whose metadata is set at the same time, while storage waits.
_FINISHING = 16


class Settling:
    """Those of one run. ``waiting`` says whether storage waits, so that a directory is finished in a thread."""

    def __init__(self, finisher: Finisher, order: Order, waiting: Callable[[], int]) -> None:
        self._finisher = finisher
        self._order = order
        self._waiting = waiting
        self._settled: deque[Node] = deque()
        self._settling = False
        self._complete = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._helpers = Helpers(_FINISHING, "finish")

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """There is a loop now, to which threads can report."""
        self._loop = loop

    async def complete(self) -> None:
        """Wait until the top is complete; then nothing follows."""
        assert self._loop is not None
        if not self._complete:
            self._waiter = self._loop.create_future()
            await self._waiter
        self._helpers.close()

    def settle(self, node: Node) -> None:
        """Everything in a directory is done. Not recursive: its parent may follow, and a tree may be deep."""
        self._settled.append(node)
        if self._settling:
            return
        self._settling = True
        while self._settled:
            self._finish_node(self._settled.popleft())
        self._settling = False

    def _finish_node(self, node: Node) -> None:
        if self._loop is None or not self._waiting():
            self._finished(node, self._finisher.finish(node))
            return
        import asyncio

        future = asyncio.wrap_future(self._helpers.submit(self._finisher.finish, node), loop=self._loop)
        future.add_done_callback(lambda done: self._finished(node, done.result()))

    def _finished(self, node: Node, failures: list[Failure]) -> None:
        if failures:
            self._order.emit([], failures)
        if node.parent is None:
            self._complete = True
            if self._waiter is not None:
                self._waiter.set_result(None)
        else:
            node.parent.release()
