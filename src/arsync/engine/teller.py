"""A worker's side of progress: what it has done, and how far large files are, told to the parent in shared memory.

Made where progress is shown, and for the first large file, so that SIGUSR1 finds out how far it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from arsync.engine import counts
from arsync.engine.shared import Shared
from arsync.engine.task import Task

#: Seconds between two tellings of what was done: several for each look of the parent's.
_LEAST = 0.03


class Teller:
    """Tells what this worker does. Coroutines may run in threads: each call is whole."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._files: dict[int, tuple[int, int, int]] = {}
        self._parts: dict[int, int] = {}
        self._entries = self._size = self._moved = self._copied = 0  # of what was answered
        self._next = 0.0

    def begin(self, src: int, task: Task, index: int, size: int) -> None:
        """A file of ``size`` bytes is going to be copied from the descriptor ``src``."""
        with self._lock:
            self._files[src] = (task.slice.id, index, size)
            self._moved_to(src, 0)

    def moved(self, src: int, done: int) -> None:
        """``done`` bytes of it were copied."""
        if src in self._files:
            with self._lock:
                self._moved_to(src, done)

    def ended(self, src: int) -> None:
        """It is copied, or has failed: another one is told of, if there is any."""
        with self._lock:
            self._files.pop(src, None)
            self._parts.pop(src, None)
            if not self._files:
                self._shared.tell(0, 0, 0, 0, 0)
            for other, done in list(self._parts.items())[:1]:
                self._moved_to(other, done)

    def _moved_to(self, src: int, done: int) -> None:
        number, index, size = self._files[src]
        self._parts[src] = done
        self._shared.tell(number, index, done, size, sum(self._parts.values()))

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

    def counted(self, tally: list[int]) -> None:
        """Tell what was done, from time to time; ``tally``: the counts since the last answer (engine/counts.py)."""
        if (now := time.monotonic()) >= self._next:
            self._next = now + _LEAST
            self._publish(tally)

    def answered(self, taken: list[int]) -> None:
        """These counts go to the parent with an answer: they begin anew."""
        self._entries += _entries(taken)
        self._size += taken[counts.TOTAL_SIZE]
        self._moved += taken[counts.TRANSFERRED_SIZE]
        self._copied += taken[counts.FILES]
        self._publish(counts.zero())

    def _publish(self, tally: list[int]) -> None:
        with self._lock:
            self._shared.tally(
                self._entries + _entries(tally),
                self._size + tally[counts.TOTAL_SIZE],
                self._moved + tally[counts.TRANSFERRED_SIZE],
                self._copied + tally[counts.FILES],
            )


def _entries(tally: list[int]) -> int:
    return sum(tally[counts.SEEN : counts.SEEN + counts.KINDS])
