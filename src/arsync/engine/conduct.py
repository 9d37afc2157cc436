"""One run in the parent: the traversal, the workers' answers, hard links, and what waits for the end."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Protocol

from arsync.config import CopyConfig
from arsync.engine import counts
from arsync.engine.answers import told
from arsync.engine.batches import PackedBatch
from arsync.engine.finish import Finisher
from arsync.engine.hardlinks import HardLinks
from arsync.engine.late import Late
from arsync.engine.order import HELD_ITEMS, Candidate, Order
from arsync.engine.places import Place
from arsync.engine.pool import WorkerDiedError
from arsync.engine.settling import Settling
from arsync.engine.shared import Shared
from arsync.engine.slices import Barrier, SliceWork
from arsync.engine.traverse import Traversal
from arsync.engine.tree import Node
from arsync.engine.wire import CLEARED, DELETE, LATE, STUCK, BatchResult, SliceResult
from arsync.events import Sink, Totals, WorkerReport
from arsync.reporting import SOME, reporting

if TYPE_CHECKING:
    import asyncio

    from arsync.engine.delete import Deleter
    from arsync.engine.traverse import Step
    from arsync.engine.watch import Watch

#: Seconds between two looks at whether held back output has become less.
_PAUSE = 0.01


class Workers(Protocol):
    """What feeds slices to workers: processes, or the parent itself."""

    died: list[WorkerDiedError]
    #: destination directories in which workers died
    left: list[Node]

    def enqueue(self, work: SliceWork, *, first: bool = False) -> None: ...
    def queued(self) -> bool: ...
    def full(self) -> bool: ...
    async def room(self) -> None: ...
    def pump(self) -> None: ...
    async def close(self) -> list[WorkerReport]: ...
    def abandon(self) -> None: ...
    def kill(self) -> None: ...
    def attach(self, loop: asyncio.AbstractEventLoop) -> None: ...
    def works(self) -> Iterator[tuple[int, dict[int, SliceWork]]]: ...


class Conductor:
    """Holds the parts of one run together."""

    def __init__(
        self, config: CopyConfig, sink: Sink, shared: Shared, finisher: Finisher, earlier_errors: int = 0
    ) -> None:
        """``earlier_errors``: of the arguments, before anything was copied."""
        wanted = reporting(config)
        self._detailed = wanted.status
        self._shared = shared
        self._timed = config.timeout > 0
        self._finisher = finisher
        self._walked = False
        self.order = Order(sink, wanted.unchanged or config.list_only, self._meet)
        self.settling = Settling(finisher, self.order, self.waiting)
        self.totals = Totals()
        self.fatal_errno = 0
        self.workers: Workers | None = None
        self.traversal: Traversal | None = None
        self.watch: Watch | None = None
        if wanted.progress:
            from arsync.engine.watch import Watch

            self.watch = Watch(sink, shared, self.totals, self.order, self._works, live=True, earlier=earlier_errors)
        #: each line says how many entries are left
        self._listing_progress = wanted.progress and wanted.measured != SOME
        self._sink = sink
        self._earlier_errors = earlier_errors
        self.deleter: Deleter | None = None
        self._outstanding = 0  # slices that were not answered yet
        self._hard_links = HardLinks(
            config, self._send, shared.stopped, self.order.waiting, told=wanted.items, numbered=wanted.status
        )
        self._late = Late(config, shared.stopped)

    def waiting(self) -> int:
        """Which sides the traversal finds to make it wait: SOURCE_WAITS, DEST_WAITS."""
        return 0 if self.traversal is None else self.traversal.waiting

    def feed_ahead(self, walk: Generator[Step, None, None]) -> Step | None:
        """Give the workers their first batches, before there is an event loop: they work while it is imported.

        Returns the first step that has to wait for the loop, None where the walk is over.
        """
        assert self.workers is not None
        for step in walk:
            if not isinstance(step, SliceWork):
                return step
            self._send(step)
            if self.workers.queued():
                break  # every worker has its fill
        return None

    async def feed(self, walk: Generator[Step, None, None], step: Step | None) -> None:
        """Drive the traversal to its end, at the pace at which the workers take its slices."""
        import asyncio

        assert self.workers is not None
        loop = asyncio.get_running_loop()
        self.settling.attach(loop)
        if self.watch is not None:
            assert self.traversal is not None
            self.watch.start(loop, self.traversal)
        while True:
            if isinstance(step, SliceWork):
                self._send(step)
            elif isinstance(step, Barrier):
                await self._drain(step)
            elif step is not None:
                await asyncio.wait([asyncio.wrap_future(step)])
            if self.workers.full():
                await self.workers.room()
            while self.order.held() > HELD_ITEMS and not self._shared.stopped():
                await asyncio.sleep(_PAUSE)
            step = next(walk, None)
            if step is None:
                return

    async def _drain(self, barrier: Barrier) -> None:
        """Wait until all that was begun is done."""
        import asyncio

        assert self.workers is not None
        node = barrier.settled
        while True:
            self._walked = barrier.last
            self._check_all_met()
            self.workers.pump()
            if not self._outstanding and (node is None or node.pending == 1):
                self.order.waiting.tell_later()
                return
            await asyncio.sleep(_PAUSE)

    async def finish(self) -> None:
        """After the traversal: deal with the last hard links, and wait until every directory is complete."""
        assert self.workers is not None
        self._walked = True
        self._check_all_met()
        self.workers.pump()
        self._check_late()
        await self.settling.complete()
        if self.watch is not None:
            self.watch.stop()
            self.watch.walked = True
            self.watch.tell()

    def after_workers(self, top: Node) -> None:
        """When nobody works any more: bring everything to the disk (--syncfs)."""
        file_systems = self._finisher.file_systems
        if file_systems is None or top.dst is None:
            return
        if not self._shared.stopped():
            with top.dst.pinned() as fd:
                failures = file_systems.sync(fd)
            self.order.emit([], failures)
            if failures:
                self.fatal_errno = failures[0].errno
        file_systems.close()

    def _check_all_met(self) -> None:
        """Every entry with several links has been met when the walk is over and all it found has been emitted."""
        if self._walked and self.order.complete():
            self._hard_links.all_met()

    def _check_late(self) -> None:
        """Once nothing else is left to do, do what waited for that."""
        while self._walked and not self._outstanding and self.order.complete():
            wave = self._late.next_wave()
            if not wave:
                return
            # Counted as one while it is sent: answers may come meanwhile.
            self._outstanding += 1
            for work in wave:
                self._send(work, late=True)
            assert self.workers is not None
            self.workers.pump()
            self._outstanding -= 1

    def _send(self, work: SliceWork, *, late: bool = False) -> None:
        if not late and self._late.takes(work):
            return
        if late and self._late.lost_leader(work):
            failure = ("link", 0, 0, "the file that it is a link to could not be put in place", False, False)
            self._absorb(work, SliceResult(-1, 1, [], [failure], []))
        else:
            self._enqueue(work)

    def _enqueue(self, work: SliceWork, *, first: bool = False) -> None:
        assert self.workers is not None
        self._outstanding += 1
        self.workers.enqueue(work, first=first)

    def tell_standing(self) -> None:
        """Somebody asks how far the run is (SIGUSR1)."""
        watch = self.watch
        if watch is None:
            from arsync.engine.watch import Watch

            watch = Watch(
                self._sink,
                self._shared,
                self.totals,
                self.order,
                self._works,
                live=False,
                earlier=self._earlier_errors,
            )
        watch.traversal, watch.walked = self.traversal, self._walked
        self._sink.standing(watch.standing())

    def _works(self) -> Iterator[tuple[int, dict[int, SliceWork]]]:
        """What workers have now."""
        assert self.workers is not None
        return self.workers.works()

    def on_result(self, batch: PackedBatch, result: BatchResult) -> None:
        """A worker answered."""
        counts.add(self.totals, result.counts)
        if self.watch is not None:
            self.watch.walked = self._walked
            if self._listing_progress:
                self.watch.tell()
        if self._timed:
            self._shared.beat()
        if result.fatal:
            self.fatal_errno = result.fatal
            self._shared.stop()
        self._outstanding -= len(result.slices)
        for piece in result.slices:
            answer = SliceResult(*piece)
            self._absorb(batch.works[answer.id], answer)
        self._check_all_met()
        self._check_late()

    def _absorb(self, work: SliceWork, answer: SliceResult) -> None:
        if answer.handled < len(work.names):
            self._requeue_rest(work, answer.handled)
            if not answer.handled:
                return
        if answer.blocked and self._make_way(work, answer.blocked):
            return
        if answer.failures and work.flags & DELETE:
            from arsync.engine.delete import failed

            failed(work.node)
        items, failures = told(work, answer, detailed=self._detailed)
        if answer.late:
            self._late.add(work, list(answer.late))
        if work.flags & LATE:
            self._late.unplaced.update(failure.path for failure in failures if failure.operation == "put in place")
        for _ in answer.candidates:
            work.node.hold()  # until the entry is met, in order
        if work.number is not None:
            indexes = sorted(item[0] for item in answer.items) if answer.candidates else None
            self.order.add(work.number, items, failures, work, sorted(answer.candidates), indexes)
            work.node.release()
            return
        self.order.emit([], failures)
        indexes = sorted(item[0] for item in answer.items)
        if not self._hard_links.answered(work, items, indexes, answer.done):
            self.order.emit(items, [])
            work.node.release()

    def _requeue_rest(self, work: SliceWork, handled: int) -> None:
        """A worker gave back what it had not begun."""
        if not handled:
            self._enqueue(work, first=True)
            return
        rest = work.rest(handled)
        if not self._hard_links.split(work, rest, handled):
            rest.node.hold()
        if rest.number is not None:
            self.order.expect_another(rest.number)
        self._enqueue(rest, first=True)

    def _make_way(self, work: SliceWork, blocked: tuple[int, ...]) -> bool:
        """Delete what is in the directories that stand in the way of some entries, and give those to a worker again;
        True where that is the whole slice."""
        assert self.deleter is not None
        names = work.dst_names or work.names
        for index in blocked:
            part = work if len(work.names) == 1 else work.part(index, index + 1)
            if part is not work:
                if not self._hard_links.split(work, part, index):
                    part.node.hold()
                if part.number is not None:
                    self.order.expect_another(part.number)
            with self.order.at(part):
                cleared = self.deleter.clear(part.node, names[index], part.node.guard)
            part.flags |= CLEARED if cleared else STUCK
            self._enqueue(part, first=True)
        return len(work.names) == 1

    def _meet(self, work: SliceWork, candidates: list[Candidate]) -> list[Place | None]:
        places = []
        for candidate in candidates:
            places.append(self._hard_links.meet(work, *candidate))
            work.node.release()
        self._hard_links.flush()
        return places
