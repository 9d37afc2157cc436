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

#: The signal that asks how far a run is.
QUESTION = signal.SIGUSR1

_STOP = 0
_HUNGRY = 1
_MARKED = 2
_BEAT = struct.Struct("@d")
_BEAT_OFFSET = 8

#: What each worker says of the large file that it copies, behind the flags: a count, the slice, the entry in it, the
#: bytes done, the bytes in all (0: there is none), the bytes done of all that it has open, and the count again. Where
#: the counts differ, it was read while it was written.
_TOLD = struct.Struct("=7q")
_TOLD_AT = 64
_MOST_WORKERS = 1024

#: And of all that it has done, where progress is shown: a count, entries and their bytes, bytes and files copied, the
#: count again.
_TALLY = struct.Struct("=6q")
_TALLY_AT = _TOLD_AT + _MOST_WORKERS * _TOLD.size


class Shared:
    """``stop``: the run was interrupted. ``hungry``: a worker has nothing to do while others have much."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _TALLY_AT + _MOST_WORKERS * _TALLY.size)  # only what is used takes memory
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

    def tell(self, number: int, index: int, done: int, size: int, open_done: int) -> None:
        """A worker says how many of an entry's bytes it has copied, and of all entries that it has open."""
        self._count += 1
        place = _TOLD_AT + self.number % _MOST_WORKERS * _TOLD.size
        _TOLD.pack_into(self._page, place, self._count, number, index, done, size, open_done, self._count)

    def told(self, workers: int) -> Iterator[tuple[int, int, int, int, int, int]]:
        """What so many workers said last of the file that each copies: worker, slice, entry, bytes done, bytes in all,
        bytes done of all that it has open. It may be about files that are done."""
        for worker in range(min(workers, _MOST_WORKERS)):
            place = _TOLD_AT + worker * _TOLD.size
            after = self._page[place + _TOLD.size - 8 : place + _TOLD.size]
            count, number, index, done, size, open_done, again = _TOLD.unpack_from(self._page, place)
            if size and count == again and after == self._page[place : place + 8]:
                yield worker, number, index, done, size, open_done

    def tally(self, entries: int, size: int, moved: int, files: int) -> None:
        """A worker says what it has done since it began: entries dealt with, their bytes; bytes and files copied."""
        self._count += 1
        place = _TALLY_AT + self.number % _MOST_WORKERS * _TALLY.size
        _TALLY.pack_into(self._page, place, self._count, entries, size, moved, files, self._count)

    def tallied(self, worker: int) -> tuple[int, int, int, int] | None:
        """What a worker said last of what it has done; None where it was read while it was written."""
        place = _TALLY_AT + worker % _MOST_WORKERS * _TALLY.size
        after = self._page[place + _TALLY.size - 8 : place + _TALLY.size]
        count, entries, size, moved, files, again = _TALLY.unpack_from(self._page, place)
        if count == again and after == self._page[place : place + 8]:
            return entries, size, moved, files
        return None

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
