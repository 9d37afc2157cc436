"""How long a thread could have run but had no CPU: time that passes as if it waited for something."""

from __future__ import annotations

import threading

#: Of the thread that reads it: nanoseconds on a CPU, nanoseconds in the run queue, slices (Documentation/scheduler).
_SCHEDSTAT = "/proc/thread-self/schedstat"


class RunDelay(threading.local):
    """Of each thread that asks, since it asked last, or since its first contact with this object."""

    def __init__(self) -> None:
        self._last = 0
        self.taken()

    def taken(self) -> float:
        """Seconds; 0 where the kernel does not count them. Costs some microseconds."""
        try:
            with open(_SCHEDSTAT, "rb", buffering=0) as file:
                now = int(file.read().split()[1])
        except (OSError, IndexError):
            return 0.0
        delay, self._last = now - self._last, now
        return delay / 1e9
