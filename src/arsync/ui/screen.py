"""The terminal under the display of --progress: lines scroll by above it, and nothing is torn.

Between two writes the cursor stands at the beginning of the display's first line. So whatever is written next begins
with erasing from there to the end of the screen, which is right on every terminal, also where it was resized and has
broken its lines anew, and whoever takes over the terminal (a killed run, ^Z) finds the cursor in its place, and shown.
"""

from __future__ import annotations

import contextlib
import os
from typing import BinaryIO

from arsync.config import CopyConfig
from arsync.ui.output import BUFFER, Output

_ERASE = b"\r\x1b[J"


class Screen(Output):
    """A run's stdout and stderr, with a frame of some lines below what is written."""

    def __init__(self, config: CopyConfig, out: BinaryIO, err: BinaryIO) -> None:
        super().__init__(config, out, err)
        if config.outbuf not in ("N", "L"):
            self._limit = BUFFER  # lines come with the next frame, a fifth of a second later
        self._frame = b""
        self._drawn = False

    @property
    def fd(self) -> int:
        """The terminal's descriptor."""
        return self._out.fileno()

    def show(self, lines: list[bytes]) -> None:
        """Write what was collected, and these lines below it in place of those before; none: nothing is shown."""
        self._frame = b"\n".join(lines) + b"\r"
        if len(lines) > 1:
            self._frame += b"\x1b[%dA" % (len(lines) - 1)
        if not lines:
            self._frame = b""
        self._draw()

    def flush(self) -> None:
        if self._chunks:
            self._draw()

    def complain(self, line: bytes) -> None:
        frame, self._frame = self._frame, b""
        self._draw()
        with contextlib.suppress(OSError):  # as for Output
            self._err.write(line + b"\n")
            self._err.flush()
        self._frame = frame
        self._draw()

    def cut_off(self) -> None:
        """Erase the frame by one system call."""
        if self._drawn:
            with contextlib.suppress(OSError):  # the process is about to end
                os.write(self.fd, _ERASE)

    def _draw(self) -> None:
        """In one write, so that no moment is seen without the frame."""
        if not (self._drawn or self._chunks or self._frame):
            return
        if self._drawn:
            self._chunks.insert(0, _ERASE)
        self._chunks.append(self._frame)
        self._drawn = bool(self._frame)
        super().flush()
