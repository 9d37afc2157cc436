"""Where lines go: collected and written in blocks, or at once (--outbuf, --stderr)."""

from __future__ import annotations

import contextlib
from typing import BinaryIO

from arsync.config import CopyConfig

#: Bytes of output that are collected before they are written.
BUFFER = 64 << 10


class Output:
    """A run's stdout and stderr. What was collected is written before anything goes to stderr."""

    def __init__(self, config: CopyConfig, out: BinaryIO, err: BinaryIO) -> None:
        self._out = err if config.stderr == "all" else out
        self._err = err
        self._chunks: list[bytes] = []
        self._size = 0
        self._lost: OSError | None = None
        self.terminal = self._out.isatty()
        at_once = config.outbuf in ("N", "L") or (not config.outbuf and self.terminal)
        self._limit = 0 if at_once else BUFFER

    def line(self, line: bytes) -> None:
        """Write a line."""
        self.write(line + b"\n")

    def write(self, chunk: bytes) -> None:
        """Write what may be less or more than a line."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > self._limit:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        if data and self._lost is None:
            try:
                self._out.write(data)
                self._out.flush()
            except OSError as error:
                self._lost = error

    def complain(self, line: bytes) -> None:
        """Write a line to stderr."""
        self.flush()
        with contextlib.suppress(OSError):  # there is nowhere left to say it; the exit code does
            self._err.write(line + b"\n")
            self._err.flush()

    def lost(self) -> OSError | None:
        """Why output could not be written; the copy itself goes on without it. None too where merely nobody reads it
        any more (a closed pipe), which is not an error to rsync either."""
        return None if isinstance(self._lost, BrokenPipeError) else self._lost
