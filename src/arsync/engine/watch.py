"""How far large files are, while they are copied: workers write it into shared memory, the parent looks once a second.

Nothing here is made where no progress is shown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from arsync.engine.shared import Shared
from arsync.engine.slices import SliceWork
from arsync.engine.task import Task
from arsync.events import Progress, Sink, Totals

if TYPE_CHECKING:
    import asyncio

    from arsync.engine.traverse import Traversal

#: Bytes from which on a file's progress is worth telling.
WATCHED = 8 << 20

#: Seconds between two looks.
_EVERY = 1.0


class Teller:
    """A worker's side: which large files it has open, and how far they are."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._files: dict[int, tuple[int, int, int]] = {}

    def begin(self, src: int, task: Task, index: int, size: int) -> None:
        """A file of ``size`` bytes is going to be copied from the descriptor ``src``."""
        if size >= WATCHED:
            self._files[src] = (task.slice.id, index, size)
            self.moved(src, 0)
        else:
            self._files.pop(src, None)

    def moved(self, src: int, done: int) -> None:
        """``done`` bytes of it were copied."""
        if (known := self._files.get(src)) is not None:
            self._shared.tell(known[0], known[1], done, known[2])

    def counting(self, src: int, stop: Callable[[], bool], block: int) -> Callable[[], bool]:
        """``stop``, which is asked once for each block, counts what was copied meanwhile."""
        asked = 0
        lock = threading.Lock()  # on the plain backend each lane is a thread

        def counted() -> bool:
            nonlocal asked
            with lock:
                self.moved(src, asked * block)
                asked += 1
            return stop()

        return counted


class Watch:
    """The parent's side: tells the sink how far the run is.

    ``works``: slices that workers have now, by their ids; ``next_number``: the place in the order that is next.
    """

    def __init__(
        self,
        sink: Sink,
        shared: Shared,
        totals: Totals,
        works: Callable[[], Iterable[dict[int, SliceWork]]],
        next_number: Callable[[], int],
    ) -> None:
        self._sink = sink
        self._shared = shared
        self._totals = totals
        self._works = works
        self._next_number = next_number
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.traversal: Traversal | None = None
        self.walked = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look from now on."""
        self._loop = loop
        self._timer = loop.call_later(_EVERY, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def state(self) -> Progress:
        """How far the run is, large files apart."""
        totals, walk = self._totals, self.traversal
        return Progress(
            0 if walk is None else walk.listed,
            self.walked,
            0 if walk is None else walk.listed_size,
            sum(totals.seen),
            totals.transferred_size,
            totals.transferred_files,
        )

    def tell(self) -> None:
        """Say how far the run is."""
        self._sink.progress(self.state())

    def _look(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(_EVERY, self._look)
        works = {number: work for some in self._works() for number, work in some.items()}
        state = self.state()
        for number, index, done, size in self._shared.told():
            work = works.get(number)
            if work is None or index >= len(work.names):
                continue  # it has been answered since
            state = state._replace(moved=state.moved + done)
            # Only a file before which nothing is missing can be named already.
            if not state.path and work.number in (None, self._next_number()):
                state = state._replace(path=work.node.path + work.names[index], done=done, size=size)
        self._sink.progress(state)
