"""How a run is stopped: the signals that do it, and the flags that the parent and its workers share, in a page of
memory that survives the fork."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator

#: Signals that stop a run: the first in order, the second at once.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_STOP = 0
_HUNGRY = 1
_MARKED = 2
_BEAT = struct.Struct("@d")
_BEAT_OFFSET = 8

#: What each worker says of the large file that it copies, behind the flags: a count, the slice, the entry in it, the
#: bytes done, the bytes in all, and the count again. Where the counts differ, it was read while it was written.
_TOLD = struct.Struct("=6q")
_TOLD_AT = 64
_MOST_WORKERS = 1024


class Shared:
    """``stop``: the run was interrupted. ``hungry``: a worker has nothing to do while others have much."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _TOLD_AT + _MOST_WORKERS * _TOLD.size)  # only what is used takes memory
        self.number = 0  # of this worker
        self.random = os.urandom(3)  # of this run
        self._count = 0

    def stop(self) -> None:
        """Ask everybody to stop at the next block of data."""
        self._page[_STOP] = 1

    def stopped(self) -> bool:
        """Whether the run was interrupted."""
        return self._page[_STOP] != 0

    def set_hungry(self, hungry: bool) -> None:
        """Say whether batches should be given back in part."""
        self._page[_HUNGRY] = hungry

    def hungry(self) -> bool:
        """Whether another worker has nothing to do."""
        return self._page[_HUNGRY] != 0

    def note_marked(self) -> None:
        """The destination bears the mark of a run that has not ended."""
        self._page[_MARKED] = 1

    def marked(self) -> bool:
        """Whether anybody has made that mark."""
        return self._page[_MARKED] != 0

    def tell(self, number: int, index: int, done: int, size: int) -> None:
        """A worker says how many of an entry's bytes it has copied."""
        self._count += 1
        place = _TOLD_AT + self.number % _MOST_WORKERS * _TOLD.size
        _TOLD.pack_into(self._page, place, self._count, number, index, done, size, self._count)

    def told(self) -> Iterator[tuple[int, int, int, int]]:
        """What workers said last: slice, entry, bytes done, bytes in all. It may be about files that are done."""
        for place in range(_TOLD_AT, len(self._page) - _TOLD.size + 1, _TOLD.size):
            after = self._page[place + _TOLD.size - 8 : place + _TOLD.size]
            count, number, index, done, size, again = _TOLD.unpack_from(self._page, place)
            if count and count == again and after == self._page[place : place + 8]:
                yield number, index, done, size

    def beat(self) -> None:
        """Note that something was done (--timeout)."""
        _BEAT.pack_into(self._page, _BEAT_OFFSET, time.monotonic())

    def still(self) -> float:
        """Seconds since something was done."""
        last: float = _BEAT.unpack_from(self._page, _BEAT_OFFSET)[0]
        return time.monotonic() - last

    def asked(self, timeout: int) -> Callable[[], bool]:
        """What those who do the work ask whether to go on. With --timeout, they are thereby known to do so."""
        return self._stopped_beating if timeout else self.stopped

    def _stopped_beating(self) -> bool:
        self.beat()
        return self.stopped()
