"""What the display of --progress says on a terminal: one line about the run, and one for each large file or worker."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from arsync.events import Doing, Progress, Totals
from arsync.ui.escape import escape
from arsync.ui.estimate import Estimate
from arsync.ui.numbers import number

if TYPE_CHECKING:
    from arsync.ui.paint import Painter

#: Seconds between two frames at the least.
_LEAST = 0.19  # a little less than between two looks (engine/watch.py)

#: What a terminal that does not say how large it is counts as.
_SIZE = os.terminal_size((80, 24))

#: Columns of a bar, at least, and at most as a part of the width; what it is made of: what is done, and what is not.
_LEAST_BAR, _BAR_PART = 8, 5
_BARS = {"utf-8": ("━", "─"), "ascii": ("#", "-")}

#: Between two parts of a line.
_GAP = "  "


def terminal_encoding() -> str:
    """What the locale says of the terminal. Python's own answer is UTF-8 even where LC_ALL=C says otherwise."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, names), "")
    return "utf-8" if "utf" in locale.lower() else "ascii"


class Part(NamedTuple):
    """A piece of the first line; where there is no room for all, those with the highest number are left out."""

    text: str
    style: str
    rank: int


class Row(NamedTuple):
    """A line about one file or one worker."""

    head: str
    path: str
    tail: str


class Display:
    """Makes the frames of one run, to be drawn on the terminal ``fd``. ``workers``: with a line for each of them."""

    def __init__(self, fd: int, human: int, *, workers: bool) -> None:
        self._fd = fd
        self._human = max(human, 2)  # sizes always have units
        self._workers = workers
        self._began = time.monotonic()
        self._next = 0.0
        self._estimate = Estimate(self._began)
        self._encoding = terminal_encoding()
        self._painter = _new_painter(self._encoding)

    def due(self) -> bool:
        """Whether it is time for another frame."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _LEAST
        return True

    def frame(self, progress: Progress) -> list[bytes]:
        """The lines of now, each no wider than the terminal, together less high than it."""
        now = time.monotonic()
        self._estimate.update(progress, now)
        width, height = self._size()
        width -= 1  # a terminal does strange things when its last column is written to
        parts = fitting(self._parts(progress), width)
        room = width - sum(len(part.text) + len(_GAP) for part in parts)
        if room >= _LEAST_BAR:
            # A part of the width that seldom changes: the numbers behind it stay where they are.
            parts.insert(0, Part(self._bar(min(room, max(_LEAST_BAR, width // _BAR_PART))), "magenta", 9))
        if self._painter is None:
            return [_GAP.join(part.text for part in parts)[:width].encode(self._encoding, "replace")]
        return self._painter.paint(parts, self._rows(progress)[: max(0, height - 2)], width)

    def _bar(self, columns: int) -> str:
        done, rest = _BARS[self._encoding]
        filled = int(columns * self._estimate.fraction)
        return done * filled + rest * (columns - filled)

    def closing(self, totals: Totals, progress: Progress) -> bytes:
        """The line that stays when all is over."""
        seconds = max(time.monotonic() - self._began, 0.001)
        moved = totals.transferred_size
        text = (
            f"{_counted(progress.passed)} done, {_counted(totals.transferred_files, 'file')} copied:"
            f" {self._size_of(moved)} in {clock(seconds)} ({self._size_of(moved / seconds)}/s)"
        )
        if totals.errors:
            text += f", {_counted(totals.errors, 'error')}"
        return text.encode()

    def _size(self) -> os.terminal_size:
        """Asked each time: it may have been changed since."""
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            return _SIZE
        return size if size.columns and size.lines else _SIZE

    def _parts(self, progress: Progress) -> list[Part]:
        estimate, found = self._estimate, f"{progress.listed:,}"
        if not progress.listed_all:
            found += "+"
        about = " " if progress.listed_all else "~"
        passed = min(progress.passed, progress.listed)
        left = "-:--:--" if estimate.left is None else clock(estimate.left)
        parts = [
            Part(f"{about}{int(estimate.fraction * 100):2d}%", "bold", 0),
            Part(f"{passed:,} of {found}", "", 1),
            Part(f"{self._size_of(progress.moved):>8}", "green", 3),
            Part(f"{self._size_of(estimate.rate):>8}/s", "", 4),
            Part(f"{left} left", "cyan", 2),
        ]
        if progress.deleted:
            parts.append(Part(f"{progress.deleted:,} deleted", "yellow", 6))
        if progress.errors:
            parts.append(Part(_counted(progress.errors, "error"), "bold red", 5))
        return parts

    def _rows(self, progress: Progress) -> list[Row]:
        if not self._workers:
            large = [doing for doing in progress.workers if doing.size]
            largest = max(large, key=lambda doing: doing.size, default=None)
            return [] if largest is None else [Row("", shown(largest.path), self._part_of(largest))]
        return [
            Row(
                f"{index}: {doing.entries:,}  {self._size_of(doing.moved):>8}",
                shown(doing.path) if doing.given else "",
                self._part_of(doing) if doing.size else "",
            )
            for index, doing in enumerate(progress.workers)
        ]

    def _part_of(self, doing: Doing) -> str:
        return f"{doing.done * 100 // doing.size}% of {self._size_of(doing.size)}"

    def _size_of(self, size: float) -> str:
        return f"{number(int(size), self._human)}B"


def _new_painter(encoding: str) -> Painter | None:
    """None where rich was left out of the installation: the display is one line without colors then."""
    try:
        from arsync.ui.paint import Painter
    except ImportError:
        return None
    return Painter(encoding)


def fitting(parts: list[Part], width: int) -> list[Part]:
    """Those of the parts for which there is room in a line, with two blanks between them."""
    kept = list(parts)
    while len(kept) > 1 and len(_GAP.join(part.text for part in kept)) > width:
        kept.remove(max(kept, key=lambda part: part.rank))
    return kept


def shown(path: bytes) -> str:
    """A path as one line of text that does nothing to a terminal."""
    text = escape(path).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _counted(count: int, what: str = "entry") -> str:
    plural = {"entry": "entries"}.get(what, what + "s")
    return f"{count:,} {what if count == 1 else plural}"
