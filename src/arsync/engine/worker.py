"""A worker: takes batches, drives one coroutine per entry, and reports.

The same class serves a process of the pool and, for a job too small for processes, the parent itself.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from arsync.config import CopyConfig, CopyMethod, IoEngine
from arsync.engine import counts
from arsync.engine.backends import Backends
from arsync.engine.backlog import DIRECTORIES_WAITING, Backlog, Work
from arsync.engine.context import Context
from arsync.engine.descriptors import files_at_once
from arsync.engine.entry import NoDescriptorsError, handle_entry
from arsync.engine.held import NOTHING_HELD, Held
from arsync.engine.regime import Regime
from arsync.engine.shared import Shared
from arsync.engine.task import Task
from arsync.engine.warm import WarmWays
from arsync.engine.wire import DEST_WAITS, Batch, BatchResult, Slice, SliceResult
from arsync.events import WorkerReport
from arsync.fs.metadata import Identity
from arsync.fs.protocol import FileOps
from arsync.reporting import reporting

if TYPE_CHECKING:
    from arsync.engine.teller import Teller

#: Seconds that a worker keeps a batch to itself before it gives some of it back to idle ones.
_KEEP_SECONDS = 0.005


class Channel(Protocol):
    """Where a worker's batches come from and its results go."""

    def receive(self, block: bool) -> tuple[Batch, list[int]] | None:
        """The next batch and its descriptors; None where there is none (now, or ever if ``block``)."""

    def send(self, result: BatchResult) -> None:
        """Report a finished batch."""


