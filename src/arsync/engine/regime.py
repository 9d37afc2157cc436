"""Which way of working pays for the storage at hand, decided from what the last files cost.

On a warm local file system a worker computes all the time: plain calls, one file after another, are fastest. On
storage that answers slowly (network, FUSE, a cold disk) it waits: many files in flight are. The two are told apart
by comparing the CPU time a run of files used with the wall time that passed, and by whether the process gave up
the CPU by itself; being preempted by a neighbour looks like waiting only in the first. Waiting for a lock whose holder
has no CPU looks like it in both: where there are too few CPUs, this process lacks them as well, and for longer than
it sleeps.
"""

from __future__ import annotations

import resource
import time

from arsync.engine.rundelay import RunDelay

#: Files between two looks, at least; a look costs about three microseconds, with what is asked beside it.
SAMPLE_FILES = 16

#: Files that need almost nothing pass many at a time: a look each millisecond is enough, and after so many files.
_LOOK_SECONDS = 0.001
_MOST_FILES = 256

#: Waiting: less than half of the wall time was computing, and at least every second file slept. What remains of the
#: wall time without the time in which there was no CPU is longer than that.
_BUSY_SHARE = 0.5
_SLEEPS_PER_FILE = 0.5

#: With files in flight, a worker that computes this much of the time waits no longer.
_COMPUTING_SHARE = 0.85

#: Files until plain calls are tried again; doubled each time that turns out to be wrong.
_FIRST_TRIAL = 2048


class Regime:
    """Whether this worker waits for its storage, and whether it therefore keeps many files in flight.

    ``in_flight`` follows ``slow`` unless it is forced (``--io-engine=uring`` sends everything through the ring).
    """

    def __init__(self, always_in_flight: bool = False) -> None:
        self.slow = False
        self._always = always_in_flight
        self._trial = _FIRST_TRIAL
        self._files_slow = 0
        self.stride = SAMPLE_FILES  # files until the next look
        self.files = {False: 0, True: 0}
        self.switches: list[str] = []
        self._delay = RunDelay()
        self._mark()

    @property
    def in_flight(self) -> bool:
        """Whether to keep many files in flight now."""
        return self.slow or self._always

    def hint(self, waiting: bool) -> None:
        """The traversal saw the same storage make it wait: begin that way."""
        if waiting and not self.slow and not any(self.files.values()):
            self._switch(True, "listing its directories waited")

    def sample(self, files: int) -> bool:
        """Judge the last ``files`` files; True where the way of working is to change."""
        self.files[self.in_flight] += files
        wall, cpu, sleeps = self._mark()
        if not self.slow:
            if cpu < wall * _BUSY_SHARE and self._waited(files, wall, cpu, sleeps):
                self._switch(True, f"{files} files took {wall * 1e3:.1f} ms, of which {cpu * 1e3:.1f} ms computing")
                return True
            self.stride = (
                min(_MOST_FILES, max(SAMPLE_FILES, int(files * _LOOK_SECONDS / wall))) if wall else _MOST_FILES
            )
            return False
        self._files_slow += files
        free = max(wall - self._delay.taken(), cpu)
        if files and cpu > free * _COMPUTING_SHARE and self._files_slow >= self._trial:
            self._trial *= 2
            self._switch(False, f"computing {min(cpu / free, 1):.0%} of the time")
            return True
        return False

    def _waited(self, files: int, wall: float, cpu: float, sleeps: int) -> bool:
        """Whether the wall time in which nothing was computed was spent waiting for storage."""
        # Forced onto the ring, the kernel's workers do the waiting, and every wait for them is a sleep.
        if self._always or not files or sleeps < files * _SLEEPS_PER_FILE:
            return False
        # Asked only now, since asking costs as much as a file; what is older than these files counts once.
        delay = self._delay.taken()
        return wall - cpu - delay > max(cpu, delay)

    def restart(self) -> None:
        """Forget the time since the last look: it was spent waiting for work."""
        self._mark()
        if self.slow:
            self._delay.taken()

    def _switch(self, slow: bool, reason: str) -> None:
        self.slow = slow
        self.stride = SAMPLE_FILES
        self._files_slow = 0
        name = "storage waits, many files in flight" if slow else "storage answers at once"
        self.switches.append(f"after {sum(self.files.values())} files: {name} ({reason})")

    def _mark(self) -> tuple[float, float, int]:
        """Wall seconds, CPU seconds and voluntary context switches since the last mark."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        now, cpu, sleeps = time.monotonic(), usage.ru_utime + usage.ru_stime, usage.ru_nvcsw
        last = getattr(self, "_last", (now, cpu, sleeps))
        self._last = (now, cpu, sleeps)
        return now - last[0], cpu - last[1], sleeps - last[2]
