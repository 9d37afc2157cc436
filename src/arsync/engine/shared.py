"""How a run is stopped: the signals that do it, and the flags that the parent and its workers share, in a page of
memory that survives the fork."""

from __future__ import annotations

import mmap
import signal
import struct
import time
from collections.abc import Callable

#: Signals that stop a run: the first in order, the second at once.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_STOP = 0
_HUNGRY = 1
_BEAT = struct.Struct("@d")
_BEAT_OFFSET = 8


class Shared:
    """``stop``: the run was interrupted. ``hungry``: a worker has nothing to do while others have much."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

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
