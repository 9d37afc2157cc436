"""``--log-file``: what is done, in a file that only grows, each line with its time and this process's id."""

from __future__ import annotations

import os

from arsync.config import CopyConfig
from arsync.fs.operator_path import OperatorPaths
from arsync.ui.escape import escape
from arsync.ui.formats import now

#: Bytes that are collected before they are written.
_BUFFER = 32 << 10

#: A fifo that nobody reads must not make a run wait for ever: it is said to be no such device.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOCTTY | os.O_NONBLOCK


class LogFile:
    """An open log file. Lines are appended in whole writes, so that several runs can share it."""

    def __init__(self, path: bytes, *, insecure_links: bool = False) -> None:
        """Raises OSError where it cannot be opened. Somebody else's symlink would say which file of ours grows: it is
        not followed (``insecure_links``: it is)."""
        self._fd = OperatorPaths(insecure_links).file(path, _FLAGS, 0o666)
        os.set_blocking(self._fd, True)
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


def open_log(config: CopyConfig) -> tuple[LogFile | None, bytes]:
    """The log file that a run asks for, or why there is none: it goes on without, as with rsync."""
    assert config.log_file is not None
    try:
        return LogFile(config.log_file, insecure_links=config.insecure_links), b""
    except OSError as error:
        why = f": {error.strerror} ({error.errno})".encode()
        return None, b"failed to open log-file " + escape(config.log_file) + why
