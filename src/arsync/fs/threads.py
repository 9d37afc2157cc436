"""Threads beside a ring, for calls that have no opcode and wait for storage.

A finished call wakes the ring through an eventfd that the ring reads: with DEFER_TASKRUN nothing else would reach a
thread that waits for completions.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import Any

from arsync.fs.ring import SQE, Ring

_IORING_OP_READ = 22


class Call:
    """One call in a thread: its outcome, and the number that its coroutine suspends with."""

    __slots__ = ("arguments", "error", "function", "result")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.function(*self.arguments)
        except BaseException as error:  # raised where the call was awaited
            self.error = error


class Threads:
    """At most ``limit`` threads, each made when there is a call for it."""

    def __init__(self, ring: Ring, limit: int) -> None:
        self._ring = ring
        self._limit = limit
        self._threads: list[threading.Thread] = []
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._finished: deque[Call] = deque()
        self._event = -1
        #: calls that have not been given back to the ring
        self.outstanding = 0

    def __bool__(self) -> bool:
        """Whether there are threads that compete for the GIL."""
        return bool(self._threads)

    def start(self, call: Call) -> bool:
        """Have ``call`` run in a thread and then made ready; False where this process can have no thread for it."""
        try:
            if self._event < 0:
                self._event = os.eventfd(0, os.EFD_CLOEXEC)
                self._arm(self._ring)
            if self.outstanding >= len(self._threads) < self._limit:
                thread = threading.Thread(target=self._work, daemon=True, name="arsync-call")
                thread.start()
                self._threads.append(thread)
        except (OSError, RuntimeError):  # EMFILE; RLIMIT_NPROC
            if not self._threads:
                return False
        self.outstanding += 1
        self._calls.put(call)
        return True

    def _work(self) -> None:
        finished, event = self._finished, self._event
        while (call := self._calls.get()) is not None:
            call.run()
            finished.append(call)
            os.eventfd_write(event, 1)

    def _arm(self, ring: Ring) -> None:
        watch = self._watch(ring)
        ring.tasks[watch] = watch
        ring.ready.append((watch, None))

    def _watch(self, ring: Ring) -> Generator[Any, Any, None]:
        """Reads the eventfd for as long as the ring lives; makes ready what has finished."""
        address, _memory = ring.new_memory(8)
        finished = self._finished
        while True:
            number = ring.tail
            if number == ring.full:
                number = yield from ring.make_room()
            SQE.pack_into(
                ring.sqes, (number & ring.mask) << 6, _IORING_OP_READ, 0, 0, self._event, 0, address, 8, 0, number
            )
            ring.tail = number + 1
            yield number
            # The eventfd was read before the queue is: what finishes from here on makes it readable again.
            while finished:
                ring.ready.append((finished.popleft(), None))
                self.outstanding -= 1

    def close(self) -> None:
        """Let the threads end, and wait for them."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def close_event(self) -> None:
        """Close the eventfd, once the ring reads it no more."""
        if self._event >= 0:
            os.close(self._event)
            self._event = -1