class Worker:
    """Owns the ring, the buffers and the open directories of one process."""

    def __init__(
        self, config: CopyConfig, who: Identity, shared: Shared, channel: Channel, held: Held = NOTHING_HELD
    ) -> None:
        self._config = config
        self._shared = shared
        self._stopped = shared.asked(config.timeout)
        self._channel = channel
        self._teller: Teller | None = None
        #: what is told of every entry, where progress is shown
        self._live = self._get_teller() if reporting(config).progress else None
        self._context = Context(config, who, self._copy_lanes, self._stopped, self._get_teller, held)
        self._warm = WarmWays(self._context)
        self._backends = Backends(config)
        self.regime = Regime(config.io_engine is IoEngine.URING)
        self._limit = min(config.queue_depth, files_at_once())
        self._in_flight = 0
        self._dest_waits = False
        self._backlog = Backlog()
        self._again: list[tuple[Work, Task, int]] = []
        self._reported_bytes = dict.fromkeys(CopyMethod, 0)

    def serve(self) -> None:
        """Work until the channel has nothing more."""
        while self._receive(block=True):
            while self._backlog:
                runner = self._backends.runner(self.regime)
                self.regime.restart()
                runner.run(self._coroutines(runner.ops), self._limit if self.regime.in_flight else 1)
                self._run_again()

    def close(self) -> None:
        """Give up the ring and what options opened."""
        if self._context.placing is not None:
            self._context.placing.close()
        self._backends.close()

    def _receive(self, block: bool) -> bool:
        message = self._channel.receive(block)
        if message is None:
            return False
        batch, fds = message
        if len(fds) < batch.directories:
            self._refuse(batch, fds)
            return True
        self.regime.hint(bool(batch.waiting))
        self._dest_waits = bool(batch.waiting & DEST_WAITS)
        work = Work(batch, fds)
        if not self._context.preserve.perms:
            work.learn_perms(self._context.default_perms)
        self._backlog.add(work)
        if not work.total:
            self._finish(work)
        return True

    def _refuse(self, batch: Batch, fds: list[int]) -> None:
        """Give a batch back whose directories this process has no descriptors for while it has others' files open."""
        for fd in fds:
            os.close(fd)
        alone = not self._backlog and not self._in_flight
        failure = ("open the directory of", 0, errno.EMFILE, "", False, False)
        slices = [
            tuple(SliceResult(piece.id, len(piece.names), [], [failure], []))
            if alone
            else tuple(SliceResult(piece.id, 0, [], [], []))
            for piece in (Slice(*fields) for fields in batch.slices)
        ]
        self._limit = max(1, self._limit // 2)
        self._channel.send(BatchResult(batch.id, slices, tuple(counts.zero()), 0))

    def _get_teller(self) -> Teller:
        if self._teller is None:
            from arsync.engine.teller import Teller

            self._teller = Teller(self._shared)
        return self._teller

    def _coroutines(self, ops: FileOps) -> Iterator[Coroutine[Any, Any, None] | None]:
        """One coroutine per entry, until there is none or the way of working should change."""
        files, regime = 0, self.regime
        warm = self._backends.is_warm(ops)
        while self._fill():
            head = self._backlog.next(slow=regime.slow, writing=self._dest_waits, limit=self._limit)
            if head is None:
                if self._backlog:
                    yield None
                continue
            work, task = head
            begin = task.next
            if warm:
                task.next = self._warm.go(task, begin, min(begin + regime.stride - files, len(task.slice.names)))
                files += task.next - begin
                self._count(work, task.next - begin)
            if task.left and files < regime.stride:
                task.next += 1
                with self._context.lock:
                    task.in_flight += 1
                    self._in_flight += 1
                files += 1
                yield self._one(ops, work, task, task.next - 1)
            if files >= regime.stride:
                if regime.sample(files):
                    return
                files = 0
                self._give_back()
        regime.sample(files)

    def _fill(self) -> bool:
        """Have slices to take files from; False where there are none now."""
        wanted = DIRECTORIES_WAITING if self.regime.slow else 1
        while True:
            if self._stopped():
                self._stop()
            if len(self._backlog) >= wanted or not self._receive(block=False):
                return bool(self._backlog)

    def _stop(self) -> None:
        """The run was interrupted: what was not begun will not be."""
        for work, dropped in self._backlog.stop():
            self._count(work, dropped)

    async def _one(self, ops: FileOps, work: Work, task: Task, index: int) -> None:
        try:
            await handle_entry(self._context, ops, task, index)
        except NoDescriptorsError:
            self._again.append((work, task, index))
            return
        finally:
            with self._context.lock:
                task.in_flight -= 1
                self._in_flight -= 1
        self._count(work)

    def _run_again(self) -> None:
        """Entries for which no descriptor was free: one at a time, when all others have ended."""
        again, self._again = self._again, []
        if not again:
            return
        self._limit = max(1, self._limit // 2)
        plain = self._backends.plain
        plain.waiting = False
        for work, task, index in again:
            task.in_flight += 1
            self._in_flight += 1
            plain.run(iter([self._one(plain.ops, work, task, index)]), 1)
        for work, task, index in self._again:
            task.fail(index, "open", OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
            self._count(work)
        self._again = []

    def _give_back(self) -> None:
        """Return the entries that were not begun to the parent, where other workers have nothing to do."""
        work = self._backlog.oldest()
        if work is None or not self._shared.hungry() or time.monotonic() - work.began < _KEEP_SECONDS:
            return
        if self.regime.slow and self._backlog.left() <= self._limit:
            return  # it will all be in flight sooner than another worker could begin it
        # It may be that all that was begun has already ended.
        self._count(work, self._backlog.give_back(work))

    def _count(self, work: Work, entries: int = 1) -> None:
        """Note that entries of a batch need nothing more here; coroutines may run in threads."""
        with self._context.lock:
            work.done += entries
            finished = work.done == work.total
        if finished and entries:
            self._finish(work)
        elif self._live is not None:
            self._live.counted(self._context.counts)

    def _finish(self, work: Work) -> None:
        context = self._context
        for fd in work.fds:
            os.close(fd)
        for task in work.tasks:
            task.forget_staging()
        with context.lock:
            context.counts, taken = counts.zero(), context.counts
            for method, total in context.copier.bytes_by.items():
                place = counts.CLONED if method is CopyMethod.REFLINK else counts.WRITTEN
                taken[place] += total - self._reported_bytes[method]
                self._reported_bytes[method] = total
        if self._live is not None:
            self._live.answered(taken)
        slices = [tuple(task.result()) for task in work.tasks]
        self._channel.send(BatchResult(work.id, slices, tuple(taken), context.fatal))

    async def _copy_lanes(self, ops: FileOps, src: int, dst: int, start: int, length: int) -> int:
        """Copy a large range, and tell how far it is."""
        stop, block = self._stopped, self._config.buffer_size
        if self._teller is not None:
            stop = self._teller.counting(src, stop, block)
        return await self._backends.copy_lanes(ops, src, dst, start, length, block, stop)

    def report(self) -> WorkerReport:
        """What this worker did and why."""
        copier = self._context.verifying
        return WorkerReport(
            -1,
            self.regime.files[False],
            self.regime.files[True],
            self._backends.ring_refused or "used",
            {method.value: size for method, size in self._context.copier.bytes_by.items() if size},
            None if copier is None else (copier.from_storage, copier.from_cache),
            tuple(self.regime.switches),
        )
