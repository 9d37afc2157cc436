"""The parent's side of the worker processes: starting them, feeding them, hearing from them, and their death."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from arsync.engine import counts
from arsync.engine.batches import PackedBatch, Packer
from arsync.engine.shared import Shared
from arsync.engine.slices import SliceWork
from arsync.engine.start import Process
from arsync.engine.tree import Node
from arsync.engine.wire import SLICE_NAMES, BatchResult, SliceResult
from arsync.errors import ExitCode, FatalError
from arsync.events import WorkerReport

#: Batches that a worker has at once: one being worked on, and one so that it never waits for the parent.
_OUTSTANDING = 2

#: The same of a worker that answered twice within so many seconds: a parent that has to wait for its CPU leaves it
#: alone for longer than two such batches take. (With 2, finding nothing to do in 400,000 files took a tenth longer on
#: two CPUs.) A large file would have others wait behind it, but no more than what takes no time.
_OUTSTANDING_QUICK = 6
_QUICK_SECONDS = 0.01

#: Names in a batch for such a worker: one batch costs both sides as much as some thirty files that need nothing. (With
#: as many as for others, 400,000 of them took a tenth longer.) What it does not come to it gives back, as ever.
_QUICK_NAMES = 4 * SLICE_NAMES

#: The same where storage waits, for batches together smaller than so many names: files in flight from many
#: directories do not wait for each other, and a directory may be small.
_OUTSTANDING_WAITING = 64
_NAMES_WAITING = 4 * SLICE_NAMES

#: Before there is an event loop, nobody hears that a worker has finished: enough to keep it busy until there is.
_OUTSTANDING_AHEAD = 24

#: Names that wait for a worker at the most before the traversal pauses: the bounded queue that keeps memory flat.
QUEUED_NAMES = 32 * SLICE_NAMES

#: Seconds that workers get to end by themselves once they were told to stop.
_END_SECONDS = 10.0

_POLL_SECONDS = 0.0005

OnResult = Callable[[PackedBatch, BatchResult], None]


if TYPE_CHECKING:
    import asyncio


class WorkerDiedError(FatalError):
    """A worker process ended unexpectedly."""

    def __init__(self, number: int, status: int, names: list[bytes]) -> None:
        how = f"was killed by signal {-status}" if status < 0 else f"exited with code {status}"
        shown = ", ".join(os.fsdecode(name) for name in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        doing = f"; not confirmed: {shown}{more}" if names else ""
        why = " (is memory short? see dmesg)" if status == -signal.SIGKILL else ""
        text = f"worker {number} {how}{why}{doing}; the same command again copies what is missing"
        super().__init__(text, ExitCode.WORKER_DIED)


class Pool:
    """Feeds the worker processes from a queue of slices; runs in the parent's event loop."""

    def __init__(
        self,
        processes: list[Process],
        packer: Packer,
        shared: Shared,
        on_result: OnResult,
        waiting: Callable[[], int],
        has_room: Callable[[], bool],
    ) -> None:
        self._processes = processes
        self._packer = packer
        self._shared = shared
        self._on_result = on_result
        self._waiting = waiting
        self._has_room = has_room
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ending = False
        self._pumping = False
        self._dropping = False
        self.died: list[WorkerDiedError] = []
        self.left: list[Node] = []

    def works(self) -> Iterator[tuple[int, dict[int, SliceWork]]]:
        """What workers have now: the number of each, and its slices by their ids."""
        for process in self._processes:
            yield process.number, {number: w for batch in process.batches.values() for number, w in batch.works.items()}

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear the workers from now on. Before, they can only be fed."""
        self._loop = loop
        for process in self._processes:
            loop.add_reader(process.channel.fileno(), self._readable, process)
        self._hear_what_is_taken_in()

    def enqueue(self, work: SliceWork, *, first: bool = False) -> None:
        """Queue a slice."""
        waiting = bool(self._packer)
        self._packer.add(work, first=first)
        if not waiting and not self._pumping:  # where others wait, every worker has its fill
            self.pump()

    def queued(self) -> bool:
        """Whether anything waits for a worker."""
        return bool(self._packer)

    def full(self) -> bool:
        """Whether the queue has enough for now."""
        return self._packer.names > QUEUED_NAMES

    async def room(self) -> None:
        """Wait until the queue has room."""
        assert self._loop is not None
        if self.full():
            self._waiter = self._loop.create_future()
            await self._waiter

    def _tell_room(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def pump(self) -> None:
        """Give every worker that has room its next batch."""
        if self._shared.stopped() or all(process.ended for process in self._processes):
            self._drop_queue()
        self._pumping = True
        waiting = self._waiting()
        limits = [self._most(process, waiting) for process in self._processes]
        hungry = False
        for level in range(max(limits)):
            for process, limit in zip(self._processes, limits):
                if process.ended or len(process.batches) != level or level >= limit:
                    continue
                if not self._packer:
                    hungry = hungry or level == 0
                    break
                if level and not self._has_room():
                    break  # descriptors are few: what is in flight must come back first
                if waiting and sum(batch.names for batch in process.batches.values()) >= _NAMES_WAITING:
                    continue
                self._feed(process)
        self._pumping = False
        self._hear_what_is_taken_in()
        self._shared.set_hungry(hungry)
        if self._packer.names <= QUEUED_NAMES // 2:
            self._tell_room()

    def _most(self, process: Process, waiting: int) -> int:
        """How many batches a worker may have."""
        most = _OUTSTANDING_WAITING if waiting else _OUTSTANDING_QUICK if process.quick else _OUTSTANDING
        return most if self._loop is not None else max(most, _OUTSTANDING_AHEAD)

    def _feed(self, process: Process) -> None:
        names = _QUICK_NAMES if process.quick else SLICE_NAMES
        while (batch := self._packer.take(names)) is not None:
            try:
                fds = batch.pin()
                break
            except OSError as error:
                self._on_result(batch, failed(batch, error))
        if batch is None:
            return
        try:
            process.channel.send(tuple(batch.message), fds)
        except (BrokenPipeError, ConnectionResetError):
            # It died: what it had, this batch too, is reported when the end of its channel is read.
            batch.unpin()
            batch.directories = []
        except OSError as error:
            batch.unpin()
            if not any(other.batches for other in self._processes):
                self._on_result(batch, failed(batch, error))
                return
            # Its socket buffer is full, or too many descriptors are on their way (ETOOMANYREFS): when something was
            # answered it is tried again.
            for work in reversed(batch.works.values()):
                self._packer.add(work, first=True)
            return
        process.batches[batch.message.id] = batch

    def _hear_what_is_taken_in(self) -> None:
        """Answers that came while a long message waited for room: the loop does not see them."""
        if self._loop is not None:
            for process in self._processes:
                if process.channel.pending:
                    self._loop.call_soon(self._readable, process)

    def _readable(self, process: Process) -> None:
        while not process.ended:
            try:
                message = process.channel.receive()
            except BlockingIOError:
                break
            except ConnectionError:
                message = None
            if message is None:
                self._end_of(process)
                break
            answer = message[0]
            if answer[0] == -1:
                process.report = WorkerReport(*answer[1])._replace(number=process.number)
                continue
            result = BatchResult(*answer)
            batch = process.batches.pop(result.id)
            last, process.answered = process.answered, time.monotonic()
            process.quick = process.answered - last < _QUICK_SECONDS
            batch.unpin()
            self._on_result(batch, result)
        self.pump()

    def _end_of(self, process: Process) -> None:
        """A worker's channel ended: by itself at the end of the run, or because it died."""
        assert self._loop is not None
        self._loop.remove_reader(process.channel.fileno())
        process.channel.close()
        process.ended = True
        _, status = os.waitpid(process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if self._ending and code == 0:
            return
        names = [
            work.node.path + name
            for batch in process.batches.values()
            for work in batch.works.values()
            for name in work.names
        ]
        self.died.append(WorkerDiedError(process.number, code, names))
        self.left += {work.node for batch in process.batches.values() for work in batch.works.values()}
        lost, process.batches = process.batches, {}
        for batch in lost.values():
            batch.unpin()
            self._on_result(batch, failed(batch, None))
        if all(other.ended for other in self._processes):
            self._drop_queue()

    def _drop_queue(self) -> None:
        """Nothing is worked on any more. What comes of it (hard links) is queued, and dropped in its turn."""
        if self._dropping:
            return
        self._dropping = True
        while (batch := self._packer.take()) is not None:
            self._on_result(batch, failed(batch, None))
        self._dropping = False
        self._tell_room()

    async def close(self) -> list[WorkerReport]:
        """Tell the workers that nothing follows, and wait for them; returns what they report of themselves."""
        self._ending = True
        for process in self._processes:
            if not process.ended:
                with contextlib.suppress(OSError):
                    process.channel.end()
        if not await self._all_ended(_END_SECONDS):
            self.kill()
            await self._all_ended(_END_SECONDS)
        return [process.report for process in self._processes if process.report is not None]

    async def _all_ended(self, seconds: float) -> bool:
        """Wait for the ends of the channels; False where some are still open after ``seconds``."""
        import asyncio

        for _ in range(int(seconds / _POLL_SECONDS)):
            if all(process.ended for process in self._processes):
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False

    def abandon(self) -> None:
        """End the workers at once and wait for their ends: nobody listens to them any more."""
        self.kill()
        for process in self._processes:
            if not process.ended:
                process.ended = True
                process.channel.close()
                os.waitpid(process.pid, 0)

    def kill(self) -> None:
        """End the workers at once."""
        for process in self._processes:
            if not process.ended:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)


def failed(batch: PackedBatch, error: OSError | None) -> BatchResult:
    """A result that says of every entry of a batch that it was not copied."""
    slices: list[tuple[Any, ...]] = []
    for work in batch.works.values():
        failures = [] if error is None else [("open the directory of", 0, error.errno or 0, "", False, False)]
        slices.append(tuple(SliceResult(work.id, len(work.names), [], failures, [])))
    return BatchResult(batch.message.id, slices, tuple(counts.zero()), 0)
