"""The bytes of what the traversal finds: of all of it, or of as much as costs next to nothing."""

from __future__ import annotations

import contextlib
import os
import stat
import time

from arsync.fs.directory import DirectoryFd

#: Where only a part is measured: the seconds that this may take at first, and then as a part of the CPU time of this
#: process, which is itself a fraction of the run's.
_FIRST_SECONDS = 0.002
_SHARE = 0.02

#: Names that are measured before the clocks are looked at: where storage waits, each is a wait.
_STEP = 16


class Measure:
    """Adds up sizes. ``whole``: of every entry, as rsync's percentages need it; else of a sample, from which the rest
    is estimated (of a tree of some thousand entries, that is all)."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._spent = 0.0
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
                now = time.perf_counter()
                if self._spent > _FIRST_SECONDS + _SHARE * time.process_time():
                    self.missed += len(names) - begin
                    return
                self._add(fd, names[begin : begin + _STEP])
                self._spent += time.perf_counter() - now

    def _add(self, fd: int, names: list[bytes]) -> None:
        for name in names:
            with contextlib.suppress(OSError):
                st = os.stat(name, dir_fd=fd, follow_symlinks=False)
                self.size += st.st_size if stat.S_ISREG(st.st_mode) or stat.S_ISLNK(st.st_mode) else 0
        self.entries += len(names)
