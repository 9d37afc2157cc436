"""The ring's own event loop: drives coroutines that await operations of :class:`~arsync.fs.uring.UringOps`.

Everything that can run does so before one submission is made for all of it, and completions are taken as many at a
time as there are. There is no future and no callback per operation: a completion's number leads to its coroutine.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any

from arsync.fs.binding import Refusal, RefusedError
from arsync.fs.cpus import on_every_cpu, usable_cpus
from arsync.fs.semaphore import Semaphore
from arsync.fs.setup import set_up
from arsync.fs.threads import Threads
from arsync.fs.uring import LANE, UringOps

#: Permits that exist beyond the files in flight, so that a large file gets lanes while small ones fill the queue.
SPARE_PERMITS = 8

#: Entries of the largest submission queue that is asked for; the kernel's own bound is 32768.
_MOST_ENTRIES = 4096

#: While many operations are in flight, wait for this part of them rather than for each.
_WAIT_SHARE = 8


class RingRunner:
    """One ring and what drives it. Belongs to the thread and the process that made it.

    ``queue_depth``: files in flight, and operations that may block at once. Raises RefusedError with the reason where
    there can be no ring.
    """

    def __init__(self, queue_depth: int) -> None:
        in_flight = queue_depth + SPARE_PERMITS
        entries = 1 << (min(in_flight, _MOST_ENTRIES) - 1).bit_length()
        ring = set_up(entries, workers=in_flight, cpus=usable_cpus())
        if isinstance(ring, Refusal):
            raise RefusedError(ring.reason)
        self._ring = ring
        self._threads = Threads(ring, queue_depth)
        self._permits = Semaphore(in_flight)
        self._running = False
        self.ops = UringOps(ring, self._permits, self._threads)

    @property
    def waiting(self) -> bool:
        """Whether storage makes callers wait: :attr:`UringOps.waiting`."""
        return self.ops.waiting

    @waiting.setter
    def waiting(self, value: bool) -> None:
        self.ops.waiting = value

    def run(self, coroutines: Iterator[Coroutine[Any, Any, None] | None], limit: int) -> None:
        """Drive every coroutine to its end, at most ``limit`` at a time; the iterator is asked lazily.

        Where it gives None it is asked again when a coroutine has ended: it may do so while one is in flight.
        An exception that escapes a coroutine or the iterator is raised after those in flight have ended. Raises
        RuntimeError after a fork, in another thread, after close() and inside another run() of this ring.
        """
        self._ring.check()
        if self._running:
            raise RuntimeError("the ring's loop is running already")
        if limit < 1:
            raise ValueError("at least one coroutine must be allowed in flight")
        self._running = True
        try:
            with on_every_cpu():
                error = self._drive(coroutines, limit)
        except BaseException:
            # The ring failed, or a signal's handler raised inside the loop: who waits for what is no longer known.
            self.close()
            raise
        finally:
            self._running = False
        if error is not None:
            raise error

    def _drive(self, coroutines: Iterator[Coroutine[Any, Any, None] | None], limit: int) -> BaseException | None:
        """The loop; returns the first exception that escaped. Names are local, because every operation passes here."""
        ring, permits = self._ring, self._permits
        tasks, ready = ring.tasks, ring.ready
        take, release = tasks.pop, permits.release
        files = begun = 0
        pulling = True
        first: BaseException | None = None
        batch: list[tuple[Any, Any]] = []
        taken = ring.last
        while True:
            for number, result in batch:
                coroutine = take(number)
                try:
                    tasks[coroutine.send(result)] = coroutine
                except StopIteration as ended:
                    if ended.value is not LANE:
                        files -= 1
                        release()
                except BaseException as error:  # returned once those in flight have ended
                    self._check_ended(coroutine, error)
                    files -= 1
                    release()
                    pulling = False
                    first = first or error
            while pulling and files < limit and permits.acquire():
                try:
                    coroutine = next(coroutines)
                except BaseException as error:  # as above; the iterator's end too
                    if not isinstance(error, StopIteration):
                        first = first or error
                    coroutine, pulling = None, False
                if coroutine is None:
                    release()
                    break
                files += 1
                begun -= 1  # negative, unlike the numbers of submissions
                tasks[begun] = coroutine
                ready.append((begun, None))
            if ready:
                batch = ready.copy()
                ready.clear()
            elif not files:
                return first
            else:
                try:
                    batch = self._wait()
                except KeyboardInterrupt as error:  # a signal's handler, run when the wait returned or right behind
                    first, pulling, batch = first or error, False, ring.reap_after(taken)
                taken = ring.last

    def _check_ended(self, coroutine: Any, error: BaseException) -> None:
        """Raise ``error`` again where the coroutine has not ended by it: a signal's handler raised it behind the
        coroutine's back, when the kernel had already been given what its frame keeps alive."""
        frame = coroutine.cr_frame if hasattr(coroutine, "cr_frame") else coroutine.gi_frame
        if frame is not None:
            self._ring.tasks[error] = coroutine
            raise error

    def _wait(self) -> list[tuple[Any, Any]]:
        """Submit what has been written, and return what has completed; waits where nothing has."""
        ring, threads = self._ring, self._threads
        if threads:
            # Others want the GIL, and would keep it: give it away only in order to wait.
            ring.submit()
            if completed := ring.reap():
                return completed
        # A wake-up for each completion would cost more than the operation; but a call in a thread counts for none.
        ring.wait(1 if threads.outstanding else max(1, ring.in_flight // _WAIT_SHARE))
        return ring.reap()

    def close(self) -> None:
        """Wait for what is in flight, let the threads end, give up the ring. Nothing of it is used afterwards."""
        self._threads.close()
        self._ring.close()
        self._threads.close_event()
