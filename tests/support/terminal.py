"""arsync on a real terminal, a pty whose screen pyte keeps as a terminal would show it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from types import TracebackType

import pyte

from support.commands import ARSYNC

#: Seconds until something that never happens is a failure.
_PATIENCE = 60.0


class Terminal:
    """Runs arsync in the foreground of a terminal of its own; a context manager."""

    def __init__(
        self, *arguments: bytes | str, cwd: bytes, columns: int = 100, lines: int = 24, **environment: str
    ) -> None:
        self._master, slave = pty.openpty()
        self._slave = slave
        self.screen = pyte.HistoryScreen(columns, lines, history=100_000, ratio=1)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._resize(columns, lines)
        self._before = termios.tcgetattr(slave)
        names = ("PATH", "PYTHONPATH")
        self.process = subprocess.Popen(
            [*ARSYNC, *arguments],
            cwd=cwd,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={name: os.environ[name] for name in names if name in os.environ}
            | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "PYTHONFAULTHANDLER": "1"}
            | environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def _resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        """As when somebody pulls at the window's corner; the kernel sends SIGWINCH."""
        self._resize(columns, lines)
        self.screen.resize(lines, columns)

    def type(self, keys: bytes) -> None:
        """As from the keyboard."""
        os.write(self._master, keys)

    def shown(self) -> list[str]:
        """The lines of the screen that have anything."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def everything(self) -> list[str]:
        """The same, and what has scrolled off before."""
        above = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        return [line.rstrip() for line in above if line.strip()] + self.shown()

    def until(self, happened: Callable[[], bool]) -> None:
        """Read what is written until something is to be seen."""
        end = time.monotonic() + _PATIENCE
        while not happened():
            assert time.monotonic() < end, self.shown()
            assert self._read(), self.shown()

    def _read(self) -> bool:
        """Read some; False where nothing comes any more."""
        if not select.select([self._master], [], [], 0.05)[0]:
            return self.process.poll() is None or bool(select.select([self._master], [], [], 0)[0])
        data = os.read(self._master, 4096)
        self.raw += data
        self._stream.feed(data)
        return True

    def end(self) -> int:
        """Read to the end; the exit code. The terminal must be as it was: its settings, and its cursor."""
        end = time.monotonic() + _PATIENCE
        while self._read():
            assert time.monotonic() < end, self.shown()
        code = self.process.wait(timeout=_PATIENCE)
        assert termios.tcgetattr(self._slave) == self._before
        assert not self.screen.cursor.hidden
        assert self.screen.cursor.x == 0
        return code
