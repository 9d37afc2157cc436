"""Whether a step of the parent's own waited for storage."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

#: Seconds that a step during which its thread slept must have taken to count as one that waited for storage.
_WAITED = 0.0005

#: Sleeps in such a step that are more than a lock, however long the thread lacked a CPU: slow storage makes nearly
#: every call one.
_SLEEPS_WITHOUT_CPU = 2


class Stopwatch:
    """Tells whether the steps of a visit waited for storage: time passed and the thread gave up the CPU by itself
    (being preempted does not count, nor what others who lack a CPU make it wait: see regime.py). Only a step that took
    long is looked at more closely."""

    def __init__(self, without_cpu: Callable[[], float | None]) -> None:
        self._without_cpu = without_cpu
        self._mark, self._slept = time.perf_counter(), _sleeps()

    def waited(self, side: int) -> int:
        """``side`` if the time since the last call was spent waiting, else 0."""
        then, self._mark = self._mark, time.perf_counter()
        if self._mark - then <= _WAITED:
            return 0
        slept, self._slept = self._slept, _sleeps()
        if self._slept <= slept:
            return 0
        delay = self._without_cpu()
        if self._slept - slept >= _SLEEPS_WITHOUT_CPU:
            return side
        return side if delay is not None and self._mark - then - delay > max(_WAITED, delay) else 0


def _sleeps() -> int:
    """How often this thread gave up the CPU by itself."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
