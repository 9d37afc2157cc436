"""Which jobs are too small for worker processes: starting them would take longer than the copy."""

from __future__ import annotations

import os
import time
from collections import deque

#: A job of at most so many entries and bytes is done by the parent.
ENTRIES = 128
BYTES = 32 << 20

#: Seconds after which looking for the end of a tree is given up: where that much passes, storage waits.
_LOOK = 0.002


class Survey:
    """Counts what is to be copied until it is too much for one process. It only looks: what it saw may have changed
    when it is copied, which then is merely slower."""

    def __init__(self) -> None:
        self.entries = 0
        self.bytes = 0
        self._until = time.monotonic() + _LOOK
        self._open: deque[int] = deque()

    def small(self) -> bool:
        """Whether it is not yet too much. One file is always small: it has one process's work."""
        return (self.entries <= 1 or (self.entries <= ENTRIES and self.bytes <= BYTES)) and (
            time.monotonic() < self._until
        )

    def add(self, name: bytes, dir_fd: int | None = None) -> bool:
        """Count one entry, and what is in it; returns :meth:`small`. What cannot be looked at counts as one."""
        self.entries += 1
        try:
            st = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
            self.bytes += st.st_size
            if st.st_mode & 0o170000 == 0o040000:
                self._open.append(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd))
        except OSError:
            return self.small()  # whoever copies it reports it
        return self._descend()

    def add_contents(self, fd: int) -> bool:
        """Count what is in an open directory; returns :meth:`small`."""
        try:
            self._open.append(os.dup(fd))
        except OSError:
            return self.small()  # no descriptor is free for looking ahead
        return self._descend()

    def _descend(self) -> bool:
        while self._open:
            fd = self._open.popleft()
            try:
                if self.small():
                    self._look_into(fd)
            finally:
                os.close(fd)
        return self.small()

    def _look_into(self, fd: int) -> None:
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    self.entries += 1
                    if not self.small():
                        return
                    if entry.is_dir(follow_symlinks=False):
                        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                        self._open.append(os.open(entry.name, flags, dir_fd=fd))
                    else:
                        self.bytes += entry.stat(follow_symlinks=False).st_size
        except OSError:
            return  # whoever copies it reports it
