"""``--log-file``: what is done, in a file that only grows, each line with its time and this process's id."""

from __future__ import annotations

import errno
import os
import stat

from arsync.ui.formats import now

#: Symlinks followed on the way to the file at the most.
_MOST_LINKS = 8

#: Bytes that are collected before they are written.
_BUFFER = 32 << 10

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


class LogFile:
    """An open log file. Lines are appended in whole writes, so that several runs can share it."""

    def __init__(self, path: bytes) -> None:
        """Raises OSError where it cannot be opened."""
        self._fd = _open(path)
        self._lines: list[bytes] = []
        self._size = 0
        self._prefix = b" [%d] " % os.getpid()
        self.lost: OSError | None = None  # why something could not be written

    def line(self, text: bytes) -> None:
        """Add a line; empty ones, which separate paragraphs on a terminal, are left out."""
        if not text:
            return
        self._lines.append(now() + self._prefix + text + b"\n")
        self._size += len(self._lines[-1])
        if self._size > _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        data = b"".join(self._lines)
        self._lines.clear()
        self._size = 0
        try:
            while data and self.lost is None:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self.lost = error

    def close(self) -> None:
        """Write the rest, and close the file."""
        self.flush()
        os.close(self._fd)


def _open(path: bytes) -> int:
    """Open the file. A symlink under its name is followed only where it is this user's own, or root's: in a directory
    that others may write to, somebody else's would say which file of ours grows."""
    for _ in range(_MOST_LINKS):
        try:
            return os.open(path, _FLAGS, 0o666)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        link = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            st = os.fstat(link)
            if not stat.S_ISLNK(st.st_mode):
                continue  # it was replaced since
            if st.st_uid not in (0, os.geteuid()):
                raise PermissionError(errno.EACCES, "it is a symlink of another user")
            path = os.path.join(os.path.dirname(path), os.readlink(b"", dir_fd=link))
        finally:
            os.close(link)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
