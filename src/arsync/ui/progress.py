"""How far a run is, in rsync's lines: ``  12,345 100%   11.77MB/s    0:00:00 (xfr#1, to-chk=0/2)``."""

from __future__ import annotations

import time
from collections.abc import Callable

from arsync.config import CopyConfig
from arsync.events import Item, Progress, Totals
from arsync.ui.numbers import number
from arsync.ui.output import Output

#: Seconds between two lines of what is not finished at the least; where nobody looks on (a log), at least this part of
#: the time that has passed, so that a run of an hour does not write thousands of them.
_LEAST = 0.9
_SPARSE = 0.02


class Meter:
    """Makes the lines of one run. ``total``: of all files together (--info=progress2), not of each; ``sparse``: lines
    become rarer."""

    def __init__(self, human: int, *, total: bool, sparse: bool = False) -> None:
        self._human = human
        self.total = total
        self._sparse = sparse
        self._began = time.monotonic()
        self._file_began = self._began
        self._next = self._began + _LEAST
        self._path = b""

    def due(self, progress: Progress) -> bool:
        """Whether there is something to show, and for some time nothing was."""
        if not (self.total or progress.path) or time.monotonic() < self._next:
            return False
        now = time.monotonic()
        self._next = now + max(_LEAST, _SPARSE * (now - self._began) if self._sparse else 0.0)
        return True

    def during(self, progress: Progress) -> bytes:
        """The line of now: of the file that is being copied, or of the run."""
        if self.total:
            return self._line(progress.moved, progress.listed_size, self._began, _place(progress))
        if progress.path != self._path:
            # It is seen first when it has been copied for some of the time between two looks.
            self._path, self._file_began = progress.path, max(self._began, time.monotonic() - _LEAST)
        return self._line(progress.done, progress.size, self._file_began, b"  ", left=True)

    def after_file(self, path: bytes, size: int, progress: Progress) -> bytes:
        """The line of a file that was just copied."""
        if self.total:
            return self._line(progress.moved, progress.listed_size, self._began, _place(progress))
        if self._path == path:
            self._path = b""
            return self._line(size, size, self._file_began, _place(progress))
        # Too small to have been watched: the rate is that of the run.
        rate = _rate_of(progress.moved, time.monotonic() - self._began)
        return self._format(size, 100, rate, 0.0) + _place(progress)

    def _line(self, done: int, size: int, began: float, end: bytes, *, left: bool = False) -> bytes:
        seconds = time.monotonic() - began
        rate = _rate_of(done, seconds)
        if left:
            seconds = (size - done) / 1024 / rate if rate else 0.0
        percent = min(100, done * 100 // size) if size else 100
        return self._format(done, percent, rate, seconds) + end

    def _format(self, done: int, percent: int, rate: float, seconds: float) -> bytes:
        return f"\r{number(done, self._human):>15} {percent:3d}% {_rate(rate)} {_clock(seconds)}".encode()


class ProgressLines:
    """Writes them among the other lines of stdout."""

    def __init__(
        self, config: CopyConfig, output: Output, *, total: bool, escape: Callable[[bytes], bytes] | None
    ) -> None:
        """``total``: as for :class:`Meter`. ``escape``: how names are written; None where entries have no lines."""
        self._meter = Meter(config.human_readable, total=total, sparse=not output.terminal)
        self._output = output
        self._escape = escape
        self._files = self._moved = 0
        self._current = b""  # the file whose progress is shown
        self._open = False  # the last line has no end yet

    def end_line(self) -> None:
        """Another line is going to be written."""
        if self._open:
            self._open = False
            self._current = b""
            self._output.write(b"\n")

    def has_named(self, path: bytes) -> bool:
        """Whether an entry's line has been written already, when some of it was copied."""
        return path == self._current

    def copied(self, item: Item, progress: Progress) -> None:
        """A file was copied."""
        size = item.status.size if item.status else 0
        self._files += 1
        self._moved += size
        if self._meter.total and self._escape is None:
            return  # shown from time to time
        place = progress._replace(files=self._files, moved=self._moved, passed=item.ordinal + 1)
        self._open = False
        self._current = b""
        self._output.write(self._meter.after_file(item.path, size, place) + b"\n")

    def during(self, progress: Progress) -> None:
        """Show how far it is, if it is time."""
        if not self._meter.due(progress):
            return
        if not self._meter.total and self._current != progress.path:
            if self._escape is not None:
                self.end_line()
                self._output.line(self._escape(progress.path))
            self._current = progress.path
        self._open = True
        self._output.write(self._meter.during(progress))
        self._output.flush()

    def finished(self, totals: Totals, progress: Progress) -> None:
        """The run is over; ``progress`` is the last that was told."""
        if not self._meter.total:
            return
        done = progress._replace(
            files=totals.transferred_files, moved=totals.transferred_size, passed=progress.listed, path=b"",
            done=0, listed_all=True,
        )  # fmt: skip
        self._output.write(self._meter.during(done) + b"\n")
        self._open = False


def _rate_of(size: int, seconds: float) -> float:
    """KiB a second; 0 where that was too short to tell."""
    return size / seconds / 1024 if seconds > 0.001 else 0.0


def _rate(kib: float) -> str:
    for unit in ("kB/s", "MB/s"):
        if kib < 1024:
            return f"{kib:7.2f}{unit}"
        kib /= 1024
    return f"{kib:7.2f}GB/s"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:4d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _place(progress: Progress) -> bytes:
    word = "to" if progress.listed_all else "ir"
    return f" (xfr#{progress.files}, {word}-chk={progress.listed - progress.passed}/{progress.listed})".encode()
