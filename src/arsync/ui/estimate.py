"""How much of a run is done, how fast it is, and how long the rest will take: estimates, as nobody counts first."""

from __future__ import annotations

from collections import deque

from arsync.events import Progress

#: Bytes that take about as long to copy as an entry takes without them.
_ENTRY_BYTES = 64 << 10

#: Seconds over which the rate is measured: short enough to follow, long enough to be steady.
_WINDOW = 5.0

#: Before so much time has passed, and so much is done, nobody can say how long the rest will take.
_LEAST_SECONDS = 1.0
_LEAST_FRACTION = 0.005


class Estimate:
    """What can be said of a run at one moment. ``fraction`` never becomes less, and is 1 only when all is done."""

    def __init__(self, now: float) -> None:
        """``now``: seconds of a clock that never goes back, as in :meth:`update`."""
        self._began = now
        self._samples: deque[tuple[float, int]] = deque([(now, 0)])
        self.elapsed = 0.0
        self.fraction = 0.0
        self.rate = 0.0  # bytes a second, of late
        self.left: float | None = None  # seconds; None: unknown

    def update(self, progress: Progress, now: float) -> None:
        """Take in how far the run is."""
        self.elapsed = max(now - self._began, 0.0)
        self._measure(progress.moved, now)
        self.fraction = max(self.fraction, min(_fraction(progress), 0.999))
        self.left = self._time_left(progress)

    def _measure(self, moved: int, now: float) -> None:
        samples = self._samples
        samples.append((now, moved))
        while len(samples) > 2 and samples[1][0] <= now - _WINDOW:
            samples.popleft()
        seconds = now - samples[0][0]
        self.rate = (moved - samples[0][1]) / seconds if seconds > 0.001 else 0.0

    def _time_left(self, progress: Progress) -> float | None:
        if self.elapsed < _LEAST_SECONDS or self.fraction < _LEAST_FRACTION:
            return None
        left = self.elapsed * (1 - self.fraction) / self.fraction
        if self.rate:
            left = max(left, max((doing.size - doing.done for doing in progress.workers), default=0) / self.rate)
        return left


def _fraction(progress: Progress) -> float:
    """The part of the work that is done: entries and bytes, and of what is not known yet as much as of what is."""
    if not progress.passed or not progress.share:
        return 0.0
    rest = sum(doing.size - doing.done for doing in progress.workers)
    size = max(progress.passed_size - rest, 0)  # a file counts as a whole as soon as it is begun
    entries = max(progress.listed / progress.share, progress.passed)
    if progress.measured >= progress.passed or not progress.unmeasured:
        whole = progress.listed_size * (1 + progress.unmeasured / max(progress.measured, 1)) / progress.share
    else:  # what is done is the larger sample of the two
        whole = size / progress.passed * entries
    whole = max(whole, size + rest)
    return (progress.passed + size / _ENTRY_BYTES) / (entries + whole / _ENTRY_BYTES)
