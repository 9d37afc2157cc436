"""The bytes of what the traversal finds: of all of it, or of as much as costs next to nothing."""

from __future__ import annotations

import contextlib
import os
import stat
import time

from arsync.fs.directory import DirectoryFd

#: Where only a part is measured: the seconds of CPU time that this may take at first, and then as a part of what this
#: process takes, which is itself a fraction of the run's.
_FIRST_SECONDS = 0.002
_SHARE = 0.02

#: The same of all time, since the traversal stands still where storage waits.
_FIRST_WAIT = 0.05
_WAIT_SHARE = 0.02

#: Names that are measured before the clocks are looked at: where storage waits, each is a wait.
_STEP = 16


class Measure:
    """Adds up sizes. ``whole``: of every entry, as rsync's percentages need it; else of a sample, from which the rest
    is estimated (of a tree of some thousand entries, that is all)."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._began = time.monotonic()
        self._spent = self._waited = 0.0
        self.entries = 0  # that were measured, and
        self.size = 0  # their bytes
        self.missed = 0  # entries that were not

    def add(self, source: DirectoryFd, names: list[bytes]) -> None:
        """Measure entries of a directory; what is gone has no size."""
        with contextlib.suppress(OSError), source.pinned() as fd:
            if self._whole:
                self._add(fd, names)
                return
            for begin in range(0, len(names), _STEP):
                if self._exhausted():
                    self.missed += len(names) - begin
                    return
                cpu, now = time.thread_time(), time.monotonic()
                self._add(fd, names[begin : begin + _STEP])
                self._spent += time.thread_time() - cpu
                self._waited += time.monotonic() - now

    def _exhausted(self) -> bool:
        waited = _FIRST_WAIT + _WAIT_SHARE * (time.monotonic() - self._began)
        return self._spent > _FIRST_SECONDS + _SHARE * time.process_time() or self._waited > waited

    def _add(self, fd: int, names: list[bytes]) -> None:
        for name in names:
            with contextlib.suppress(OSError):
                st = os.stat(name, dir_fd=fd, follow_symlinks=False)
                self.size += st.st_size if stat.S_ISREG(st.st_mode) or stat.S_ISLNK(st.st_mode) else 0
        self.entries += len(names)
