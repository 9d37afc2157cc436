"""What bounds a run: how much it copies in a second (--bwlimit), how long it may stand still (--timeout), and when it
has to end (--stop-at)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from arsync.engine.shared import Shared
from arsync.errors import ExitCode

#: Seconds of a sleep, after which it is asked whether the run was stopped.
_NAP = 0.1

#: Seconds' worth of bytes that may be copied at once after a pause.
_BURST = 0.1

#: Seconds that a run which stood still gets to end by itself.
_GRACE = 2.0


class Bucket:
    """A token bucket of ``rate`` bytes a second, for one process: a run with a limit has one worker."""

    def __init__(self, rate: int, stop: Callable[[], bool]) -> None:
        self._rate = rate
        self._stop = stop
        self._lock = threading.Lock()
        self._free = time.monotonic()  # when all that was taken is paid for
        #: bytes of one read and write, so that the flow is even
        self.block = max(4096, min(1 << 20, rate // 8))

    def take(self, size: int) -> None:
        """Wait until ``size`` more bytes, which were just copied, are within the limit."""
        with self._lock:
            self._free = max(self._free, time.monotonic() - _BURST) + size / self._rate
            until = self._free
        while (left := until - time.monotonic()) > 0 and not self._stop():
            time.sleep(min(left, _NAP))


class Watch:
    """A thread that ends the run when its time is over, or when nothing was done for too long."""

    def __init__(self, shared: Shared, timeout: int, stop_at: float, kill: Callable[[], None]) -> None:
        self._shared = shared
        self._timeout = timeout
        self._stop_at = stop_at
        self._kill = kill
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.message = ""  # why it ended the run

    def start(self) -> None:
        """Begin to watch."""
        self._shared.beat()
        self._thread.start()

    def end(self) -> None:
        """The run is over."""
        self._over.set()

    def _run(self) -> None:
        while not self._wait():
            if self._stop_at and time.time() >= self._stop_at:
                self._stop_at = 0.0
                self.message = "stopped at the time that was asked for"
                self._shared.stop()
            if self._timeout and (still := self._shared.still()) >= self._timeout:
                self.message = f"timeout: nothing could be done for {int(still)} seconds"
                self._end_run()
                return

    def _wait(self) -> bool:
        """Wait a moment; whether the run is over."""
        pause, began = self._pause(), time.monotonic()
        over = self._over.wait(pause)
        if time.monotonic() - began > pause + self._timeout / 2:
            self._shared.beat()  # nobody ran, this thread neither: the process was stopped (^Z), and goes on
        return over

    def _end_run(self) -> None:
        """End a run that stands still, in order if that is still possible: what it waits for may never come."""
        self._shared.stop()
        if not self._over.wait(_GRACE):
            os.write(2, f"arsync: {self.message}\narsync error: timeout (code {ExitCode.TIMEOUT:d})\n".encode())
            self._kill()
            os._exit(ExitCode.TIMEOUT)

    def _pause(self) -> float:
        left = max(0.0, self._stop_at - time.time()) if self._stop_at else 1.0
        return min(left, self._timeout / 8 if self._timeout else 1.0, 1.0)
