"""The parent's side of progress: it looks from time to time at what its workers tell, and says how far the run is.

Nothing here is made where nobody wants to know. The worker's side is engine/teller.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from arsync.engine.order import Order
from arsync.engine.shared import Shared
from arsync.engine.slices import SliceWork
from arsync.events import Doing, Progress, Sink, Totals

if TYPE_CHECKING:
    import asyncio

    from arsync.engine.traverse import Traversal

#: Seconds between two looks. With a frame that is drawn of it, each costs some tenths of a millisecond.
_EVERY = 0.2

#: What workers have now: the number of each, and its slices by their ids.
Works = Callable[[], Iterable[tuple[int, "dict[int, SliceWork]"]]]


class Watch:
    """Tells the sink how far the run is. ``live``: workers count what they do as they do it."""

    def __init__(
        self, sink: Sink, shared: Shared, totals: Totals, order: Order, works: Works, *, live: bool, earlier: int
    ) -> None:
        """``earlier``: errors of the arguments."""
        self._sink = sink
        self._shared = shared
        self._totals = totals
        self._order = order
        self._works = works
        self._live = live
        self._earlier = earlier
        self._tallies: dict[int, tuple[int, int, int, int]] = {}
        self._most = 0  # bytes that were told, which never become fewer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.traversal: Traversal | None = None
        self.walked = False

    def start(self, loop: asyncio.AbstractEventLoop, traversal: Traversal) -> None:
        """Look from now on."""
        self._loop = loop
        self.traversal = traversal
        self._timer = loop.call_later(_EVERY, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def tell(self) -> None:
        """Say how far the run is, large files apart."""
        self._sink.progress(self._forward(self._state([number for number, _ in self._works()])))

    def standing(self) -> Progress:
        """How far the run is, with all that its workers do."""
        works = dict(self._works())
        state = self._state(list(works))
        workers = {number: self._doing(number, work) for number, work in works.items()}
        large = 0
        for worker, number, index, done, size, open_done in self._shared.told(max(works, default=0) + 1):
            work = works.get(worker, {}).get(number)
            if work is None or index >= len(work.names):
                continue  # it has been answered since
            large += open_done
            path = work.node.path + work.names[index]
            workers[worker] = workers[worker]._replace(path=path, done=done, size=size)
            # Only a file before which nothing is missing can be named among the lines.
            if not state.path and work.number in (None, self._order.next_number()):
                state = state._replace(path=path, done=done, size=size)
        return self._forward(state._replace(moved=state.moved + large, workers=tuple(workers.values())))

    def _forward(self, state: Progress) -> Progress:
        """Never fewer bytes than were told before: a file that is done is counted a moment after it was open."""
        self._most = max(self._most, state.moved)
        return state._replace(moved=self._most)

    def _look(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(_EVERY, self._look)
        self._sink.progress(self.standing())

    def _state(self, workers: list[int]) -> Progress:
        totals, walk = self._totals, self.traversal
        entries, size = sum(totals.seen), totals.total_size
        moved, files = totals.transferred_size, totals.transferred_files
        if self._live:
            for worker in workers:
                if (tally := self._shared.tallied(worker)) is not None:
                    self._tallies[worker] = tally
            tallies = self._tallies.values()
            entries, size, moved, files = (sum(tally[field] for tally in tallies) for field in range(4))
        measure = None if walk is None else walk.measure
        return Progress(
            0 if walk is None else walk.listed,
            self.walked,
            0 if measure is None else measure.size,
            entries + (0 if walk is None else 1 + walk.directories),
            moved,
            files,
            measured=0 if measure is None else measure.entries,
            unmeasured=0 if measure is None else measure.missed,
            passed_size=size,
            share=1.0 if self.walked or walk is None else min(walk.share, 1.0),
            deleted=sum(totals.deleted),
            errors=self._earlier + self._order.failures,
        )

    def _doing(self, worker: int, work: dict[int, SliceWork]) -> Doing:
        entries, _, moved, _ = self._tallies.get(worker, (0, 0, 0, 0))
        first = next(iter(work.values()), None)
        path = b"" if first is None else first.node.path + first.names[0]
        return Doing(entries, moved, path, given=sum(len(piece.names) for piece in work.values()))
